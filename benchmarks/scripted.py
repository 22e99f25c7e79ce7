"""The fake clock: it moves only when somebody sleeps, so that a whole measurement can be replayed exactly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Due(NamedTuple):
    """What is to be called at a time of the fake clock, and then in every period, if there is one."""

    at_ns: int
    period_ns: int
    call: Callable[[], object]


class Clock:
    """Nanoseconds from 0. Before it moves, the threads of the loop come to rest; what is due on the way is called."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._due: list[Due] = []

    def __call__(self) -> int:
        """The time, ns."""
        return self.now_ns

    def wall(self) -> float:
        """Seconds since 1970: the clock began on 2026-01-01 at 00:00 UTC."""
        return 1_767_225_600 + self.now_ns / 1e9

    def sleep(self, seconds: float) -> None:
        """Move on by `seconds`, and call on the way what is due."""
        at_rest()
        until = self.now_ns + round(seconds * 1e9)
        while self._due and self._due[0].at_ns <= until:
            due = self._due.pop(0)
            if due.period_ns:
                self._plan(due._replace(at_ns=due.at_ns + due.period_ns))
            self.now_ns = max(self.now_ns, due.at_ns)
            due.call()
        self.now_ns = until

    def at(self, seconds: float, call: Callable[[], object]) -> None:
        """Call something once, so many seconds after the beginning: a board that begins to throttle, for example."""
        self._plan(Due(round(seconds * 1e9), 0, call))

    @contextmanager
    def every(self, seconds: float, tick: Callable[[], None]) -> Iterator[None]:
        """Call `tick` every so many seconds of this clock."""
        period = round(seconds * 1e9)
        self._plan(Due(self.now_ns + period, period, tick))
        try:
            yield
        finally:
            self._due = [due for due in self._due if due.call != tick]

    def _plan(self, due: Due) -> None:
        self._due = sorted([*self._due, due], key=lambda each: each.at_ns)


def at_rest(limit_s: float = 10.0) -> None:
    """Return when every thread of the loop waits for another one. Raises RuntimeError when they do not in time."""
    last, end = _asleep(), time.monotonic() + limit_s
    while last:
        time.sleep(0.0002)  # whoever was woken, and only waits for its turn, has it now
        now = _asleep()
        if now == last and None not in now:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"the threads of the loop did not come to rest within {limit_s:g} s")
        last = now


def _asleep() -> list[str | None]:
    """For each thread of the loop: how often it ran so far; None for one that runs, or is about to.

    The kernel is asked: Python's own look at its threads (`sys._current_frames`) can wait for itself for ever where
    it sets off a collection of garbage.
    """
    return [_runs(each) for each in threading.enumerate() if each.name.startswith("edge-")]


def _runs(thread: threading.Thread) -> str | None:
    try:
        told = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    except OSError:  # it has ended
        return None
    return told[told.index("voluntary_ctxt_switches") :] if "State:\tS" in told else None
