"""What was seen of one job, and the result that it makes."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import Any, NamedTuple

from edge.errors import MeterError
from edge.host import State

from . import energy, stats
from .energy import Reading
from .parts import Bench, Job, Lost, Sample, Scenario
from .record import Fidelity, Frames, Memory, Result, Stream, Warmup, Window
from .warmup import RULE, Warm
from .watch import Watch
from .yardstick import Timed

ONE_GOES_BEFORE = "one sample goes before, so that the files are in the system's cache"


def iso(wall: float) -> str:
    """Seconds since 1970 as ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Idle(NamedTuple):
    """What the meter told while nothing was to be done, and when that was."""

    readings: list[Reading]
    window: Window | None


class Taken(NamedTuple):
    """The samples of the timed window. error: what ended it early."""

    samples: list[Sample]
    start_ns: int
    end_ns: int
    yardstick: Timed
    error: str | None

    @property
    def seconds(self) -> float:
        """How long the window was."""
        return max(1, self.end_ns - self.start_ns) / 1e9


class Seen(NamedTuple):
    """The timed window. wall: seconds since 1970 when it began. lost: of each camera, in it."""

    wall: float
    host_before: State
    taken: Taken
    lost: list[Lost]
    watch: Watch
    host_after: State


class Around(NamedTuple):
    """What was before and after it. loop_us: what the loop costs a sample. fidelity: or why there is none."""

    idle: Idle
    init_ns: int | None
    warm: Warm
    loop_us: float
    fidelity: Fidelity | str


def result_of(job: Job, bench: Bench, scenario: Scenario, around: Around, seen: Seen) -> Result:
    """The result, before anybody judged it."""
    fit = around.fidelity
    return Result(
        **_subject(job, scenario),
        **_figures(scenario, seen),
        streams=_streams(seen) if job.scenario == "streams" else None,
        **_beside(scenario, around),
        **_machine(scenario, seen),
        **_power(bench, around.idle, seen),
        verdict="valid",
        warnings=[],
        fidelity=fit if isinstance(fit, Fidelity) else None,
        fidelity_not_measured=fit if isinstance(fit, str) else None,
    )


def _figures(scenario: Scenario, seen: Seen) -> dict[str, Any]:
    taken, samples = seen.taken, seen.taken.samples
    ages = [sample.age_ns / 1e6 for sample in samples if sample.age_ns is not None]
    split = {name: [each.stages_ns[i] / 1e6 for each in samples] for i, name in enumerate(scenario.stages)}
    return {
        "fps": _rate(scenario, samples, taken.seconds),
        "latency_ms": stats.summary([sample.total_ns / 1e6 for sample in samples]),
        "stages_ms": {name: stats.summary(times) for name, times in split.items()},
        "age_ms": stats.summary(ages) if ages else None,
        "frames": _frames(samples, seen.lost) if seen.lost else None,
        "at_s": [round((sample.end_ns - taken.start_ns) / 1e9, 5) for sample in samples],
        "error": taken.error,
    }


def _frames(samples: list[Sample], lost: list[Lost]) -> Frames:
    replaced, undecodable = (sum(of_each) for of_each in zip(*lost, strict=True))
    return Frames(answered=len(samples), replaced=replaced, undecodable=undecodable)


def _streams(seen: Seen) -> list[Stream]:
    answered = Counter(sample.camera for sample in seen.taken.samples)
    return [
        Stream(fps=round(answered[number] / seen.taken.seconds, 3), answered=answered[number], replaced=lost.replaced)
        for number, lost in enumerate(seen.lost)
    ]


def _beside(scenario: Scenario, around: Around) -> dict[str, Any]:
    return {
        "idle": around.idle.window,
        "warmup": _warmup(scenario, around.warm),
        "init_ms": None if around.init_ns is None else around.init_ns / 1e6,
        "first_inference_ms": _first(scenario, around.warm),
        "harness_us": round(around.loop_us, 3),
    }


def _machine(scenario: Scenario, seen: Seen) -> dict[str, Any]:
    after, taken = seen.host_after, seen.taken
    own = Memory(peak_bytes=after.peak_memory_bytes, steady_bytes=after.memory_bytes)
    return {
        "started_at": iso(seen.wall),
        "seconds": taken.seconds,
        "memory": own if scenario.engine else Memory(peak_bytes=scenario.peak_bytes, steady_bytes=None),
        "host_before": seen.host_before,
        "host_after": after,
        "watch": seen.watch.moments(taken.start_ns, seen.host_before, load=scenario.engine is not None),
        "watching_share": round(seen.watch.cost_ns / 1e9 / taken.seconds, 6),
        "yardstick": taken.yardstick.record(taken.start_ns),
    }


def _power(bench: Bench, idle: Idle, seen: Seen) -> dict[str, Any]:
    if bench.meter is None:
        return {"power": None, "power_not_measured": bench.no_meter}
    taken, watch = seen.taken, seen.watch
    window = taken.start_ns, taken.end_ns
    try:
        use = energy.power_use(bench.meter, idle.readings, watch.readings, window, len(taken.samples))
    except MeterError as error:
        return {"power": None, "power_not_measured": watch.meter_error or str(error)}
    return {"power": use, "power_not_measured": watch.meter_error}


def _subject(job: Job, scenario: Scenario) -> dict[str, Any]:
    return {
        "scenario": job.scenario,
        "model": job.model.name,
        "model_sha256": job.model.sha256,
        "model_bytes": len(job.model.data),
        "backend": scenario.backend,
        "backend_reasons": list(scenario.instead_of),
        "threads": scenario.threads,
        "source": job.source,
        "latency_is": scenario.latency_is,
    }


def _rate(scenario: Scenario, samples: list[Sample], seconds: float) -> float | None:
    """Samples a second: of the samples' own time where they follow one another, else of the window."""
    spent = sum(sample.total_ns for sample in samples) / 1e9 if scenario.back_to_back else seconds
    return round(len(samples) / spent, 3) if samples and spent > 0 else None


def _warmup(scenario: Scenario, warm: Warm) -> Warmup:
    rule = RULE if scenario.warms_up else ONE_GOES_BEFORE
    times = [sample.total_ns / 1e6 for sample in warm.samples]
    return Warmup(rule=rule, settled=warm.settled, seconds=round(warm.seconds, 4), samples_ms=times)


def _first(scenario: Scenario, warm: Warm) -> float | None:
    """Of the first sample, the inference, ms; None where it was in another process."""
    if not scenario.engine:
        return None
    first = warm.samples[0]
    at = scenario.stages.index("inference") if "inference" in scenario.stages else None
    return (first.total_ns if at is None else first.stages_ns[at]) / 1e6
