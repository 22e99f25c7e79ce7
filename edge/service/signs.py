"""Signs of life: what systemd and everybody else learns of how a camera fares, while it begins, runs and recovers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge.errors import one_line
from edge.recovery import Rung
from edge.service.notify import Manager
from edge.types import Result
from edge.vitals import Vitals

log = logging.getLogger("edge")

START_S = 30.0
"""How much longer systemd is asked to wait for the start, at each sign of it."""

PART: dict[Rung, str] = {"camera": "camera", "usb": "camera", "interpreter": "interpreter", "backend": "interpreter"}
"""What does not work while a rung is climbed."""

MOST = 250
"""Characters of a status; Home Assistant takes 255."""

STATUS_S = 2.0
"""Between two lines of status."""


class Signs:
    """Writes to `vitals`, and tells systemd. ready: whether it has begun. clock: seconds."""

    def __init__(self, vitals: Vitals, notify: Manager, clock: Callable[[], float]) -> None:
        self.ready = False
        self._vitals = vitals
        self._notify = notify
        self._clock = clock
        self._worked_at = self._told_at = clock()

    @property
    def quiet_s(self) -> float:
        """Seconds since something was last tried, or said that it goes on."""
        return self._clock() - self._worked_at

    def climbed(self, rung: Rung, words: str) -> None:
        """Take notice of a try to recover; from any thread, for `Ladder`."""
        if self._vitals.condition == "running":
            self._vitals.condition = "recovering"
        if rung == "usb":
            log.info("recovery: %s", words)
        if rung in PART:
            self._vitals.problem(PART[rung], words)
        self.at_work(f"{rung}: {words}")

    def at_work(self, words: str) -> None:
        """Take notice of something slow that goes on; from any thread, for `Ladder`.

        While it runs, results alone are signs of life: what goes on beside them is not what anybody waits for.
        """
        if self._vitals.condition != "running":
            self._worked_at = self._clock()
            self.say(words)
            self.alive()

    def alive(self) -> None:
        """Give a sign of life; before it is ready, also one that the start goes on."""
        self._notify.alive()
        if not self.ready:
            self._notify.extend(START_S)

    def say(self, words: str) -> None:
        """Say in a line what goes on."""
        self._vitals.words = words
        self._notify.status(words)

    def stands(self) -> None:
        """It does not run: camera and model are being opened, or are to be again."""
        self._vitals.condition = "recovering" if self.ready else "starting"

    def begun(self) -> None:
        """It has begun; systemd is told once."""
        if not self.ready:
            self.ready = True
            self._notify.ready()

    def runs(self, result: Result) -> None:
        """A result has come: the first, the first again, or one more."""
        if self._vitals.condition != "running":
            self._runs_again(result)
        elif self._clock() - self._told_at > STATUS_S:
            self._tell(result)
        self._notify.alive()

    def _runs_again(self, result: Result) -> None:
        if self._vitals.frames == 1:
            log.info("running: %s on %s", result.model, result.backend)
        else:
            log.info("running again, on %s", result.backend)
        self._vitals.condition = "running"
        for part in ("camera", "interpreter"):
            self._vitals.problem(part, None)
        self.begun()
        self._tell(result)

    def _tell(self, result: Result) -> None:
        """Say in a line how it goes."""
        self._told_at = self._clock()
        vitals = self._vitals
        subject = vitals.subject.label if vitals.subject else "nothing"
        rate = f", {vitals.fps:.1f} FPS" if vitals.fps else ""
        heat = f", {vitals.temperature_c:.0f} °C" if vitals.temperature_c is not None else ""
        broken = ", ".join(f"{part} ({words})" for part, words in sorted(vitals.problems.items()))
        problems = f"; does not work: {broken}" if broken else ""
        told = f"running on {result.backend}{rate}{heat}; sees {subject}{problems}"
        self.say(one_line(told, MOST))
