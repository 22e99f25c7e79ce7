"""Cameras that take turns on one interpreter: scripted threads, and a stand-in for what they share."""

import time
from itertools import pairwise
from threading import Event, Semaphore, Thread

import pytest

from edge.errors import DeviceError, InferenceError
from edge.recovery import Ladder
from edge.turns import Shared, Shares

GUARD_S = 10.0


def until(true):
    end = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.001)


class Answers:
    """What is shared: it notes whom it answers, and may be held up or fail."""

    engine = "engine"

    def __init__(self, ladder=None):
        self.ladder, self.answered, self.goes_on, self.fails = ladder, [], Semaphore(0), None
        self.stopped = self.closed = False
        self.waiting = lambda: None
        self.hold = lambda: None

    def prepare(self, frame, used=None):
        return f"prepared {frame}"

    def answer(self, frame, prepared):
        self.answered.append(frame)
        self.hold()
        if self.fails:
            raise self.fails
        return f"answer to {frame}"

    def stop(self):
        self.stopped = True

    def close(self):
        self.closed = True


@pytest.fixture
def shares():
    """Opens turns on `Answers`, which it keeps."""

    class Kept(Shares):
        def __init__(self):
            super().__init__(look_s=0.01)
            self.made = []

        def __call__(self, key="model", ladder=None):
            def opened(told):
                self.made.append(Answers(told))
                return self.made[-1]

            return self.turn(key, ladder or Ladder(), opened)

    return Kept()


def in_thread(work):
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_cameras_with_one_key_have_one_interpreter_and_others_have_another(shares):
    first, second, other = shares(), shares(), shares("other model")
    assert len(shares.made) == 2
    assert first.answer("a", first.prepare("a")) == "answer to a"
    second.answer("b", None)
    other.answer("c", None)
    assert [made.answered for made in shares.made] == [["a", "b"], ["c"]]
    assert first.engine == "engine"


def test_nobody_is_answered_twice_while_another_waits(shares):
    """However fast one asks: who is answered holds on until the other one asks, too."""
    turns = {name: shares() for name in ("fast", "slow")}
    answers, shared = shares.made[0], turns["fast"]._shared
    left = Event()
    answers.hold = lambda: until(lambda: len(shared._queue) == 2 or left.is_set())

    def ask(name, pause_s):
        for _ in range(20):
            turns[name].answer(name, None)
            time.sleep(pause_s)
        left.set()

    threads = [in_thread(lambda name=name, s=s: ask(name, s)) for name, s in (("fast", 0), ("slow", 0.002))]
    for thread in threads:
        thread.join(GUARD_S)
    both = answers.answered[: 2 * 19]
    assert all(one != other for one, other in pairwise(both)), both


def test_who_has_waited_longest_is_next(shares):
    turns = {name: shares() for name in "abc"}
    answers, shared = shares.made[0], turns["a"]._shared
    answers.hold = lambda: answers.goes_on.acquire(timeout=GUARD_S)
    threads = []
    for place, name in enumerate("abc"):
        threads.append(in_thread(lambda name=name: turns[name].answer(name, None)))
        until(lambda place=place: len(shared._queue) == place + 1)
    answers.goes_on.release()
    threads[0].join(GUARD_S)
    threads.append(in_thread(lambda: turns["a"].answer("a again", None)))
    until(lambda: len(shared._queue) == 3)
    for _ in range(3):
        answers.goes_on.release()
    for thread in threads:
        thread.join(GUARD_S)
    assert answers.answered == ["a", "b", "c", "a again"]


def test_one_that_is_stopped_while_it_waits_leaves_the_queue_and_the_others_go_on(shares):
    one, other = shares(), shares()
    answers = shares.made[0]
    answers.hold = lambda: answers.goes_on.acquire(timeout=GUARD_S)
    errors = []

    def asks():
        try:
            other.answer("other", None)
        except InferenceError as error:
            errors.append(str(error))

    holds = in_thread(lambda: one.answer("one", None))
    until(lambda: answers.answered)
    waits = in_thread(asks)
    until(lambda: len(one._shared._queue) == 2)
    other.stop()
    waits.join(GUARD_S)
    assert errors == ["it was stopped while it waited for its turn"] and not answers.stopped
    answers.goes_on.release(2)
    holds.join(GUARD_S)
    assert one.answer("one", None)
    assert answers.answered == ["one", "one"]


