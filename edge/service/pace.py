"""No faster than is allowed: the loop waits between two frames where heat or a setting limits its rate."""

from __future__ import annotations

import time
from collections.abc import Callable

TICK_S = 0.5
"""The longest single wait, so that what is asked of the loop meanwhile is heard."""


class Pace:
    """Keeps a rate. clock: seconds. wait: waits so many seconds; True where all is over."""

    def __init__(self, wait: Callable[[float], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._wait = wait
        self._clock = clock
        self._due: float | None = None

    def __call__(self, rate: float | None, tick: Callable[[], bool]) -> None:
        """Wait until the next frame is due. rate: frames a second; None: at once. tick: is called during long waits,
        and tells whether to wait on."""
        if rate is None:
            self._due = None
            return
        now = self._clock()
        # What was late is not made up for: the rate is a limit, and no average.
        due = now if self._due is None else min(max(self._due + 1 / rate, now), now + 1 / rate)
        self._due = due
        while (left := due - self._clock()) > 0:
            if self._wait(min(left, TICK_S)) or not tick():
                return
