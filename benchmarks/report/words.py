"""A result in words: what the terminal, the Markdown and the page all say of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge.errors import one_line
from edge.host import State

from ..record import Moment, PowerUse, Result, Summary
from ..stats import PERCENTILES, least_samples

NOT_MEASURED = "not measured"
TOO_FEW = "too few samples"


class Row(NamedTuple):
    """One thing that is told of a result, in one or more lines."""

    name: str
    lines: list[str]


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, never in powers of ten below a million million."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{digits}g}" if abs(value) >= 1e12 or decimals > 9 else f"{value:,.{max(decimals, 0)}f}"


def measured(value: float | None, unit: str = "", digits: int = 4) -> str:
    """A number and its unit, or that it was not measured."""
    return NOT_MEASURED if value is None else f"{number(value, digits)} {unit}".rstrip()


def absent(reason: str | None) -> str:
    """That something was not measured, and why."""
    return f"{NOT_MEASURED}: {one_line(reason)}" if reason else NOT_MEASURED


def size(count: int | None) -> str:
    """Bytes as MiB."""
    return NOT_MEASURED if count is None else f"{number(count / 2**20, 3)} MiB"


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of something: "1 thread", "4 threads"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percentiles(summary: Summary) -> dict[str, float | None]:
    """By name; None where the samples do not bear it."""
    return {"p90": summary.p90, "p95": summary.p95, "p99": summary.p99, "p99.9": summary.p99_9}


def median(summary: Summary) -> str:
    """The median, with its confidence interval where there is one."""
    if summary.median is None:
        return NOT_MEASURED
    span = summary.confidence.get("median")
    return f"{number(summary.median)} ms" + (f" ({number(span[0])} to {number(span[1])}, 99 %)" if span else "")


def title(result: Result) -> str:
    """Scenario, model, backend, and how many threads and streams."""
    parts = [result.scenario, result.model, result.backend]
    parts += [counted(result.threads, "thread")] if result.threads is not None else []
    parts += [counted(len(result.streams), "stream")] if result.streams else []
    return " · ".join(map(one_line, parts))


def told(result: Result) -> list[Row]:
    """All that is told of one result, but for its verdict."""
    rows = (Row(name, tell(result)) for name, tell in TOLD.items())
    return [row for row in rows if row.lines]


def of_backend(result: Result) -> list[str]:
    """Why it is nothing that the profile prefers; nothing where it is what the profile asks for first."""
    return [f"{one_line(result.backend)}, because {one_line(reason)}" for reason in result.backend_reasons]


def of_latency(result: Result) -> list[str]:
    """Median, mean, percentiles, extremes, and what a sample is."""
    found = result.latency_ms
    if found.median is None:
        return [absent(result.error or "no sample was taken")]
    borne = {name: value for name, value in percentiles(found).items() if value is not None}
    lines = [f"median {median(found)}"]
    lines.append(figures({"mean": found.mean, "min": found.min, "max": found.max, "spread": found.spread}))
    lines += [figures(borne)] if borne else []
    lacking = [f"{name} ({least_samples(share):,})" for name, share in PERCENTILES.items() if name not in borne]
    lines += [f"{TOO_FEW} for {', '.join(lacking)}"] if lacking else []
    return [*lines, f"{counted(found.count, 'sample')} in {number(result.seconds, 3)} s: {one_line(result.latency_is)}"]


def figures(named: Mapping[str, float | None]) -> str:
    """Milliseconds by name, in one line, those that are there."""
    return "   ".join(f"{name} {number(value)} ms" for name, value in named.items() if value is not None)


def of_stages(result: Result) -> list[str]:
    """The median of each stage."""
    each = [f"{one_line(name)} {measured(found.median, 'ms', 3)}" for name, found in result.stages_ms.items()]
    return ["   ".join(each) if each else absent(no_stages(result))]


def no_stages(result: Result) -> str | None:
    """Why there is no split into stages."""
    return "this scenario has one stage" if result.latency_ms.samples else result.error


def of_rate(result: Result) -> list[str]:
    """Frames or inferences a second, and what each of several streams had."""
    lines = [measured(result.fps, "FPS")]
    if result.streams:
        each = [stream.fps for stream in result.streams]
        span = f"{number(min(each))} to {number(max(each))}"
        lines.append(f"{counted(len(each), 'stream')}: {number(sum(each))} FPS in total, {span} each")
    return lines


def of_frames(result: Result) -> list[str]:
    """What became of the frames of a source, and how old they were when answered."""
    lines = [f"age at the result: median {median(result.age_ms)}"] if result.age_ms else []
    if result.age_ms and result.age_ms.p99 is not None:
        lines[0] += f", p99 {number(result.age_ms.p99)} ms"
    if result.frames:
        found = result.frames
        lost = f"{found.replaced:,} replaced by newer ones, {found.undecodable:,} undecodable"
        lines.append(f"{found.answered:,} answered, {lost}")
    return lines


def of_memory(result: Result) -> list[str]:
    """Of the process that ran the model, and of the model's file."""
    found = result.memory
    told = f"peak {size(found.peak_bytes)}, steady {size(found.steady_bytes)} (harness included)"
    if result.scenario == "cold":
        told = f"peak {size(found.peak_bytes)} (of a fresh process)"
    return [
        NOT_MEASURED if found.peak_bytes is found.steady_bytes is None else told,
        f"model {size(result.model_bytes)}",
    ]


