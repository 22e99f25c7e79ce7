"""The fake meter: it reads what is written. Never chosen unless it is named.

A script is a list of steps, one a reading, played round and round: "watts 3.5", or "joules 0.35" (so much more than at
the reading before), or "fail gone" (a MeterError). "sleep 0.2" holds up the step that follows it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from edge.errors import ConfigError, MeterError
from edge.types import Power

INSTALL = "it needs nothing"


class Scripted:
    """Plays a checked script, and keeps count of what it was asked."""

    interval_s = 0.1

    def __init__(self, script: list[str], covers: str, misses: str, sleep: Callable[[float], None]) -> None:
        self.name = "scripted"
        self.covers = covers
        self.misses = misses
        self.asked = 0
        self.closed = False
        self._script = script
        self._at = 0
        self._joules = 0.0
        self._sleep = sleep

    def read(self) -> Power:
        """Read as the next step says. Raises MeterError where it says so, and after it was closed."""
        if self.closed:
            raise MeterError("scripted meter: it was closed; open it again")
        self.asked += 1
        while True:
            verb, *rest = self._script[self._at % len(self._script)].split()
            self._at += 1
            if verb == "sleep":
                self._sleep(float(rest[0]))
            elif verb == "fail":
                raise MeterError(f"scripted meter: {' '.join(rest)}; the script says so")
            elif verb == "watts":
                return Power(watts=float(rest[0]))
            else:
                self._joules += float(rest[0])
                return Power(joules=self._joules)

    def close(self) -> None:
        """Note that the sensor was given back."""
        self.closed = True


def open(
    *,
    script: list[str] | None = None,
    covers: str = "what the script says",
    misses: str = "everything that is real",
    sleep: Callable[[float], None] = time.sleep,
) -> Scripted:
    """Be ready to play a script. Raises ConfigError, which names the step that is wrong."""
    steps = script or ["watts 1"]
    for step in steps:
        _check(step)
    verbs = {step.split()[0] for step in steps}
    if verbs == {"sleep"}:
        raise ConfigError("scripted meter: a script of nothing but sleep gives no reading; add 'watts W'")
    if {"watts", "joules"} <= verbs:
        raise ConfigError("scripted meter: a meter tells watts or joules, never both; keep one of them")
    return Scripted(steps, covers, misses, sleep)


def _check(step: str) -> None:
    verb, *rest = step.split() or [""]
    try:
        if verb in ("watts", "joules") and len(rest) == 1 and math.isfinite(float(rest[0])):
            return
        if verb == "sleep" and len(rest) == 1 and 0 <= float(rest[0]) < 1e6:
            return
        if verb == "fail" and rest:
            return
    except ValueError:
        pass
    raise ConfigError(f"scripted meter: step {step!r}: write 'watts W', 'joules J', 'sleep SECONDS' or 'fail WORDS'")
