"""A camera's service in a process of its own, as `edge service run` has it, with a page to look at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from edge.errors import EdgeError, one_line

START_S = 60.0

TICKS = os.sysconf("SC_CLK_TCK")


class Service:
    """A context manager that ends it. folder: for its files. web: lines of its section `[web]`. cores: that it may
    have. camera: options of `clocked`. isolated: as a service has it, with the interpreter in a process of its own;
    else as `edge demo` has it, all in one.

    Raises EdgeError where it does not run.
    """

    def __init__(
        self,
        folder: Path,
        camera: dict[str, float],
        web: str = "",
        cores: set[int] | None = None,
        isolated: bool = True,
    ) -> None:
        self.port = _free()
        options = "\n".join(f"{key} = {value}" for key, value in camera.items())
        profile = folder / "clocked.toml"
        profile.write_text(
            'name = "clocked"\ndescription = "pictures that carry their time"\n'
            f'[[camera]]\nkind = "edge.benchmarks.web.clocked"\n{options}\n[[interpreter]]\nkind = "litert"\n'
        )
        settings = folder / "watched.toml"
        settings.write_text(f'profile = "{profile}"\n[web]\nlisten = "127.0.0.1:{self.port}"\n{web}')
        line = [sys.executable, "-m", "edge", "service", "run", str(settings)]
        if not isolated:
            line = [sys.executable, "-m", f"{__package__}.alone", str(settings)]
        self._said = (folder / "said").open("w+b")
        self._process = subprocess.Popen(
            line,
            env={**os.environ, "STATE_DIRECTORY": str(folder / "state")},
            stderr=self._said,
            cwd=folder,
            start_new_session=True,
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
        )
        try:
            self._await()
        except BaseException:
            self.close()
            raise

    def status(self) -> dict[str, Any]:
        """How it fares, as its API tells it. Raises OSError."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/status", timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def memory_mb(self) -> float:
        """Resident memory of its process, without those of its children."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def held(self) -> tuple[int, int]:
        """Threads and open files of its process, without those of its children."""
        process = Path(f"/proc/{self._process.pid}")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    def used_s(self) -> float:
        """Processor time of its process, without those of its children."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _await(self) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if self.status()["frames"] > 0:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self._said.seek(0)
        raise EdgeError(f"the service does not run: {one_line(self._said.read().decode(errors='replace'), 500)}")

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._said.close()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _free() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
