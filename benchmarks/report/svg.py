"""Small drawings as text: scales, ticks, lines, and series thinned to what the eye can tell apart.

Lengths are SVG user units. A drawing is WIDTH wide, about as many pixels as a phone has, so that its letters keep
their size there; on a wider page several stand beside each other.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from edge.errors import CONTROL

WIDTH = 336
LEFT, RIGHT = 46, WIDTH - 18
"""Where the drawing itself begins and ends, between room for the labels."""

MOST, LEAST = 1e15, 1e-9
"""Larger numbers are drawn at the edge, and smaller differences not at all: no time, watt or clock has them."""

Point = tuple[float, float]


class Scale(NamedTuple):
    """From values (low to high) to places (start to end)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value; one beyond the ends is at the end."""
        low, high = self._warped(self.low), self._warped(self.high)
        share = (self._warped(min(max(value, self.low), self.high)) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """At most so many round values as place and label."""
        values = _decades(self.low, self.high, most) if self.log else _steps(self.low, self.high, most)
        return [(self.at(value), label) for value, label in values]

    def marked(self, values: Sequence[float]) -> list[tuple[float, str]]:
        """These values as place and label, told apart by as few digits as do; those too long to show are left out."""
        tried = ([_short(value, digits) for value in values] for digits in (4, 5, 6))
        labels = next((each for each in tried if len(set(each)) == len(each)), [])
        return [(self.at(value), label) for value, label in zip(values, labels, strict=False) if len(label) <= 7]

    def _warped(self, value: float) -> float:
        return math.log(value) if self.log else value


def scale(values: Iterable[float], start: float, end: float, zero: bool = False, log: bool = False) -> Scale:
    """A scale that has all values, with some air around them; zero: it begins at 0; log: where that can be."""
    kept = [_within(value) for value in values] or [0.0]
    low, high = min(kept), max(kept)
    if log and low > LEAST:
        return Scale(low / 1.05, high * 1.05, start, end, log=True)
    even = high - low <= abs(high) * LEAST + LEAST
    high = 0.0 if abs(high) < LEAST else high
    air = (abs(high) * 0.05 or 1.0) if even else (high - low) * 0.06
    return Scale(0.0 if zero and low >= 0 else low - air, high + air, start, end)


def exact(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale from the lowest to the highest value, and from 0 where the lowest is not below."""
    kept = [_within(value) for value in values] or [0.0]
    low, high = min(0.0, *kept), max(kept)
    return Scale(low, high if high - low > LEAST else low + 1.0, start, end)


def _within(value: float) -> float:
    return min(max(value, -MOST), MOST) if math.isfinite(value) else 0.0


def _steps(low: float, high: float, most: int) -> list[tuple[float, str]]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10, 20) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    values = [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
    decimals = max(0, (round(step / power, 1) == 2.5) - math.floor(math.log10(step) + 1e-9))
    return [(value, _label(value, decimals)) for value in values]


def _decades(low: float, high: float, most: int) -> list[tuple[float, str]]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5) if low <= factor * 10.0**power <= high]
    coarse = [10.0**power for power in powers if low <= 10.0**power <= high]
    kept = fine if len(fine) <= most else coarse[:: math.ceil(len(coarse) / most)]
    return [(value, _label(value, max(0, -math.floor(math.log10(value) + 1e-9)))) for value in kept]


def _label(value: float, decimals: int) -> str:
    if abs(value) >= 1e5 or decimals > 4:
        return f"{value:.3g}"
    return f"{value:,.{decimals}f}"


def _short(value: float, digits: int) -> str:
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e5 else f"{value:.{digits}g}"


def thin(points: Iterable[Point], across: Scale) -> list[tuple[float, float, float]]:
    """(place, lowest, highest) for each column of one unit that has points: what a plot of all would show."""
    columns: dict[int, Point] = {}
    for x, y in points:
        column = round(across.at(_within(x)))
        low, high = columns.get(column, (y, y))
        columns[column] = (min(low, y), max(high, y))
    return [(float(column), *span) for column, span in sorted(columns.items())]


def middles(points: Sequence[Point], parts: int) -> list[Point]:
    """The medians of so many stretches of a series in order: how it drifts."""
    size = math.ceil(len(points) / parts) or 1
    stretches = [points[at : at + size] for at in range(0, len(points), size)]
    return [(median(x for x, _ in each), median(y for _, y in each)) for each in stretches]


def escaped(words: object) -> str:
    """Text that cannot end the element or the attribute it is put in."""
    return html.escape(CONTROL.sub("\ufffd", str(words)).encode("utf-8", "replace").decode(), quote=True)


def width(words: str) -> float:
    """About how wide a text is."""
    return sum(_width(letter) for letter in words)


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0x2E7F:
        return 12.5
    return 9.5 if letter.isupper() or letter in "mwMW@%—" else 6.4


def fitted(words: str, room: float) -> str:
    """A text that fits, cut short where it must be."""
    if width(words) <= room:
        return words
    while words and width(words) > room - 10:
        words = words[:-1]
    return words.rstrip() + "…"


def label(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """Text at a place; anchor: start, middle or end."""
    given = f' class="{kind}"' if kind else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"{given}>{escaped(words)}</text>'


def rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<path class="{kind}" d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}"/>'


def box(x: float, y: float, wide: float, high: float, kind: str) -> str:
    """A filled rectangle, of a size that can be seen."""
    sides = f'width="{_n(max(wide, 0.6))}" height="{_n(max(high, 0.6))}"'
    return f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" {sides}/>'


def polyline(places: Iterable[Point], kind: str) -> str:
    """A line through places; one alone is a dot."""
    kept = [f"{_n(x)} {_n(y)}" for x, y in places]
    return f'<path class="{kind}" d="M{"L".join(kept)}{"h0" if len(kept) == 1 else ""}"/>' if kept else ""


def bars(spans: Iterable[tuple[float, float, float]], kind: str) -> str:
    """An upright stroke for each (place, from, to): a dot where both are one."""
    drawn = "".join(f"M{_n(x)} {_n(low)}{'h0' if _n(low) == _n(high) else f'V{_n(high)}'}" for x, low, high in spans)
    return f'<path class="{kind}" d="{drawn}"/>' if drawn else ""


def drawing(height: float, what: str, parts: Iterable[str]) -> str:
    """The whole picture; what: what it shows, for who cannot see it."""
    face = f'viewBox="0 0 {WIDTH} {_n(height)}" role="img" aria-label="{escaped(what)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {face}>{"".join(parts)}</svg>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def frame(across: Scale, up: Scale, name: str, below: str | None, only: Sequence[float] | None = None) -> str:
    """Grid, ticks and titles of one panel.

    below: the title of the axis across, where it is shown here. only: the values with a tick, instead of round ones.
    """
    top, floor = up.end, up.start
    parts = [label(0, top - 7, name, kind="title")]
    for y, words in up.ticks(4) if only is None else up.marked(only):
        parts += [rule(LEFT, y, RIGHT, y, "grid"), label(LEFT - 5, y + 4, words, "end")]
    parts.append(rule(LEFT, floor, RIGHT, floor, "axis"))
    if below is not None:
        for x, words in across.ticks(5):
            parts += [rule(x, floor, x, floor + 4, "axis"), label(x, floor + 16, words, "middle")]
        parts.append(label((LEFT + RIGHT) / 2, floor + 31, below, "middle", "title"))
    return "".join(parts)
