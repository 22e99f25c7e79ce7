"""The plots of one result, and of a sweep; each is one drawing, or None where there is nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from edge.errors import one_line

from ..record import Moment, Result, Summary
from .svg import (
    LEFT,
    RIGHT,
    WIDTH,
    Point,
    Scale,
    bars,
    box,
    drawing,
    exact,
    fitted,
    frame,
    label,
    middles,
    polyline,
    rule,
    scale,
    thin,
)
from .words import number

COLOURS = 7
"""Of the style sheet, c0 to c6."""

DRIFT, FEW = 80, 300
"""Samples from which on their running median is drawn, and from which on each is a fine dot."""

WIDE = 5.0
"""From a maximum of so many medians on, latencies are drawn on a logarithmic scale."""


def latency(result: Result) -> str | None:
    """Each sample over time; under it clock, temperature and the yardstick, and where the machine was held back."""
    samples = result.latency_ms.samples
    if not samples:
        return None
    times = result.at_s if len(result.at_s) == len(samples) else [float(n) for n in range(len(samples))]
    timed = times is result.at_s
    points = list(zip(times, samples, strict=True))
    panels = [("latency (ms)", points, 104.0)] + (beside(result) if timed else [])
    across = exact([*times, *(moment.at_s for moment in result.watch if timed)], LEFT, RIGHT)
    parts, top = [], 22.0
    floor = top + sum(high + 26 for _, _, high in panels) - 26
    if timed:
        parts += shade(result.watch, across, top, floor)
    for left, (name, series, high) in zip(reversed(range(len(panels))), panels, strict=True):
        below = None if left else "time (s)" if timed else "sample"
        parts.append(panel(name, series, across, top, top + high, below))
        top += high + 26
    notes = lacking(result)
    parts += [label(0, floor + 50 + 15 * row, fitted(words, WIDTH)) for row, words in enumerate(notes)]
    return drawing(floor + 38 + 15 * len(notes), f"latency over time, {len(samples)} samples", parts)


def beside(result: Result) -> list[tuple[str, list[Point], float]]:
    """What is drawn under the latencies, as far as it was measured."""
    watch, yardstick = result.watch, result.yardstick
    clock = [(moment.at_s, moment.clock_mhz) for moment in watch if moment.clock_mhz is not None]
    heat = [(moment.at_s, moment.temperature_c) for moment in watch if moment.temperature_c is not None]
    work = list(zip(yardstick.at_s, yardstick.ms, strict=False)) if yardstick else []
    named = (("clock (MHz)", clock), ("temperature (°C)", heat), ("yardstick: fixed work (ms)", work))
    return [(name, series, 40.0) for name, series in named if series]


def lacking(result: Result) -> list[str]:
    """In words, what stands under the latencies of what was not measured, and of what held the machine back."""
    watch = result.watch
    seen = sorted({one_line(each) for moment in watch for each in moment.limits or ()})
    notes = ["strokes: samples; line: their running median"] if len(result.latency_ms.samples) >= DRIFT else []
    notes += [f"shaded: {', '.join(seen)}"] if seen else []
    known = {
        "clock": any(moment.clock_mhz is not None for moment in watch),
        "temperature": any(moment.temperature_c is not None for moment in watch),
        "throttling": any(moment.limits is not None for moment in watch),
    }
    absent = [name for name, there in known.items() if not there]
    return [*notes, f"not measured: {', '.join(absent)}"] if absent else notes


def panel(name: str, series: Sequence[Point], across: Scale, top: float, floor: float, below: str | None) -> str:
    """One series over time. Columns with several values are strokes from the least to the most."""
    values = [y for _, y in series]
    middle = sorted(values)[len(values) // 2]
    log = min(values) > 0 and max(values) > WIDE * middle
    up = scale(values, floor, top, log=log)
    large = floor - top > 60
    parts = [frame(across, up, f"{name}, logarithmic" if log else name, below, None if large else ends(values))]
    if large:
        kind = "dots s0" if len(series) >= FEW else "few s0"
        parts.append(bars([(x, up.at(low), up.at(high)) for x, low, high in thin(series, across)], kind))
        drift = middles(series, 40) if len(series) >= DRIFT else []
        parts.append(polyline([(across.at(x), up.at(y)) for x, y in drift], "line s1"))
    else:
        parts.append(line(series, across, up, "line s0"))
    return "".join(parts)


def ends(values: Sequence[float]) -> list[float]:
    """The least and the most, which a small panel has room for."""
    return sorted({min(values), max(values)})


def line(series: Sequence[Point], across: Scale, up: Scale, kind: str) -> str:
    """A line through a series, that shows the extremes of each column."""
    places: list[Point] = []
    for x, low, high in thin(series, across):
        places += [(x, up.at(low))] if low == high else [(x, up.at(low)), (x, up.at(high))]
    return polyline(places, kind)


def shade(watch: Sequence[Moment], across: Scale, top: float, floor: float) -> list[str]:
    """Stretches in which something held the machine back: from each such moment to the next one."""
    ends = [later.at_s for _, later in pairwise(watch)] + [across.high]
    held = [(moment.at_s, end) for moment, end in zip(watch, ends, strict=False) if moment.limits]
    spans = [(across.at(start), across.at(max(start, end))) for start, end in held]
    return [
        box(start, top, end - start, floor - top, "held") + box(start, top - 4, end - start, 3, "heldbar")
        for start, end in joined(spans)
    ]


def joined(spans: Sequence[Point]) -> list[Point]:
    """Spans that touch each other as one."""
    found: list[Point] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + 0.5:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def distribution(summary: Summary, name: str) -> str | None:
    """How many samples took how long, with median, p90 and p99 where the samples bear them.

    The few that are far beyond the others are one bar at the end, and told in words.
    """
    if not summary.samples:
        return None
    ordered = sorted(summary.samples)
    most = bulk(ordered)
    near = [sample for sample in ordered if sample <= most]
    across = scale([*near, most], LEFT, RIGHT)
    counts = histogram(near, across, 47)
    top, floor = 64.0, 176.0
    up = exact(counts, floor, top)
    few = [0.0, float(max(counts))] if max(counts) < 4 else None
    parts = [frame(across, up, "", f"{name} (ms)", few), label(0, 14, "samples", kind="title"), *columns(counts, up)]
    if len(near) < len(ordered):
        far = len(ordered) - len(near)
        parts.append(box(RIGHT + 3, floor - max(floor - up.at(far), 3), 7, max(floor - up.at(far), 3), "f1"))
        words = f"at the right end: {far:,} beyond, up to {number(ordered[-1])} ms"
        parts.append(label(0, floor + 50, fitted(words, WIDTH)))
    marks = (("median", summary.median, "s1"), ("p90", summary.p90, "s2"), ("p99", summary.p99, "s3"))
    for row, (words, value, kind) in enumerate(marks):
        if value is not None:
            parts.append(mark(across.at(value), 27.0 + 14 * row, floor, f"{words} {number(value)}", kind))
    return drawing(floor + (58 if len(near) < len(ordered) else 38), f"distribution of {name}", parts)


def bulk(ordered: Sequence[float]) -> float:
    """Up to where samples are drawn to scale: three times as far from the least as 99 % of them are."""
    least, most = ordered[0], ordered[math.ceil(0.99 * len(ordered)) - 1]
    limit = least + 3 * (most - least)
    return ordered[-1] if ordered[-1] <= limit or most <= least else limit


def columns(counts: Sequence[int], up: Scale) -> list[str]:
    """A bar for each column that has samples."""
    wide = (RIGHT - LEFT) / len(counts)
    highs = [max(up.start - up.at(count), 1.5) for count in counts]
    return [
        box(LEFT + column * wide, up.start - high, wide - 0.7, high, "f0")
        for column, (count, high) in enumerate(zip(counts, highs, strict=True))
        if count
    ]


def mark(x: float, top: float, floor: float, words: str, kind: str) -> str:
    """An upright line with its name at its head, on the side that has room."""
    left = x > WIDTH * 0.62
    named = label(x - 4 if left else x + 4, top, words, "end" if left else "start", "mark")
    return rule(x, top - 9, x, floor, f"rule {kind}") + named


def histogram(samples: Sequence[float], across: Scale, most: int) -> list[int]:
    """How many samples are in each of several columns of one width: about the root of their number."""
    columns = min(max(int(len(samples) ** 0.5) * 2, 8), most)
    counts = [0] * columns
    span = across.end - across.start
    for sample in samples:
        share = (across.at(sample) - across.start) / span
        counts[min(int(share * columns), columns - 1)] += 1
    return counts


def stages(result: Result) -> str | None:
    """The medians of the stages beside each other in one bar, and what each is."""
    named = [(one_line(name), each.median) for name, each in result.stages_ms.items()]
    known = [(name, value) for name, value in named if value is not None and value >= 0]
    if not known:
        return None
    left = 14
    across = exact([sum(value for _, value in known)], left, RIGHT)
    parts, start = [], 0.0
    for row, (name, value) in enumerate(known):
        colour, y = f"f{row % COLOURS}", 92 + 18 * row
        begin, end = across.at(start), across.at(start + value)
        parts += [box(begin, 22, end - begin, 26, f"{colour} part"), box(left, y - 9, 10, 10, colour)]
        words = f"{number(value, 3)} ms"
        parts += [label(left + 16, y, fitted(name, 192)), label(RIGHT, y, words, "end")]
        start += value
    ticks = [rule(x, 48, x, 52, "axis") + label(x, 64, words, "middle") for x, words in across.ticks(5)]
    head = [label(0, 14, "sum of the medians (ms)", kind="title"), rule(left, 48, RIGHT, 48, "axis")]
    return drawing(92 + 18 * len(known) - 8, "stages, medians", [*head, *ticks, *parts])


def watts(result: Result) -> str | None:
    """What the meter told over time, with the mean, and what was drawn with nothing to do."""
    power = result.power
    if power is None or len(power.readings) < 2:
        return None
    levels = [value for value in (power.watts, power.idle_watts) if value is not None]
    top, floor = 22.0, 142.0
    across = exact([at for at, _ in power.readings], LEFT, RIGHT)
    up = scale([*levels, *(value for _, value in power.readings)], floor, top, zero=True)
    parts = [frame(across, up, "power (W)", "time (s)"), line(power.readings, across, up, "line s0")]
    parts.append(rule(LEFT, up.at(power.watts), RIGHT, up.at(power.watts), "rule s1"))
    legend = [("s0", "readings"), ("rule s1", f"mean {number(power.watts, 3)}")]
    if power.idle_watts is not None:
        parts.append(rule(LEFT, up.at(power.idle_watts), RIGHT, up.at(power.idle_watts), "rule s3"))
        legend.append(("rule s3", f"idle {number(power.idle_watts, 3)}"))
    parts.append(keys(legend, floor + 50))
    return drawing(floor + 58, "power over time", parts)


def keys(legend: Sequence[tuple[str, str]], y: float) -> str:
    """A short stroke of each line, and what it is, in one row."""
    step = (WIDTH - 6) / len(legend)
    return "".join(
        rule(6 + step * n, y - 4, 24 + step * n, y - 4, f"line {kind}") + label(29 + step * n, y, words)
        for n, (kind, words) in enumerate(legend)
    )


def scaling(name: str, lines: Sequence[tuple[str, Sequence[Point]]]) -> str | None:
    """Frames a second over the number of something; lines: what each is, and its (number, FPS)."""
    points = [point for _, series in lines for point in series]
    if len({x for x, _ in points}) < 2:
        return None
    top, floor = 22.0, 142.0
    across = exact([x for x, _ in points], LEFT, RIGHT)
    up = exact([y * 1.06 for _, y in points], floor, top)
    parts = [frame(across, up, "FPS", None), *whole(sorted({x for x, _ in points}), across, floor)]
    parts.append(label((LEFT + RIGHT) / 2, floor + 31, name, "middle", "title"))
    for n, (_, series) in enumerate(lines):
        places = [(across.at(x), up.at(y)) for x, y in sorted(series)]
        parts += [polyline(places, f"line s{n}"), bars([(x, y, y) for x, y in places], f"knots s{n}")]
    if len(lines) > 1:
        parts.append(keys([(f"s{n}", words) for n, (words, _) in enumerate(lines)], floor + 50))
    return drawing(floor + (58 if len(lines) > 1 else 38), f"FPS over {name}", parts)


def whole(numbers: Sequence[float], across: Scale, floor: float) -> list[str]:
    """A tick at each number that has room for its label."""
    parts, free = [], 0.0
    for number_ in numbers:
        x, words = across.at(number_), f"{number_:g}"
        if x - 4 * len(words) >= free:
            parts.append(rule(x, floor, x, floor + 4, "axis") + label(x, floor + 16, words, "middle"))
            free = x + 4 * len(words) + 6
    return parts
