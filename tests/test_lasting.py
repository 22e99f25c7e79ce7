import logging
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import adapters
from edge.errors import CameraError
from edge.lasting import Lasting

GUARD_S = 15.0


class Time:
    """A clock that moves only when somebody waits."""

    def __init__(self, over_after=None):
        self.now, self.waited, self.over_after = 100.0, [], over_after

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waited.append(seconds)
        self.now += seconds
        return self.over_after is not None and len(self.waited) >= self.over_after


def opener(*script, state):
    """Opens the camera of that script, where it was left."""
    return lambda: adapters.open("cameras", "scripted", script=list(script), live=True, state=str(state))


def lasting(*script, state, patience_s=60.0, time=None):
    time = time or Time()
    reopen = opener(*script, state=state)
    return Lasting(reopen(), reopen, "camera:0", patience_s, clock=time, wait=time.wait, chance=lambda: 0.5)


def test_a_camera_that_never_fails_is_the_camera_itself(tmp_path):
    camera = lasting("frames 5", state=tmp_path / "state")
    assert [frame.index for frame in camera] == list(range(5))
    assert camera.live and camera.skipped == 0 and not camera.away


def test_a_camera_that_comes_back_goes_on_with_the_next_number(tmp_path, caplog):
    time = Time()
    script = ("frames 3", "fail cable pulled", "absent 3", "frames 2", "fail cable pulled", "frames 1")
    camera = lasting(*script, state=tmp_path / "state", time=time)
    assert [frame.index for frame in camera] == [0, 1, 2, 3, 4, 5]
    assert time.waited == [0.25, 0.5, 1.0, 1.0, 0.25]  # never more than a second between two tries
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "camera:0: scripted camera: cable pulled; the script says so; waiting up to 60 s for it to return",
        "camera:0 is back after 2.8 s",
        "camera:0: scripted camera: cable pulled; the script says so; waiting up to 60 s for it to return",
        "camera:0 is back after 0.2 s",
    ]


def test_patience_ends_and_the_error_says_so(tmp_path):
    time = Time()
    camera, seen = lasting("frames 1", "fail x", "absent 99", state=tmp_path / "state", patience_s=5, time=time), []
    with pytest.raises(CameraError, match=r"there is no camera; .*; it did not return within 5 s"):
        seen.extend(frame.index for frame in camera)
    assert 105 < time.now <= 106.25


def test_a_camera_that_fails_before_its_first_frame_is_not_waited_for(tmp_path):
    time = Time()
    with pytest.raises(CameraError, match=r"scripted camera: dead; the script says so$"):
        list(lasting("fail dead", "frames 3", state=tmp_path / "state", time=time))
    assert time.waited == []


def test_one_that_opens_and_fails_at_once_is_still_away(tmp_path, caplog):
    time = Time()
    camera = lasting("frames 1", *["fail again"] * 30, "frames 1", state=tmp_path / "s", patience_s=10, time=time)
    with pytest.raises(CameraError, match="again; the script says so; it did not return within 10 s"):
        list(camera)
    assert 110 < time.now <= 111.25
    assert caplog.text.count("waiting up to") == 1


def test_it_is_away_from_its_failure_to_the_next_frame_and_no_longer_than_patience(tmp_path):
    script = ("frames 1", "fail x", "absent 2", "frames 1")
    time, away = Time(), []
    reopen = opener(*script, state=tmp_path / "state")

    def watched():
        away.append(camera.away)
        return reopen()

    camera = Lasting(reopen(), watched, "camera:0", 1.0, clock=time, wait=time.wait, chance=lambda: 0.5)
    frames = iter(camera)
    next(frames)
    assert not camera.away
    assert next(frames).index == 1
    assert away == [True, True, False]
    assert not camera.away


def test_stopping_ends_the_waiting(tmp_path):
    camera = lasting("frames 1", "fail x", "absent 9", state=tmp_path / "state", time=Time(over_after=2))
    assert [frame.index for frame in camera] == [0]


def test_another_thread_stops_it_while_it_waits(tmp_path):
    waiting = threading.Event()

    def reopen():
        waiting.set()
        raise CameraError("away")

    camera = Lasting(opener("frames 1", "fail x", state=tmp_path / "state")(), reopen, "camera:0", 1000.0)
    thread = threading.Thread(target=lambda: list(camera), daemon=True)
    thread.start()
    assert waiting.wait(GUARD_S)
    camera.close()
    thread.join(GUARD_S)
    assert not thread.is_alive()
    assert list(camera) == []


def test_garbled_pictures_of_all_of_them_are_counted(tmp_path):
    cameras = [opener("frames 1", "fail x", "frames 1", state=tmp_path / "state") for _ in range(2)]
    time = Time()
    first = cameras[0]()
    first.skipped = 2
    camera = Lasting(first, cameras[1], "camera:0", 60.0, clock=time, wait=time.wait, chance=lambda: 0.5)
    for frame in camera:
        camera.skipped += 1
        assert camera.skipped == 3 + frame.index
    assert first.closed and camera.skipped == 4


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=5))
def test_whatever_is_lost_and_returns_the_numbers_go_on_without_a_gap(tmp_path_factory, lives):
    script = [step for frames, absent in lives for step in (f"frames {frames}", "fail x", f"absent {absent + 1}")]
    camera = lasting(*script, "frames 1", state=tmp_path_factory.mktemp("life") / "state")
    assert [frame.index for frame in camera] == list(range(sum(frames for frames, _ in lives) + 1))