def of_start(result: Result) -> list[str]:
    """Loading, the first inference, and the warm-up."""
    lines = [f"init {measured(result.init_ms, 'ms')}, first inference {measured(result.first_inference_ms, 'ms')}"]
    if result.warmup:
        ended = "" if result.warmup.settled else ", not settled"
        lines.append(f"warm-up {number(result.warmup.seconds, 3)} s{ended}: {one_line(result.warmup.rule)}")
    return lines


def of_power(result: Result) -> list[str]:
    """Watts and joules, with what the meter covers and misses beside them."""
    found = result.power
    if found is None:
        return [absent(result.power_not_measured)]
    watts = f"{number(found.watts, 3)} W (idle {measured(found.idle_watts, 'W', 3)}, peak"
    lines = [f"{watts} {measured(found.peak_watts, 'W', 3)})", energy(found)]
    meter = f"{one_line(found.meter)}: covers {one_line(found.covers)}"
    return [*lines, meter, f"it misses {one_line(found.misses)}"]


def energy(found: PowerUse) -> str:
    """Joules an inference, gross and net, and inferences a joule."""
    if found.joules_per_inference is None:
        return f"joules an inference: {NOT_MEASURED}"
    net, rate = found.joules_per_inference_net, found.inferences_per_joule
    beside = [f"net {measured(net, 'J', 3)}"] + ([f"{number(rate, 3)} inferences/J"] if rate is not None else [])
    return f"{number(found.joules_per_inference, 3)} J/inference gross, {', '.join(beside)}"


def of_fidelity(result: Result) -> list[str]:
    """How like the reference the answers are."""
    found = result.fidelity
    if found is None:
        return [absent(result.fidelity_not_measured)]
    share = f"{100 * found.agreement:.1f} % of {counted(found.pictures, 'picture')}"
    most = f"largest score difference {number(found.largest_difference, 3)}"
    return [f"same first class in {share}", f"{most}, against {one_line(found.reference)}"]


def of_host(result: Result) -> list[str]:
    """Governor, clocks, heat and what held the machine back, before, during and after."""
    governors = result.host_before.governors
    parts = [
        "governor " + (", ".join(map(one_line, governors)) if governors else NOT_MEASURED),
        f"clock {clock(result)}",
        f"temperature {heat(result)}",
        held(result),
    ]
    return ["   ".join(parts)]


def clock(result: Result) -> str:
    """Of the fastest core, the mean over time, and the highest it may be."""
    during = [moment.clock_mhz for moment in result.watch if moment.clock_mhz is not None]
    clocks = during or [max(result.host_after.clocks_mhz or (), default=0.0)]
    if not any(clocks):
        return NOT_MEASURED
    most = result.host_after.most_mhz
    return f"{sum(clocks) / len(clocks):,.0f}{f' of {max(most):,.0f}' if most else ''} MHz"


def heat(result: Result) -> str:
    """The lowest and the highest temperature, and those of the Edge TPU where it tells."""
    seen: list[State | Moment] = [result.host_before, *result.watch, result.host_after]
    board = _range([each.temperature_c for each in seen])
    accelerator = _range([each.accelerator_c for each in seen])
    return (board or NOT_MEASURED) + (f", of the Edge TPU {accelerator}" if accelerator else "")


def _range(degrees: list[float | None]) -> str | None:
    known = [each for each in degrees if each is not None]
    return f"{min(known):.1f} to {max(known):.1f} °C" if known else None


def held(result: Result) -> str:
    """What held the machine back before, during or after the run."""
    seen = [result.host_before.limits, *(moment.limits for moment in result.watch), result.host_after.limits]
    if all(limits is None for limits in seen):
        return f"throttling {NOT_MEASURED}"
    return "held back: " + (", ".join(sorted({one_line(each) for limits in seen for each in limits or ()})) or "never")


def of_harness(result: Result) -> list[str]:
    """What the harness itself costs, and what watching the host and the meter did beside it."""
    lines = [NOT_MEASURED]
    if result.harness_us is not None:
        middle = result.latency_ms.median
        share = f" ({result.harness_us / middle / 10:.2g} % of the median)" if middle else ""
        lines = [f"{number(result.harness_us, 3)} µs a sample{share}"]
    if result.watching_share is not None:
        lines[0] += f"   watching host and meter {number(100 * result.watching_share, 2)} % of a core"
    return lines


def of_error(result: Result) -> list[str]:
    """What ended it early."""
    return [one_line(result.error)] if result.error else []


TOLD: dict[str, Callable[[Result], list[str]]] = {
    "backend": of_backend,
    "latency": of_latency,
    "stages": of_stages,
    "rate": of_rate,
    "frames": of_frames,
    "memory": of_memory,
    "start": of_start,
    "power": of_power,
    "fidelity": of_fidelity,
    "host": of_host,
    "harness": of_harness,
    "error": of_error,
}
