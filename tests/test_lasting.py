import logging
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import adapters
from edge.errors import CameraError, DeviceError
from edge.lasting import OPEN_S, Lasting
from edge.preprocess import frame_of
from edge.recovery import STEADY_S, Ladder

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
    assert camera.live and camera.skipped == 0


def test_a_camera_that_comes_back_goes_on_with_the_next_number(tmp_path, caplog):
    time = Time()
    script = ("frames 3", "fail cable pulled", "absent 3", "frames 2", "fail cable pulled", "frames 1")
    camera, seen = lasting(*script, state=tmp_path / "state", time=time), []
    for frame in camera:
        time.now += STEADY_S + 1
        seen.append(frame.index)
    assert seen == [0, 1, 2, 3, 4, 5]
    assert time.waited == [0.25, 0.5, 1.0, 1.0, 0.25]  # never more than a second between two tries
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "camera:0: scripted camera: cable pulled; the script says so; waiting up to 60 s for it to return",
        "camera:0 is back after 2.8 s",
        "camera:0: scripted camera: cable pulled; the script says so; waiting up to 60 s for it to return",
        "camera:0 is back after 0.2 s",
    ]


def test_one_that_comes_back_for_a_frame_and_fails_again_is_in_the_same_outage(tmp_path):
    time, resets, seen = Time(), [], []
    reopen = opener(*["frames 1", "fail x"] * 99, state=tmp_path / "state")
    given = {"clock": time, "wait": time.wait, "chance": lambda: 0.5, "reset": resets.append}
    camera = Lasting(on_usb(reopen()), lambda: on_usb(reopen()), "camera:0", 60.0, **given)
    with pytest.raises(CameraError, match="x; the script says so; it did not return for good within 60 s"):
        seen.extend(frame.index for frame in camera)
    assert time.waited == [0.25, 0.5, *[1.0] * 60] and len(seen) == len(time.waited) + 1
    assert resets == ["1-1"]


def test_a_camera_that_hangs_after_a_frame_did_not_run_steadily(tmp_path):
    time = Time()
    reopen = opener("frames 1", "fail x", "frames 1", "fail y", "frames 1", state=tmp_path / "state")
    camera = Lasting(reopen(), reopen, "camera:0", 60.0, clock=time, wait=time.wait, chance=lambda: 0.5)
    for _ in camera:
        pass
    assert time.waited == [0.25, 0.5]
    time.now += STEADY_S + 1
    camera.give_up("no frame for 10 s")
    assert list(camera) and time.waited == [0.25, 0.5, 1.0]


def test_patience_may_change_while_it_is_away(tmp_path):
    time = Time()
    camera = lasting("frames 1", "fail x", "absent 99", state=tmp_path / "state", time=time)
    frames = iter(camera)
    next(frames)
    camera.patience_s = 5.0
    with pytest.raises(CameraError, match="it did not return for good within 5 s"):
        next(frames)
    assert 105 < time.now <= 106.25


def test_patience_ends_and_the_error_says_so(tmp_path):
    time = Time()
    camera, seen = lasting("frames 1", "fail x", "absent 99", state=tmp_path / "state", patience_s=5, time=time), []
    with pytest.raises(CameraError, match=r"there is no camera; .*; it did not return for good within 5 s"):
        seen.extend(frame.index for frame in camera)
    assert 105 < time.now <= 106.25


def test_a_camera_that_fails_before_its_first_frame_is_not_waited_for(tmp_path):
    time = Time()
    with pytest.raises(CameraError, match=r"scripted camera: dead; the script says so$"):
        list(lasting("fail dead", "frames 3", state=tmp_path / "state", time=time))
    assert time.waited == []


def test_who_waits_for_a_day_is_not_told_seconds(tmp_path, caplog):
    time = Time()
    list(lasting("frames 1", "fail gone", "frames 1", state=tmp_path / "s", patience_s=86_400, time=time))
    assert "; waiting as long as it takes for it to return" in caplog.text


def test_one_that_opens_and_fails_at_once_is_still_away(tmp_path, caplog):
    time = Time()
    camera = lasting("frames 1", *["fail again"] * 30, "frames 1", state=tmp_path / "s", patience_s=10, time=time)
    with pytest.raises(CameraError, match="again; the script says so; it did not return for good within 10 s"):
        list(camera)
    assert 110 < time.now <= 111.25
    assert caplog.text.count("waiting up to") == 1


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


# --- the ladder


class Told:
    def __init__(self):
        self.rungs = []
        self.ladder = Ladder(lambda rung, words: self.rungs.append((rung, words)))


def on_usb(camera, place="1-1"):
    camera.usb = place
    return camera


@pytest.mark.parametrize("error", [None, DeviceError("USB device 1-1 cannot be reset; plug it in anew")])
def test_its_usb_device_is_reset_once_after_the_second_failed_try(tmp_path, caplog, error):
    reopen = opener("frames 1", "fail x", "absent 4", "frames 1", "fail y", "frames 1", state=tmp_path / "state")
    told, time, resets = Told(), Time(), []

    def reset(place):
        resets.append((place, len(told.rungs)))
        if error:
            raise error

    given = {"clock": time, "wait": time.wait, "chance": lambda: 0.5, "reset": reset}
    camera = Lasting(on_usb(reopen()), lambda: on_usb(reopen(), "1-2"), "camera:0", 60.0, told.ladder, **given)
    assert [frame.index for frame in camera] == [0, 1, 2]
    assert resets == [("1-1", 3)]
    again = ("camera", "camera:0: opening it again")
    assert told.rungs == [again, again, ("usb", "camera:0: resetting the USB device 1-1"), again, again, again, again]
    assert ("cannot be reset" in caplog.text) == (error is not None)


