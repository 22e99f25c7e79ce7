"""Looks after the settings' file in a thread of its own, so that the loop waits for no disk; hands over what is new."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag
from threading import Lock

from edge.service.notify import Notify
from edge.service.reload import Change, Reload
from edge.tireless import Tireless
from edge.vitals import Vitals

LOOK_S = 0.25
"""Between two looks at what is asked, by SIGHUP or by the file itself."""


class Rereading:
    """hangup: whether SIGHUP came, told once. systemd hears of a reload that was asked for, and of its end."""

    def __init__(self, reload: Reload, vitals: Vitals, notify: Notify, hangup: Callable[[], bool]) -> None:
        self._reload = reload
        self._vitals = vitals
        self._notify = notify
        self._hangup = hangup
        self._lock = Lock()
        self._new: Change | None = None
        self._awaited = False
        self._thread = Tireless("settings", self._work, vitals)

    def start(self) -> None:
        """Say what cannot work of the settings that count, and begin to look; returns at once."""
        self._thread.start()

    def take(self) -> Change | None:
        """What is new since it was asked last, for the loop to adopt before it calls `adopted`."""
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
        change = self._reload.changed(self._vitals, asked)
        with self._lock:
            if change is not None:
                before = self._new.touched if self._new else frozenset()
                self._new = Change(change.settings, before | change.touched)
            self._awaited = self._awaited or told
            new = self._new
        if new is None and not self._reload.asked:
            self.adopted()

    def close(self) -> None:
        """Look no more."""
        self._thread.close()

    def _work(self, over: Flag) -> None:
        self._reload.judge(self._vitals)
        while not over.wait(LOOK_S):
            self.look()
