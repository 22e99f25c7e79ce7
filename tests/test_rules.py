"""From answers to events."""

import math
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from edge.events.rules import TRACKED, Watch
from edge.settings import Rules
from edge.types import Classification, Event, Result, Timing

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)
PLAIN = {"smooth_s": 0.0, "confirm_frames": 3, "clear_frames": 2, "clear_s": 0.0}


class Seen:
    """Frames at ten a second; the wall clock goes with them, unless a test sets it."""

    def __init__(self, left=None, fps=10.0, **rules):
        self.wall = NOON
        self.step_s = 1 / fps
        self.now_s = 1000.0
        self.number = 0
        self.watch = Watch(Rules(**{**PLAIN, **rules}), wall=lambda: self.wall, left=left)

    def __call__(self, *answers, threshold=None):
        """One frame for each answer: a label's score by its name. The events, as (frame, kind, label)."""
        return [(e.frame, e.kind, e.label) for e in self.events(*answers, threshold=threshold)]

    def events(self, *answers, threshold=None):
        found = []
        for answer in answers:
            found += self.watch(result(self.number, self.now_s, answer), threshold)
            self.number += 1
            self.pass_s(self.step_s)
        return found

    def pass_s(self, seconds):
        self.now_s += seconds
        self.wall += timedelta(seconds=seconds)


def result(number, seconds, answer):
    classes = tuple(Classification(label, 0, score) for label, score in answer.items())
    at = int(seconds * 1e9)
    return Result(
        frame=number,
        answer=classes,
        captured_at_ns=at,
        finished_at_ns=at,
        timing=Timing(0, 0, 0),
        backend="scripted",
        model="m",
    )


CAT, DOG, NOTHING = {"cat": 0.9}, {"dog": 0.8}, {}


def test_what_lasts_appears_and_what_stays_away_is_gone():
    seen = Seen()
    assert seen(CAT, CAT) == []
    assert seen(CAT) == [(2, "appeared", "cat")]
    assert seen(CAT, CAT, NOTHING) == []
    assert seen(NOTHING) == [(6, "gone", "cat")]
    assert seen(NOTHING, NOTHING) == []


def test_the_score_of_what_is_there_goes_with_each_frame():
    seen = Seen()
    found = []
    for answer in (CAT, CAT, CAT, {"cat": 0.7}, NOTHING, NOTHING):
        seen(answer)
        found.append(seen.watch.score)
    assert found == [None, None, 0.9, 0.7, 0.0, None]


def test_an_event_says_what_when_and_how_sure():
    seen = Seen()
    appeared, gone = seen.events(CAT, {"cat": 0.7}, {"cat": 0.8}, {"cat": 0.6}, NOTHING, NOTHING)
    assert (appeared.score, appeared.at, appeared.lasted_s, appeared.previous) == (
        0.8,
        NOON + timedelta(seconds=0.2),
        None,
        None,
    )
    assert (gone.score, gone.lasted_s) == (0.6, pytest.approx(0.4))
    assert gone.at.tzinfo is timezone.utc
    assert len({appeared.id, gone.id}) == 2
    assert all(len(event.id) == 32 and int(event.id, 16) >= 0 for event in (appeared, gone))


def test_another_subject_takes_the_place_as_soon_as_it_has_lasted():
    seen = Seen(clear_frames=50)
    seen(CAT, CAT, CAT)
    [changed] = seen.events(DOG, DOG, DOG)
    assert (changed.frame, changed.kind, changed.label, changed.previous) == (5, "changed", "dog", "cat")


def test_two_at_once_are_one_subject_and_the_higher_one_is_told():
    seen = Seen()
    both = {"cat": 0.9, "dog": 0.95}
    assert seen(both, both, both, both, both) == [(2, "appeared", "dog")]
    assert seen(CAT, NOTHING) == [(5, "changed", "cat")]


def test_an_interruption_begins_the_count_anew():
    seen = Seen()
    assert seen(CAT, CAT, NOTHING, CAT, CAT) == []
    assert seen(CAT) == [(5, "appeared", "cat")]
    assert seen(NOTHING, CAT, NOTHING, CAT, NOTHING) == []


