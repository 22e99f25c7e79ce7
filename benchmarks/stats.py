"""Statistics of samples that are near in time and therefore alike: figures, intervals, blocks, bootstrap, rank test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from edge.types import Array

from .record import Interval, Summary

CONFIDENCE = 0.99

PERCENTILES = {"p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

LEAST_FOR_QUARTILES = 4

BLOCKS = 30
"""Into how many blocks a series is cut where time allows: enough for a rank test, and seconds long in a usual run."""

LEAST_BLOCKS = 8
"""With fewer, no interval from resampling them is worth its name, and no rank test can be sure."""

LEAST_BLOCK_S = 1.0
"""Shorter blocks are not yet independent of each other on a machine that others use too."""

FEW = 4
"""Samples a block, below which blocks of equal time would hold none, one or three by chance."""

REPEATS = 2000
"""Of the bootstrap: some ten of them lie beyond each end of an interval at 99 %."""

SEED = 1


def summary(samples_ms: Sequence[float]) -> Summary:
    """Figures of a series of samples, in milliseconds (or any one unit), in the order they were taken.

    The median is the middle sample, or the mean of the two middle ones; percentiles are by nearest rank: the smallest
    sample that at least that share of all does not exceed, so each is a sample that was really seen. One is given only
    from `least_samples` on; the spread (between the quartiles) from four samples on. Intervals at 99 %: of median and
    percentiles by order statistics, which holds for independent samples; of the mean from means of blocks in a row,
    which holds also where neighbours are alike. Raises ValueError for a sample that is no finite number.
    """
    values = np.asarray(samples_ms, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a sample is not a finite number; give times that a clock told")
    ordered, count = np.sort(values), len(values)
    shown = {name: share for name, share in PERCENTILES.items() if count >= least_samples(share)}
    percentiles = {name: at_rank(ordered, share) for name, share in shown.items()}
    quartiles = count >= LEAST_FOR_QUARTILES
    return Summary(
        count=count,
        median=float(np.median(ordered)) if count else None,
        mean=float(np.clip(values.mean(), ordered[0], ordered[-1])) if count else None,
        p90=percentiles.get("p90"),
        p95=percentiles.get("p95"),
        p99=percentiles.get("p99"),
        p99_9=percentiles.get("p99.9"),
        min=float(ordered[0]) if count else None,
        max=float(ordered[-1]) if count else None,
        spread=at_rank(ordered, 0.75) - at_rank(ordered, 0.25) if quartiles else None,
        confidence=_confidence(values, ordered, shown),
        samples=values.tolist(),
    )


def _confidence(values: Array, ordered: Array, shown: dict[str, float]) -> dict[str, Interval]:
    found = {name: interval_of(ordered, share) for name, share in {"median": 0.5, **shown}.items()}
    if len(values) >= LEAST_BLOCKS:
        means = np.array([block.mean() for block in np.array_split(values, min(BLOCKS, len(values)))])
        found["mean"] = around(float(values.mean()), resampled(means, np.mean))
    return {name: interval for name, interval in found.items() if interval is not None}


def at_rank(ordered: Array, share: float) -> float:
    """The percentile by nearest rank of samples (1-D, rising, at least one): the ceil(share * count)-th of them.

    Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996), definition 1.
    """
    rank = math.ceil(round(share * len(ordered), 9))  # 0.07 * 100 is a little more than 7
    return float(ordered[max(rank, 1) - 1])


@lru_cache(maxsize=64)
def least_samples(share: float, confidence: float = CONFIDENCE) -> int:
    """How many samples a percentile needs so that with this confidence at least two lie beyond it.

    64, 130, 662 and 6,636 for p90, p95, p99 and p99.9 at 99 %: the least n with P(Binomial(n, 1 - share) < 2) of at
    most 1 - confidence.
    """

    def enough(count: int) -> bool:
        return share**count + count * (1 - share) * share ** (count - 1) <= 1 - confidence

    high = 2
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def interval_of(ordered: Array, share: float, confidence: float = CONFIDENCE) -> Interval | None:
    """Two of the samples (1-D, rising) between which the percentile lies with at least this confidence, whatever the
    distribution; None where there are too few. The samples are taken as independent.

    David and Nagaraja, "Order Statistics", 3rd edition (2003), section 7.1.
    """
    ranks = _ranks(len(ordered), share, confidence)
    return ranks and (float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))


@lru_cache(maxsize=256)
def _ranks(count: int, share: float, confidence: float) -> tuple[int, int] | None:
    below = _binomial(count, share)
    tail = (1 - confidence) / 2
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return (low, high) if 1 <= low < high <= count else None


def _binomial(count: int, share: float) -> Array:
    """P(X <= k) of a binomial X, for k from 0 to count."""
    k = np.arange(1, count + 1)
    odds = math.log(share) - math.log1p(-share)
    logs = np.concatenate(([0.0], np.cumsum(np.log((count - k + 1) / k) + odds))) + count * math.log1p(-share)
    sums: Array = np.cumsum(np.exp(logs))
    return sums


class Blocks(NamedTuple):
    """Samples by blocks of time. edges: of the blocks, in seconds, one more than blocks; which: the block (0, 1, …) of
    each sample."""

    edges: Array
    which: Array


def blocks(at_s: Array, seconds: float, most: int = BLOCKS) -> Blocks:
    """Cut a window of `seconds` into at most `most` blocks of equal time, each of a second or more; but eight where the
    window is short. at_s: when the samples ended (1-D, from the window's begin). Where these are few, the blocks hold
    equally many of them instead, and at least one.
    """
    span = max(seconds, float(at_s.max()) if len(at_s) else 0.0, 1e-9)
    count = max(1, min(max(LEAST_BLOCKS, min(most, int(span / LEAST_BLOCK_S))), len(at_s)))
    edges = np.linspace(0.0, span, count + 1)
    if 0 < len(at_s) < FEW * count:
        parts = np.array_split(np.sort(at_s), count)
        edges[1:-1] = [(one[-1] + two[0]) / 2 for one, two in pairwise(parts)]
    return Blocks(edges, which_block(edges, at_s))


def which_block(edges: Array, at_s: Array) -> Array:
    """The block that each moment (1-D, seconds) lies in."""
    found: Array = np.clip(np.searchsorted(edges, at_s, side="right") - 1, 0, len(edges) - 2)
    return found


def each_block(values: Array, cut: Blocks, of: Callable[[Array], float]) -> Array:
    """A figure of the values in each block (1-D float64); NaN for a block without any."""
    members = [values[cut.which == block] for block in range(len(cut.edges) - 1)]
    return np.array([of(each) if len(each) else np.nan for each in members])


def midmean(values: Array) -> float:
    """The mean of the middle half: as deaf to outliers as the median, and less noisy where samples are few.

    Tukey, "Exploratory Data Analysis" (1977).
    """
    ordered = np.sort(values)
    aside = len(ordered) // 4
    return float(ordered[aside : len(ordered) - aside].mean())


def resampled(values: Array, of: Callable[..., Array], repeats: int = REPEATS, seed: int = SEED) -> Array:
    """A figure of `values` (1-D, one a block) each of `repeats` times that they are drawn anew with replacement.

    of: called with a matrix of draws and `axis=1`. The seed is fixed, so that the same samples give the same interval.
    Kuensch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 17 (1989).
    """
    drawn = np.random.default_rng(seed).integers(0, len(values), (repeats, len(values)))
    return of(values[drawn], axis=1)


def around(estimate: float, repeats: Array, confidence: float = CONFIDENCE) -> Interval:
    """The interval between the tails of a bootstrap, which always holds the estimate."""
    low, high = np.quantile(repeats, ((1 - confidence) / 2, (1 + confidence) / 2))
    return min(float(low), estimate), max(float(high), estimate)


class OfRounds(NamedTuple):
    """How much faster one of two cases is: the median of the ratios of rounds, and its interval."""

    ratio: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.ratio:.3f} ({self.low:.3f} to {self.high:.3f}), {self.rounds} rounds"


def of_rounds(before: Sequence[float], after: Sequence[float]) -> OfRounds:
    """Rates of one case (`after`) over those of another, one of each in a round (above 0, at least one), in which the
    machine is as fast for both."""
    logs = np.log(np.asarray(after, np.float64)) - np.log(np.asarray(before, np.float64))
    middle = float(np.median(logs))
    low, high = np.exp(around(middle, resampled(logs, np.median)))
    return OfRounds(float(np.exp(middle)), float(low), float(high), len(logs))


EXACT = 400
"""The most pairs for which the rank test counts every order; above, the normal curve is right to three digits."""


def rank_test(first: Array, second: Array) -> float | None:
    """How likely two series (1-D) at least as far apart as these are if they came from the same source, by ranks alone:
    the two-sided p of Mann and Whitney. Exact for few values without ties; else the normal approximation, corrected
    for ties and continuity. None where a series is empty.

    Give one value a block: raw neighbours are alike, and the test would be far too sure. Mann and Whitney, "On a Test
    of Whether one of Two Random Variables is Stochastically Larger than the Other", Annals of Mathematical Statistics
    18 (1947); ties: Lehmann, "Nonparametrics" (1975), section 1.4.
    """
    n, m = len(first), len(second)
    if not n or not m:
        return None
    less = (first[:, None] < second[None, :]).sum()
    same = (first[:, None] == second[None, :]).sum()
    wins = float(less + same / 2)
    if not _ties(first, second) and n * m <= EXACT:
        return _exact(n, m, round(min(wins, n * m - wins)))
    return _approximate(n, m, wins, _ties(first, second))


def _ties(first: Array, second: Array) -> float:
    """Sum of t^3 - t over groups of t equal values; 0 where no two are equal."""
    counts = np.unique(np.concatenate((first, second)), return_counts=True)[1].astype(np.float64)
    return float((counts**3 - counts).sum())


def _exact(n: int, m: int, wins: int) -> float:
    """Twice the share of all orders of n and m values with at most `wins`: coefficients of the Gaussian binomial."""
    ways = np.zeros(n * m + 1, dtype=object)
    ways[0] = 1
    for k in range(1, n + 1):
        for at in range(n * m, m + k - 1, -1):
            ways[at] -= ways[at - m - k]
        for at in range(k, n * m + 1):
            ways[at] += ways[at - k]
    return min(1.0, 2 * int(ways[: wins + 1].sum()) / math.comb(n + m, n))


def _approximate(n: int, m: int, wins: float, ties: float) -> float:
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    distance = max(abs(wins - n * m / 2) - 0.5, 0.0) / math.sqrt(variance)
    return math.erfc(distance / math.sqrt(2))


def trend(values: Array) -> tuple[float, float]:
    """How far a series (1-D, evenly spaced, at least two) rises from its first to its last value, and how likely such a
    rise or fall is by chance (two-sided p).

    Theil and Sen's slope times the length; Kendall's test. Sen, "Estimates of the Regression Coefficient Based on
    Kendall's Tau", Journal of the American Statistical Association 63 (1968).
    """
    n = len(values)
    i, j = np.triu_indices(n, 1)
    rise = float(np.median((values[j] - values[i]) / (j - i))) * (n - 1)
    score = abs(float(np.sign(values[j] - values[i]).sum()))
    return rise, math.erfc(max(score - 1, 0.0) / math.sqrt(2 * n * (n - 1) * (2 * n + 5) / 18))
