"""How fast the machine itself is at the moment: a fixed piece of work that is timed between samples.

Neighbours on a shared host, clocks and heat slow it as they slow a model; with it, two runs can be held against each
other as if the machine had been equally fast (`edge-bench compare`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np

from edge.types import Clock

from .record import Yardstick

SIDE = 96
WHAT = f"cv2.gemm, {SIDE} x {SIDE} float32"
EVERY_S = 0.1


def work() -> Callable[[], object]:
    """The piece of work: a product of two matrices, about 0.3 ms on a PC."""
    matrix = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    product, multiply = np.empty_like(matrix), cast(Any, cv2.gemm)  # OpenCV's stub wants a third matrix
    return lambda: multiply(matrix, matrix, 1.0, None, 0.0, product)


class Timed:
    """The yardstick, timed every tenth of a second. spent_ns: all that it took."""

    def __init__(self, work: Callable[[], object] | None, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._due_ns = 0
        self._times: list[tuple[int, int]] = []
        self.spent_ns = 0

    def between(self, now_ns: int) -> None:
        """Time it, if it is due; the first of two calls brings it into the caches."""
        if self._work is None or now_ns < self._due_ns:
            return
        self._work()
        started = self._clock()
        self._work()
        ended = self._clock()
        self._times.append((ended, ended - started))
        self._due_ns = ended + round(EVERY_S * 1e9)
        self.spent_ns += ended - now_ns

    def record(self, start_ns: int) -> Yardstick | None:
        """What was timed, from `start_ns` on; None without a yardstick."""
        if not self._times:
            return None
        at_s = [round((end - start_ns) / 1e9, 4) for end, _ in self._times]
        return Yardstick(what=WHAT, ms=[took / 1e6 for _, took in self._times], at_s=at_s)