def test_between_the_thresholds_nothing_happens():
    seen = Seen()
    low = {"cat": 0.5}
    assert seen(low, low, low, low) == []
    seen(CAT, CAT, CAT)
    assert seen(low, low, low, low) == []


def test_frames_and_seconds_both_have_to_pass():
    seen = Seen(confirm_s=1.0, clear_s=0.5)
    assert seen(*[CAT] * 11) == [(10, "appeared", "cat")]
    assert seen(*[NOTHING] * 6) == [(16, "gone", "cat")]


def test_smoothing_is_exponential_in_time_whatever_the_frame_rate():
    for fps in (5, 10, 50):
        seen = Seen(fps=fps, smooth_s=1.0, confirm_frames=1, threshold_in=1 - math.exp(-1) - 1e-6)
        seen(NOTHING)
        [event] = seen.events(*[{"cat": 1.0}] * (fps + 1))
        assert event.frame == fps


def test_what_flickers_counts_with_its_mean_however_slow_the_smoothing():
    seen = Seen(fps=100, smooth_s=20.0, threshold_in=0.45, confirm_frames=1)
    [event] = seen.events(NOTHING, *[{"cat": 1.0}, {"dog": 0.1}] * 3000)
    assert (event.kind, event.label, event.score) == ("appeared", "cat", pytest.approx(0.45, abs=0.001))


def test_the_first_frame_counts_in_full():
    assert Seen(smooth_s=60.0, confirm_frames=1)(CAT) == [(0, "appeared", "cat")]


def test_only_labels_that_count_make_events():
    seen = Seen(labels=["dog"])
    assert seen(CAT, CAT, CAT, CAT) == []
    assert seen(DOG, DOG, DOG) == [(6, "appeared", "dog")]


def test_a_label_that_stands_for_several_classes_counts_with_the_highest():
    watch = Watch(Rules(**PLAIN, labels=["crane"]))
    answer = (Classification("crane", 134, 0.7), Classification("crane", 517, 0.1))
    found = [
        event
        for number in range(3)
        for event in watch(
            Result(
                frame=number,
                answer=answer,
                captured_at_ns=number,
                finished_at_ns=number,
                timing=Timing(0, 0, 0),
                backend="",
                model="",
            )
        )
    ]
    assert [event.score for event in found] == [0.7]


def test_after_a_cool_down_what_is_still_there_is_told():
    seen = Seen(cooldown_s=1.0)
    assert seen(CAT, CAT, CAT, NOTHING, NOTHING) == [(2, "appeared", "cat"), (4, "gone", "cat")]
    assert seen(*[CAT] * 9) == []
    assert seen(CAT) == [(14, "appeared", "cat")]


def test_what_is_cooling_down_does_not_take_a_place():
    seen = Seen(cooldown_s=5.0, clear_frames=3)
    assert seen(CAT, CAT, CAT, DOG, DOG, DOG) == [(2, "appeared", "cat"), (5, "changed", "dog")]
    assert seen(CAT, CAT, CAT, CAT) == [(8, "gone", "dog")]


def test_a_threshold_that_somebody_sets_counts_at_once():
    seen = Seen()
    low = {"cat": 0.3}
    assert seen(low, low, low, threshold=0.25) == [(2, "appeared", "cat")]
    assert seen(low, low, threshold=0.25) == [], "what is high enough to come is high enough to stay"
    assert seen(low, low) == [(6, "gone", "cat")]
    assert seen(CAT, CAT, CAT, threshold=0.95) == []


def test_other_rules_keep_what_is_there_and_what_has_lasted():
    seen = Seen()
    seen(CAT, CAT)
    seen.watch.adopt(Rules(**{**PLAIN, "confirm_frames": 4}))
    assert seen(CAT) == []
    assert seen(CAT) == [(3, "appeared", "cat")]
    seen.watch.adopt(Rules(**PLAIN, labels=["dog"]))
    assert seen(CAT, CAT) == [(5, "gone", "cat")], "a label that counts no more is no more there"


# --- gaps


def test_after_a_gap_what_was_there_is_gone_and_comes_anew():
    seen = Seen(confirm_frames=2)
    seen(CAT, CAT)
    seen.pass_s(5)
    gone, *others = seen.events(CAT, CAT)
    assert (gone.kind, gone.frame, gone.lasted_s) == ("gone", 2, pytest.approx(0.1))
    assert [(event.kind, event.frame) for event in others] == [("appeared", 3)]


