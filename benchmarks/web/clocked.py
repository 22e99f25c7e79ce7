"""A camera whose pictures carry the time at which they were taken, so that whoever sees one knows how old it is.

The time stands in a row of black and white bars across the top, the highest bit at the left: `TIME_BITS` of
`time.monotonic_ns`, in steps of 0.1 ms, and the sum of those bits' nibbles, inverted, which tells a picture that was
not read whole, or is black. Behind the bars, views of the photographs that ship.

In a profile: `[[camera]]`, `kind = "edge.benchmarks.web.clocked"`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import cv2
import msgspec
import numpy as np

from edge.cameras import sample
from edge.types import Array, Clock, Frame

INSTALL = "it needs nothing"

STEP_NS = 100_000
TIME_BITS, SUM_BITS = 24, 4
BARS = TIME_BITS + SUM_BITS

TALL = 0.08
"""Of the bars, as a share of the picture's height."""

VIEWS = 20
"""Of each photograph."""


class Clocked:
    """A live camera; each picture is another one."""

    live = True
    skipped = 0

    def __init__(self, pictures: list[Array], fps: float, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._pictures = pictures
        self._period_ns = round(1e9 / fps)
        self._clock = clock
        self._sleep = sleep

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames (BGR), `fps` a second, for ever."""
        index, due = 0, self._clock()
        while True:
            self._sleep(max(0, due - self._clock()) / 1e9)
            now = self._clock()
            due = max(due, now - self._period_ns) + self._period_ns
            pixels = self._pictures[index % len(self._pictures)].copy()
            mark(pixels, now)
            height, width = pixels.shape[:2]
            yield Frame(pixels=pixels, index=index, captured_at_ns=now, size=(width, height))
            index += 1

    def close(self) -> None:
        """Nothing is held open."""


def open(
    *,
    width: Annotated[int, msgspec.Meta(ge=160, le=4096)] = 640,
    height: Annotated[int, msgspec.Meta(ge=120, le=4096)] = 480,
    fps: Annotated[float, msgspec.Meta(gt=0, le=2000)] = 30.0,
    clock: Clock = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Clocked:
    """Be ready to show pictures of so many pixels, `fps` a second."""
    photographs: list[Any] = [cv2.imread(str(path)) for path in sample.photographs()]
    views = (sample.view(each, step / VIEWS) for each in photographs for step in range(VIEWS))
    return Clocked([cv2.resize(view, (width, height)) for view in views], fps, clock, sleep)


def mark(pixels: Array, now_ns: int) -> None:
    """Draw a time into a picture (H x W x 3 uint8)."""
    height, width = pixels.shape[:2]
    edges = np.arange(BARS + 1) * width // BARS
    steps = now_ns // STEP_NS % (1 << TIME_BITS)
    bits = f"{steps:0{TIME_BITS}b}{checked(steps):0{SUM_BITS}b}"
    row = np.repeat(np.array([255 * int(bit) for bit in bits], np.uint8), np.diff(edges))
    pixels[: round(height * TALL)] = row[None, :, None]


def checked(steps: int) -> int:
    """The sum of a time's nibbles, 4 bits, each of them inverted."""
    return ~sum(steps >> at & 15 for at in range(0, TIME_BITS, 4)) & 15


def marked(pixels: Array) -> int | None:
    """The time in a picture, in steps; None where it cannot be read."""
    height, width = pixels.shape[:2]
    at = (2 * np.arange(BARS) + 1) * width // (2 * BARS)
    bits = pixels[round(height * TALL / 2), at, 1] > 127
    value = int("".join(str(int(bit)) for bit in bits), 2)
    steps = value >> SUM_BITS
    return steps if checked(steps) == value & 15 else None
