"""The ratio of two series of times, with an interval that also holds between runs, as it is and at equal speed of the
machine.

Samples near in time are alike: a machine whose clock, heat or neighbours change is slower for minutes. So the unit here
is a block of about a second. Within a run that has a yardstick (a fixed piece of work, timed now and then), the time of
a block follows the yardstick's: log(time) = level of the run + slope * log(yardstick). The levels tell two versions
apart also where the machine itself became 20 % slower in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from edge.types import Array

from .record import Result, Summary, Yardstick
from .stats import REPEATS, SEED, Blocks, around, blocks, each_block, midmean, rank_test, which_block

FLOOR = 0.02
"""Smaller differences are never called: the same program started twice differs by a per cent or so, because its memory
lies elsewhere. Mytkowicz et al., "Producing Wrong Data Without Doing Anything Obviously Wrong!", ASPLOS 2009."""

SURE = 0.01
"""The rank test's p, below which it says that two runs differ."""

PARTS = 5
"""A run is cut into fifths to see how far its speed wanders: fewer tell too little of it, more wander less."""

WANDERS = 4.2
"""Variance between fifths over that within, above which it is no chance: F at 1 % with 4 and 25 degrees of freedom."""

SLOPES = (0.0, 1.3)
"""Between a model whose time has nothing to do with the yardstick's, and one that suffers more than it does. All we
know of a slope where the yardstick stood still."""

SLOPE_WEIGHT = 0.03
"""How much variation of the yardstick (sum of squares of its logarithm) counts as much as that knowledge: the variance
of a block's time around the line (about 0.1 of its own in shared machines) over that of the slopes above."""

SLOPE_DOUBT = 0.03
"""How far a slope over minutes may be from that over seconds (standard deviation), as seen on a shared machine."""

Finding = Literal["slower", "faster", "no difference found", "too few samples"]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """B over A. low, high: the interval at 99 %; p: of the rank test over blocks. All None with too few blocks."""

    ratio: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def visible(self) -> float | None:
        """The least change (0.05: 5 %) that would have been called; None where none would."""
        if self.low is None or self.high is None:
            return None
        return max(self.ratio / self.low, self.high / self.ratio, 1 + FLOOR) - 1

    def finding(self, rate: bool = False) -> Finding:
        """What may be said. rate: more is faster, as with frames per second; else the ratio is one of times."""
        if self.low is None or self.high is None or self.p is None:
            return "too few samples"
        change = 1 / self.ratio if rate else self.ratio
        if self.low <= 1 <= self.high or self.p >= SURE or abs(change - 1) < FLOOR:
            return "no difference found"
        return "slower" if change > 1 else "faster"


class Series(NamedTuple):
    """One run by blocks of time, as logarithms. values: one a block. yardstick: rows of its midmean in each block, and
    of that of every other call from the first and from the second on; None without a yardstick."""

    values: Array
    yardstick: Array | None

    @property
    def centre(self) -> float:
        """The median over the blocks, in the samples' unit."""
        return float(np.exp(np.median(self.values)))


def times(summary: Summary, result: Result) -> Series | None:
    """The series of a latency or a stage of a result; None where there is nothing to take a logarithm of."""
    samples = np.asarray(summary.samples, np.float64)
    ends = np.asarray(result.at_s, np.float64)
    if len(ends) != len(samples):  # a stage that only some of the samples had
        ends = np.linspace(0.0, result.seconds, len(samples) + 1)[1:]
    cut = blocks(ends, result.seconds)
    return _series(each_block(samples, cut, midmean), cut, result.yardstick)


def rates(result: Result) -> Series | None:
    """The series of answers a second."""
    ends = np.asarray(result.at_s, np.float64)
    cut = blocks(ends, result.seconds)
    counts = np.bincount(cut.which, minlength=len(cut.edges) - 1)
    return _series(np.maximum(counts, 0.5) / np.diff(cut.edges), cut, None)  # a block may be without any answer


def pace(result: Result) -> Series | None:
    """The series of the yardstick itself, milliseconds."""
    told = None if result.yardstick is None else _calls(result.yardstick)
    if told is None:
        return None
    cut = blocks(told[1], result.seconds)
    return _series(each_block(told[0], cut, midmean), cut, None)


def _series(values: Array, cut: Blocks, stick: Yardstick | None) -> Series | None:
    there = np.isfinite(values)
    if not there.any() or (values[there] <= 0).any():
        return None
    logs = np.log(np.where(there, values, 1.0))
    rows = None if stick is None else _rows(stick, cut.edges)
    if rows is None:
        return Series(logs[there], None)
    both = there & np.isfinite(rows).all(axis=0)
    return Series(logs[both], rows[:, both]) if both.sum() >= PARTS else Series(logs[there], None)


