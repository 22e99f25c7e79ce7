"""The page's share of the processor."""

import asyncio

import pytest

from edge.vitals import Vitals
from edge.web.share import BUSY, IDLE, MOST_S, Bell, Share


class Machine:
    """A clock, what was used of the processor, and how long somebody slept."""

    def __init__(self, cores=2):
        self.now, self.spent, self.slept = 100.0, 5.0, []
        self.vitals = Vitals("door")
        self.share = Share([self.vitals], cores, lambda: self.now, lambda: self.spent, self.sleep)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def go_on(self, seconds, inference):
        """Time passes; of it, so much with inference."""
        self.now += seconds
        self.vitals.stages["inference"].add(round(inference * 1e9))


def test_where_the_loop_is_busy_the_page_has_a_small_share_and_where_it_waits_a_large_one():
    machine = Machine(cores=4)
    assert machine.share.of_a_core() == BUSY, "nothing is known yet"
    machine.go_on(1, inference=0.1)
    assert machine.share.of_a_core() == 4 * IDLE
    machine.go_on(0.5, inference=0.5)
    assert machine.share.of_a_core() == 4 * IDLE, "that is not looked at all the time"
    machine.go_on(1.5, inference=1.2)
    assert machine.share.of_a_core() == BUSY
    machine.go_on(10, inference=7.9)
    assert machine.share.of_a_core() == 4 * IDLE


def test_where_frames_are_dropped_the_loop_is_busy():
    machine = Machine()
    machine.vitals.frames += 90
    machine.vitals.lost("frames", 10)
    machine.go_on(1, inference=0)
    assert machine.share.of_a_core() == BUSY
    machine.vitals.frames += 990
    machine.vitals.lost("frames", 10)
    machine.vitals.lost("heat", 1000)
    machine.go_on(1, inference=0)
    assert machine.share.of_a_core() == 2 * IDLE, "one now and then, or for another cause, is none"


def test_the_inference_of_all_cameras_counts():
    both = [Vitals("door"), Vitals("yard")]
    now = [0.0]
    share = Share(both, 1, lambda: now[0], lambda: 0.0)
    for each in both:
        each.stages["inference"].add(int(0.45e9))
    now[0] = 1.0
    assert share.of_a_core() == BUSY


def test_what_costs_little_is_done_as_often_as_it_may_be():
    machine = Machine()
    asyncio.run(machine.share.rest(100.0, machine.share.used_s, 0.25))
    assert machine.slept == [0.25, 0.0] and machine.now == 100.25


def test_what_is_dear_is_done_less_often():
    machine = Machine()
    before = machine.share.used_s
    machine.spent += 0.006
    machine.share.add(0.002)  # by another thread
    asyncio.run(machine.share.rest(100.0, before, 0.02))
    assert machine.now == pytest.approx(100.0 + 0.008 / BUSY)


def test_what_garbage_cost_is_not_taken_from_those_who_look():
    machine = Machine()
    before = machine.share.used_s
    machine.spent += 0.006
    machine.share.leave_out(0.004)
    asyncio.run(machine.share.rest(100.0, before, 0.02))
    assert machine.now == pytest.approx(100.0 + 0.002 / BUSY)


def test_however_dear_it_is_it_is_done():
    machine = Machine()
    before = machine.share.used_s
    machine.spent += 10
    asyncio.run(machine.share.rest(100.0, before, 0.02))
    assert machine.now == pytest.approx(100.0 + MOST_S)


def test_what_took_longer_than_its_rest_is_done_again_at_once():
    machine = Machine()
    asyncio.run(machine.share.rest(99.0, machine.share.used_s, 0.5))
    assert machine.slept == [0.0, 0.0]


def test_the_processor_it_runs_on_is_asked_where_nothing_is_said():
    share = Share([Vitals("door")])
    before = share.used_s
    sum(range(100_000))
    assert share.used_s > before > 0
    assert share.of_a_core() >= BUSY


def test_a_bell_wakes_all_who_wait_and_nobody_who_comes_later():
    async def main():
        bell, woken = Bell(), []

        async def wait(name):
            await bell.heard()
            woken.append(name)

        tasks = [asyncio.ensure_future(wait(name)) for name in "ab"]
        await asyncio.sleep(0)
        bell.ring()
        tasks.append(asyncio.ensure_future(wait("late")))
        await asyncio.wait(tasks[:2])
        assert woken == ["a", "b"]
        bell.ring()
        await asyncio.wait(tasks)
        assert woken == ["a", "b", "late"]

    asyncio.run(main())
