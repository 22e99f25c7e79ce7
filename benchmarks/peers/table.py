"""What the turns come to: a table with a line a peer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import msgspec
import numpy as np

from ..record import Interval
from ..stats import interval_of
from .known import BARE, OURS
from .turns import Measured, Turn

HEAD = (
    "peer",
    "version",
    "inference, ms",
    "to bare LiteRT",
    "whole path, ms",
    f"to {OURS}",
    "same first class",
)

NOTHING = "-"


class Ratio(msgspec.Struct, frozen=True):
    """The median of the rounds' ratios, and the interval that holds it with 99 % confidence.

    interval: None where the rounds are too few, or a peer is held against itself.
    """

    median: float
    interval: Interval | None

    def __str__(self) -> str:
        around = f" ({self.interval[0]:.2f} to {self.interval[1]:.2f})" if self.interval else ""
        return f"{self.median:.2f}{around}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One peer. Times are medians of all calls, in ms; agreement: [frames with the same first class as bare LiteRT
    finds, all frames]; None: not measured."""

    name: str
    version: str | None
    inference_ms: float | None
    inference_ratio: Ratio | None
    whole_ms: float | None
    whole_ratio: Ratio | None
    agreement: tuple[int, int] | None
    why_not: str | None
    note: str


def row(one: Measured, bare: Measured, ours: Measured) -> Row:
    """The line of a peer, inference held against bare LiteRT, and the whole path against edgekit."""
    same = sum(a == b for a, b in zip(one.first, bare.first, strict=False))
    return Row(
        name=one.peer.name,
        version=one.version,
        inference_ms=_median_ms(one, inference),
        inference_ratio=ratio(one, bare, inference),
        whole_ms=_median_ms(one, whole),
        whole_ratio=ratio(one, ours, whole),
        agreement=(same, len(one.first)) if one.first and bare.first else None,
        why_not=one.why_not,
        note=one.peer.note,
    )


def rows(all_measured: Sequence[Measured]) -> list[Row]:
    """A line each."""
    named = {each.peer.name: each for each in all_measured}
    return [row(each, named[BARE], named[OURS]) for each in all_measured]


def inference(turn: Turn) -> list[int] | None:
    """The samples of the inference alone."""
    return turn.inference


def whole(turn: Turn) -> list[int]:
    """The samples of the whole path."""
    return turn.whole


def ratio(one: Measured, other: Measured, of: Callable[[Turn], list[int] | None]) -> Ratio | None:
    """How many times as long `one` takes as `other`: of medians, round by round, so that drift cancels."""
    pairs = ((of(one.turns[n]), of(other.turns[n])) for n in sorted(one.turns.keys() & other.turns.keys()))
    ratios = np.sort([median(a) / median(b) for a, b in pairs if a and b])
    if not len(ratios):
        return None
    return Ratio(float(np.median(ratios)), None if one is other else interval_of(ratios, 0.5))


def _median_ms(one: Measured, of: Callable[[Turn], list[int] | None]) -> float | None:
    samples = [sample for turn in one.turns.values() for sample in of(turn) or ()]
    return median(samples) / 1e6 if samples else None


def markdown(lines: Sequence[Row]) -> str:
    """The table in Markdown, padded so that it can be read as it is; peers that did not run say why below it."""
    cells = [HEAD, *(_cells(line) for line in lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    notes = [f"{line.name}: {line.why_not or line.note}" for line in lines if line.why_not or line.note]
    return "\n".join([texts[0], rule, *texts[1:], *(["", *(f"- {note}" for note in notes)] if notes else []), ""])


def _cells(line: Row) -> tuple[str, ...]:
    if line.whole_ms is None:
        return (line.name, line.version or NOTHING, "not run: see below", *[NOTHING] * (len(HEAD) - 3))
    return (
        line.name,
        line.version or NOTHING,
        _ms(line.inference_ms),
        _or_nothing(line.inference_ratio),
        _ms(line.whole_ms),
        _or_nothing(line.whole_ratio),
        f"{line.agreement[0]} of {line.agreement[1]}" if line.agreement else NOTHING,
    )


def _ms(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _or_nothing(value: object | None) -> str:
    return NOTHING if value is None else str(value)
