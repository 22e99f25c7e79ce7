"""`edge demo` in a process of its own, by its address."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import EdgeError, one_line

GUARD_S = 60.0

LINK = re.compile(rb"(https?://\S+)  \(")


@contextmanager
def demo(folder: Path, *given: str) -> Iterator[str]:
    """Begin it with arguments and no browser of its own, give the address that it tells, and end it as Ctrl-C does.

    folder: where it runs. Raises EdgeError where it tells no address, or does not end well.
    """
    line = [sys.executable, "-m", "edge", "demo", "--no-open", *given]
    with subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE) as process:
        try:
            yield _link(process)
        finally:
            process.send_signal(signal.SIGINT)
            code = _ended(process)
    if code != 0:
        raise EdgeError(f"edge demo ended with {code}; try its command line by itself")


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(GUARD_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _link(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr
    said, end = b"", time.monotonic() + GUARD_S
    while not (found := LINK.search(said)):
        data = b""
        if select.select([process.stderr], [], [], max(0.0, end - time.monotonic()))[0]:
            data = os.read(process.stderr.fileno(), 4096)
        if not data:
            raise EdgeError(f"edge demo told no address: {one_line(said.decode(errors='replace'), 500)}")
        said += data
    return found[1].decode()
