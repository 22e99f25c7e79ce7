"""A live camera that outlasts its own failures: it is opened again when it comes back.

lost -> opened again -> and again -> its USB device is reset -> opened again, until patience ends
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Generator, Iterator
from threading import Event, Lock

import msgspec

from edge import usb
from edge.errors import CameraError, DeviceError
from edge.recovery import STEADY_S, Ladder, jittered
from edge.types import Camera, Frame

log = logging.getLogger("edge")

PAUSES_S = (0.25, 0.5, 1.0)
"""Before each try to open it again; the last one is repeated, so that a camera that is back is seen within a second."""

RESET_AFTER = 2
"""So many tries of an outage failed, and the camera's USB device is reset, once."""

OPEN_S = 25.0
"""Opening takes no longer, or hangs; a Raspberry Pi's camera may take 20 s, and systemd's watchdog waits for 30."""


DAY_S = 86_400.0
"""Whoever waits so long waits for ever, as far as people are told."""


class Lasting:
    """Yields the frames of a live camera, and of the one that `reopen` gives in its place each time it fails.

    reopen: opens the same camera again; raises CameraError. name: as users know it. patience_s: so long a camera may be
    away, from its failure until it runs steadily again; may be changed at any time. ladder: is told of each try. clock:
    seconds. wait: waits so many seconds; True where all is over. reset: of the USB device at a place. chance: gives
    numbers from 0 to 1.
    """

    live = True

    def __init__(
        self,
        first: Camera,
        reopen: Callable[[], Camera],
        name: str,
        patience_s: float,
        ladder: Ladder | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        reset: Callable[[str], None] = usb.reset,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._camera: Camera | None = first
        self._reopen = reopen
        self._name = name
        self.patience_s = patience_s
        self._ladder = ladder or Ladder()
        self._clock = clock
        self._over = Event()
        self._wait = wait or self._over.wait
        self._reset = reset
        self._chance = chance
        self._lock = Lock()
        self._turn = self._count = self._tries = 0
        self._lost_at: float | None = None
        self._outage_at = self._tried_at = self._seen_at = 0.0
        self._back_at = -math.inf
        self._usb: str | None = getattr(first, "usb", None)
        self._skipped_before = 0

    @property
    def skipped(self) -> int:
        """Pictures that could not be decoded, by the camera and all that were in its place."""
        camera = self._camera
        return self._skipped_before + (camera.skipped if camera else 0)

    @skipped.setter
    def skipped(self, count: int) -> None:
        """Count those that the loop could not decode, too."""
        camera = self._camera
        self._skipped_before = count - (camera.skipped if camera else 0)

    @property
    def recovering(self) -> bool:
        """Whether it is away, and whoever iterates tries to open it again and does not hang in that."""
        return self._lost_at is not None and self._clock() - self._tried_at <= OPEN_S

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames; their numbers go on where it was opened again.

        Raises CameraError where it fails before the first frame, and where it stays away for longer than patience.
        """
        turn, camera = self._turn, self._camera
        if camera is None:  # it was given up
            camera = self._open_again(turn)
        while camera is not None and not self._over.is_set():
            ended = yield from self._frames_of(camera, turn)
            if turn != self._turn:
                camera.close()
            if ended or turn != self._turn:
                return
            camera = self._open_again(turn)

    def _frames_of(self, camera: Camera, turn: int) -> Generator[Frame, None, bool]:
        """Yield frames until it fails or is given up, or returns True where it has ended by itself."""
        start = self._count
        try:
            for frame in camera:
                if turn != self._turn:
                    return False
                self._seen_at = self._clock()
                if self._lost_at is not None:
                    self._back(self._lost_at)
                self._count = start + frame.index + 1
                yield frame if start == 0 else msgspec.structs.replace(frame, index=start + frame.index)
        except CameraError as error:
            if turn == self._turn:
                if self._count == 0:
                    raise
                self._lost(error)
            return False
        return True

    def give_up(self, words: str) -> None:
        """Leave the camera to the thread that iterates and hangs in it, which closes it when that comes back.

        Whoever iterates next opens it again. words: what happened. Raises CameraError where it never gave a frame, and
        where patience has ended.
        """
        if self._count == 0:
            raise CameraError(words)
        self._lost(CameraError(words))
        with self._lock:
            self._turn += 1
            self._taken()

    def stop(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self._over.set()
        stop = getattr(self._camera, "stop", None)  # one that may wait for long can be told
        if stop is not None:
            stop()

    def close(self) -> None:
        """Give the camera back; calling it again is harmless."""
        self.stop()
        camera = self._camera
        if camera is not None:
            camera.close()

    def _taken(self) -> Camera | None:
        """The camera, which is not this one's any more."""
        skipped, camera, self._camera = self.skipped, self._camera, None
        self.skipped = skipped
        return camera

    def _lost(self, error: CameraError) -> None:
        """Note a failure, and say so where it is the first. Raises CameraError where patience has ended."""
        now = self._tried_at = self._clock()
        is_first = self._lost_at is None
        if is_first and self._seen_at - self._back_at > STEADY_S:  # else it is the outage before, which goes on
            self._outage_at, self._tries = now, 0
        if now - self._outage_at > self.patience_s:
            raise CameraError(f"{error}; it did not return for good within {self.patience_s:g} s") from error
        if is_first:
            self._lost_at = now
            said = str(error).removeprefix(f"{self._name}: ")
            most = f"up to {self.patience_s:g} s" if self.patience_s < DAY_S else "as long as it takes"
            log.warning("%s: %s; waiting %s for it to return", self._name, said, most)

    def _back(self, lost_at: float) -> None:
        log.warning("%s is back after %.1f s", self._name, self._seen_at - lost_at)
        self._lost_at, self._back_at = None, self._seen_at

    def _open_again(self, turn: int) -> Camera | None:
        """Put another one in its place, as soon as one can be opened; None where all is over meanwhile, or given up.

        Raises CameraError when patience has ended.
        """
        with self._lock:
            camera = self._taken() if turn == self._turn else None
        if camera is not None:
            camera.close()
        while not self._wait(jittered(PAUSES_S[min(self._tries, len(PAUSES_S) - 1)], self._chance)):
            if turn != self._turn:
                return None
            try:
                another = self._tried()
            except CameraError as error:
                if turn != self._turn:
                    return None
                self._lost(error)
                continue
            with self._lock:
                if turn == self._turn:
                    self._camera, self._usb = another, getattr(another, "usb", None)
                    return another
            another.close()
            return None
        return None

    def _tried(self) -> Camera:
        """Climb a rung. Raises CameraError."""
        self._tried_at = self._clock()
        if self._tries == RESET_AFTER and self._usb is not None:
            self._ladder.climb("usb", f"{self._name}: resetting the USB device {self._usb}")
            try:
                self._reset(self._usb)
            except DeviceError as error:
                log.warning("%s: %s", self._name, error)
        self._tries += 1
        self._ladder.climb("camera", f"{self._name}: opening it again")
        return self._reopen()
