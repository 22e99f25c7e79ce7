"""Who may come in: tokens, and the sessions of browsers."""

import asyncio
import logging
import threading
from contextlib import closing
from types import SimpleNamespace

import pytest
from asking import KEPT, TOKEN

from edge.web import sessions as module
from edge.web.remembered import ADDRESSES
from edge.web.sessions import IDLE_S, LAST_S, MOST, TRIES, TRIES_S, WAITING, Locked, Sessions, WrongTokens
from edge.web.token import make

OWNER, OTHER = "192.0.2.1", "192.0.2.2"
DAY = 86_400.0


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Slow:
    """A token that takes until somebody says so to be looked at."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def fits(self, token):
        self.begun.set()
        assert self.go.wait(60)
        return token == TOKEN


def no_rest(seconds):
    assert seconds >= 0


def run(test, kept=lambda: KEPT, rest=no_rest):
    """A test with sessions, their clock, and an event loop."""

    async def main():
        clock = Clock()
        with closing(Sessions(kept, clock, rest)) as sessions:
            await test(sessions, clock)
        assert not [each for each in threading.enumerate() if each.name.startswith("edge-web-token")]

    asyncio.run(main())


def test_the_token_opens_and_others_do_not():
    async def test(sessions, clock):
        assert await sessions.opens(TOKEN, OWNER) and await sessions.opens(TOKEN, OTHER)
        for wrong in ("", "x", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "\0", "€" * 300):
            assert not await sessions.opens(wrong, OTHER)
            assert await sessions.begin(wrong, OWNER) is None

    run(test)


def test_a_session_is_known_until_it_is_ended_and_no_other_is():
    async def test(sessions, clock):
        one, two = [await sessions.begin(TOKEN, OWNER) for _ in range(2)]
        assert one != two and len(one) >= 43, "256 bits, in base64"
        assert sessions.goes_on(one) and sessions.goes_on(two)
        assert not sessions.goes_on("") and not sessions.goes_on(TOKEN) and not sessions.goes_on(one[:-1])
        sessions.end(one)
        sessions.end("none")
        assert not sessions.goes_on(one) and sessions.goes_on(two)

    run(test)


def test_a_session_ends_when_it_is_not_used_for_long_and_some_day_in_any_case():
    async def test(sessions, clock):
        left, used = [await sessions.begin(TOKEN, OWNER) for _ in range(2)]
        for day in range(0, 31):
            clock.now = day * DAY
            assert sessions.goes_on(used)
        clock.now = IDLE_S + 1
        assert not sessions.goes_on(left)
        while clock.now < LAST_S:
            assert sessions.goes_on(used)
            clock.now += DAY
        assert not sessions.goes_on(used) and not sessions.goes_on(used)

    run(test)


def test_there_are_so_many_sessions_and_the_one_used_least_lately_makes_room():
    async def test(sessions, clock):
        all_ = [await sessions.begin(TOKEN, OWNER) for _ in range(MOST)]
        assert sessions.goes_on(all_[0])
        newest = await sessions.begin(TOKEN, OWNER)
        assert sessions.goes_on(newest) and sessions.goes_on(all_[0]) and not sessions.goes_on(all_[1])
        assert sum(map(sessions.goes_on, all_)) == MOST - 1

    run(test)


def test_another_token_ends_all_sessions_within_a_second_and_what_was_right_opens_nothing():
    token, kept = make()
    now = SimpleNamespace(kept=KEPT)

    async def test(sessions, clock):
        session = await sessions.begin(TOKEN, OWNER)
        now.kept = kept
        clock.now = 0.5
        assert sessions.goes_on(session) and sessions.knows(TOKEN), "a file is not looked at each time"
        clock.now = 1.0
        assert not sessions.goes_on(session) and not sessions.knows(TOKEN)
        assert not await sessions.opens(TOKEN, OWNER) and await sessions.opens(token, OWNER)

    run(test, lambda: now.kept)


def test_where_the_token_cannot_be_read_any_more_nobody_comes_in_until_it_can():
    now = SimpleNamespace(kept=KEPT)

    async def test(sessions, clock):
        session = await sessions.begin(TOKEN, OWNER)
        now.kept, clock.now = None, 1.0
        assert not sessions.goes_on(session)
        assert not await sessions.opens(TOKEN, OWNER)
        now.kept, clock.now = KEPT, 2.0
        assert await sessions.opens(TOKEN, OWNER) and not sessions.goes_on(session)

    run(test, lambda: now.kept)


def test_a_token_that_changes_while_the_old_one_is_looked_at_lets_nobody_in():
    slow = Slow()
    now = SimpleNamespace(kept=slow)

    async def test(sessions, clock):
        late = asyncio.ensure_future(sessions.opens(TOKEN, OWNER))
        await asyncio.sleep(0)
        now.kept, clock.now = KEPT, 1.0
        slow.go.set()
        assert not await late and await sessions.opens(TOKEN, OWNER)

    run(test, lambda: now.kept)


# --- who guesses


async def guessed(sessions, address, times=TRIES):
    for number in range(times):
        assert not await sessions.opens(f"guess {number}", address)


def test_who_guesses_is_not_listened_to_for_a_while_and_that_is_logged_once(caplog):
    async def test(sessions, clock):
        await guessed(sessions, OTHER)
        for _ in range(3):
            with pytest.raises(Locked, match=r"the next is looked at in 60 s"):
                await sessions.opens("guess", OTHER)
        with pytest.raises(Locked):
            await sessions.begin(TOKEN, OTHER)
        clock.now = TRIES_S - 0.5
        with pytest.raises(Locked) as caught:
            await sessions.opens(TOKEN, OTHER)
        assert caught.value.seconds == 1
        clock.now = TRIES_S
        assert await sessions.opens(TOKEN, OTHER)

    with caplog.at_level(logging.WARNING):
        run(test)
    assert [each.getMessage() for each in caplog.records] == [
        f"web: 10 wrong tokens came from {OTHER}, which is not listened to for a while"
    ]


def test_who_guesses_keeps_nobody_else_out():
    async def test(sessions, clock):
        await guessed(sessions, OTHER)
        assert await sessions.begin(TOKEN, OWNER)

    run(test)


def test_who_has_a_session_or_has_shown_the_token_is_not_kept_out_by_a_guesser_of_the_same_address():
    async def test(sessions, clock):
        session = await sessions.begin(TOKEN, OWNER)
        await guessed(sessions, OWNER)
        with pytest.raises(Locked):
            await sessions.opens("guess", OWNER)
        assert sessions.goes_on(session) and await sessions.opens(TOKEN, OWNER)

    run(test)


def test_typing_errors_now_and_then_lock_nobody_out():
    async def test(sessions, clock):
        for _ in range(3 * TRIES):
            await guessed(sessions, OWNER, 1)
            clock.now += TRIES_S / (TRIES - 1)

    run(test)


def test_guessers_with_very_many_addresses_take_no_memory():
    wrong = WrongTokens(Clock())
    for number in range(ADDRESSES + 500):
        wrong.one_more(str(number))
    assert len(wrong._at) == ADDRESSES


def test_one_token_is_looked_at_at_a_time_few_wait_and_one_of_each_address():
    slow = Slow()
    inside = []
    fits = slow.fits

    def counted(token):
        inside.append(token)
        return fits(token)

    slow.fits = counted

    async def test(sessions, clock):
        waiting = [asyncio.ensure_future(sessions.opens(f"guess {n}", f"192.0.2.{n}")) for n in range(WAITING - 1)]
        waiting += [asyncio.ensure_future(sessions.opens(TOKEN, OWNER + "00")) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Locked, match="in 1 s"):
            await sessions.opens("another guess", "192.0.2.0")
        with pytest.raises(Locked, match="in 1 s"):
            await sessions.opens("one too many", "192.0.2.99")
        slow.begun.wait(60)
        assert inside == ["guess 0"]
        slow.go.set()
        assert await asyncio.gather(*waiting) == [False] * (WAITING - 1) + [True] * 5
        assert inside == [*(f"guess {n}" for n in range(WAITING - 1)), TOKEN], "five who ask the same cost as one"
        assert not await sessions.opens("another guess", "192.0.2.0")

    run(test, lambda: slow)


def test_after_a_wrong_token_nothing_is_looked_at_for_a_while_so_that_guessers_take_no_processor():
    rested = []

    async def test(sessions, clock):
        assert await sessions.opens(TOKEN, OWNER) and rested == []
        await guessed(sessions, OTHER, 3)
        assert len(rested) == 3 and all(seconds > 0 for seconds in rested)

    run(test, rest=rested.append)
    assert module.REST >= 4


def test_one_who_leaves_while_a_token_is_looked_at_takes_it_from_nobody():
    slow = Slow()

    async def test(sessions, clock):
        gone, there = [asyncio.ensure_future(sessions.opens(TOKEN, OWNER)) for _ in range(2)]
        await asyncio.sleep(0)
        gone.cancel()
        slow.go.set()
        assert await there
        with pytest.raises(asyncio.CancelledError):
            await gone

    run(test, lambda: slow)
