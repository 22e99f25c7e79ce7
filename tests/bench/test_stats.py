import itertools
import math

import numpy as np
import pytest
from edge.benchmarks import stats
from hypothesis import given
from hypothesis import strategies as st

TIMES = st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=200)


@pytest.mark.parametrize(("share", "least"), [(0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_a_percentile_needs_so_many_samples(share, least):
    assert stats.least_samples(share) == least


@pytest.mark.parametrize(("name", "least"), [("p90", 64), ("p95", 130), ("p99", 662), ("p99_9", 6636)])
def test_a_percentile_is_given_from_the_least_number_of_samples_on_and_not_before(name, least):
    assert getattr(stats.summary([1.0] * (least - 1)), name) is None
    assert getattr(stats.summary([1.0] * least), name) == 1.0


def test_a_summary_of_known_samples_is_exact():
    found = stats.summary([float(value) for value in (*range(100, 0, -1),)])
    assert (found.count, found.median, found.mean, found.min, found.max) == (100, 50.5, 50.5, 1.0, 100.0)
    assert (found.p90, found.p95, found.spread) == (90.0, None, 50.0)
    assert found.confidence["median"] == (37.0, 64.0)
    assert found.confidence["p90"] == (82.0, 98.0)
    assert set(found.confidence) == {"median", "p90", "mean"}
    assert found.samples[0] == 100.0, "in the order they were taken"


def test_no_sample_and_one_sample_tell_what_they_can():
    none = stats.summary([])
    assert (none.count, none.samples, none.confidence) == (0, [], {})
    figures = ("median", "mean", "p90", "p95", "p99", "p99_9", "min", "max", "spread")
    assert {getattr(none, name) for name in figures} == {None}
    one = stats.summary([3.0])
    assert (one.median, one.mean, one.min, one.max) == (3.0, 3.0, 3.0, 3.0)
    assert (one.spread, one.p90, one.confidence) == (None, None, {})


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_sample_that_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="not a finite number"):
        stats.summary([1.0, bad])


def test_a_median_has_an_interval_from_eight_samples_on():
    assert "median" not in stats.summary(range(7)).confidence
    assert stats.summary(range(8)).confidence["median"] == (0.0, 7.0)


@given(TIMES)
def test_figures_stand_in_order_and_intervals_hold_what_they_are_of(samples):
    found = stats.summary(samples)
    shown = [found.min, found.median, found.p90, found.p95, found.max]
    known = [value for value in shown if value is not None]
    assert known == sorted(known)
    assert found.min <= found.mean <= found.max
    for name, (low, high) in found.confidence.items():
        assert low <= getattr(found, name.replace(".", "_")) <= high


@given(TIMES, st.sampled_from([0.5, 2.0, 1024.0]))
def test_figures_scale_with_the_samples(samples, factor):
    once, scaled = stats.summary(samples), stats.summary([factor * value for value in samples])
    assert scaled.median == factor * once.median
    assert scaled.p90 == (None if once.p90 is None else factor * once.p90)
    assert scaled.mean == pytest.approx(factor * once.mean)
    assert scaled.confidence.keys() == once.confidence.keys()
    for name, ends in once.confidence.items():
        assert scaled.confidence[name] == pytest.approx([factor * end for end in ends])


@given(TIMES, st.randoms(use_true_random=False))
def test_the_order_of_samples_changes_no_figure_but_the_interval_of_the_mean(samples, chance):
    mixed = list(samples)
    chance.shuffle(mixed)
    once, again = stats.summary(samples), stats.summary(mixed)
    for name in ("median", "p90", "p95", "min", "max", "spread"):
        assert getattr(once, name) == getattr(again, name)
    assert once.confidence.get("median") == again.confidence.get("median")


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_interval_by_order_statistics_holds_the_truth_in_99_of_100_runs(share):
    runs = np.sort(np.random.default_rng(7).random((2000, 200)), axis=1)
    held = sum(low <= share <= high for low, high in (stats.interval_of(run, share) for run in runs))
    assert held / len(runs) >= 0.985


def test_the_interval_of_the_mean_widens_where_neighbours_are_alike():
    chance = np.random.default_rng(3)
    alone = 10 + chance.normal(size=1500)
    alike = 10 + np.repeat(chance.normal(size=30), 50)
    widths = [np.diff(stats.summary(each.tolist()).confidence["mean"])[0] for each in (alone, alike)]
    assert widths[1] > 4 * widths[0]


def test_a_percentile_is_a_sample_by_nearest_rank():
    ordered = np.arange(1.0, 101.0)
    assert [stats.at_rank(ordered, share) for share in (0.0, 0.07, 0.5, 0.9, 0.999, 1.0)] == [1, 7, 50, 90, 100, 100]


def test_blocks_are_of_equal_time():
    at_s = np.arange(1, 301) / 10
    cut = stats.blocks(at_s, 30.0)
    assert len(cut.edges) == 31
    assert np.bincount(cut.which).tolist() == [9, *[10] * 28, 11]
    counted = stats.each_block(at_s, cut, lambda values: float(len(values)))
    assert counted.sum() == 300


@pytest.mark.parametrize(
    ("seconds", "count", "blocks"), [(300.0, 3000, 30), (3.0, 300, 8), (12.5, 99, 12), (9.0, 5, 5)]
)
def test_a_short_window_has_eight_blocks_and_no_more_than_samples(seconds, count, blocks):
    at_s = np.linspace(0, seconds, count + 1)[1:]
    assert len(stats.blocks(at_s, seconds).edges) == blocks + 1


def test_few_samples_are_shared_out_evenly_whenever_they_ended():
    at_s = np.array([0.1, 0.2, 0.3, 8.0, 8.1, 9.0, 9.1, 9.2, 9.3, 10.0])
    assert np.bincount(stats.blocks(at_s, 10.0).which).tolist() == [1] * 10
    assert np.bincount(stats.blocks(at_s, 3.0).which).max() <= 2


def test_a_block_without_samples_is_told_as_none():
    cut = stats.Blocks(np.array([0.0, 1.0, 2.0]), np.array([0, 0]))
    found = stats.each_block(np.array([1.0, 3.0]), cut, stats.midmean)
    assert found[0] == 2.0
    assert np.isnan(found[1])
    assert len(stats.blocks(np.zeros(0), 0.0).edges) == 2


def test_the_midmean_is_deaf_to_outliers():
    assert stats.midmean(np.array([1.0, 2.0, 3.0, 1000.0])) == 2.5
    assert stats.midmean(np.array([5.0])) == 5.0


def test_a_bootstrap_is_the_same_each_time():
    values = np.arange(30.0)
    first, again = (stats.resampled(values, np.mean) for _ in range(2))
    assert (first == again).all()
    assert first.shape == (stats.REPEATS,)


def test_an_interval_of_a_bootstrap_always_holds_the_estimate():
    assert stats.around(5.0, np.linspace(0, 1, 101)) == (pytest.approx(0.005), 5.0)
    assert stats.around(-5.0, np.linspace(0, 1, 101)) == (-5.0, pytest.approx(0.995))


def by_hand(first, second):
    """The exact p from all orders: twice the share of those as far out or farther, on the nearer side."""

    def wins(one, two):
        return sum(a < b for a in one for b in two)

    everything = sorted([*first, *second])
    n, m = len(first), len(second)
    seen = min(wins(first, second), n * m - wins(first, second))
    orders = [
        wins([everything[i] for i in chosen], [everything[i] for i in range(n + m) if i not in chosen])
        for chosen in itertools.combinations(range(n + m), n)
    ]
    return min(1.0, 2 * sum(order <= seen for order in orders) / len(orders))


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=8, unique=True), st.data())
def test_the_rank_test_of_few_values_is_exact(values, data):
    split = data.draw(st.integers(1, len(values) - 1))
    first, second = np.array(values[:split]), np.array(values[split:])
    assert stats.rank_test(first, second) == pytest.approx(by_hand(first.tolist(), second.tolist()))


