"""How fast the machine itself is at the moment: the model that ships, timed between samples on the same threads.

Neighbours on a shared host, clocks and heat slow it as they slow any network on the processor, at the same moments. So
two runs can be held against each other as if the machine had been equally fast (`edge-bench compare`), though it became
a fifth slower in between.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge import models
from edge.errors import EdgeError
from edge.interpreters import litert
from edge.types import Clock

from .record import Yardstick

EVERY_S = 0.1
SHARE = 0.1
"""It is timed every tenth of a second; on a slow board less often, so that it takes a tenth of the time at most."""

Work = Callable[[int | None], Callable[[], object] | None]
"""Makes the piece of work for a number of threads; None where it cannot be done here."""


def work(threads: int | None) -> Callable[[], object] | None:
    """One inference of the default model by LiteRT on the processor; None where LiteRT does not work."""
    model = models.load()
    try:
        loaded = litert.open(model, threads=threads)
    except EdgeError:
        return None
    tensor = np.full(loaded.inputs[0].shape, 128, loaded.inputs[0].dtype)
    return lambda: loaded.infer(tensor)


def none(threads: int | None) -> None:
    """No work at all."""


def called(threads: int | None) -> str:
    """What is timed, as it stands in records: only times of the same work can be held against each other."""
    how_many = "" if threads is None else f", {threads} thread{'' if threads == 1 else 's'}"
    return f"{models.DEFAULT} on LiteRT{how_many}"


class Timed:
    """The yardstick, timed now and then."""

    def __init__(self, work: Callable[[], object] | None, what: str, clock: Clock) -> None:
        self._work = work
        self._what = what
        self._clock = clock
        self._due_ns = 0
        self._times: list[tuple[int, int]] = []

    def between(self, now_ns: int) -> None:
        """Time it, if it is due; the first of two calls brings it into the caches."""
        if self._work is None or now_ns < self._due_ns:
            return
        self._work()
        started = self._clock()
        self._work()
        ended = self._clock()
        self._times.append((ended, ended - started))
        self._due_ns = ended + max(round(EVERY_S * 1e9), round((ended - now_ns) / SHARE))

    def record(self, start_ns: int) -> Yardstick | None:
        """What was timed, from `start_ns` on; None without a yardstick."""
        if not self._times:
            return None
        at_s = [round((end - start_ns) / 1e9, 4) for end, _ in self._times]
        return Yardstick(what=self._what, ms=[took / 1e6 for _, took in self._times], at_s=at_s)
