"""Hold back what libraries written in C++ print to stderr, which no `except` and no logger reaches."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

TAKEN = RLock()
"""The process has one stderr: two threads must not take it from each other."""


@contextmanager
def held_back(passes: Callable[[str], bool] = lambda line: False) -> Iterator[None]:
    """Keep stderr to itself, and pass on at the end the lines that `passes` lets through. Nothing without a stderr."""
    with TAKEN:
        yield from _kept(passes)


def _kept(passes: Callable[[str], bool]) -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # started without a stderr
        yield
        return
    with os.fdopen(os.memfd_create("stderr"), "rb") as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            for line in said.read().decode("utf-8", "replace").splitlines():
                if passes(line):
                    print(line, file=sys.stderr)
