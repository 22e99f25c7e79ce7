"""A camera's service, whole, with a scripted camera and a scripted interpreter, and all its outputs: what does it hold
after a million frames and two hundred faults, and how long did each fault last?

The service runs as its unit runs it, `edge service run FILE`, told of nothing. Faults of the camera are in its script,
at random; the others are done from outside: signals to the process that serves the model, settings that are broken, a
broker that goes (where there is a Mosquitto), viewers that never read. The first 10,000 frames, slowly, hold one fault
of each kind; what the service holds after them is what it may hold at the end.
"""

import argparse
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faults import CAMERA, HUNG_S, Fault, Injector, Recovery, Target, broker, camera_script
from watched import Health, Held, Samples, Systemd, held

import edge.service
from edge.recovery import JITTER
from edge.service.supervisor import PAUSE_MOST_S, PAUSE_S

WARM = 10_000
"""Frames after which nothing may grow."""

GROWTH = 0.02

UNIT = (Path(edge.service.__file__).parent / "systemd" / "edge@.service").read_text()
TUNED = dict(line.split("=", 1) for line in re.findall(r"^Environment=(GLIBC_TUNABLES=\S+)$", UNIT, re.MULTILINE))
"""What the unit tells the C library; it does so before the process begins."""
assert TUNED

SLOW_FPS, FAST_FPS = 100.0, 3000.0
WATCHDOG_S = 30.0
END_S = 5.0
"""The end by SIGTERM may take so long."""

ABSENT = 8

TOGETHER_S = (1 + JITTER) * sum(min(PAUSE_S * 2**tries, PAUSE_MOST_S) for tries in range(6))
"""So much longer may a fault last while which all was opened again. Faults come closer than is a steady run, so that an
interpreter may be lost for the third time in a row, which none is left to follow, just when the camera is away too: one
pause for the interpreter, one for the camera's failure, and one for each of up to four openings that find no camera."""

PROFILE = """name = "soak"

[camera]
kind = "scripted"
live = true
fps = {fps}
script = {script}
state = "{camera}"

[[interpreter]]
kind = "scripted"
size = 32
script = {answers}
state = "{interpreter}"

[[interpreter]]
kind = "scripted"
size = 32
script = ["class 3 0.9 3000", "class 7 0.2 3000"]
"""

SETTINGS = """name = "soak"
profile = "{profile}"

[rules]
threshold_in = 0.60
smooth_s = 0.2
clear_s = 0.5

[events]
keep_mb = 4
spool = 1000

[web]
listen = "127.0.0.1:{web}"

[metrics]
listen = "127.0.0.1:{metrics}"

[snapshots]
quota_mb = 4
before_s = 1
"""

MQTT = """
[mqtt]
host = "127.0.0.1"
port = {port}
"""


