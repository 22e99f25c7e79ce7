"""Photographs that ship with the package, panned and zoomed as a camera that moves would: the same every time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import cv2
import msgspec

from edge.types import Array, Clock, Frame

INSTALL = "install it with `pip install opencv-python-headless`"

FOLDER = Path(__file__).with_name("photographs")
SIZE = (640, 480)
FRAMES_EACH = 45
"""How long each photograph is looked at; at 30 frames a second, a second and a half."""


class Sample:
    """An endless recording: frame n is always the same picture, and no frame is dropped."""

    live = False
    skipped = 0

    def __init__(self, fps: float, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._period_ns = int(1e9 / fps) if fps else 0
        self._clock = clock
        self._sleep = sleep

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames (BGR, 640x480), at most `fps` of them a second."""
        index, due = 0, self._clock()
        while True:
            for path in photographs():
                photograph: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
                for step in range(FRAMES_EACH):
                    self._sleep(max(0, due - self._clock()) / 1e9)
                    due = max(due, self._clock() - self._period_ns) + self._period_ns
                    pixels = view(photograph, step / FRAMES_EACH)
                    yield Frame(pixels=pixels, index=index, captured_at_ns=self._clock(), size=SIZE, file=path.name)
                    index += 1

    def close(self) -> None:
        """Nothing is held open."""


def open(
    *,
    fps: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 30.0,
    clock: Clock = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Sample:
    """Be ready to show the photographs. fps: frames a second at most; 0: as fast as they are taken."""
    return Sample(fps, clock, sleep)


def photographs() -> list[Path]:
    """The photographs that ship, in the order they are shown."""
    return sorted(FOLDER.glob("*.jpg"))


def view(photograph: Array, at: float) -> Array:
    """What the camera sees of a photograph (BGR) at `at` (0 to 1) of its round: 480 x 640 x 3 uint8."""
    height, width = photograph.shape[:2]
    zoom = 1 - 0.2 * math.sin(math.pi * at) ** 2
    scale = min(width / SIZE[0], height / SIZE[1]) * zoom
    w, h = SIZE[0] * scale, SIZE[1] * scale
    x = (width - w) * (0.5 - 0.5 * math.cos(2 * math.pi * at)) if width > w else 0.0
    y = (height - h) * (0.5 + 0.25 * math.sin(2 * math.pi * at))
    left, top = round(x), round(y)
    part = photograph[top : top + round(h), left : left + round(w)]
    return cv2.resize(part, SIZE, interpolation=cv2.INTER_LINEAR)
