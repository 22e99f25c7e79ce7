"""From what a meter read to watts and joules an inference.

Only readings inside the timed window count. Between two readings the draw is taken to go straight from one to the
other (trapezoidal rule); what a counter of joules tells needs no such rule. What no reading covers at either end of the
window is taken to be as the mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from edge.errors import ConfigError, MeterError, one_line
from edge.files import printable
from edge.types import Power, PowerMeter

from . import meterlog
from .record import PowerUse, Result, Window

LEAST = 3
"""Readings that a window must have."""

SHARE = 0.1
STEPS = 2.5
"""A live meter may be silent for a tenth of the window, or for two and a half of its usual steps, if that is more."""

LOG_SHARE = 0.01
LOG_STEPS = 5.0
"""Likewise a meter with a clock of its own, whose steps are even."""

MOST = 10_000
"""Readings that are kept in a record; of more, means of as many stretches are."""

DIGITS = 9
"""Of watts: what is smaller is the error of adding them up, and would stand as a net draw where there is none."""

OUTSIDE = "what the outside meter was wired to; its log does not tell"
BEYOND = "whatever was not behind that meter"


class Reading(NamedTuple):
    """What a meter told, and when, in nanoseconds of the clock that the samples are timed with."""

    at_ns: int
    power: Power


class Series(NamedTuple):
    """Seconds, in rising order, watts at these, and the mean of the watts over the time they span."""

    times: list[float]
    watts: list[float]
    mean: float


def power_use(
    meter: PowerMeter, idle: Sequence[Reading], during: Sequence[Reading], window: tuple[int, int], inferences: int
) -> PowerUse:
    """What `inferences` in `window` (nanoseconds, from and to) drew. idle: readings of the time before.

    Raises MeterError where there are too few readings in the window, or they leave too much of it open.
    """
    start, end = window
    seconds = (end - start) / 1e9
    inside = [reading for reading in during if start <= reading.at_ns <= end]
    if len(inside) < LEAST or seconds <= 0:
        raise MeterError(f"{meter.name}: {_few(len(inside), seconds)}")
    series = _series(inside, start, meter.name)
    silent = _silent(series.times, seconds, SHARE, STEPS)
    if silent:
        at, length = silent
        advice = "see whether it fell out"
        raise MeterError(f"{meter.name}: no reading for {length:.1f} s, {at:.1f} s after the start; {advice}")
    ends_s = seconds - (series.times[-1] - series.times[0])
    said = f"; {ends_s:.1f} s of the {seconds:.1f} s, in which nothing was read, and which are taken to be as the rest"
    missed = said if ends_s > 2 * _step(series.times) else ""
    rested = len(idle) >= LEAST and idle[-1].at_ns > idle[0].at_ns
    before = _series(idle, start, meter.name).mean if rested else None
    return _use((meter.name, meter.covers, meter.misses + missed), series, before, seconds, inferences)


def _few(count: int, seconds: float) -> str:
    return f"{count} readings within {seconds:.2f} s, and {LEAST} are needed; measure longer, or read the meter faster"


def _series(readings: Sequence[Reading], start_ns: int, name: str) -> Series:
    times = [(reading.at_ns - start_ns) / 1e9 for reading in readings]
    joules = [reading.power.joules for reading in readings if reading.power.joules is not None]
    watts = [reading.power.watts for reading in readings if reading.power.watts is not None]
    if len(watts) == len(times):
        return Series(times, watts, _mean(times, watts))
    if len(joules) != len(times):
        raise MeterError(f"{name}: readings without watts or joules; mend the meter's adapter")
    return _counted(times, joules, name)


def _mean(times: Sequence[float], watts: Sequence[float]) -> float:
    """By the trapezoidal rule; times in rising order."""
    span = times[-1] - times[0]
    pairs = itertools.pairwise(zip(times, watts, strict=True))
    mean = sum((b - a) * (x + y) / 2 for (a, x), (b, y) in pairs) / span if span > 0 else fmean(watts)
    return round(mean, DIGITS)


def _counted(times: list[float], joules: list[float], name: str) -> Series:
    """A counter's series: the watts at a reading are the mean since the one before."""
    pairs = list(itertools.pairwise(zip(times, joules, strict=True)))
    if any(y < x for (_, x), (_, y) in pairs):
        raise MeterError(f"{name}: its count of joules fell; use another meter")
    moved = [(b, (y - x) / (b - a)) for (a, x), (b, y) in pairs if b > a]
    if not moved:
        raise MeterError(f"{name}: all readings are of one moment; use another meter")
    mean = round((joules[-1] - joules[0]) / (times[-1] - times[0]), DIGITS)
    return Series([times[0], *(at for at, _ in moved)], [moved[0][1], *(watts for _, watts in moved)], mean)


def _silent(times: Sequence[float], seconds: float, share: float, steps: float) -> tuple[float, float] | None:
    """Where the window (0 to `seconds`) has a hole: when it begins, and how long it is."""
    usual = _step(times)
    ends = itertools.pairwise([0.0, *times, seconds])
    holes = [(a, b - a) for a, b in ends if b - a > max(share * seconds, steps * usual)]
    return max(holes, key=lambda hole: hole[1], default=None)


def _step(times: Sequence[float]) -> float:
    moved = [b - a for a, b in itertools.pairwise(times) if b > a]
    return median(moved) if moved else 0.0


