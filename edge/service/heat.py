"""A board that is hot, or that its firmware holds back, gets fewer frames to do; and more again when it has cooled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event as Flag

from edge.errors import EdgeError, MeterError, one_line
from edge.host import Host, State
from edge.settings import Recovery
from edge.tireless import Tireless
from edge.types import PowerMeter
from edge.vitals import Vitals

log = logging.getLogger("edge")

LOOK_S = 5.0
"""Between two looks at the board."""

STEP = 0.75
"""The share of the frame rate that one step leaves."""

STEPS = 8
"""The most steps: a tenth of the rate is left then."""

DOWN_S, UP_S = 15.0, 60.0
"""So long after a step down comes the next one, and so long a board must be cool before a step up: a heat sink needs
about that to follow."""

COOLER_C = 5.0
"""So far below `hot_c` a board counts as cool."""

RATES = 12
"""The best frame rate of so many looks counts as that of a cool board: just after a camera was away it is low."""


class Heat:
    """Decides the share of the frame rate, step by step. clock: seconds."""

    def __init__(self, hot_c: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.hot_c = hot_c
        self.steps = 0
        self._clock = clock
        self._stepped_at: float | None = None
        self._cool_since: float | None = None

    @property
    def share(self) -> float:
        """Of the rate that it would have when cool; 1.0: all of it."""
        return STEP**self.steps

    def __call__(self, celsius: float | None, limits: tuple[str, ...], runs: bool = True) -> bool:
        """Take a look; whether that changed the share. runs: there are frames, of which fewer could be done."""
        now = self._clock()
        hot = bool(limits) or (celsius is not None and celsius >= self.hot_c)
        cool = not limits and (celsius is None or celsius <= self.hot_c - COOLER_C)
        self._cool_since = (self._cool_since or now) if cool else None
        if hot and runs and self.steps < STEPS and (self._stepped_at is None or now - self._stepped_at >= DOWN_S):
            return self._step(1, now)
        if self.steps and self._cool_since is not None and now - self._cool_since >= UP_S:
            self._cool_since = now
            return self._step(-1, now)
        return False

    def _step(self, by: int, now: float) -> bool:
        self.steps += by
        self._stepped_at = now
        return True


class Board:
    """Looks at the board now and then, in a thread of its own, and writes down what it tells and the rate it bears.

    vitals: of a camera that runs on it. meter: opens the meter of what it draws, None where there is none. beside: of
    the other cameras. wait: waits so many seconds; True where all is over.
    """

    def __init__(
        self,
        settings: Recovery,
        vitals: Vitals,
        host: Host,
        meter: Callable[[], PowerMeter | None] = lambda: None,
        *,
        beside: Iterable[Vitals] = (),
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._settings = settings
        self._vitals = vitals
        self._all = [vitals, *beside]
        self._host = host
        self._open_meter = meter
        self._meter: PowerMeter | None = None
        self._clock = clock
        self._heat = Heat(settings.hot_c, clock)
        self._rates: dict[str, tuple[float, ...]] = {}
        self._joules: tuple[float, float] | None = None
        self._thread = Tireless("board", self._work, vitals)
        self._wait = wait
        vitals.rate_limit = settings.fps

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._limit()
        self._thread.start()

    def adopt(self, settings: Recovery) -> None:
        """Go by other settings from now on."""
        self._settings = settings
        self._heat.hot_c = settings.hot_c
        self._limit()

    def close(self) -> None:
        """Look no more."""
        self._thread.close()

    def look(self) -> None:
        """Read the board once, and decide."""
        state = self._host.state()
        celsius, limits, watts = _hottest(state), state.limits or (), self._watts()
        before, runs = self._heat.steps, False
        for vitals in self._all:
            vitals.temperature_c, vitals.limits, vitals.watts = celsius, limits, watts
            vitals.clocks_mhz = state.clocks_mhz
            fps = vitals.fps
            runs = runs or fps is not None
            if fps is not None and not before:
                self._rates[vitals.name] = (*self._rates.get(vitals.name, ()), fps)[-RATES:]
        if self._heat(celsius, limits, runs):
            self._limit()
            self._say(self._heat.steps > before)

    def _work(self, over: Flag) -> None:
        try:
            self._meter = self._meter or self._open_meter()
        except EdgeError as error:
            log.warning("what the board draws cannot be read: %s", one_line(error))
        wait = self._wait or over.wait
        while not over.is_set():
            self.look()
            if wait(LOOK_S):
                break
        if self._meter is not None:
            self._meter.close()

    def _limit(self) -> None:
        """Of each camera, a share of the best rate that it had, or might have had."""
        for vitals in self._all:
            limit, rates = self._settings.fps, self._rates.get(vitals.name)
            if self._heat.steps and rates:
                limit = min(max(rates), limit or max(rates)) * self._heat.share
            vitals.rate_limit = limit

    def _say(self, slower: bool) -> None:
        limits = [vitals.rate_limit for vitals in self._all]
        celsius = self._vitals.temperature_c
        why = ", ".join((*self._vitals.limits, *([f"{celsius:.0f} °C"] if celsius is not None else [])))
        rates = ", ".join(f"{limit:.1f}" for limit in limits if limit is not None)
        rate = f"{rates} frames a second at most" if rates else "all frames again"
        for vitals in self._all:
            if slower:
                vitals.slowed += 1
                vitals.problem("heat", f"slowed to spare the board: {why}")
            elif not self._heat.steps:
                vitals.problem("heat", None)
        held = "is too hot or held back" if slower else "has cooled"
        log.warning("the board %s (%s): %s", held, why, rate)

    def _watts(self) -> float | None:
        """What is drawn, from joules over the time between two looks where the meter counts those."""
        if self._meter is None:
            self._thread.well()
            return None
        try:
            power = self._meter.read()
        except MeterError as error:
            self._thread.ill(one_line(error))
            return None
        self._thread.well()
        if power.joules is None:
            return power.watts
        now, before = self._clock(), self._joules
        self._joules = (now, power.joules)
        return None if before is None or now == before[0] else (power.joules - before[1]) / (now - before[0])


def _hottest(state: State) -> float | None:
    told = [celsius for celsius in (state.temperature_c, state.accelerator_c) if celsius is not None]
    return max(told, default=None)
