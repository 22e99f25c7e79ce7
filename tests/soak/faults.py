"""What goes wrong: in the script of the camera, and what is done to a running service from outside."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from watched import Health, children

FAR = 10**9
"""Further in the interpreter's script than it is ever played: the place that is written counts."""


class Fault(NamedTuple):
    """One kind. weight: how often, among its like. bound_s: it is over so long after it began, on a busy machine."""

    name: str
    weight: int
    bound_s: float


CAMERA = (
    Fault("camera pulled and plugged in again", 40, 6.0),
    Fault("camera away for some tries", 25, 12.0),
    Fault("camera sends garbage", 20, 6.0),
    Fault("camera pauses", 10, 8.0),
    Fault("camera hangs in its driver", 5, 25.0),
)
HUNG_S = 25.0
"""A camera that hangs comes back so late: its successor runs by then."""


def camera_script(chance: random.Random, frames: int, count: int) -> tuple[list[str], dict[str, int]]:
    """One fault of each kind at the beginning, then `count` at random over `frames`; how often each comes."""
    steps, counts = ["frames 300"], dict.fromkeys((fault.name for fault in CAMERA), 0)
    for fault in CAMERA:
        steps += [*_steps(fault, chance), "frames 300"]
    steps.append("frames 100000")  # the warm-up ends with a new opening, which goes on with the next step
    places = sorted(chance.randrange(frames) for _ in range(count))
    before = 0
    for place in places:
        fault = chance.choices(CAMERA, [each.weight for each in CAMERA])[0]
        counts[fault.name] += 1
        steps += [f"frames {place - before + 200}", *_steps(fault, chance)]
        before = place
    return [*steps, *[f"frames {FAR}"] * 50], counts  # each opening goes on with the next step


def _steps(fault: Fault, chance: random.Random) -> list[str]:
    return {
        CAMERA[0]: lambda: ["fail cable pulled"],
        CAMERA[1]: lambda: ["fail cable pulled", f"absent {chance.randint(1, 4)}"],
        CAMERA[2]: lambda: [f"garbage {chance.randint(50, 1000)}"],
        CAMERA[3]: lambda: ["stall 1.5"],
        CAMERA[4]: lambda: [f"stall {HUNG_S}"],
    }[fault]()


class Target(NamedTuple):
    """The service that suffers. place: the file with the place in the interpreter's script, of `steps` steps, the
    last of which say that there is no device."""

    pid: int
    health: Health
    file: Path
    place: Path
    steps: int
    pictures: Path
    port: int
    broker: Callable[[bool], None] | None


class Recovery(NamedTuple):
    """How long one fault lasted, and how long it may."""

    fault: Fault
    seconds: float
    bound_s: float


