"""A live camera that outlasts its own failures: it is opened again when it comes back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from threading import Event

import msgspec

from edge.errors import CameraError
from edge.types import Camera, Frame

log = logging.getLogger("edge")

PAUSES_S = (0.25, 0.5, 1.0)
"""Before each try to open it again; the last one is repeated, so that a camera that is back is seen within a second."""


class Lasting:
    """Yields the frames of a live camera, and of the one that `reopen` gives in its place each time it fails.

    reopen: opens the same camera again; raises CameraError. name: as users know it. patience_s: so long a camera may be
    away, from its failure to the next frame. clock: seconds. wait: waits so many seconds; True where all is over.
    """

    live = True

    def __init__(
        self,
        first: Camera,
        reopen: Callable[[], Camera],
        name: str,
        patience_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._camera = first
        self._reopen = reopen
        self._name = name
        self._patience_s = patience_s
        self._clock = clock
        self._over = Event()
        self._wait = wait or self._over.wait
        self._lost_at: float | None = None
        self._tries = 0
        self._skipped_before = 0

    @property
    def skipped(self) -> int:
        """Pictures that could not be decoded, by the camera and all that were in its place."""
        return self._skipped_before + self._camera.skipped

    @skipped.setter
    def skipped(self, count: int) -> None:
        """Count those that the loop could not decode, too."""
        self._skipped_before = count - self._camera.skipped

    @property
    def away(self) -> bool:
        """Whether it is waited for at this moment, and patience has not ended."""
        lost_at = self._lost_at
        return lost_at is not None and self._clock() - lost_at <= self._patience_s

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames; their numbers go on where it was opened again.

        Raises CameraError where it fails before the first frame, and where it stays away for longer than patience.
        """
        count = 0
        while not self._over.is_set():
            start = count
            try:
                for frame in self._camera:
                    if self._lost_at is not None:
                        self._back(self._lost_at)
                    count = start + frame.index + 1
                    yield frame if start == 0 else msgspec.structs.replace(frame, index=start + frame.index)
                return
            except CameraError as error:
                if count == 0:
                    raise
                self._lost(error)
            if not self._open_again():
                return

    def stop(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self._over.set()

    def close(self) -> None:
        """Give the camera back; calling it again is harmless."""
        self.stop()
        self._camera.close()

    def _lost(self, error: CameraError) -> None:
        """Note a failure, and say so where it is the first. Raises CameraError where patience has ended."""
        if self._lost_at is None:
            self._lost_at, self._tries = self._clock(), 0
            said = str(error).removeprefix(f"{self._name}: ")
            log.warning("%s: %s; waiting up to %g s for it to return", self._name, said, self._patience_s)
        elif not self.away:
            raise CameraError(f"{error}; it did not return within {self._patience_s:g} s") from error

    def _back(self, lost_at: float) -> None:
        log.warning("%s is back after %.1f s", self._name, self._clock() - lost_at)
        self._lost_at = None

    def _open_again(self) -> bool:
        """Put another one in its place, as soon as one can be opened; False where all is over meanwhile.

        Raises CameraError when patience has ended.
        """
        self._camera.close()
        while not self._wait(PAUSES_S[min(self._tries, len(PAUSES_S) - 1)]):
            self._tries += 1
            try:
                another = self._reopen()
            except CameraError as error:
                self._lost(error)
                continue
            skipped, self._camera = self.skipped, another
            self.skipped = skipped
            return True
        return False
