"""The fake camera: it plays what is written, frames, stalls and failures. Never chosen unless it is named.

A script is a list of steps: "frames 10" (a grey picture that grows lighter with each), "stall 1.5" (seconds without
one), "fail cable pulled" (a CameraError).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec
import numpy as np

from edge.errors import CameraError, ConfigError
from edge.types import Array, Clock, Frame

INSTALL = "it needs nothing"

Pixels = Annotated[int, msgspec.Meta(ge=1, le=8192)]

Step = tuple[str, str]


class Scripted:
    """Plays a checked script once each time it is iterated."""

    skipped = 0

    def __init__(
        self, steps: list[Step], live: bool, size: tuple[int, int], clock: Clock, sleep: Callable[[float], None]
    ) -> None:
        self.live = live
        self.closed = False
        self._steps = steps
        self._size = size
        self._clock = clock
        self._sleep = sleep

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames (BGR) of the script. Raises CameraError where it says so."""
        index = 0
        for verb, rest in self._steps:
            if verb == "stall":
                self._sleep(float(rest))
            elif verb == "fail":
                raise CameraError(f"scripted camera: {rest}; the script says so")
            else:
                for _ in range(int(rest)):
                    yield self._frame(index)
                    index += 1

    def _frame(self, index: int) -> Frame:
        width, height = self._size
        pixels: Array = np.full((height, width, 3), index % 256, np.uint8)
        return Frame(pixels=pixels, index=index, captured_at_ns=self._clock(), size=self._size)

    def close(self) -> None:
        """Note that the device was given back."""
        self.closed = True


def open(
    *,
    script: list[str],
    live: bool = False,
    width: Pixels = 64,
    height: Pixels = 48,
    clock: Clock = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Scripted:
    """Check a script and be ready to play it. Raises ConfigError, which names the step that is wrong."""
    if not script:
        raise ConfigError("scripted camera: the script is empty; write 'frames N', 'stall SECONDS' or 'fail WORDS'")
    return Scripted([_step(text) for text in script], live, (width, height), clock, sleep)


def _step(text: str) -> Step:
    verb, _, rest = text.partition(" ")
    try:
        fits = {"frames": lambda: int(rest) >= 0, "stall": lambda: 0 <= float(rest) < 1e6, "fail": lambda: bool(rest)}
        if fits[verb]():
            return verb, rest
    except (KeyError, ValueError):
        pass
    raise ConfigError(f"scripted camera: step {text!r}: write 'frames N', 'stall SECONDS' or 'fail WORDS'")
