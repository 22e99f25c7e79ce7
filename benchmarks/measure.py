"""From a job to a result: open, warm up, sample, and tell what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import NamedTuple

import msgspec

from edge.engine import Engine
from edge.errors import ConfigError, EdgeError

from . import scenarios
from .parts import Bench, Job, Sample, Scenario
from .record import Fidelity, Result, Window
from .seen import Around, Idle, Seen, Taken, iso, result_of
from .warmup import Warm, warm_up
from .watch import Watch
from .yardstick import Timed

Progress = Callable[[str, float], None]
"""Takes what is being done, and which share (0 to 1) of it is behind."""

Check = Callable[[Engine], Fidelity | str]
"""Holds the answers of an engine against a reference, or says why it does not."""

INTERRUPTED = "interrupted"

ELSEWHERE = "the model runs in other processes"

TELL_NS = 100_000_000
"""Between two calls of who shows progress."""

ON_ITS_OWN = ("interpreter", "single-stream")
"""Scenarios that leave the machine to the yardstick between samples."""


class Limit(NamedTuple):
    """When a run has seen enough: after so many seconds, or so many samples; None is no limit."""

    seconds: float | None
    samples: int | None


def idle(bench: Bench, seconds: float, progress: Progress) -> Idle:
    """Read the meter while nothing is done; nothing without a meter, or in no time at all."""
    if not seconds:
        return Idle([], None)
    started_at = iso(bench.wall())
    with Watch(bench).running() as watch:
        for tenth in range(10):
            if bench.stop.is_set():
                break
            progress("idle", tenth / 10)
            bench.sleep(seconds / 10)
    return Idle(watch.readings, Window(started_at=started_at, seconds=seconds))


def measured(job: Job, bench: Bench, before: Idle, check: Check, progress: Progress) -> Result | None:
    """Run one job. What fails after the first sample ends the run early, and stands in the result's `error`.

    None where somebody stopped it before there was a sample.

    Raises the errors of the toolkit where
    not one sample could be taken.
    """
    bench.host.forget_peak()
    progress("load", 0.0)
    spent: list[int] = []
    with closing(scenarios.opened(_timed(job, bench, spent), bench)) as scenario:
        progress("warm up", 0.0)
        samples = iter(scenario)
        one = Warm([*islice(samples, 1)], True, 0.0) if not scenario.warms_up else None
        warm = one or warm_up(samples, bench.clock, bench.stop)
        if bench.stop.is_set():
            return None
        _check(job, warm)
        seen = _window(job, bench, scenario, samples, progress)
    progress("check answers", 1.0)
    fit = _checked(check, job, seen.taken.error if scenario.engine else ELSEWHERE)
    around = Around(before, spent[0] if spent else None, warm, loop_cost_us(bench), fit)
    return result_of(job, bench, scenario, around, seen)


def _timed(job: Job, bench: Bench, spent: list[int]) -> Job:
    """The job, whose `open` notes the nanoseconds that it took."""

    def opening() -> Engine:
        started = bench.clock()
        engine = job.open()
        spent.append(bench.clock() - started)
        return engine

    return msgspec.structs.replace(job, open=opening)


def _window(job: Job, bench: Bench, scenario: Scenario, samples: Iterator[Sample], progress: Progress) -> Seen:
    """What counts: the samples, and what was watched meanwhile."""
    yardstick = Timed(bench.yardstick if job.scenario in ON_ITS_OWN else None, bench.clock)
    limit = Limit(job.duration_s, job.count)
    scenario.begin()
    wall, host_before, watch = bench.wall(), bench.host.state(), Watch(bench)
    with watch.running():
        taken = take(samples, limit, bench, yardstick, lambda behind: progress(job.scenario, behind))
        counted = scenario.counted(taken.seconds)
    return Seen(wall, host_before, taken, counted, watch, bench.host.state())


def _checked(check: Check, job: Job, hindered: str | None) -> Fidelity | str:
    """Load the model once more, and check it; nothing that was measured is lost to a reference that fails."""
    if hindered:
        return hindered
    try:
        with closing(job.open()) as engine:
            return check(engine)
    except EdgeError as failed:
        return str(failed)


def _check(job: Job, warm: Warm) -> None:
    """Raise ConfigError where the source has ended already, or the time is too short for one sample."""
    if len(warm.samples) < 2 and job.scenario != "cold":
        raise ConfigError(f"{job.source}: it ended during the warm-up; give a longer source")
    shortest = min(sample.total_ns for sample in warm.samples) / 1e9
    if job.duration_s is not None and job.duration_s < shortest:
        raise ConfigError(f"--duration {job.duration_s:g}: one sample takes {shortest:.4g} s; give more")


def take(
    samples: Iterator[Sample], limit: Limit, bench: Bench, yardstick: Timed, tell: Callable[[float], None]
) -> Taken:
    """Sample until a limit is reached, somebody stops it, or the source ends or fails.

    Raises the errors of the toolkit where there is not one sample.
    """
    kept: list[Sample] = []
    start = now = told = bench.clock()
    error = None
    try:
        for sample in samples:
            kept.append(sample)
            now = sample.end_ns
            behind = _behind(limit, len(kept), now - start)
            if behind >= 1:
                break
            if bench.stop.is_set():
                error = INTERRUPTED
                break
            yardstick.between(now)
            if now - told >= TELL_NS:
                told = now
                tell(behind)
    except EdgeError as failed:
        if not kept:
            raise
        error = str(failed)
    return Taken(kept, start, now, yardstick, error)


def _behind(limit: Limit, count: int, spent_ns: int) -> float:
    """Which share of a run is behind, by whichever limit is nearer."""
    by_count = count / limit.samples if limit.samples else 0.0
    by_time = spent_ns / (limit.seconds * 1e9) if limit.seconds else 0.0
    return max(by_count, by_time)


def loop_cost_us(bench: Bench, count: int = 2000) -> float:
    """Microseconds a sample of the loop that samples, timed on samples of nothing."""

    def nothing() -> Iterator[Sample]:
        while True:
            started = bench.clock()
            ended = bench.clock()
            yield Sample(ended, ended - started)

    started = bench.clock()
    take(nothing(), Limit(None, count), bench, Timed(None, bench.clock), lambda behind: None)
    return (bench.clock() - started) / count / 1e3
