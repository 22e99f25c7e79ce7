"""Choose the range that eight bits shall cover, by least squared error over what was seen.

A range that holds every value wastes levels on outliers; a narrow one clips. With ``n`` values seen, a range of width
``w`` in ``LEVELS`` steps costs ``n (w / LEVELS)^2 / 12`` by rounding and, for each value outside, the square of its
distance by clipping. The chosen range has the smallest sum (the method of Sung et al., "Resiliency of Deep Neural
Networks under Quantization", 2015, on the measured distribution).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

LEVELS = 255
"""Steps between the smallest and the largest eight-bit value."""

BINS = 2048
"""Bins of a histogram: eight for each of the levels, so that a bin is finer than what it decides."""

CANDIDATES = np.linspace(0.02, 1.0, 99)
"""Shares of the extreme values that are tried as an end of the range."""


class Seen(NamedTuple):
    """A histogram: ``counts`` of ``BINS`` equal bins from ``low`` to ``high``."""

    counts: NDArray[np.int64]
    low: float
    high: float

    @property
    def centres(self) -> Floats:
        """The middle of each bin."""
        step = (self.high - self.low) / len(self.counts)
        return self.low + step * (np.arange(len(self.counts)) + 0.5)


def look(values: Floats, low: float, high: float, bins: int = BINS) -> Seen:
    """The histogram of ``values`` over ``low`` to ``high``; what lies outside counts in the outermost bins."""
    share = (values.ravel() - low) / (high - low) if high > low else np.zeros(values.size)
    place = (share * bins).clip(0, bins - 1).astype(np.int64)
    return Seen(np.bincount(place, minlength=bins), low, high)


def clipping(counts: NDArray[np.int64], centres: Floats, ends: Floats) -> Floats:
    """Sum over the values above each of ``ends`` of their squared distance to it: (len(ends),) float64."""
    above = np.clip(centres[None, :] - ends[:, None], 0.0, None)
    return np.asarray(above**2 @ counts)


def least_squares(seen: Seen) -> tuple[float, float]:
    """The range (low, high) of least squared error for ``seen``. It holds zero, as int8 arithmetic demands.

    A value of exactly zero is free: it always has a level of its own, and half of what follows a ReLU6 is zero.
    """
    lows, highs = CANDIDATES * min(seen.low, 0.0), CANDIDATES * max(seen.high, 0.0)
    rounded = seen.counts.sum() - seen.counts[0] * (seen.low == 0.0)
    widths = highs[None, :] - lows[:, None]
    below = clipping(seen.counts, -seen.centres, -lows)
    above = clipping(seen.counts, seen.centres, highs)
    cost = rounded * (widths / LEVELS) ** 2 / 12 + below[:, None] + above[None, :]
    low, high = np.unravel_index(np.argmin(cost), cost.shape)
    return float(lows[low]), float(highs[high])
