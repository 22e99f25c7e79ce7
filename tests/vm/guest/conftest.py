"""What the tests in the virtual machine share: commands, drivers, and an `edge run` that goes on beside the test."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition, Thread
from typing import Any, NamedTuple

import commands
import pytest
from tiny import Tiny

PATIENCE_S = 60.0
"""For what is not measured: a process that starts, in an emulated machine that shares its processor with others."""


class Line(NamedTuple):
    """A line that a process wrote, and when (time.monotonic)."""

    at: float
    text: str

    @property
    def result(self) -> dict[str, Any]:
        return json.loads(self.text)


class Running:
    """A process whose lines are read as they come."""

    def __init__(self, *arguments: object, **env: str) -> None:
        line = [sys.executable, "-m", "edge", *map(str, arguments)]
        self._process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **env}
        )
        self.out: list[Line] = []
        self.err: list[Line] = []
        self._more = Condition()
        self._readers = [
            Thread(target=self._read, args=each, daemon=True)
            for each in ((self._process.stdout, self.out), (self._process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[Line]) -> None:
        with stream:
            for text in stream:
                with self._more:
                    lines.append(Line(time.monotonic(), text.rstrip("\n")))
                    self._more.notify_all()

    def wait(self, found: Callable[[], Any], what: str, limit_s: float = PATIENCE_S) -> Any:
        """What `found` says as soon as that is something, asked whenever a line came."""
        end = time.monotonic() + limit_s
        with self._more:
            while not (answer := found()):
                left = end - time.monotonic()
                ended = self._process.poll() is not None and not any(reader.is_alive() for reader in self._readers)
                if left < 0 or ended:
                    told = "\n".join(line.text for line in [*self.err[-10:], *self.out[-3:]])
                    pytest.fail(f"{what}: {'the process ended' if ended else f'not within {limit_s:g} s'}\n{told}")
                self._more.wait(min(left, 0.5))
        return answer

    def results(self, count: int, what: str = "results", limit_s: float = PATIENCE_S) -> list[Line]:
        """The next so many results, from now."""
        start = len(self.out)
        self.wait(lambda: len(self.out) >= start + count, what, limit_s)
        return self.out[start : start + count]

    def said(self, words: str, after: float = 0.0) -> Line | None:
        """The first line on stderr with these words, of those that came after a time."""
        return next((line for line in self.err if words in line.text and line.at >= after), None)

    def code(self, limit_s: float = PATIENCE_S) -> int:
        """Its exit code, when it has ended and all was read."""
        code = self._process.wait(limit_s)
        for reader in self._readers:
            reader.join(limit_s)
        return code

    def stop(self) -> int:
        """End it as Ctrl-C does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self.code(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


@pytest.fixture(scope="module")
def running() -> Iterator[Callable[..., Running]]:
    """Starts `edge ...`; what still runs after the tests of a file is ended."""
    started: list[Running] = []

    def run(*arguments: object, **env: str) -> Running:
        started.append(Running(*arguments, **env))
        return started[-1]

    yield run
    for each in started:
        each.stop()


def shell(line: str, limit_s: float = PATIENCE_S) -> str:
    """What a command of the guest's shell prints."""
    done = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, timeout=limit_s, check=False)
    assert done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="session", name="shell")
def _shell() -> Callable[..., str]:
    return shell


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any], str], Any]:
    """What a question is answered with, as soon as that is something."""

    def wait(found: Callable[[], Any], what: str, limit_s: float = PATIENCE_S) -> Any:
        end = time.monotonic() + limit_s
        while not (answer := found()):
            assert time.monotonic() < end, f"{what}: not within {limit_s:g} s"
            time.sleep(0.02)
        return answer

    return wait


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.mktemp("cache")
    os.environ |= {"XDG_CACHE_HOME": str(cache), "XDG_DATA_HOME": str(cache / "data")}


@pytest.fixture(scope="session")
def command() -> Callable[..., commands.Ran]:
    return commands.edge


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture(scope="module")
def small_model(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of 16 x 16 pictures that costs next to nothing: what is left is the camera and the loop."""
    path = tmp_path_factory.mktemp("model") / "small.tflite"
    path.write_bytes(tiny(side=16))
    path.with_suffix(".txt").write_text("".join(f"class {number}\n" for number in range(16 * 16 * 3)))
    return path


@pytest.fixture(scope="session", autouse=True)
def stable_names() -> None:
    """Cameras that are no USB devices have no serial number: a rule for udev gives them one, and so a name by-id."""
    rule = (
        'SUBSYSTEM=="video4linux", KERNEL=="video*", ATTR{name}=="vivid*|Lab camera*", '
        'ENV{ID_BUS}="usb", ENV{ID_SERIAL}="Lab_$attr{name}"\n'
    )
    folder = Path("/etc/udev/rules.d")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "50-lab.rules").write_text(rule)
    shell("udevadm control --reload")


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a figure that was measured, whether the test passes or not."""

    def write(text: str) -> None:
        with capsys.disabled():
            print(f"\n    {text}", end="")

    return write