def _use(words: tuple[str, str, str], series: Series, idle: float | None, seconds: float, inferences: int) -> PowerUse:
    name, covers, misses = words
    if series.mean <= 0:
        raise MeterError(f"{name}: {series.mean:.3g} W on average, which cannot be; see how the sensor is wired")
    joules = series.mean * seconds
    net = None if idle is None else (series.mean - idle) * seconds
    return PowerUse(
        meter=name,
        covers=covers,
        misses=misses,
        watts=series.mean,
        idle_watts=idle,
        peak_watts=max(series.watts),
        joules=joules,
        joules_per_inference=joules / inferences if inferences else None,
        joules_per_inference_net=net / inferences if inferences and net is not None else None,
        inferences_per_joule=inferences / joules if inferences else None,
        readings=_thinned(series.times, series.watts),
    )


def _thinned(times: Sequence[float], watts: Sequence[float]) -> list[tuple[float, float]]:
    """Pairs, rounded to microseconds and microwatts; means of stretches where there are too many."""
    size = -(-len(times) // MOST)
    stretches = [slice(at, at + size) for at in range(0, len(times), size)]
    return [(round(fmean(times[each]), 6), round(fmean(watts[each]), 6)) for each in stretches]


# --- the log of an outside meter


def window_of(result: Result) -> Window:
    """The timed window of a result."""
    return Window(started_at=result.started_at, seconds=result.seconds)


def from_csv(path: Path, idle: Window | None, window: Window, inferences: int, offset_s: float = 0.0) -> PowerUse:
    """What `inferences` in a window drew, by what an outside meter wrote. offset_s is added to its times.

    Raises MeterError, with the line, for a hole or a clock that runs backwards inside a window, and where the log does
    not cover the window; rows outside do not matter. Raises ConfigError for a file that is no such log.
    """
    name = f"--csv {printable(path)}"
    series = _logged(path, name, window, offset_s, required=True)
    before = _logged(path, name, idle, offset_s, required=False) if idle is not None else None
    words = (f"log {printable(path.name)}", OUTSIDE, BEYOND)
    assert series is not None
    return _use(words, series, before.mean if before else None, window.seconds, inferences)


def _logged(path: Path, name: str, window: Window, offset_s: float, *, required: bool) -> Series | None:
    """The rows inside a window; None where there are too few, and none are required."""
    start = unix(window.started_at)
    moved = (row._replace(at=None if row.at is None else row.at + offset_s - start) for row in meterlog.rows(path))
    spans, inside = _inside(moved, window.seconds, name)
    if len(inside) < LEAST and not required:
        return None
    if len(inside) < LEAST:
        shown = f"{_clock(start)} to {_clock(start + window.seconds)}"
        span = f"the log goes from {_clock(start + spans[0])} to {_clock(start + spans[1])}"
        advice = "if its clock is another one, give --offset S"
        raise MeterError(f"{name}: {len(inside)} rows from {shown} UTC, and {LEAST} are needed; {span}; {advice}")
    times = [row.at for row in inside if row.at is not None]
    watts = [row.watts for row in inside if row.watts is not None]
    hole = _silent(times, window.seconds, LOG_SHARE, LOG_STEPS)
    if hole:
        at, length = hole
        line = next((row.line for row in inside if row.at is not None and row.at > at), None)
        early = f"the end: it comes {length:.2f} s before that of the window"
        where = f"line {line}: no row for {length:.2f} s before it" if line else early
        raise MeterError(f"{name}, {where}, where {_step(times):.3g} s are usual; measure again, and log all of it")
    return Series(times, watts, _mean(times, watts))


def _inside(rows: Iterable[meterlog.Row], seconds: float, name: str) -> tuple[tuple[float, float], list[meterlog.Row]]:
    """The span of the log and its rows inside the window, in seconds of the window, 0 to `seconds`."""
    again = "within the window; measure again, or mend that line"
    found: list[meterlog.Row] = []
    first: float | None = None
    last, bad = 0.0, 0
    for row in rows:
        if row.at is None:
            bad = bad or row.line
            continue
        if first is not None and bad and last <= seconds and row.at >= 0:
            raise MeterError(f"{name}, line {bad}: no whole row with a time, {again}")
        if first is not None and row.at < last and row.at <= seconds and last >= 0:
            raise MeterError(f"{name}, line {row.line}: the clock runs backwards by {last - row.at:.3f} s, {again}")
        if 0 <= row.at <= seconds:
            if row.watts is None:
                raise MeterError(f"{name}, line {row.line}: no number of watts, {again}")
            found.append(row)
        first, last, bad = row.at if first is None else min(first, row.at), row.at, 0
    if first is None:
        raise ConfigError(f"{name}: no row with a time; give Unix seconds or milliseconds, or ISO 8601")
    if bad and 0 <= last <= seconds:
        raise MeterError(f"{name}, line {bad}: no whole row with a time, {again}")
    return (first, last), found


def unix(moment: str) -> float:
    """Seconds since 1970 of a time in ISO 8601. Raises ConfigError."""
    found = meterlog.iso(moment)
    if found is None:
        raise ConfigError(f"{one_line(moment)!r} is no time in ISO 8601; give a record as edge-bench wrote it")
    return found


def _clock(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):  # so far off that it has no date
        return f"{seconds:.6g} s"
