"""Looks after the settings' file in a thread of its own, so that the loop waits for no disk; hands over what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Lock

from edge.service.notify import Manager
from edge.service.reload import Change, Reload
from edge.tireless import Tireless
from edge.vitals import Vitals

LOOK_S = 0.25
"""Between two looks at what is asked, by SIGHUP or by the file itself."""

LONG_S = 30.0
HANGS = f"reading them takes longer than {LONG_S:g} s; see whether the disk of a file that they name hangs"


class Rereading:
    """hangup: whether SIGHUP came, told once. clock: seconds. systemd hears of a reload that was asked for, and of its
    end.
    """

    def __init__(
        self,
        reload: Reload,
        vitals: Vitals,
        notify: Manager,
        hangup: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reload = reload
        self._vitals = vitals
        self._notify = notify
        self._hangup = hangup
        self._lock = Lock()
        self._new: Change | None = None
        self._awaited = False
        self._clock = clock
        self._since: float | None = None
        self._thread = Tireless("settings", self._work, vitals)

    def start(self) -> None:
        """Say what cannot work of the settings that count, and begin to look; returns at once."""
        self._thread.start()

    def take(self) -> Change | None:
        """What is new since it was asked last, for the loop to adopt before it calls `adopted`."""
        since = self._since
        if since is not None and self._clock() - since > LONG_S:
            self._thread.ill(HANGS)
        if self._new is None:
            return None
        with self._lock:
            new, self._new = self._new, None
            return new

    def adopted(self) -> None:
        """Say that what was taken is in force."""
        with self._lock:
            awaited, self._awaited = self._awaited, False
        if awaited:
            self._notify.ready()

    def look(self) -> None:
        """Look once."""
        asked = self._hangup()
        told = asked and self._vitals.condition != "starting"  # else "ready" would be said too soon
        if told:
            self._notify.reloading()
        with self._watched():
            change = self._reload.changed(self._vitals, asked)
        with self._lock:
            if change is not None:
                before = self._new or change
                self._new = Change(change.settings, before.touched | change.touched, before.asked or change.asked)
            self._awaited = self._awaited or told
            new = self._new
        if new is None and not self._reload.asked:
            self.adopted()

    def close(self) -> None:
        """Look no more."""
        self._thread.close()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self._since = self._clock()
        try:
            yield
        finally:
            self._since = None
            if self._vitals.problems.get("settings") == HANGS:
                self._thread.well()

    def _work(self, over: Flag) -> None:
        with self._watched():
            self._reload.judge(self._vitals)
        while not over.wait(LOOK_S):
            self.look()