def test_the_rank_test_of_many_values_and_of_ties_is_right():
    # The expected values are those of scipy.stats.mannwhitneyu(method="asymptotic").
    many = np.arange(30.0)
    assert stats.rank_test(many, many + 10.5) == pytest.approx(1.2477e-4, rel=1e-4)
    ties = np.array([1.0, 1, 2, 3, 3]), np.array([2.0, 3, 4, 4, 5])
    assert stats.rank_test(*ties) == pytest.approx(0.069601, rel=1e-4)
    assert stats.rank_test(np.ones(9), np.ones(9)) == 1.0


def test_the_rank_test_of_nothing_says_nothing():
    assert stats.rank_test(np.zeros(0), np.ones(3)) is None
    assert stats.rank_test(np.ones(3), np.zeros(0)) is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=25), st.lists(st.integers(0, 50), min_size=1, max_size=25))
def test_the_rank_test_does_not_care_which_is_first(one, two):
    first, second = np.array(one), np.array(two)
    chance = stats.rank_test(first, second)
    assert 0 < chance <= 1
    assert chance == pytest.approx(stats.rank_test(second, first))


def test_a_trend_is_told_from_chance():
    rise, chance = stats.trend(np.linspace(10.0, 12.0, 20))
    assert rise == pytest.approx(2.0)
    assert chance < 1e-6
    rise, chance = stats.trend(np.random.default_rng(5).normal(10, 1, 20))
    assert chance > 0.05


def test_a_ratio_of_rounds_does_not_care_how_fast_the_machine_was_in_each():
    chance = np.random.default_rng(1)
    before = chance.uniform(50, 300, 40)
    found = stats.of_rounds(before, 0.97 * before * chance.normal(1, 0.003, 40))
    assert found.low < 0.97 < found.high and found.ratio == pytest.approx(0.97, abs=0.003)
    assert found.high - found.low < 0.02
    assert str(stats.of_rounds([2.0, 4.0], [1.0, 2.0])) == "0.500 (0.500 to 0.500), 2 rounds"