def main() -> int:
    """Run it, print the figures, and say whether they are as they should be."""
    asked = arguments()
    folder = Path(tempfile.mkdtemp(prefix="edge-soak-"))
    soak = Soak(folder, asked)
    try:
        wrong = soak.run()
    except BaseException:
        print(f"soak: the service's lines are in {folder / 'log'}", file=sys.stderr)
        raise
    finally:
        soak.close()
    if not asked.keep and not wrong:
        shutil.rmtree(folder)
    for each in wrong:
        print(f"soak: WRONG: {each}")
    print(f"soak: {'FAILED' if wrong else 'passed'} {soak.summary}" + (f"; see {folder}" if wrong else ""))
    return 1 if wrong else 0


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="tests/soak/run", description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000, help="answered frames (%(default)s)")
    parser.add_argument("--faults", type=int, default=200, help="at random, half of them in the camera (%(default)s)")
    parser.add_argument("--seed", type=int, default=6, help="of what is random (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="40,000 frames, 20 faults")
    parser.add_argument("--keep", action="store_true", help="keep the folder with log, events and pictures")
    asked = parser.parse_args()
    if asked.quick:
        asked.frames, asked.faults = 40_000, 20
    return asked


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Soak:
    """One run. summary: in a line, once it has run."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self.folder, self.asked, self.summary = folder, asked, "early"
        self.chance = random.Random(asked.seed)
        self.samples = Samples()
        self.recovered: list[Recovery] = []
        self.first: Held | None = None
        script, self.of_camera = camera_script(self.chance, asked.frames, asked.faults // 2)
        answers = [step for _ in range(100) for step in ("class 3 0.9 4000", "class 5 0.8 4000", "class 7 0.1 3000")]
        self.answers = [*answers, f"absent {ABSENT}"]
        for name, fps in (("slow", SLOW_FPS), ("fast", FAST_FPS)):
            places = {kind: folder / f"{kind}.place" for kind in ("camera", "interpreter")}
            text = PROFILE.format(fps=fps, script=quoted(script), answers=quoted(self.answers), **places)
            (folder / f"{name}.toml").write_text(text)
        self.file = folder / "camera.toml"
        web = free_port()
        self.text = SETTINGS.format(profile=folder / "slow.toml", web=web, metrics=free_port())
        self.broker = None
        if shutil.which("mosquitto"):
            port = free_port()
            self.broker = broker(folder, port)
            self.text += MQTT.format(port=port)
        self.file.write_text(self.text)
        self.health, self.systemd = Health(web), Systemd(folder / "notify")
        self.log = (folder / "log").open("wb")
        self.service = self._start()
        self.injector = Injector(
            Target(
                pid=self.service.pid,
                health=self.health,
                file=self.file,
                place=folder / "interpreter.place",
                steps=len(self.answers) - 1 + ABSENT,
                pictures=folder / "state" / "snapshots",
                port=web,
                broker=self.broker,
            ),
            self.chance,
        )

    def _start(self) -> subprocess.Popen[bytes]:
        state = self.folder / "state"
        state.mkdir()
        told = {
            "NOTIFY_SOCKET": self.folder / "notify",
            "STATE_DIRECTORY": state,
            "WATCHDOG_USEC": int(WATCHDOG_S * 1e6),
        }
        environment = {**os.environ, **TUNED, **{name: str(value) for name, value in told.items()}}
        line = [sys.executable, "-m", "edge", "service", "run", str(self.file)]
        return subprocess.Popen(line, stderr=self.log, stdout=self.log, cwd=self.folder, env=environment)

    def close(self) -> None:
        """End what was started."""
        self.injector.close()
        self.service.kill()
        self.service.wait()
        if self.broker is not None:
            self.broker(False)
        self.log.close()

    # --- the run

    def run(self) -> list[str]:
        """Returns what is wrong, in words."""
        assert self.systemd.ready.wait(60), "the service does not become ready"
        began = time.monotonic()
        self._warm_up()
        warm = time.monotonic()
        self._go_on()
        seconds = time.monotonic() - warm
        last = self._rest()
        frames = self.health.frames()
        told = self.health() or {}
        code, end_s = self._end()
        self._print(frames, seconds, told, end_s)
        found = self._wrong(last, code, end_s)
        faults = sum(self.of_camera.values()) + len(self.recovered)
        self.summary = f"{frames:,} frames, {faults} faults, in {time.monotonic() - began:.0f} s"
        return found

    def _warm_up(self) -> None:
        """One fault of each kind, the camera's among them, before so many frames were answered."""
        for fault in self.injector.kinds:
            self.injector(fault)
        while self._state("camera.place") < 2 * len(CAMERA) + 1:
            self._sample(0.5)
        time.sleep(max(0.0, HUNG_S - 10))
        frames = self.health.frames()
        assert frames < WARM, f"the warm-up took {frames:,} frames"
        self.injector.change("slow.toml", "fast.toml")
        while self.health.frames() < WARM:
            time.sleep(0.1)
        self.first = self._held()
        print(f"soak: held after the first frames: {self.first}", flush=True)

    def _go_on(self) -> None:
        """The rest of the frames, with faults at random."""
        count = self.asked.faults - sum(self.of_camera.values())
        places = sorted(self.chance.randrange(WARM, self.asked.frames) for _ in range(count))
        began = said = time.monotonic()
        while (frames := self.health.frames()) < self.asked.frames or places:
            assert self.service.poll() is None, "the service has ended by itself"
            if places and frames >= places[0]:
                places.pop(0)
                self._suffer(self.injector.any())
            self._sample(1.0)
            if time.monotonic() - said > 30:
                said = time.monotonic()
                far = f"{said - began:.0f} s, {frames:,} frames, {len(places)} faults to come"
                print(f"soak: {far}, {held(self.service.pid)}", flush=True)

    def _suffer(self, fault: Fault) -> None:
        before = self._begun_anew()
        recovery = self.injector(fault)
        if self._begun_anew() > before:
            recovery = recovery._replace(bound_s=fault.bound_s + TOGETHER_S)
        self.recovered.append(recovery)

    def _begun_anew(self) -> int:
        """How often camera and model were opened again, all of it."""
        while (told := self.health()) is None:
            time.sleep(0.1)
        return int(told["recoveries"]["pipeline"])

    def _sample(self, seconds: float) -> None:
        time.sleep(seconds)
        self.samples.add(held(self.service.pid))

    def _rest(self) -> Held:
        """What is held once nothing is wrong any more and what hung has come back; frames go on."""
        self.injector.close()
        time.sleep(HUNG_S + 5)
        return self._held()

    def _held(self) -> Held:
        """What is held for the next seconds, in the middle: frames go on."""
        samples = Samples()
        for _ in range(30):
            time.sleep(0.5)
            samples.add(held(self.service.pid))
        return samples.median()

    def _end(self) -> tuple[int, float]:
        begun = time.monotonic()
        self.service.send_signal(signal.SIGTERM)
        return self.service.wait(60), time.monotonic() - begun

    def _state(self, name: str) -> int:
        try:
            return int((self.folder / name).read_text())
        except (OSError, ValueError):
            return 0

    # --- the figures

    def _outages(self) -> list[float]:
        """How long the camera was away, each time, by the service's own words."""
        return [float(found) for found in re.findall(rb"is back after (\d+\.\d) s", (self.folder / "log").read_bytes())]

    def _print(self, frames: int, seconds: float, told: dict, end_s: float) -> None:
        print(f"soak: {frames:,} frames, {(frames - WARM) / seconds:.0f} a second; the end took {end_s:.1f} s")
        for name, count in self.of_camera.items():
            print(f"  {count:4d} x {name}")
        outages = self._outages()
        print(f"       {len(outages)} outages of camera or interpreter, the longest {max(outages, default=0):.1f} s")
        for fault in self.injector.kinds:
            took = [each.seconds for each in self.recovered if each.fault is fault]
            if took:
                mean = sum(took) / len(took)
                print(f"  {len(took):4d} x {fault.name}: {max(took):.1f} s at most, {mean:.1f} on average")
        print(f"  the longest silence towards systemd: {self.systemd.silence_s:.1f} s")
        keys = ("recoveries", "dropped", "events", "spool", "reloads", "refused", "problems")
        print("  told at the end: " + ", ".join(f"{key} {told.get(key)}" for key in keys))

    def _wrong(self, last: Held, code: int, end_s: float) -> list[str]:
        first, wrong = self.first, []
        assert first is not None
        print(f"  held after {WARM:,} frames: {first}\n  held at the end: {last}")
        for name in ("memory", "anonymous"):
            print(f"  {name}: {getattr(last, name) / getattr(first, name) - 1:+.1%}")
        growth = last.memory / first.memory - 1
        if growth >= GROWTH:
            wrong.append(f"memory grew by {growth:.1%}")
        print(f"  most memory at any time: {self.samples.most():,} bytes")
        for name in ("threads", "files", "sockets"):
            if getattr(last, name) > getattr(first, name):
                wrong.append(f"{name}: {getattr(last, name)} at the end, {getattr(first, name)} at the beginning")
        slow = [each for each in self.recovered if each.seconds > each.bound_s]
        wrong += [f"{each.fault.name}: {each.seconds:.1f} s, of {each.bound_s:g}" for each in slow]
        longest = max((fault.bound_s for fault in CAMERA), default=0.0)
        wrong += [f"an outage of {seconds:.1f} s" for seconds in self._outages() if seconds > longest]
        if self.systemd.silence_s > WATCHDOG_S:
            wrong.append(f"systemd heard nothing for {self.systemd.silence_s:.1f} s")
        if code or end_s > END_S:
            wrong.append(f"the end took {end_s:.1f} s, exit code {code}")
        return wrong


def quoted(steps: list[str]) -> str:
    """As TOML has a list of texts."""
    return "[" + ", ".join(f'"{step}"' for step in steps) + "]"


if __name__ == "__main__":
    sys.exit(main())
