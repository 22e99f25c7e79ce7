"""Host and meter, read now and then beside the samples."""

from __future__ import annotations

import math
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.errors import MeterError, one_line
from edge.host import State

from .energy import Reading
from .parts import Bench
from .record import Moment

HOST_S = 1.0
"""Seconds between readings of the host."""

METER_S = 0.1
"""Seconds between readings of a meter that does not say how often it is worth while."""


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
        interval_s = getattr(meter, "interval_s", METER_S) if meter else HOST_S
        with self._bench.every(min(HOST_S, interval_s), self.tick):
            yield self

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
            if not any(value is not None and math.isfinite(value) for value in power):
                raise MeterError(f"{meter.name}: it told no number")
        except Exception as error:  # noqa: BLE001 - a meter of somebody's own must not cost the samples
            told = str(error) if isinstance(error, MeterError) else f"{type(error).__name__}: {one_line(error)}"
            self.meter_error = told
            return
        self.readings.append(Reading(self._bench.clock(), power))

    def moments(self, start_ns: int, before: State, load: bool) -> list[Moment]:
        """The states since `start_ns`, seconds from then. load: whether to tell that of others since the state before
        (`before` the first one), which is not known while processes of our own run."""
        pairs = zip([before, *self.states], self.states, strict=False)
        return [_moment(start_ns, was, now, load) for was, now in pairs if now.at_ns >= start_ns]


def _moment(start_ns: int, before: State, state: State, load: bool) -> Moment:
    return Moment(
        at_s=round((state.at_ns - start_ns) / 1e9, 3),
        clock_mhz=round(max(state.clocks_mhz), 1) if state.clocks_mhz else None,
        temperature_c=state.temperature_c,
        limits=state.limits,
        other_load=other_load(before, state) if load else None,
        memory_bytes=state.memory_bytes,
        accelerator_c=state.accelerator_c,
    )


def busy_ns() -> int:
    """Processor time of this thread and of the processes that it waited for (`vcgencmd`), nanoseconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time_ns() + round((children.ru_utime + children.ru_stime) * 1e9)


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