def test_pauses_differ_from_one_camera_to_the_next(tmp_path):
    time, chances = Time(), iter([0.0, 1.0, 0.5])
    reopen = opener("frames 1", "fail x", "absent 2", "frames 1", state=tmp_path / "state")
    given = {"clock": time, "wait": time.wait, "chance": lambda: next(chances)}
    assert len(list(Lasting(reopen(), reopen, "camera:0", 60.0, **given))) == 2
    assert time.waited == [0.25 * 0.75, 0.5 * 1.25, 1.0]


# --- a camera that hangs


class Hanging:
    """Gives one frame, and then what it is told to: hangs until the gate opens, and gives another, or fails."""

    live = True

    def __init__(self, fails=False):
        self.fails, self.skipped, self.closed = fails, 1, False
        self.hangs, self.gate = threading.Event(), threading.Event()

    def __iter__(self):
        yield frame_of(np.zeros((2, 2, 3), np.uint8), 0)
        self.hangs.set()
        assert self.gate.wait(GUARD_S)
        if self.fails:
            raise CameraError("it failed late")
        yield frame_of(np.zeros((2, 2, 3), np.uint8), 1)

    def close(self):
        self.closed = True


def iterated(camera):
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(frame.index for frame in camera), daemon=True)
    thread.start()
    return thread, seen


@pytest.mark.parametrize("fails", [True, False])
def test_one_that_hangs_is_left_to_its_thread_and_another_is_opened(fails, caplog):
    time, hanging = Time(), Hanging(fails)
    another = adapters.open("cameras", "scripted", script=["frames 2"], live=True)
    camera = Lasting(hanging, lambda: another, "camera:0", 60.0, clock=time, wait=time.wait, chance=lambda: 0.5)
    thread, seen = iterated(camera)
    assert hanging.hangs.wait(GUARD_S)
    camera.give_up("camera:0: no frame for 10 s")
    assert camera.skipped == 1
    assert [frame.index for frame in camera] == [1, 2]
    assert not hanging.closed
    hanging.gate.set()
    thread.join(GUARD_S)
    assert hanging.closed and not another.closed and seen == [0]
    assert "no frame for 10 s; waiting up to 60 s" in caplog.text and "camera:0 is back after 0.2 s" in caplog.text
    camera.close()
    assert another.closed


def test_closing_what_was_given_up_closes_nothing():
    hanging = Hanging()
    camera = Lasting(hanging, lambda: None, "camera:0", 60.0)
    thread, _ = iterated(camera)
    assert hanging.hangs.wait(GUARD_S)
    camera.give_up("no frame")
    camera.close()
    assert list(camera) == [] and not hanging.closed
    hanging.gate.set()
    thread.join(GUARD_S)
    assert hanging.closed


def test_a_camera_that_never_gave_a_frame_is_not_given_up_but_an_error(tmp_path):
    camera = lasting("frames 1", state=tmp_path / "state")
    with pytest.raises(CameraError, match="no frame at all"):
        camera.give_up("no frame at all")


@pytest.mark.parametrize("fails", [True, False])
def test_an_opening_that_hangs_is_given_up_and_what_comes_of_it_is_closed(fails):
    late = adapters.open("cameras", "scripted", script=["frames 1"], live=True)
    good = adapters.open("cameras", "scripted", script=["frames 1"], live=True)
    begun, gate, time = threading.Event(), threading.Event(), Time()
    first = adapters.open("cameras", "scripted", script=["frames 1", "fail x"], live=True)

    def reopen():
        if begun.is_set():
            return good
        begun.set()
        assert gate.wait(GUARD_S)
        if fails:
            raise CameraError("it came to nothing")
        return late

    camera = Lasting(first, reopen, "camera:0", 60.0, clock=time, wait=time.wait)
    thread, seen = iterated(camera)
    assert begun.wait(GUARD_S)
    assert camera.recovering
    time.now += OPEN_S + 1
    assert not camera.recovering
    camera.give_up("opening it hangs")
    assert [frame.index for frame in camera] == [1]
    gate.set()
    thread.join(GUARD_S)
    assert seen == [0] and late.closed is not fails and not good.closed


def test_where_it_is_given_up_between_two_tries_the_thread_before_ends(tmp_path):
    camera, time = None, Time()

    def wait(seconds):
        if threading.current_thread() is not threading.main_thread():
            camera.give_up("it takes too long")
        return time.wait(seconds)

    reopen = opener("frames 1", "fail x", "frames 2", state=tmp_path / "state")
    camera = Lasting(reopen(), reopen, "camera:0", 60.0, clock=time, wait=wait)
    thread, seen = iterated(camera)
    thread.join(GUARD_S)
    assert seen == [0] and [frame.index for frame in camera] == [1, 2]


def test_a_camera_that_is_given_up_after_its_patience_is_an_error(tmp_path):
    time = Time()
    camera = lasting("frames 1", "fail x", "absent 99", state=tmp_path / "state", patience_s=5, time=time)
    with pytest.raises(CameraError, match="did not return for good within 5 s"):
        list(camera)
    with pytest.raises(CameraError, match="no frame; it did not return for good within 5 s"):
        camera.give_up("no frame")
