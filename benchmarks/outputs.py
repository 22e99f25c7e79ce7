"""What the outputs of a service cost its loop: `python -m edge.benchmarks.outputs`, with Mosquitto installed.

One service plays a recording over and over, as fast as it can. In turn its file has all outputs (MQTT to a real broker,
metrics that are scraped every second, a stream that is looked at, pictures with events) and none; the loop goes on
meanwhile. Told is the ratio of the frame rates, pair by pair, so that a noisy machine does not matter. The broker and
those who look run in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any, NamedTuple

import cv2
import numpy as np

from edge.cameras.sample import photographs, view
from edge.service.life import Life
from edge.service.reload import Reload
from edge.service.signals import heard
from edge.vitals import Vitals

from .stats import interval_of

SETTLE_S = 1.0
"""After a change of the outputs, before frames count."""

CHANGE_S = 30.0
"""So long a change may take."""

FRAMES = 3000
"""Of the recording that is made of the photographs that ship."""

NONE = """\
name = "outputs"
profile = "cpu"
source = {source}
repeat = true
rules = {{ threshold_in = 0.3, threshold_out = 0.2 }}
"""

ALL = """\
[mqtt]
host = "127.0.0.1"
port = {mqtt}
[web]
listen = "127.0.0.1:{web}"
[metrics]
listen = "127.0.0.1:{metrics}"
[snapshots]
"""


class Window(NamedTuple):
    """Of one setting.

    fps: frames a second. cpu_ms: milliseconds of the processor that this process took for a frame, with all its
    threads; inference runs in another one.
    """

    fps: float
    cpu_ms: float


class Ports(NamedTuple):
    """Of this machine, that were free."""

    mqtt: int
    web: int
    metrics: int


Pair = tuple[Window, Window]
"""With all outputs, and with none."""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    arguments.add_argument("--source", help="a video; default: one that is made of the photographs that ship")
    arguments.add_argument("--pairs", type=int, default=20, help="windows with outputs, and as many without")
    arguments.add_argument("--seconds", type=float, default=5.0, help="of one window")
    arguments.add_argument("--look", nargs=3, type=int, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.look:
        look(Ports(*given.look))
        return
    cv2.setNumThreads(1)  # as the service does
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        source = given.source or str(recording(folder))
        rates, seen = measured(folder, source, given.pairs, given.seconds)
        report(source, rates, seen, list((folder / "state" / "snapshots").glob("*.jpg")))


def recording(folder: Path) -> Path:
    """A video of the photographs that ship, 640 x 480."""
    path = folder / "photographs.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (640, 480))
    pictures: Any = [cv2.imread(str(photograph)) for photograph in photographs()]
    each = FRAMES // len(pictures)
    for picture in pictures:
        for step in range(each):
            writer.write(np.ascontiguousarray(view(picture, step / each)))
    writer.release()
    return path


def measured(folder: Path, source: str, pairs: int, seconds: float) -> tuple[list[Pair], Counter[str]]:
    """Windows with all outputs and with none, pair by pair, and what those who looked have seen."""
    ports = Ports(*free(3))
    os.environ["STATE_DIRECTORY"] = str(folder / "state")
    file = folder / "camera.toml"
    none = NONE.format(source=json.dumps(source))
    texts = {"all": none + ALL.format(**ports._asdict()), "none": none}
    file.write_text(none)
    rates: list[Pair] = []
    with broker(folder, ports.mqtt), looking(ports) as seen, heard() as asked:
        life = Life(Reload(file), asked)

        def drive() -> None:
            try:
                for number in range(pairs):
                    order = ("all", "none") if number % 2 else ("none", "all")
                    took = {which: window(life.first.vitals, file, texts[which], ports, seconds) for which in order}
                    rates.append((took["all"], took["none"]))
                    print(f"{number + 1:3} of {pairs}: {took['all'].fps:6.1f} {took['none'].fps:6.1f} FPS", flush=True)
            finally:
                life.first.supervisor.stop()

        Thread(target=drive, daemon=True).start()
        life.run()
    return rates, seen


def window(vitals: Vitals, file: Path, text: str, ports: Ports, seconds: float) -> Window:
    """Measure once the outputs are as the text says; one in which the recording began anew does not count."""
    wanted = "[web]" in text
    if file.read_text() != text:
        file.write_text(text)
        os.kill(os.getpid(), signal.SIGHUP)
    end = time.monotonic() + CHANGE_S
    while answers(ports.web) != wanted or (wanted and vitals.problems):
        if time.monotonic() > end:
            raise SystemExit(f"the outputs did not change within {CHANGE_S:g} s: {vitals.problems}")
        time.sleep(0.2)
    time.sleep(SETTLE_S)
    while True:
        first, frames, at, cpu = newest(vitals), vitals.frames, time.monotonic(), time.process_time()
        time.sleep(seconds)
        took, took_cpu, count = time.monotonic() - at, time.process_time() - cpu, vitals.frames - frames
        if newest(vitals) - first == count > 0:
            return Window(count / took, took_cpu * 1e3 / count)


def newest(vitals: Vitals) -> int:
    """The number of the newest frame in its source."""
    return vitals.latest[1].frame if vitals.latest else 0


def answers(port: int) -> bool:
    """Whether the service listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def free(count: int) -> list[int]:
    """Ports that nobody has."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def broker(folder: Path, port: int) -> Iterator[None]:
    """Mosquitto, on that port."""
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
    try:
        process = subprocess.Popen(["mosquitto", "-c", str(settings)])
    except FileNotFoundError:
        raise SystemExit("no mosquitto; apt install mosquitto") from None
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def looking(ports: Ports) -> Iterator[Counter[str]]:
    """Somebody who looks at all outputs; afterwards, how much of what there was to see."""
    command = [sys.executable, "-m", __spec__.name, "--look", *map(str, ports)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    seen: Counter[str] = Counter()
    try:
        yield seen
    finally:
        process.terminate()
        seen.update(json.loads(process.communicate()[0]))


def look(ports: Ports) -> None:
    """Look at all outputs until SIGTERM, then print how much was seen."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    seen: Counter[str] = Counter()
    for work in (stream, scrape, listen):
        Thread(target=work, args=(ports, seen), daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    print(json.dumps(seen))


def stream(ports: Ports, seen: Counter[str]) -> None:
    """Look at the stream, whenever there is one."""
    while True:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{ports.web}/stream.mjpg") as answer:
            while data := answer.read1(1 << 16):
                seen["pictures of the stream"] += data.count(b"Content-Type: image/jpeg")
        time.sleep(0.2)


def scrape(ports: Ports, seen: Counter[str]) -> None:
    """Ask for the metrics every second."""
    while True:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{ports.metrics}/metrics") as answer:
            seen["scrapes"] += b"edge_frames_total" in answer.read()
        time.sleep(1.0)


def listen(ports: Ports, seen: Counter[str]) -> None:
    """Count what the broker tells."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe("edge/#", 1)
    client.on_message = lambda _client, _data, message: seen.update([f"MQTT {message.topic.rpartition('/')[2]}"])
    client.connect_async("127.0.0.1", ports.mqtt)
    client.loop_forever(retry_first_connection=True)


def report(source: str, pairs: list[Pair], seen: Counter[str], pictures: list[Path]) -> None:
    """Print the ratios, and what the outputs did meanwhile."""
    print(f"host: {platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    print(f"source: {Path(source).name}")
    print(f"outputs: {', '.join(f'{count} {what}' for what, count in sorted(seen.items()))}")
    print(f"pictures on the disk: {len(pictures)}")
    for name, place in (("with all outputs", 0), ("with none", 1)):
        print(f"{name:17} median {median(pair[place].fps for pair in pairs):.1f} FPS")
    print(f"ratio of FPS:     {ratio([one.fps / none.fps for one, none in pairs])}")
    took = median((one.cpu_ms - none.cpu_ms) * one.fps for one, none in pairs)
    print(f"the outputs take: {took:.0f} ms of the processor a second")
    print(f"if all of it were the loop's: {1 - took / 1e3:.3f} of the FPS were left, however busy the machine is")


def ratio(each: list[float]) -> str:
    """The median of ratios with its interval."""
    between = interval_of(np.asarray(sorted(each)), 0.5)
    told = f"{between[0]:.3f} to {between[1]:.3f} with 99 % confidence" if between else "too few pairs for an interval"
    return f"{median(each):.3f} ({told}; {len(each)} pairs)"


if __name__ == "__main__":
    main()
