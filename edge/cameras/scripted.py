"""The fake camera: it plays what is written, frames, stalls and failures. Never chosen unless it is named.

A script is a list of steps: "frames 10" (a grey picture that grows lighter with each), "stall 1.5" (seconds without
one), "garbage 3" (frames that cannot be decoded), "fail cable pulled" (a CameraError).

Each opening begins the script anew; with `state`, a file that keeps the place, it goes on with the step after the one
that was begun last. Then "absent 4" is a camera that is not there for the next four openings. To rehearse a cable that
is pulled and plugged in again:

    [camera]
    kind = "scripted"
    live = true
    script = ["frames 100", "fail cable pulled", "absent 4", "frames 100"]
    state = "/tmp/place"
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Annotated

import msgspec
import numpy as np

from edge.errors import CameraError, ConfigError
from edge.rehearsal import Place, unfolded
from edge.types import Array, Clock, Frame, PixelFormat

INSTALL = "it needs nothing"

Pixels = Annotated[int, msgspec.Meta(ge=1, le=8192)]

Step = tuple[str, str]

STEPS = "write 'frames N', 'garbage N', 'stall SECONDS', 'fail WORDS' or 'absent OPENINGS'"

GARBAGE = np.frombuffer(b"\xff\xd8 no JPEG goes on like this", np.uint8)


class Scripted:
    """Plays a checked script once each time it is iterated, or, where its place is kept, what is left of it."""

    skipped = 0

    def __init__(
        self,
        steps: list[Step],
        place: Place,
        live: bool,
        size: tuple[int, int],
        fps: float,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        self.live = live
        self.closed = False
        self._steps = steps
        self._place = place
        self._size = size
        self._period_ns, self._due = int(1e9 / fps) if fps else 0, 0
        self._clock = clock
        self._sleep = sleep

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames (BGR) of the script. Raises CameraError where it says so."""
        index = 0
        for verb, rest in self._steps[self._place.at :]:
            if verb == "absent":
                raise CameraError("scripted camera: gone; the script says so")
            self._place.at += self._place.kept
            if verb == "stall":
                self._place.keep()  # whoever hangs here may never close it
                self._sleep(float(rest))
            elif verb == "fail":
                raise CameraError(f"scripted camera: {rest}; the script says so")
            else:
                for _ in range(int(rest)):
                    self._wait()
                    yield self._frame(index, verb == "garbage")
                    index += 1

    def _wait(self) -> None:
        if self._period_ns:
            self._sleep(max(0, self._due - self._clock()) / 1e9)
            self._due = max(self._due, self._clock() - self._period_ns) + self._period_ns

    def _frame(self, index: int, garbage: bool) -> Frame:
        width, height = self._size
        pixels: Array = GARBAGE if garbage else np.full((height, width, 3), index % 256, np.uint8)
        kind: PixelFormat = "MJPG" if garbage else "BGR"
        captured = self._clock()
        return Frame(pixels=pixels, pixel_format=kind, index=index, captured_at_ns=captured, size=self._size)

    def close(self) -> None:
        """Note that the device was given back."""
        if not self.closed:
            self._place.keep()
        self.closed = True


def open(
    *,
    script: list[str],
    live: bool = False,
    width: Pixels = 64,
    height: Pixels = 48,
    fps: Annotated[float, msgspec.Meta(ge=0, le=100_000)] = 0.0,
    state: str | None = None,
    clock: Clock = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Scripted:
    """Check a script and be ready to play it.

    fps: frames a second at most; 0: as fast as they are taken. state: a file that keeps the place in the script across
    openings.

    Raises ConfigError, which names the step that is wrong, and CameraError where the script says that it is absent.
    """
    if not script:
        raise ConfigError(f"scripted camera: the script is empty; {STEPS}")
    steps = [_step(text) for text in unfolded(script, state, "scripted camera")]
    place = Place(state)
    if place.at < len(steps) and steps[place.at][0] == "absent":
        place.at += 1
        place.keep()
        raise CameraError("scripted camera: there is no camera; the script says so")
    return Scripted(steps, place, live, (width, height), fps, clock, sleep)


def _step(text: str) -> Step:
    verb, _, rest = text.partition(" ")
    try:
        fits = {
            "frames": lambda: int(rest) >= 0,
            "garbage": lambda: int(rest) >= 0,
            "stall": lambda: 0 <= float(rest) < 1e6,
            "fail": lambda: bool(rest),
            "absent": lambda: not rest,
        }
        if fits[verb]():
            return verb, rest
    except (KeyError, ValueError):
        pass
    raise ConfigError(f"scripted camera: step {text!r}: {STEPS}")
