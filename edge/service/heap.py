"""How memory is kept: so that a process which opens a model now and then holds no more after years."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from threading import Event as Flag

from edge.tireless import Tireless
from edge.vitals import Vitals

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
"""Parameters of glibc's mallopt(3)."""

ARENAS = 2
"""By itself glibc has eight for each core, and what one thread frees in its own is of no use to another."""

LARGE = 1 << 20
"""Bytes from which on a block is given back to the system as soon as it is free: a model that was read is, a picture of
640 x 480 is not, since that would cost each frame. By itself glibc keeps ever larger ones."""

EVERY_S = 10.0
"""So often what is free is given back, which holds the loop up for some 5 ms on a PC."""


def settle(library: object = None) -> None:
    """Set that for this process; to be called before it has threads.

    library: the C library, None: the one that is loaded; another one than glibc goes on as it does.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = (library or ctypes.CDLL(None)).mallopt  # type: ignore[attr-defined]
        for parameter, value in ((ARENA_MAX, ARENAS), (MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, LARGE)):
            mallopt(parameter, value)


def give_back(library: object = None) -> None:
    """Give the system what this process has, and does not use. library: as `settle` has it.

    By itself Python keeps what hangs together in circles until there is much of it, and glibc any free page that has
    one in use above it.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        (library or ctypes.CDLL(None)).malloc_trim(0)  # type: ignore[attr-defined]


class Tidy:
    """Gives back now and then, in a thread of its own. every_s: seconds between two times."""

    def __init__(self, vitals: Vitals, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._thread = Tireless("heap", self._work, vitals)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Give nothing back any more."""
        self._thread.close()

    def _work(self, over: Flag) -> None:
        while not over.wait(self._every_s):
            give_back()
            self._thread.well()
