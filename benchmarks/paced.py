"""A recording played round and round: as a camera, each frame when its time has come, or as fast as it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec

from edge.errors import CameraError
from edge.types import Camera, Clock, Frame


class Paced:
    """Shows a recording at `fps`, where the newest frame wins, as with a live camera; 0: every frame counts."""

    def __init__(self, open: Callable[[], Camera], fps: float, clock: Clock, sleep: Callable[[float], None]) -> None:
        """open: opens the recording, which begins anew where it has ended."""
        self.live = fps > 0
        self.skipped = 0
        self._open = open
        self._camera = open()
        self._period_ns = round(1e9 / fps) if fps else 0
        self._clock = clock
        self._sleep = sleep

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame at its time, captured then. Raises CameraError, also where there is not one frame."""
        due, index = self._clock(), 0
        while True:
            before = index
            for frame in self._frames():
                self._sleep(max(0, due - self._clock()) / 1e9)
                now = self._clock()
                due = max(due, now - self._period_ns) + self._period_ns
                yield msgspec.structs.replace(frame, index=index, captured_at_ns=now)
                index += 1
            if index == before:
                raise CameraError("the recording gave no frame; give another one")
            self._camera = self._open()

    def _frames(self) -> Iterator[Frame]:
        seen = 0
        with closing(self._camera) as camera:
            for frame in camera:
                self.skipped, seen = self.skipped + camera.skipped - seen, camera.skipped
                yield frame

    def close(self) -> None:
        """Give the recording back."""
        self._camera.close()