def test_after_a_gap_something_else_has_appeared_and_not_taken_its_place():
    seen = Seen(confirm_frames=1)
    seen(CAT)
    seen.pass_s(5)
    assert seen(DOG) == [(1, "gone", "cat"), (1, "appeared", "dog")]


def test_a_pause_shorter_than_it_takes_to_clear_is_no_gap():
    seen = Seen(clear_s=6.0)
    seen(CAT, CAT, CAT)
    seen.pass_s(5)
    assert seen(CAT) == []


def test_a_camera_that_gives_a_frame_in_ten_seconds_has_no_gaps():
    seen = Seen(fps=0.1)
    assert seen(NOTHING, NOTHING, CAT, CAT, CAT) == [(4, "appeared", "cat")]
    assert seen(CAT, CAT, CAT) == []


def test_a_camera_that_is_slowed_down_gets_used_to_it():
    seen = Seen(fps=30)
    seen(*[NOTHING] * 30)
    seen.step_s = 10.0
    assert seen(*[CAT] * 8) == [(33, "appeared", "cat")]


def test_without_frames_what_was_there_is_gone_once():
    seen = Seen(clear_s=2.0)
    seen(CAT, CAT, CAT)
    assert seen.watch.lapse(int((seen.now_s + 1) * 1e9)) == []
    [gone] = seen.watch.lapse(int((seen.now_s + 4) * 1e9))
    assert (gone.kind, gone.label, gone.frame, gone.lasted_s) == ("gone", "cat", 2, pytest.approx(0.2))
    assert seen.watch.lapse(int((seen.now_s + 9) * 1e9)) == []
    seen.pass_s(9)
    assert seen(CAT, CAT) == []
    assert seen(CAT) == [(5, "appeared", "cat")]


def test_what_an_earlier_life_saw_is_gone_with_the_first_frame():
    left = Event(id="0" * 32, kind="appeared", label="cat", score=0.9, at=NOON, frame=7)
    seen = Seen(left=left)
    [gone] = seen.events(CAT)
    assert (gone.kind, gone.label, gone.score, gone.lasted_s) == ("gone", "cat", 0.9, None)
    assert seen(CAT, CAT) == [(2, "appeared", "cat")]
    [gone] = Watch(Rules(), left=left).lapse(0)
    assert (gone.kind, gone.frame) == ("gone", 7)


def test_what_an_earlier_life_saw_go_is_not_there():
    left = Event(id="0" * 32, kind="gone", label="cat", score=0.9, at=NOON, frame=7)
    assert Seen(left=left)(NOTHING) == []


# --- clocks


def test_the_wall_clock_may_jump_without_effect():
    seen = Seen()
    seen(CAT, CAT)
    seen.wall += timedelta(days=366)
    [appeared] = seen.events(CAT)
    assert appeared.at.year == 2027
    seen.wall -= timedelta(days=800)
    [gone] = seen.events(CAT, CAT, NOTHING, NOTHING)
    assert gone.lasted_s == pytest.approx(0.5)


def test_frame_times_that_go_back_are_a_gap():
    seen = Seen(cooldown_s=60.0)
    seen(CAT, CAT, CAT)
    seen.now_s = 5.0
    assert seen(CAT, CAT, CAT) == [(3, "gone", "cat")]
    seen.pass_s(60)
    assert seen(NOTHING, CAT, CAT, CAT) == [(9, "appeared", "cat")]


@pytest.fixture
def berlin(monkeypatch):
    """The local time is two hours ahead of UTC."""
    monkeypatch.setenv("TZ", "XXX-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        (["14:00-15:00"], True),
        (["13:00-14:00"], False),
        (["12:00-12:30"], False),
        (["22:00-14:01"], True),
        (["22:00-06:00"], False),
        (["00:00-00:00"], True),
        (["01:00-02:00", "13:59-14:01"], True),
    ],
)
def test_active_hours_are_by_local_time_and_may_be_over_midnight(berlin, hours, told):
    seen = Seen(active=hours)
    assert bool(seen(CAT, CAT, CAT)) is told


