"""How the C library keeps memory: so that a process which opens a model now and then holds no more after years."""

from __future__ import annotations

import contextlib
import ctypes

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
"""Parameters of glibc's mallopt(3)."""

ARENAS = 2
"""By itself glibc has eight for each core, and what one thread frees in its own is of no use to another."""

LARGE = 1 << 20
"""Bytes from which on a block is given back to the system as soon as it is free: a model that was read is, a picture of
640 x 480 is not, since that would cost each frame. By itself glibc keeps ever larger ones."""


def settle(library: object = None) -> None:
    """Set that for this process; to be called before it has threads.

    library: the C library, None: the one that is loaded; another one than glibc goes on as it does.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = (library or ctypes.CDLL(None)).mallopt  # type: ignore[attr-defined]
        for parameter, value in ((ARENA_MAX, ARENAS), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE)):
            mallopt(parameter, value)
