"""Work that tells others, in a thread of its own: where it fails it is said, and begun again after a pause."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event

from edge.errors import one_line
from edge.recovery import Backoff
from edge.vitals import Vitals
from edge.whose import thread

log = logging.getLogger("edge")

PAUSE_S, PAUSE_MOST_S = 1.0, 60.0
"""Before work that failed begins again: the first time, and at most."""

CLOSE_S = 3.0
"""How long the thread is waited for at the end."""


class Tireless:
    """Runs `work` until it returns or all is over.

    part: what it is called in logs and `problems`. work: gets the flag that says that all is over, waits on nothing
    else for long, and calls `well` (the attribute) where it got through: the pauses begin anew. wait: waits so many
    seconds; True where all is over.
    """

    def __init__(
        self,
        part: str,
        work: Callable[[Event], None],
        vitals: Vitals,
        *,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._part = part
        self._work = work
        self._vitals = vitals
        self._over = Event()
        self._wait = wait or self._over.wait
        self._pauses = Backoff(PAUSE_S, PAUSE_MOST_S)
        self._thread = thread(self._run, f"edge-{part}")

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def well(self) -> None:
        """Say that it works, from inside the work."""
        self._pauses.reset()
        if self._part in self._vitals.problems:
            self._vitals.problem(self._part, None)
            log.warning("%s works again", self._part)

    def ill(self, words: str) -> None:
        """Say what does not work, from inside the work; logged where it is news, and nothing once all is over."""
        if not self._over.is_set() and self._vitals.problems.get(self._part) != words:
            self._vitals.problem(self._part, words)
            log.warning("%s: %s", self._part, words)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """End it, and wait for that so long; what hangs stays behind."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._work(self._over)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the camera goes on, and this is tried again
                self.ill(one_line(error))
            if self._wait(self._pauses()):
                return
