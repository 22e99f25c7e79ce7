"""Another process that does what it is told by a line, and answers with one of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from edge.errors import EdgeError


class Other:
    """Of Python. arguments: behind the name of the interpreter. core: the one it has; None: it has all."""

    def __init__(self, arguments: list[str], core: int | None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if core is not None:
            os.sched_setaffinity(self._process.pid, {core})

    def ask(self, line: str) -> dict[str, Any]:
        """Tell it a line, and wait for its answer. Raises EdgeError where it has ended."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise EdgeError("a process of this benchmark has ended; what it said stands above")
        told: dict[str, Any] = json.loads(answer)
        return told

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
