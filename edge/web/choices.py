"""What may be chosen on a page: the cameras and models that this machine has. What is not listed is not opened, so that
a page reaches no file, no address and no device that its owner has not put there."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from threading import Lock

from edge import models
from edge.attached import offered
from edge.errors import one_line
from edge.settings import Settings

log = logging.getLogger("edge")

LOOK_S = 10.0
"""What cameras there are is asked at most so often: asking opens each."""

WAIT_S = 1.0
"""So long after that was begun others wait for what it finds: a driver that hangs holds up one thread."""


class Choices:
    """cameras: gives a source and words for each that is here; may take a while. clock: seconds. From any thread."""

    def __init__(
        self, cameras: Callable[[], list[tuple[str, str]]] = offered, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cameras = cameras
        self._clock = clock
        self._lock = Lock()
        self._found: list[tuple[str, str]] = []
        self._begun_at = self._asked_at = -math.inf

    def sources(self, written: Settings, known: bool = False) -> list[tuple[str, str]]:
        """The cameras, with words for people. written: what the settings name is not listed again.

        known: do with those that were there when it was asked last, so that nothing waits for a camera.
        """
        if not known:
            wait_s = max(0.0, self._begun_at + WAIT_S - self._clock())
            if self._lock.acquire(timeout=wait_s):
                try:
                    self._ask()
                finally:
                    self._lock.release()
        return [each for each in self._found if each[0] != written.source]

    def _ask(self) -> None:
        if self._clock() - self._asked_at <= LOOK_S:
            return
        self._begun_at = self._clock()
        try:
            self._found = self._cameras()
        except Exception as error:  # noqa: BLE001 - whatever a driver does, the page goes on with what it knew
            log.info("cameras cannot be listed: %s", one_line(error))
        self._asked_at = self._clock()

    def models(self) -> list[str]:
        """Those that ship, and those that were fetched."""
        return sorted({**models.shipped(), **models.pulled()})
