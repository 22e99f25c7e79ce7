"""How all who look are served together: woken at once, and with a share of the machine.

What the page takes of the processor, the loop may miss. So where the loop is busy, and the page would take more than
its share, all who look get less often what they look at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from edge.cores import usable
from edge.vitals import Vitals

BUSY = 0.02
"""Of one core: so much may go into what viewers see where the loop is busy. Of one, and not of each: an interpreter of
several threads waits for the one that is held up."""

IDLE = 0.1
"""Of each core that this process may have, where the loop waits for its camera."""

INFERENCE, DROPPED = 0.8, 0.05
"""Of each second, and of all frames: where inference takes more than that, or more than that are dropped, the loop is
busy."""

LOOK_S = 1.0
"""How often that is looked at."""

MOST_S = 0.5
"""Nothing is shown less often than that, however dear it is."""


class Bell:
    """Wakes all who wait, each time it rings."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def heard(self) -> None:
        """Wait until it rings next."""
        await self._rung.wait()

    def ring(self) -> None:
        """Wake all who wait by now."""
        self._rung.set()
        self._rung = asyncio.Event()


class Load(NamedTuple):
    """What all loops have done by a moment. at: seconds. seen, dropped: frames."""

    at: float
    inference_s: float
    seen: int
    dropped: int


class Share:
    """Of the processor, for all that one event loop does and has done. vitals: of the loops that may miss it.

    cores: that this process may use. clock: seconds. used: processor time of the thread that asks, in seconds.
    """

    def __init__(
        self,
        vitals: Sequence[Vitals],
        cores: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._vitals = vitals
        self._cores = cores or len(usable())
        self._clock = clock
        self._used = used
        self._sleep = sleep
        self._elsewhere_s = 0.0
        self._busy = True
        self._before = self._load()

    @property
    def used_s(self) -> float:
        """Processor time by now, of the thread that asks and of those that work for it, without what is left out."""
        return self._used() + self._elsewhere_s

    def add(self, seconds: float) -> None:
        """Count processor time of another thread."""
        self._elsewhere_s += seconds

    def leave_out(self, seconds: float) -> None:
        """Do not count so much of what this thread used: garbage is to take nothing from those who look."""
        self._elsewhere_s -= seconds

    def of_a_core(self) -> float:
        """How much may be taken now, by what the loops did lately: 0.1 is a tenth of one core."""
        before, now = self._before, self._load()
        if now.at >= before.at + LOOK_S:
            dropped, seen = now.dropped - before.dropped, now.seen - before.seen
            infers = now.inference_s - before.inference_s > INFERENCE * (now.at - before.at)
            self._busy = infers or dropped > DROPPED * (dropped + seen)
            self._before = now
        return BUSY if self._busy else IDLE * self._cores

    async def rest(self, since: float, used_s: float, least_s: float) -> None:
        """Wait until something may be done again that was begun at `since` (of the clock).

        used_s: as it was then. least_s: it is done no more often than that.
        """
        await self._sleep(max(0.0, since + least_s - self._clock()))
        dear_s = min((self.used_s - used_s) / self.of_a_core(), MOST_S)
        await self._sleep(max(0.0, since + dear_s - self._clock()))

    def _load(self) -> Load:
        return Load(
            self._clock(),
            sum(each.stages["inference"].total_s for each in self._vitals),
            sum(each.frames for each in self._vitals),
            sum(each.dropped.get("frames", 0) for each in self._vitals),
        )