def _rows(stick: Yardstick, edges: Array) -> Array | None:
    """Three rows of one value a block; NaN where a block has fewer than two calls."""
    told = _calls(stick)
    if told is None:
        return None
    calls, at_s = told
    every = (slice(None), slice(0, None, 2), slice(1, None, 2))
    parts = [(calls[each], Blocks(edges, which_block(edges, at_s[each]))) for each in every]
    rows: Array = np.log(np.stack([each_block(values, cut, midmean) for values, cut in parts]))
    return rows


def _calls(stick: Yardstick) -> tuple[Array, Array] | None:
    """Milliseconds of each call, and when it was; None where there is no logarithm to take, or no time told."""
    calls, at_s = np.asarray(stick.ms, np.float64), np.asarray(stick.at_s, np.float64)
    sound = len(calls) > 0 and len(calls) == len(at_s) and bool((calls > 0).all())
    return (calls, at_s) if sound else None


def plain(estimate: float, first: Series, second: Series) -> Ratio:
    """The ratio (`estimate`, for example of medians) as it is, whatever the machine did.

    The interval is a bootstrap over blocks, widened by how far the fifths of each run lie apart: what wanders within
    a run wanders between runs too, and resampling blocks of one run cannot show that.
    """
    sides = (first.values, second.values)
    if min(map(len, sides)) < PARTS:
        return Ratio(ratio=estimate, low=None, high=None, p=None)
    chance = np.random.default_rng(SEED)
    low, high = (np.median(_drawn(side, chance), axis=1) - np.median(side) for side in sides)
    wander = sum(np.sqrt(_between(side)[0]) * chance.standard_t(PARTS - 1, REPEATS) for side in sides)
    return _ratio(float(np.log(estimate)), np.log(estimate) + high - low + wander, rank_test(*sides))


def at_equal_speed(first: Series, second: Series) -> Ratio | None:
    """The ratio of what the yardstick does not explain; None without yardsticks. Slope and levels come from the blocks
    of both runs, and the interval from drawing those anew, the slope's own doubt included."""
    if first.yardstick is None or second.yardstick is None:
        return None
    one = np.concatenate((first.values[None], first.yardstick))
    two = np.concatenate((second.values[None], second.yardstick))
    chance = np.random.default_rng(SEED)
    slope = slope_of((one, two), sum(SLOPES) / 2)
    left = [side[0] - slope * side[1] for side in (one, two)]
    drawn = [_drawn(side, chance) for side in (one, two)]
    slopes = slope_of(drawn, chance.uniform(*SLOPES, REPEATS)) + chance.normal(0.0, SLOPE_DOUBT, REPEATS)
    levels = [(side[0] - slopes[:, None] * side[1]).mean(axis=1) for side in drawn]
    wander = chance.normal(0.0, np.sqrt(sum(map(_excess, left))), REPEATS)
    return _ratio(float(left[1].mean() - left[0].mean()), levels[1] - levels[0] + wander, rank_test(*left))


def slope_of(sides: Sequence[Array], prior: Array | float) -> Array:
    """The common slope of log time over log yardstick within each of the runs (each 4 x … x blocks: time, yardstick and
    its two halves), drawn towards `prior` where the yardstick hardly varies, and kept within `SLOPES`.

    A few calls a block make a noisy yardstick, and least squares over a noisy variable gives too flat a line. The noise
    of the two halves is independent, so their covariance is the variance without it. Fuller, "Measurement Error
    Models" (1987), section 1.4 (instrumental variables).
    """
    shared = sum(np.maximum(_products(side[2], side[3]), 0.0) for side in sides)
    follows = sum((_products(side[0], side[2]) + _products(side[0], side[3])) / 2 for side in sides)
    found: Array = np.clip((follows + SLOPE_WEIGHT * prior) / (shared + SLOPE_WEIGHT), *SLOPES)
    return found


def _products(first: Array, second: Array) -> Array:
    one = first - first.mean(axis=-1, keepdims=True)
    total: Array = (one * second).sum(axis=-1)
    return total


def _drawn(values: Array, chance: np.random.Generator) -> Array:
    """Blocks (the last axis) drawn with replacement: … x REPEATS x blocks."""
    count = values.shape[-1]
    drawn: Array = values[..., chance.integers(0, count, (REPEATS, count))]
    return drawn


def _between(values: Array) -> tuple[float, float]:
    """Variance of the means of fifths of a run, and what it would be if its blocks were independent."""
    parts = np.array_split(values, PARTS)
    within = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) / max(len(values) - PARTS, 1)
    return float(np.var([part.mean() for part in parts], ddof=1)), within * PARTS / len(values)


def _excess(values: Array) -> float:
    """The part of the variance between fifths that independent blocks do not explain; 0 where it may be chance."""
    between, expected = _between(values)
    return between - expected if len(values) > PARTS and between > WANDERS * expected else 0.0


def _ratio(estimate: float, repeats: Array, p: float | None) -> Ratio:
    low, high = around(estimate, repeats)
    return Ratio(ratio=float(np.exp(estimate)), low=float(np.exp(low)), high=float(np.exp(high)), p=p)
