"""What those who send something cost, and how long they wait."""

import pytest

from edge.web.costs import ALL, ALL_MOST_S, ONE, ONE_MOST_S, SAVED_S, Costs
from edge.web.remembered import ADDRESSES


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_what_was_saved_up_may_be_spent_at_once(clock):
    costs = Costs(clock, 4)
    costs.spend("a", SAVED_S)
    assert costs.wait_s("a") == 0


def test_who_spends_more_waits_until_it_is_saved_again_and_others_do_not(clock):
    costs = Costs(clock, 4)
    costs.spend("a", SAVED_S + 0.01)
    assert costs.wait_s("a") == pytest.approx(0.01 / (4 * ONE))
    clock.now += 0.01 / (4 * ONE) + 1e-6
    assert costs.wait_s("a") == costs.wait_s("b") == 0


def test_all_together_have_a_share_that_many_addresses_do_not_widen(clock):
    costs = Costs(clock, 2)
    for number in range(100):
        costs.spend(f"10.0.0.{number}", SAVED_S / 100 + 0.0001)
    assert costs.all_wait_s == pytest.approx(0.01 / (2 * ALL)) and costs.wait_s("10.0.0.1") == 0


def test_nobody_waits_for_ever_for_something_very_dear(clock):
    costs = Costs(clock, 1)
    costs.spend("a", 1000)
    assert costs.wait_s("a") == pytest.approx(ONE_MOST_S) and costs.all_wait_s == pytest.approx(ALL_MOST_S)
    assert costs.wait_s("b") == 0
    clock.now += ONE_MOST_S + 0.01
    assert costs.wait_s("a") == costs.all_wait_s == 0


def test_what_was_spent_is_told_to_whoever_leaves_it_out_and_what_will_be_is_not(clock):
    aside = []
    costs = Costs(clock, 1, aside.append)
    costs.spend("a", 0.25, SAVED_S)
    assert aside == [0.25] and costs.wait_s("a") == pytest.approx(min(0.25 / ONE, ONE_MOST_S))


def test_no_more_is_saved_than_for_a_while(clock):
    costs = Costs(clock, 1)
    clock.now += 1e6
    costs.spend("a", SAVED_S + 0.001)
    assert costs.wait_s("a") > 0


def test_the_addresses_that_came_last_are_remembered_and_no_others(clock):
    costs = Costs(clock, 1)
    costs.spend("a", SAVED_S + 0.001)
    for number in range(ADDRESSES):
        costs.spend(str(number), 0)
    assert costs.wait_s("a") == 0
    costs.spend("0", SAVED_S + 1)
    assert costs.wait_s("0") > costs.wait_s("1")
    assert Costs().wait_s("a") == 0