def test_while_it_waits_for_its_turn_it_hears_what_is_asked(shares):
    one, other = shares(), shares()
    answers = shares.made[0]
    answers.hold = lambda: answers.goes_on.acquire(timeout=GUARD_S)
    heard = Event()
    other.waiting = heard.set
    threads = [in_thread(lambda: one.answer("one", None))]
    until(lambda: answers.answered)
    threads.append(in_thread(lambda: other.answer("other", None)))
    assert heard.wait(GUARD_S)
    answers.goes_on.release(2)
    for thread in threads:
        thread.join(GUARD_S)
    assert answers.waiting == other.wait


def test_it_is_closed_with_the_last_and_opened_anew_for_the_next(shares):
    one, other = shares(), shares()
    one.close()
    one.close()
    assert not shares.made[0].closed and not shares.made[0].stopped
    other.close()
    assert shares.made[0].closed and shares.made[0].stopped
    shares()
    assert len(shares.made) == 2 and not shares.made[1].closed


def test_when_all_are_stopped_what_they_share_waits_for_nothing_either(shares):
    one, other = shares(), shares()
    one.stop()
    assert not shares.made[0].stopped
    other.stop()
    assert shares.made[0].stopped
    assert shares() and len(shares.made) == 2, "who comes now gets another one"


def test_who_comes_just_as_the_last_one_leaves_gets_another(shares):
    class Leaving(Shared):
        def join(self, ladder):
            self.spent = True
            return super().join(ladder)

    shares._shared["model"] = left = Leaving()
    turn = shares()
    assert turn.answer("a", None) and turn._shared is not left and not left._turns


def test_a_camera_that_begins_again_before_its_former_turn_has_ended_keeps_the_new_one(shares):
    ladder = Ladder()
    before, after = shares(ladder=ladder), shares(ladder=ladder)
    before.close()
    assert not shares.made[0].closed
    assert after.answer("a", None)


def test_what_fails_for_one_has_failed_for_all_and_is_opened_anew(shares):
    one, other = shares(), shares()
    shares.made[0].fails = InferenceError("nothing is left")
    with pytest.raises(InferenceError, match="nothing is left"):
        one.answer("a", None)
    with pytest.raises(InferenceError, match="shares with another camera has failed"):
        other.answer("b", None)
    assert shares.made[0].answered == ["a"]
    one.close()
    again = shares()
    assert again.answer("c", None) and len(shares.made) == 2
    other.close()
    assert [made.closed for made in shares.made] == [True, False]


def test_what_fails_because_it_is_stopped_goes_on_for_the_others(shares):
    one, other = shares(), shares()
    shares.made[0].fails = InferenceError("it was stopped")
    one.stop()
    with pytest.raises(InferenceError, match="it was stopped"):
        one.answer("a", None)
    shares.made[0].fails = None
    assert other.answer("b", None)


def test_all_are_told_what_is_tried_for_what_they_share(shares):
    told = []
    for name in "ab":
        climbed = lambda rung, words, name=name: told.append((name, rung))  # noqa: E731
        shares(ladder=Ladder(climbed, told.append))
    shares.made[0].ladder.climb("backend", "opening another")
    shares.made[0].ladder.works("still at it")
    assert told == [("a", "backend"), ("b", "backend"), "still at it", "still at it"]


def test_while_the_first_opens_it_the_others_wait_and_hear_that_it_goes_on(shares):
    begun, goes_on, told, found = Event(), Event(), [], []

    def opened(ladder):
        begun.set()
        until(lambda: len(shares._shared["model"]._turns) == 2)
        ladder.works("building")
        assert goes_on.wait(GUARD_S)
        return Answers()

    def join(name):
        found.append(shares.turn("model", Ladder(None, lambda words: told.append((name, words))), opened))

    threads = [in_thread(lambda: join("a"))]
    assert begun.wait(GUARD_S)
    threads.append(in_thread(lambda: join("b")))
    until(lambda: len(told) == 2)
    assert sorted(told) == [("a", "building"), ("b", "building")] and not found
    assert shares("another").answer("c", None), "one with another model is not held up"
    goes_on.set()
    for thread in threads:
        thread.join(GUARD_S)
    assert found[0]._shared.succession is found[1]._shared.succession


def test_what_cannot_be_opened_is_tried_by_each(shares):
    def fails(ladder):
        raise DeviceError("no such device")

    for _ in range(2):
        with pytest.raises(DeviceError, match="no such device"):
            shares.turn("model", Ladder(), fails)
    assert shares().answer("a", None)
