import threading

from hypothesis import given
from hypothesis import strategies as st

from edge.recovery import RUNGS, Backoff, Ladder, jittered


def test_a_ladder_counts_each_try_and_tells_it():
    told = []
    ladder = Ladder(lambda rung, words: told.append((rung, words)))
    ladder.climb("camera", "once")
    ladder.climb("camera", "twice")
    ladder.climb("usb", "reset")
    assert told == [("camera", "once"), ("camera", "twice"), ("usb", "reset")]
    assert ladder.counts == {**dict.fromkeys(RUNGS, 0), "camera": 2, "usb": 1}


def test_slow_work_is_a_sign_of_life_and_no_try():
    told = []
    ladder = Ladder(at_work=told.append)
    ladder.works("building")
    assert told == ["building"] and not any(ladder.counts.values())
    silent = Ladder()
    silent.works("building")
    silent.climb("restart", "nobody listens")
    assert silent.counts["restart"] == 1


def test_tries_of_many_threads_are_all_counted():
    ladder = Ladder()
    threads = [threading.Thread(target=lambda: [ladder.climb("interpreter", "") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ladder.counts["interpreter"] == 2000


@given(st.floats(0, 1000), st.floats(0, 1))
def test_a_pause_is_at_most_a_quarter_longer_or_shorter(pause, chance):
    assert 0.749 * pause <= jittered(pause, lambda: chance) <= 1.251 * pause


def test_two_pauses_are_hardly_ever_the_same():
    assert len({jittered(1.0) for _ in range(100)}) > 90


def test_pauses_double_up_to_the_longest_and_begin_anew_where_that_is_said():
    pauses = Backoff(1.0, 5.0, chance=lambda: 0.5)
    assert [pauses() for _ in range(5)] == [1, 2, 4, 5, 5]
    pauses.reset()
    assert [pauses(), pauses()] == [1, 2]
    assert Backoff(1.0, 5.0, chance=lambda: 0.0)() == 0.75