def test_what_came_and_went_outside_the_hours_is_told_when_they_begin(berlin):
    seen = Seen(active=["14:00-15:00"])
    seen(CAT, CAT, CAT)
    seen.wall = NOON + timedelta(hours=1)
    assert seen(*[CAT] * 5, *[NOTHING] * 5, *[DOG] * 5) == []
    seen.wall = NOON + timedelta(days=1)
    assert seen(DOG) == [(18, "changed", "dog")]
    seen.wall = NOON + timedelta(hours=1)
    assert seen(NOTHING) == []
    seen.pass_s(3600)
    assert seen(NOTHING, NOTHING) == []
    seen.wall = NOON + timedelta(days=2)
    [gone] = seen.events(NOTHING)
    assert (gone.kind, gone.label, gone.lasted_s) == ("gone", "dog", pytest.approx(0.6))


# --- whatever comes

LABELS = ("cat", "dog", "bird")
ANSWERS = st.dictionaries(st.sampled_from(LABELS), st.floats(allow_nan=True), max_size=3)
STEPS = st.tuples(
    ANSWERS | st.sampled_from([CAT, DOG, NOTHING, CAT, CAT]),
    st.sampled_from([0.0, 0.01, 0.1, 0.1, 0.1, 1.0, 7.0, -3.0]),
    st.sampled_from([0.0, 0.1, 86400.0, -3e7, 3e7]),
    st.none() | st.floats(0, 1),
)
RULES = st.builds(
    Rules,
    labels=st.lists(st.sampled_from(LABELS), max_size=2),
    threshold_in=st.floats(0, 1),
    threshold_out=st.floats(0, 1),
    smooth_s=st.sampled_from([0.0, 0.2, 2.0]),
    confirm_frames=st.integers(1, 3),
    confirm_s=st.sampled_from([0.0, 0.3]),
    clear_frames=st.integers(1, 3),
    clear_s=st.sampled_from([0.0, 0.3]),
    cooldown_s=st.sampled_from([0.0, 0.5, 5.0]),
    active=st.sampled_from([[], [], ["08:00-20:00"], ["22:00-06:00"]]),
)


def played(rules, steps):
    seen = Seen()
    seen.watch = Watch(rules, wall=lambda: seen.wall)
    for number, (answer, passed_s, wall_s, threshold) in enumerate(steps):
        seen.now_s += passed_s
        seen.wall = NOON + timedelta(seconds=wall_s)
        yield from ((seen.now_s, event) for event in seen.watch(result(number, seen.now_s, answer), threshold))


@effort(max_examples=80)
@given(RULES, st.lists(STEPS, max_size=40))
def test_whatever_is_seen_one_subject_at_a_time_comes_changes_and_goes(rules, steps):
    there = None
    for _, event in played(rules, steps):
        assert 0 <= event.score <= 1
        assert not rules.labels or event.label in rules.labels
        if event.kind == "gone":
            assert event.label == there
            assert event.lasted_s >= 0
            there = None
        else:
            assert (event.kind == "appeared") == (there is None)
            assert event.previous == there != event.label
            there = event.label


@effort(max_examples=40)
@given(RULES.filter(lambda rules: rules.cooldown_s), st.lists(STEPS.filter(lambda step: step[1] >= 0), max_size=40))
def test_whatever_is_seen_a_label_does_not_come_back_before_it_has_cooled_down(rules, steps):
    last = {}
    for now_s, event in played(rules, steps):
        if event.kind != "gone":
            assert now_s - last.get(event.label, -math.inf) >= rules.cooldown_s - 1e-6
        last.update(dict.fromkeys((event.label, event.previous), now_s))


@effort(max_examples=30)
@given(st.lists(STEPS, max_size=40))
def test_whatever_the_wall_clock_says_the_same_things_happen(steps):
    rules = Rules(smooth_s=0.2, confirm_frames=2)
    still = [(answer, passed_s, 0.0, threshold) for answer, passed_s, _, threshold in steps]
    told = [[(event.kind, event.label, event.frame) for _, event in played(rules, each)] for each in (steps, still)]
    assert told[0] == told[1]


def test_what_is_seen_once_is_not_remembered_for_ever():
    watch = Watch(Rules())
    for number in range(500):
        watch(result(number, number / 100, {f"label {number}": 0.05}))
    assert len(watch._scores) <= 2 * TRACKED
    assert not watch._told_ns