class Injector:
    """Does one thing after the other to a service, and sees how long it takes to be well again."""

    def __init__(self, target: Target, chance: random.Random) -> None:
        self._target = target
        self._chance = chance
        self._text = target.file.read_text()
        self._far = 0
        self._viewers: list[socket.socket] = []
        self.kinds: dict[Fault, Callable[[], bool]] = {
            Fault("interpreter crashes", 30, 12.0): lambda: self._strike(signal.SIGSEGV),
            Fault("interpreter is killed", 20, 12.0): lambda: self._strike(signal.SIGKILL),
            Fault("interpreter hangs", 4, 30.0): lambda: self._strike(signal.SIGSTOP),
            Fault("interpreter's device is away for some tries", 8, 15.0): lambda: self._take_away(1, 3),
            Fault("interpreter's device is away, and the next runs", 8, 15.0): lambda: self._take_away(5, 8),
            Fault("settings are broken, and mended", 10, 15.0): self._break_settings,
            Fault("settings change", 5, 15.0): self._change_settings,
            Fault("a viewer never reads", 5, 10.0): self._look,
            Fault("the folder of pictures is no folder", 5, 10.0): self._block_pictures,
        }
        if target.broker is not None:
            self.kinds[Fault("the broker is away", 5, 20.0)] = self._take_broker

    def __call__(self, fault: Fault) -> Recovery:
        """Do it, and wait until it is over. Raises AssertionError where that takes far too long."""
        begun = time.monotonic()
        done = self.kinds[fault]
        over = done()
        while not over:
            assert time.monotonic() - begun < 120, f"{fault.name}: not over after two minutes"
            time.sleep(0.1)
            over = self._well()
        return Recovery(fault, time.monotonic() - begun, fault.bound_s)

    def any(self) -> Fault:
        """One at random."""
        kinds = list(self.kinds)
        return self._chance.choices(kinds, [kind.weight for kind in kinds])[0]

    def change(self, before: str, after: str) -> None:
        """Change the settings for good, and wait until that is adopted."""
        self._text = self._text.replace(before, after)
        self._change_settings()

    def close(self) -> None:
        """Leave nothing behind."""
        for viewer in self._viewers:
            viewer.close()

    # --- how it is

    def _well(self) -> bool:
        """Whether frames are answered: some were, since a moment ago."""
        before = self._target.health.frames()
        time.sleep(0.1)
        return 0 <= before < self._target.health.frames()

    def _until(self, what: Callable[[dict], bool], limit_s: float = 60.0) -> bool:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            told = self._target.health()
            if told is not None and what(told):
                return True
            time.sleep(0.1)
        raise AssertionError("the service does not say what is expected")

    # --- what is done

    def _strike(self, number: int) -> bool:
        served = children(self._target.pid)
        for child in served:
            os.kill(child, number)
        end = time.monotonic() + 60
        while set(served) & set(children(self._target.pid)):
            assert time.monotonic() < end, "a child that was lost is still there"
            time.sleep(0.05)
        return self._well()

    def _take_away(self, least: int, most: int) -> bool:
        """So many openings find no device."""
        self._far += 1
        absent, target = self._chance.randint(least, most), self._target
        place = self._far * 10**8 * target.steps + target.steps - absent
        fresh = target.place.with_suffix(".new")
        fresh.write_text(f"{place}\n")
        fresh.replace(target.place)
        return self._strike(signal.SIGKILL)

    def _write(self, text: str) -> None:
        fresh = self._target.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self._target.file)

    def _break_settings(self) -> bool:
        told = self._target.health()
        refused = -1 if told is None else told["refused"]
        self._write(self._text.replace("[rules]", "[rules]\ncolour = 7"))
        self._until(lambda now: now["refused"] > refused)
        self._write(self._text)
        self._until(lambda now: "settings" not in now["problems"])
        return self._well()

    def _change_settings(self) -> bool:
        told = self._target.health()
        reloads = -1 if told is None else told["reloads"]
        chosen = self._chance.randint(51, 69)
        self._text = "".join(
            f"threshold_in = 0.{chosen}\n" if line.startswith("threshold_in") else line
            for line in self._text.splitlines(keepends=True)
        )
        self._write(self._text)
        os.kill(self._target.pid, signal.SIGHUP)
        self._until(lambda now: now["reloads"] > reloads)
        return self._well()

    def _look(self) -> bool:
        """Ask for the stream, and read nothing of it; who was there before goes."""
        while len(self._viewers) > 2:
            self._viewers.pop(0).close()
        viewer = socket.create_connection(("127.0.0.1", self._target.port), 5)
        viewer.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: camera\r\n\r\n")
        self._viewers.append(viewer)
        return self._well()

    def _block_pictures(self) -> bool:
        folder, aside = self._target.pictures, self._target.pictures.with_suffix(".aside")
        if folder.is_dir():
            folder.rename(aside)
        folder.write_bytes(b"")
        time.sleep(2)
        folder.unlink()
        if aside.is_dir():
            aside.rename(folder)
        return self._well()

    def _take_broker(self) -> bool:
        assert self._target.broker is not None
        self._target.broker(False)
        time.sleep(2)
        self._target.broker(True)
        return self._well()


def broker(folder: Path, port: int) -> Callable[[bool], None]:
    """Starts (True) and kills (False) a Mosquitto of its own."""
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    running: list[subprocess.Popen[bytes]] = []

    def put(on: bool) -> None:
        while running:
            running[-1].kill()
            running.pop().wait()
        if on:
            quiet = subprocess.DEVNULL
            running.append(subprocess.Popen(["mosquitto", "-c", str(file)], stdout=quiet, stderr=quiet, cwd=folder))

    put(True)
    return put
