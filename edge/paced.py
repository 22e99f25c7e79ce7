"""A recording that is shown as a camera would: at its own rate, and without waiting for whoever is slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event

import msgspec

from edge.cameras.images import Images
from edge.types import Camera, Clock, Frame

STILL_FPS, STILL_S = 10.0, 2.0
"""Each picture of a folder is looked at so often, and for so long: answers that last make events."""

MOST_FPS = 240.0
"""What says that it has more says nothing: some files have the ticks of their clock there."""


class Paced:
    """Yields the frames of a recording; who comes late has missed some, as with a camera.

    fps: frames a second; None: as they come. times: how often each is yielded. clock: of frames. wait: waits so many
    seconds; True where all is over.
    """

    live = True

    def __init__(
        self,
        recording: Camera,
        fps: float | None,
        times: int = 1,
        *,
        clock: Clock = time.monotonic_ns,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._recording = recording
        self._period_ns = int(1e9 / fps) if fps else 0
        self._times = times
        self._clock = clock
        self._over = Event()
        self._wait = wait or self._over.wait

    @property
    def skipped(self) -> int:
        """Pictures that could not be decoded."""
        return self._recording.skipped

    @skipped.setter
    def skipped(self, count: int) -> None:
        """Count those that the loop could not decode, too."""
        self._recording.skipped = count

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames, each captured when its time has come. Raises CameraError as the recording does."""
        index, due = 0, self._clock()
        for frame in self._recording:
            for _ in range(self._times):
                if self._wait(max(0, due - self._clock()) / 1e9):
                    return
                now = self._clock()
                due = max(due, now - self._period_ns) + self._period_ns
                yield msgspec.structs.replace(frame, index=index, captured_at_ns=now)
                index += 1

    def stop(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self._over.set()

    def close(self) -> None:
        """Give the recording back; calling it again is harmless."""
        self.stop()
        self._recording.close()


def paced(
    recording: Camera,
    opened: Camera,
    clock: Clock = time.monotonic_ns,
    wait: Callable[[float], bool] | None = None,
) -> Paced:
    """A recording at the rate of what was opened, which `recording` is, or repeats. clock, wait: as of `Paced`."""
    if isinstance(opened, Images):
        return Paced(recording, STILL_FPS, round(STILL_FPS * STILL_S), clock=clock, wait=wait)
    fps: float | None = getattr(opened, "fps", None)
    return Paced(recording, fps if fps and 0 < fps <= MOST_FPS else None, clock=clock, wait=wait)
