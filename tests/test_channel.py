from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.channel import Channel

GUARD_S = 20.0


def in_thread(work):
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_what_was_put_comes_out_in_order():
    channel = Channel(3, lossless=True)
    assert [channel.put(n) for n in range(3)] == [True, True, True]
    assert [channel.get(GUARD_S) for _ in range(3)] == [0, 1, 2]
    assert channel.dropped == 0


def test_a_lossy_channel_drops_the_oldest_and_counts_it():
    channel = Channel(2, lossless=False)
    for n in range(5):
        assert channel.put(n)
    channel.close()
    assert list(channel) == [3, 4]
    assert channel.dropped == 3


def test_a_lossless_put_waits_until_there_is_room():
    channel, seen = Channel(1, lossless=True), []
    channel.put("first")
    thread = in_thread(lambda: seen.append(channel.put("second")))
    thread.join(0.05)
    assert thread.is_alive() and not seen
    assert channel.get(GUARD_S) == "first"
    thread.join(GUARD_S)
    assert seen == [True]
    assert channel.get(GUARD_S) == "second"


def test_closing_wakes_a_put_that_waits_and_its_item_goes_nowhere():
    channel, seen = Channel(1, lossless=True), []
    channel.put("first")
    thread = in_thread(lambda: seen.append(channel.put("second")))
    thread.join(0.05)
    channel.close()
    thread.join(GUARD_S)
    assert seen == [False]
    assert list(channel) == ["first"]


def test_closing_wakes_a_get_that_waits():
    channel, seen = Channel(1, lossless=True), []

    def work():
        try:
            channel.get(GUARD_S)
        except EOFError:
            seen.append("end")

    thread = in_thread(work)
    channel.close()
    thread.join(GUARD_S)
    assert seen == ["end"]


def test_a_get_from_an_empty_channel_gives_up_in_time():
    with pytest.raises(TimeoutError, match=r"nothing came within 0\.01 s"):
        Channel(1, lossless=True).get(0.01)


def test_nothing_can_be_put_into_a_closed_channel():
    channel = Channel(1, lossless=False)
    channel.close()
    assert channel.put(1) is False
    assert list(channel) == []


def test_the_error_comes_after_what_is_still_inside():
    channel = Channel(2, lossless=True)
    channel.put(1)
    channel.close(OSError("gone"))
    assert channel.get() == 1
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            channel.get()


def test_only_the_first_close_counts():
    channel = Channel(2, lossless=True)
    channel.close(OSError("first"))
    channel.close(ValueError("second"))
    with pytest.raises(OSError, match="first"):
        channel.get()


def test_a_clean_close_is_not_undone_by_a_later_error():
    channel = Channel(2, lossless=True)
    channel.close()
    channel.close(ValueError("late"))
    assert list(channel) == []


def test_iterating_passes_errors_on():
    channel = Channel(2, lossless=True)
    channel.close(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        list(channel)


def test_an_abandoned_channel_is_empty_and_closed():
    channel = Channel(2, lossless=True)
    channel.put(1)
    channel.abandon()
    assert list(channel) == []
    assert channel.put(2) is False


@settings(deadline=None, max_examples=40)
@given(items=st.lists(st.integers(), max_size=60), capacity=st.integers(1, 5))
def test_a_lossless_channel_loses_nothing_and_keeps_the_order(items, capacity):
    channel = Channel(capacity, lossless=True)

    def work():
        for item in items:
            channel.put(item)
        channel.close()

    thread = in_thread(work)
    assert list(channel) == items
    thread.join(GUARD_S)
    assert channel.dropped == 0


@settings(deadline=None, max_examples=100)
@given(steps=st.lists(st.booleans(), max_size=80), capacity=st.integers(1, 5))
def test_a_lossy_channel_holds_at_most_its_capacity_and_accounts_for_every_item(steps, capacity):
    channel, put, got = Channel(capacity, lossless=False), 0, []
    for puts in steps:
        if puts:
            assert channel.put(put)
            put += 1
        elif put > len(got) + channel.dropped:
            got.append(channel.get(GUARD_S))
        assert put - len(got) - channel.dropped <= capacity
    channel.close()
    rest = list(channel)
    assert len(rest) <= capacity
    assert channel.dropped + len(got) + len(rest) == put
    assert got + rest == sorted(set(got + rest))
    assert rest == list(range(put - len(rest), put))  # the newest stay
