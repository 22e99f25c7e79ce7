"""A recorded source that begins anew when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event

import msgspec

from edge.errors import CameraError
from edge.types import Camera, Frame


class Repeating:
    """Yields the frames of a recording round and round; their numbers go on. again: opens it anew."""

    live = False

    def __init__(self, first: Camera, again: Callable[[], Camera], name: str) -> None:
        self._camera = first
        self._again = again
        self._name = name
        self._over = Event()
        self._skipped_before = 0

    @property
    def skipped(self) -> int:
        """Pictures that could not be decoded, in all rounds."""
        return self._skipped_before + self._camera.skipped

    @skipped.setter
    def skipped(self, count: int) -> None:
        """Count those that the loop could not decode, too."""
        self._skipped_before = count - self._camera.skipped

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames, for ever. Raises CameraError where a round has none."""
        count = 0
        while not self._over.is_set():
            start = count
            for frame in self._camera:
                count = start + frame.index + 1
                yield frame if start == 0 else msgspec.structs.replace(frame, index=start + frame.index)
            if count == start:
                raise CameraError(f"{self._name}: it has no frames; give another recording")
            self._camera.close()
            skipped, self._camera = self.skipped, self._again()
            self.skipped = skipped

    def close(self) -> None:
        """Give the recording back; calling it again is harmless."""
        self._over.set()
        self._camera.close()
