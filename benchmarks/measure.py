"""From a job to a result: open, warm up, sample, and tell what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from threading import Event
from typing import NamedTuple

import msgspec

from edge.engine import Engine
from edge.errors import ConfigError

from . import scenarios
from .parts import Bench, Job, Lost, Sample, Scenario, failure, mixed
from .record import Fidelity, Result, Window
from .seen import Around, Idle, Seen, Taken, iso, result_of
from .warmup import Warm, warm_up
from .watch import Watch
from .yardstick import Timed, called

Progress = Callable[[str, float], None]
"""Takes what is being done, and which share (0 to 1) of it is behind."""

Check = Callable[[Engine], Fidelity | str]
"""Holds the answers of an engine against a reference, or says why it does not."""

INTERRUPTED = "interrupted"

ELSEWHERE = "the model runs in other processes"

TELL_NS = 250_000_000
"""Between two calls of who shows progress."""

ON_ITS_OWN = ("interpreter", "single-stream")
"""Scenarios that leave the machine to the yardstick between samples."""


class Limit(NamedTuple):
    """When a run begins (ns), and when it has seen enough: after so many seconds or samples; None is no limit."""

    start_ns: int
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

    None where somebody stopped it before there was a sample. Raises the errors of the toolkit where not one sample
    could be taken.
    """
    job = _unmixed(job)
    if not job.model.trusted:  # a stranger's model is tried once, and that is no part of loading it
        job.open().close()
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
    if seen is None:
        return None
    progress("check answers", 1.0)
    fit = _checked(check, job, seen.taken.error if scenario.engine else ELSEWHERE)
    around = Around(before, spent[0] if spent else None, warm, loop_cost_us(bench), fit)
    return result_of(job, bench, scenario, around, seen)


def _yardstick(job: Job, bench: Bench, scenario: Scenario) -> Timed:
    """On as many threads as the model, where it leaves the machine to others between samples."""
    if job.scenario not in ON_ITS_OWN or scenario.engine is None:
        return Timed(None, "", bench.clock)
    threads = getattr(scenario.engine.interpreter, "threads", None)
    made = bench.yardstick(threads)
    if made is not None:  # the first calls of a network are slow
        made()
        made()
    return Timed(made, called(threads), bench.clock)


def _unmixed(job: Job) -> Job:
    """The job, whose `open` refuses another backend or model than the first time: no figure is of two of them."""
    known: list[tuple[str, str]] = []

    def opening() -> Engine:
        engine = job.open()
        known.append((engine.interpreter.backend, engine.model))
        if known[-1] != known[0]:
            engine.close()
            raise mixed(known[0], known[-1], engine.instead_of)
        return engine

    return msgspec.structs.replace(job, open=opening)


def _timed(job: Job, bench: Bench, spent: list[int]) -> Job:
    """The job, whose `open` notes the nanoseconds that it took."""

    def opening() -> Engine:
        started = bench.clock()
        engine = job.open()
        spent.append(bench.clock() - started)
        return engine

    return msgspec.structs.replace(job, open=opening)


def _window(job: Job, bench: Bench, scenario: Scenario, samples: Iterator[Sample], progress: Progress) -> Seen | None:
    """What counts: the samples, and what was watched meanwhile; None where somebody stopped it before there was one.

    One more sample goes before, and the window begins where it ended: what was done since the warm-up is in no figure.
    """
    yardstick = _yardstick(job, bench, scenario)
    host_before, watch = bench.host.state(), Watch(bench)
    with watch.running():
        start = next(samples, None) if scenario.warms_up else Sample(bench.clock(), 0)
        before = scenario.lost()
        wall = bench.wall() - (bench.clock() - start.end_ns) / 1e9 if start else 0.0
        limit = Limit(start.end_ns if start else 0, job.duration_s, job.count)
        taken = take(samples, limit, bench, yardstick, lambda behind: progress(job.scenario, behind), job.model.name)
        lost = [Lost(now[0] - was[0], now[1] - was[1]) for now, was in zip(scenario.lost(), before, strict=True)]
    if not taken.samples:
        if bench.stop.is_set():
            return None
        raise ConfigError(f"{job.source}: it ended during the warm-up; give a longer source")
    return Seen(wall, host_before, taken, lost, watch, bench.host.state())


def _checked(check: Check, job: Job, hindered: str | None) -> Fidelity | str:
    """Load the model once more, and check it; nothing that was measured is lost to a reference that fails."""
    if hindered:
        return hindered
    try:
        with closing(job.open()) as engine:
            return check(engine)
    except (Exception, SystemExit) as failed:  # noqa: BLE001 - of somebody else's code
        return str(failure(failed, job.model.name))


def _check(job: Job, warm: Warm) -> None:
    """Raise ConfigError where the source has ended already, or the time is too short for one sample."""
    if not warm.samples:
        raise ConfigError(f"{job.source}: it ended during the warm-up; give a longer source")
    shortest = min(sample.total_ns for sample in warm.samples) / 1e9
    if job.duration_s is not None and job.duration_s < shortest:
        raise ConfigError(f"--duration {job.duration_s:g}: one sample takes {shortest:.4g} s; give more")


def take(
    samples: Iterator[Sample],
    limit: Limit,
    bench: Bench,
    yardstick: Timed,
    tell: Callable[[float], None],
    name: str = "the model",
) -> Taken:
    """Sample until a limit is reached, somebody stops it, or the source ends or fails.

    Raises what the samples raise where there is not one.
    """
    kept: list[Sample] = []
    now = told = limit.start_ns
    error = None
    try:
        for sample in samples:
            if sample.end_ns < limit.start_ns:  # it waited to be taken since before the window
                continue
            kept.append(sample)
            now = max(now, sample.end_ns)
            behind = _behind(limit, len(kept), now)
            if behind >= 1:
                break
            if bench.stop.is_set():
                error = INTERRUPTED
                break
            yardstick.between(now)
            if now - told >= TELL_NS:
                told = now
                tell(behind)
    except (Exception, SystemExit) as failed:
        if not kept and not bench.stop.is_set():
            raise
        error = INTERRUPTED if bench.stop.is_set() else str(failure(failed, name))
    return Taken(kept, limit.start_ns, now, yardstick, error)


def _behind(limit: Limit, count: int, now_ns: int) -> float:
    """Which share of a run is behind, by whichever limit is nearer."""
    by_count = count / limit.samples if limit.samples else 0.0
    by_time = (now_ns - limit.start_ns) / (limit.seconds * 1e9) if limit.seconds else 0.0
    return max(by_count, by_time)


def loop_cost_us(bench: Bench, count: int = 2000) -> float:
    """Microseconds a sample of the loop that samples, timed on samples of nothing."""

    def nothing() -> Iterator[Sample]:
        while True:
            started = bench.clock()
            ended = bench.clock()
            yield Sample(ended, ended - started)

    alone = bench._replace(stop=Event())
    started = bench.clock()
    take(nothing(), Limit(0, None, count), alone, Timed(None, "", bench.clock), lambda behind: None)
    return (bench.clock() - started) / count / 1e3
