from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.mobilenet.ranges import BINS, LEVELS, Seen, least_squares, look

VALUES = arrays.arrays(np.float64, st.integers(1, 200), elements=st.floats(-50, 50))


def seen(values: np.ndarray) -> Seen:
    return look(values, min(0.0, float(values.min())), max(0.0, float(values.max())))


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    step = (high - low) / LEVELS or 1.0
    return float(((values - np.clip(np.round(values / step) * step, low, high)) ** 2).sum())


@given(VALUES)
def test_a_range_holds_zero_and_nothing_beyond_what_was_seen(values: np.ndarray) -> None:
    low, high = least_squares(seen(values))
    assert min(0.0, values.min()) <= low <= 0.0 <= high <= max(0.0, values.max())


@given(VALUES, st.sampled_from([0.5, 2.0, 8.0]))
def test_scaling_the_values_scales_the_range(values: np.ndarray, factor: float) -> None:
    plain = least_squares(seen(values))
    assert np.allclose(np.multiply(plain, factor), least_squares(seen(values * factor)), rtol=1e-6, atol=1e-9)


@given(VALUES)
def test_every_value_is_counted_once(values: np.ndarray) -> None:
    assert seen(values).counts.sum() == values.size


def test_values_spread_evenly_keep_nearly_their_whole_range() -> None:
    low, high = least_squares(seen(np.linspace(-1.0, 1.0, 10_001)))
    assert low < -0.95 and high > 0.95


def test_one_outlier_among_many_values_is_clipped_and_the_error_is_smaller_for_it() -> None:
    values = np.append(np.random.default_rng(1).normal(0.0, 1.0, 1_000_000), 100.0)
    low, high = least_squares(seen(values))
    assert high < 60.0
    assert squared_error(values, low, high) < squared_error(values, float(values.min()), 100.0)


def test_values_that_are_never_negative_get_a_range_from_zero() -> None:
    assert least_squares(seen(np.abs(np.random.default_rng(2).normal(size=1000))))[0] == 0.0


def test_a_tensor_of_zeros_has_an_empty_range() -> None:
    assert least_squares(seen(np.zeros(10))) == (0.0, 0.0)


def test_values_outside_a_histogram_count_in_its_outermost_bins() -> None:
    counts = look(np.array([-9.0, 9.0]), 0.0, 1.0).counts
    assert (counts[0], counts[BINS - 1]) == (1, 1)
