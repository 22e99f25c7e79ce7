"""Host and meter, read now and then beside the samples."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import fmean

from edge.errors import MeterError
from edge.host import State

from .energy import Reading
from .parts import Bench
from .record import Moment

HOST_S = 1.0
"""Seconds between readings of the host."""


class Watch:
    """Reads the host every second and the meter as often as it says, and keeps count of what that costs.

    states, readings: what was read. meter_error: why the meter is not read any more. cost_ns: processor time it took.
    """

    def __init__(self, bench: Bench) -> None:
        self.states: list[State] = []
        self.readings: list[Reading] = []
        self.meter_error: str | None = None
        self.cost_ns = 0
        self._bench = bench
        self._host_due = 0

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Read meanwhile, and once at the end."""
        meter = self._bench.meter
        with self._bench.every(meter.interval_s if meter else HOST_S, self.tick):
            yield self
        self._read_meter()

    def tick(self) -> None:
        """Read what is due."""
        begun = self._bench.busy()
        self._read_meter()
        now = self._bench.clock()
        if now >= self._host_due:
            self._host_due = now + round(HOST_S * 1e9)
            self.states.append(self._bench.host.state())
        self.cost_ns += self._bench.busy() - begun

    def _read_meter(self) -> None:
        meter = self._bench.meter
        if meter is None or self.meter_error is not None:
            return
        try:
            power = meter.read()
        except MeterError as error:
            self.meter_error = str(error)
            return
        self.readings.append(Reading(self._bench.clock(), power))

    def moments(self, start_ns: int, before: State) -> list[Moment]:
        """The states, seconds from `start_ns`; the load is that since the state before it, `before` the first."""
        return [_moment(start_ns, *pair) for pair in zip([before, *self.states], self.states, strict=False)]


def _moment(start_ns: int, before: State, state: State) -> Moment:
    return Moment(
        at_s=round((state.at_ns - start_ns) / 1e9, 3),
        clock_mhz=round(fmean(state.clocks_mhz), 1) if state.clocks_mhz else None,
        temperature_c=state.temperature_c,
        limits=state.limits,
        other_load=other_load(before, state),
        memory_bytes=state.memory_bytes,
    )


def other_load(before: State, after: State) -> float | None:
    """Cores that programs other than this one kept busy between two states; None: not told."""
    if before.busy_s is None or after.busy_s is None or before.own_s is None or after.own_s is None:
        return None
    seconds = (after.at_ns - before.at_ns) / 1e9
    others = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    return round(max(0.0, others / seconds), 3) if seconds > 0 else None


@contextmanager
def in_thread(seconds: float, tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` every so many seconds, in a thread of its own."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(seconds):
            tick()

    thread = threading.Thread(target=work, name="edge-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5.0)
