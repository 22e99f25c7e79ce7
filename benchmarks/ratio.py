"""The ratio of two series of times, with an interval that also holds between runs, as it is and at equal speed of the
machine.

Samples near in time are alike: a machine whose clock, heat or neighbours change is slower for minutes. So the unit here
is a block of about a second. In a run that has a yardstick (a fixed piece of work, timed now and then), each call of it
is held against the samples around it: their ratio stays the same where the machine itself becomes slower, and tells two
versions apart where the times alone cannot.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np

from edge.types import Array

from .record import Result, Summary, Yardstick
from .stats import REPEATS, SEED, Blocks, around, blocks, each_block, midmean, rank_test, which_block

FLOOR = 0.025
"""Smaller differences are never called: half of the 5 % that are to be found. The same program started twice differs by
one to two per cent, because its memory lies elsewhere. Mytkowicz et al., "Producing Wrong Data Without Doing Anything
Obviously Wrong!", ASPLOS 2009."""

SURE = 0.01
"""The rank test's p, below which it says that two runs differ."""

PARTS = 5
"""A run is cut into fifths to see how far its speed wanders: fewer tell too little of it, more wander less."""

WANDERS = 4.2
"""Variance between fifths over that within, above which it is no chance: F at 1 % with 4 and 25 degrees of freedom."""

FAR = 3.0
"""Robust standard deviations from the median, beyond which a block counts as far out. Huber, "Robust Statistics"."""

STARTS = 0.003
"""How far two starts of one program lie apart (standard deviation of the logarithm of one), because its memory lies
elsewhere; measured at equal speed on a shared virtual machine. No resampling of one run can show it."""

STILL = 0.01
"""Change of the machine's speed between two runs, up to which it does not matter whether a model follows it."""

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
    """One run by blocks of time, as logarithms. values: of the times, one a block. relative: of the times over the
    yardstick's, and pace: of the yardstick's own times; None without a yardstick."""

    values: Array
    relative: Array | None = None
    pace: Array | None = None

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
    values = _logs(each_block(samples, cut, midmean))
    if values is None or result.yardstick is None:
        return None if values is None else Series(values)
    return Series(values, *_beside(samples, ends, result.yardstick, cut.edges))


def rates(result: Result) -> Series | None:
    """The series of answers a second."""
    ends = np.asarray(result.at_s, np.float64)
    cut = blocks(ends, result.seconds)
    counts = np.bincount(cut.which, minlength=len(cut.edges) - 1)
    values = _logs(np.maximum(counts, 0.5) / np.diff(cut.edges))  # a block may be without any answer
    return None if values is None else Series(values)


def pace(result: Result) -> Series | None:
    """The series of the yardstick itself, milliseconds."""
    told = None if result.yardstick is None else _calls(result.yardstick)
    values = None if told is None else _logs(each_block(told[0], blocks(told[1], result.seconds), midmean))
    return None if values is None else Series(values)


def _logs(values: Array) -> Array | None:
    there = values[np.isfinite(values)]
    logs: Array | None = np.log(there) if len(there) and (there > 0).all() else None
    return logs


def _beside(samples: Array, ends: Array, stick: Yardstick, edges: Array) -> tuple[Array, Array] | tuple[None, None]:
    """Each call of the yardstick held against the median of the samples that are nearest to it, by blocks."""
    told = _calls(stick)
    if told is None or len(told[0]) < PARTS:
        return None, None
    calls, at_s = told
    nearest = np.searchsorted((at_s[1:] + at_s[:-1]) / 2, ends)
    groups = Blocks(np.arange(len(calls) + 1.0), nearest)
    usual = each_block(samples, groups, lambda near: float(np.median(near)))
    logs = np.log(usual) - np.log(calls) if (samples > 0).all() else np.full(len(calls), np.nan)
    sound = np.isfinite(logs)
    if sound.sum() < PARTS:
        return None, None
    cut = Blocks(edges, which_block(edges, at_s[sound]))
    relative, own = (each_block(each, cut, midmean) for each in (logs[sound], np.log(calls[sound])))
    both = np.isfinite(relative)
    return (_tamed(relative[both]), own[both]) if both.sum() >= PARTS else (None, None)


def _spread(values: Array) -> float:
    """Between the quartiles, as a standard deviation would be."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float(high - low) / 1.349


def _tamed(values: Array) -> Array:
    """Blocks that lie far out, moved nearer: a call of the yardstick that was held up says nothing of the model."""
    middle = np.median(values)
    usual = 1.4826 * np.median(np.abs(values - middle))
    tamed: Array = np.clip(values, middle - FAR * usual, middle + FAR * usual)
    return tamed


def _calls(stick: Yardstick) -> tuple[Array, Array] | None:
    """Milliseconds of each call, and when it was; None where there is no logarithm to take, or no time told."""
    calls, at_s = np.asarray(stick.ms, np.float64), np.asarray(stick.at_s, np.float64)
    sound = len(calls) > 0 and len(calls) == len(at_s) and bool((calls > 0).all() and (np.diff(at_s) > 0).all())
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
    wander = wander + chance.normal(0.0, np.sqrt(2) * STARTS, REPEATS)
    return _ratio(float(np.log(estimate)), np.log(estimate) + high - low + wander, rank_test(*sides))


def at_equal_speed(first: Series, second: Series) -> Ratio | None:
    """The ratio of the times over the yardstick's; None without yardsticks, or where the times do not follow them.

    They follow where they vary less within the runs when held against the yardstick than by themselves: what does not
    run on the processor does not. Where the machine's speed is another one in the second run, and neither run varied
    enough to tell, the interval holds both the plain ratio and this one.
    """
    if first.relative is None or second.relative is None or first.pace is None or second.pace is None:
        return None
    sides, paces = (first.relative, second.relative), (first.pace, second.pace)
    own, held = (max(map(_spread, of)) for of in ((first.values, second.values), sides))
    if held > own + STILL:
        return None
    chance = np.random.default_rng(SEED)
    one, two = (np.median(_drawn(side, chance), axis=1) - np.median(side) for side in sides)
    wander = chance.normal(0.0, np.sqrt(sum(map(_excess, sides)) + 2 * STARTS**2), REPEATS)
    estimate = float(np.median(sides[1]) - np.median(sides[0]))
    machine = float(np.median(paces[1]) - np.median(paces[0]))
    varied = max(float(np.ptp(each)) for each in paces)
    doubt = chance.choice((0.0, machine), REPEATS) if abs(machine) > max(STILL, varied) else np.zeros(REPEATS)
    return _ratio(estimate, estimate + two - one + wander + doubt, rank_test(*sides))


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
