"""A recording played as a camera: a frame when its time has come, whether anybody looks or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from edge.types import Camera, Clock, Frame


class Paced:
    """Shows the frames of a recorded camera at `fps`; the newest wins, as with a live one."""

    live = True

    def __init__(self, camera: Camera, fps: float, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._camera = camera
        self._period_ns = round(1e9 / fps)
        self._clock = clock
        self._sleep = sleep

    @property
    def skipped(self) -> int:
        """Pictures that could not be decoded."""
        return self._camera.skipped

    @skipped.setter
    def skipped(self, count: int) -> None:
        """The loop counts those that it cannot decode."""
        self._camera.skipped = count

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame at its time, captured then. Raises CameraError."""
        due = self._clock()
        for frame in self._camera:
            self._sleep(max(0, due - self._clock()) / 1e9)
            now = self._clock()
            due = max(due, now - self._period_ns) + self._period_ns
            yield msgspec.structs.replace(frame, captured_at_ns=now)

    def close(self) -> None:
        """Give the recording back."""
        self._camera.close()
