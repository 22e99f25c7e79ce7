"""Records held against each other: what became slower or faster, by how much, and whether that can be said at all.

The first record is the base, A. Results are matched by scenario, model, backend, threads and number of cameras; of what
is left, results of one scenario are matched where each record has exactly one, so that two backends, say, can be held
against each other. One record alone is held against itself: its first result of each scenario is the base of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from edge.host import Facts

from .ratio import Finding, Ratio, Series, at_equal_speed, pace, plain, rates, times
from .record import Record, Result, Summary

HALF_GIB = 1 << 29

COUNTED = ("offline", "camera", "streams")
"""Scenarios whose answers a second are more than the reciprocal of a latency."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of two results. base, other: medians in milliseconds, or answers a second.

    kind: "latency_ms", "fps" or "stage". ratio: as it is; at_equal_speed: with what the machine's own speed did taken
    out, where both results have a yardstick of one machine. finding: from the latter where there is one. change: by
    how much it is slower by the same ratio (0.05: 5 % more time, or 5 % fewer answers a second). visible: the least
    change that would have been found.
    """

    name: str
    kind: Literal["latency_ms", "fps", "stage"]
    base: float
    other: float
    ratio: Ratio
    at_equal_speed: Ratio | None
    finding: Finding
    change: float
    visible: float | None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two results, told in a few words. scenario, model, backend, threads: of the base.

    machine: time of the yardstick, B over A: above 1, the machine was slower in B. care: what else differs between
    them, and what makes either hard to believe. sound: neither is invalid.
    """

    base: str
    other: str
    scenario: str
    model: str
    backend: str
    threads: int | None
    care: list[str]
    sound: bool
    machine: Ratio | None
    measures: list[Measure]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two records. missing, added: results that only the base has, and only the other. care: as in `Pair`."""

    base: str
    other: str
    care: list[str]
    pairs: list[Pair]
    missing: list[str]
    added: list[str]


class Named(NamedTuple):
    """A record, and the file that it is from."""

    name: str
    record: Record


def compared(records: list[Named]) -> list[Comparison]:
    """The first record against each of the others, or its own results against the first of them."""
    first, *others = records
    return [_against(first, other) for other in others] if others else [_within(first)]


def _against(base: Named, other: Named) -> Comparison:
    left, right = list(base.record.results), list(other.record.results)
    hosts = base.record.host, other.record.host
    pairs = []
    for rule in (_matched, _lone):
        for one, two in list(rule(left, right)):
            left, right = [each for each in left if each is not one], [each for each in right if each is not two]
            pairs.append(_pair(one, two, hosts))
    return Comparison(
        base=base.name,
        other=other.name,
        care=[*_differences(base.record, other.record), *_broken(base), *_broken(other)],
        pairs=pairs,
        missing=[title(each) for each in left],
        added=[title(each) for each in right],
    )


def _within(only: Named) -> Comparison:
    bases: dict[str, Result] = {}
    pairs = []
    for result in only.record.results:
        base = bases.setdefault(result.scenario, result)
        if base is not result:
            pairs.append(_pair(base, result, (only.record.host, only.record.host)))
    return Comparison(base=only.name, other=only.name, care=_broken(only), pairs=pairs, missing=[], added=[])


def _matched(left: list[Result], right: list[Result]) -> Iterator[tuple[Result, Result]]:
    """Pairs that agree in all that names a result; several of one name in their order."""
    free = list(right)
    for one in left:
        two = next((each for each in free if _key(each) == _key(one)), None)
        if two is not None:
            free = [each for each in free if each is not two]
            yield one, two


def _lone(left: list[Result], right: list[Result]) -> Iterator[tuple[Result, Result]]:
    """Pairs of which each record has one, by scenario."""
    for one in left:
        mine = [each for each in left if each.scenario == one.scenario]
        theirs = [each for each in right if each.scenario == one.scenario]
        if len(mine) == len(theirs) == 1:
            yield one, theirs[0]


def _key(result: Result) -> tuple[object, ...]:
    cameras = None if result.streams is None else len(result.streams)
    return result.scenario, result.model, result.backend, result.threads, cameras


def title(result: Result) -> str:
    """What a result is of, in a few words."""
    threads = [] if result.threads is None else [f"{result.threads} thread{'s' * (result.threads != 1)}"]
    cameras = [] if result.streams is None else [f"{len(result.streams)} camera{'s' * (len(result.streams) != 1)}"]
    return ", ".join([result.scenario, result.model, result.backend, *threads, *cameras])


def _pair(one: Result, two: Result, hosts: tuple[Facts, Facts]) -> Pair:
    equal = host_of(hosts[0]) == host_of(hosts[1]) and _one_yardstick(one, two)
    return Pair(
        base=title(one),
        other=title(two),
        scenario=one.scenario,
        model=one.model,
        backend=one.backend,
        threads=one.threads,
        care=[*_unlike(one, two), *_doubts("A", one), *_doubts("B", two)],
        sound="invalid" not in (one.verdict, two.verdict),
        machine=_machine(one, two) if equal else None,
        measures=list(_measures(one, two, equal)),
    )


def _one_yardstick(one: Result, two: Result) -> bool:
    return one.yardstick is not None and two.yardstick is not None and one.yardstick.what == two.yardstick.what


def _machine(one: Result, two: Result) -> Ratio | None:
    was, now = pace(one), pace(two)
    return None if was is None or now is None else plain(now.centre / was.centre, was, now)


def _measures(one: Result, two: Result, equal: bool) -> Iterator[Measure]:
    yield from _timed("latency", "latency_ms", (one, two), (one.latency_ms, two.latency_ms), equal)
    if one.scenario in COUNTED and one.fps and two.fps:
        yield from _measure("FPS", "fps", (one.fps, two.fps), (rates(one), rates(two)), False)
    for name, stage in one.stages_ms.items():
        if name in two.stages_ms:
            yield from _timed(name, "stage", (one, two), (stage, two.stages_ms[name]), equal)


def _timed(
    name: str,
    kind: Literal["latency_ms", "stage"],
    results: tuple[Result, Result],
    summaries: tuple[Summary, Summary],
    equal: bool,
) -> Iterator[Measure]:
    medians = summaries[0].median, summaries[1].median
    if medians[0] and medians[1]:
        series = times(summaries[0], results[0]), times(summaries[1], results[1])
        yield from _measure(name, kind, (medians[0], medians[1]), series, equal)


def _measure(
    name: str,
    kind: Literal["latency_ms", "fps", "stage"],
    values: tuple[float, float],
    series: tuple[Series | None, Series | None],
    equal: bool,
) -> Iterator[Measure]:
    one, two = series
    if one is None or two is None:
        return
    ratio = plain(values[1] / values[0], one, two)
    fair = at_equal_speed(one, two) if equal else None
    judged = fair or ratio
    rate = kind == "fps"
    yield Measure(
        name=name,
        kind=kind,
        base=values[0],
        other=values[1],
        ratio=ratio,
        at_equal_speed=fair,
        finding=judged.finding(rate),
        change=1 - judged.ratio if rate else judged.ratio - 1,
        visible=judged.visible,
    )


def slowdowns(comparisons: Iterable[Comparison], limit: float) -> Iterator[tuple[Pair, Measure]]:
    """Latencies and rates (not stages: the whole is what counts) that were found slower by more than `limit`, as best
    estimated (0.05: 5 %)."""
    for comparison in comparisons:
        for pair in comparison.pairs:
            for each in pair.measures:
                if each.kind != "stage" and each.finding == "slower" and each.change > limit:
                    yield pair, each


def host_of(facts: Facts) -> tuple[object, ...]:
    """What makes two machines the same one, as far as speed goes."""
    memory = None if facts.memory_bytes is None else round(facts.memory_bytes / HALF_GIB)  # kernels keep some of it
    return facts.board, facts.cpu, facts.machine, facts.cores, memory


def _differences(one: Record, two: Record) -> Iterator[str]:
    a, b = one.host, two.host
    if host_of(a) != host_of(b):
        yield f"hosts differ: {_host(a)} and {_host(b)}"
    for name in ("kernel", "system", "python"):
        if getattr(a, name) != getattr(b, name):
            yield f"{name} differs: {getattr(a, name)} and {getattr(b, name)}"
    for name in sorted(a.versions.keys() | b.versions.keys()):
        if a.versions.get(name) != b.versions.get(name):
            yield f"{name} differs: {a.versions.get(name, 'none')} and {b.versions.get(name, 'none')}"
    if one.tool != two.tool:
        yield f"measured by {one.tool} and by {two.tool}"
    if one.profile_text != two.profile_text:
        yield f"profiles differ: {one.profile} and {two.profile}" + " in its text" * (one.profile == two.profile)
    for name in ("duration_s", "count", "source"):
        was, now = getattr(one.settings, name), getattr(two.settings, name)
        if was != now:
            yield f"{name.removesuffix('_s')} differs: {_word(was)} and {_word(now)}"


def _host(facts: Facts) -> str:
    return f"{facts.board or facts.cpu or facts.machine} ({facts.cores} cores)"


def _word(value: object) -> object:
    return "none" if value is None else value


def _broken(named: Named) -> list[str]:
    return [] if named.record.complete else [f"{named.name} was interrupted: it may hold fewer results and samples"]


def _unlike(one: Result, two: Result) -> Iterator[str]:
    if one.model != two.model:
        yield f"models differ: {one.model} and {two.model}"
    elif one.model_sha256 != two.model_sha256:
        yield f"models differ: {one.model} of sha256 {one.model_sha256[:8]}… and {two.model_sha256[:8]}…"
    for name in ("backend", "threads", "source"):
        was, now = getattr(one, name), getattr(two, name)
        if was != now:
            yield f"{name} differs: {_word(was)} and {_word(now)}"
    a, b = one.host_before.governors, two.host_before.governors
    if a and b and a != b:
        yield f"governor differs: {', '.join(a)} and {', '.join(b)}"


def _doubts(side: str, result: Result) -> list[str]:
    if result.verdict == "valid":
        return []
    codes = ", ".join(dict.fromkeys(each.code for each in result.warnings if each.verdict != "valid"))
    return [f"{side} is {result.verdict}" + (f": {codes}" if codes else "")]
