import signal
import subprocess
import sys

import cv2
import pytest

from edge import adapters
from edge.errors import CameraError, ConfigError, DeviceError, InferenceError


def camera(*script, **options):
    return adapters.open("cameras", "scripted", script=list(script), live=True, **options)


def interpreter(*script, **options):
    return adapters.open("interpreters", "scripted", None, script=list(script), size=8, **options)


def asked(opened, count):
    """The class that each call answers, and the words of each that fails."""
    return [one(opened) for _ in range(count)]


def one(opened):
    try:
        return int(opened.infer(None)[0].argmax())
    except InferenceError as error:
        return str(error).split(": ")[1].split(";")[0]


def test_one_that_is_lost_answers_nothing_until_it_is_opened_anew():
    opened = interpreter("class 1", "lost cable pulled", "class 2")
    assert asked(opened, 3) == [1, "cable pulled", "cable pulled"]
    assert asked(interpreter("class 1", "lost cable pulled", "class 2"), 1) == [1]


def test_with_a_state_a_script_goes_on_where_it_was_left(tmp_path):
    state = str(tmp_path / "state")
    script = ("class 1", "lost x", "absent 2", "class 2", "class 3")
    assert asked(interpreter(*script, state=state), 2) == [1, "x"]
    for _ in range(2):
        with pytest.raises(DeviceError, match="there is no device; the script says so"):
            interpreter(*script, state=state)
    opened = interpreter(*script, state=state)
    assert asked(opened, 1) == [2]
    opened.close()
    opened.close()
    assert asked(interpreter(*script, state=state), 3) == [3, 1, "x"]


def test_a_device_that_becomes_absent_while_it_runs_is_gone(tmp_path):
    script = ("class 1", "absent 1", "class 2")
    opened = interpreter(*script, state=str(tmp_path / "state"))
    assert asked(opened, 3) == [1, "the device is gone", "the device is gone"]
    opened.close()
    with pytest.raises(DeviceError):
        interpreter(*script, state=str(tmp_path / "state"))


def test_a_camera_goes_on_after_the_step_that_was_begun_last(tmp_path):
    state = str(tmp_path / "state")
    script = ("frames 2", "fail pulled", "absent 1", "frames 3", "frames 1")
    first = camera(*script, state=state)
    with pytest.raises(CameraError, match="pulled; the script says so"):
        list(first)
    first.close()
    with pytest.raises(CameraError, match="there is no camera; the script says so"):
        camera(*script, state=state)
    second = camera(*script, state=state)
    next(iter(second))
    second.close()
    second.close()
    assert [frame.index for frame in camera(*script, state=state)] == [0]


def test_a_camera_that_becomes_absent_while_it_runs_is_gone(tmp_path):
    script, state = ("frames 1", "absent 1", "frames 2"), str(tmp_path / "state")
    first = camera(*script, state=state)
    with pytest.raises(CameraError, match="gone; the script says so"):
        list(first)
    first.close()
    with pytest.raises(CameraError, match="there is no camera"):
        camera(*script, state=state)
    assert len(list(camera(*script, state=state))) == 2


def test_without_a_state_every_opening_begins_anew():
    assert [len(list(camera("frames 2"))) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("open_one", [camera, interpreter])
@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("absent", "write 'absent OPENINGS'"),
        ("absent 0", "write 'absent OPENINGS'"),
        ("absent x", "write 'absent OPENINGS'"),
        ("absent 99999", "from 1 to 10000"),
        ("absent 3", "give state = a file"),
    ],
)
def test_an_absence_that_cannot_be_counted_is_refused(open_one, step, words):
    with pytest.raises(ConfigError, match=f"scripted .*: step '{step}': .*{words}"):
        open_one(step)


def test_a_state_that_is_none_is_refused(tmp_path):
    state = tmp_path / "state"
    state.write_text("halfway")
    with pytest.raises(ConfigError, match=f"state {state}: not the place in a script: .*; remove it"):
        interpreter("class 1", state=str(state))
    with pytest.raises(ConfigError, match=f"state {tmp_path}: not the place"):
        interpreter("class 1", state=str(tmp_path))
    with pytest.raises(ConfigError, match=r"state /proc/nowhere/state: .*; name another file"):
        interpreter("absent 1", state="/proc/nowhere/state")


def test_a_step_may_be_played_many_times(tmp_path):
    script = ("class 1 0.5 3", "class 2", "class 3 1 2")
    opened = interpreter(*script, state=str(tmp_path / "state"))
    assert asked(opened, 9) == [1, 1, 1, 2, 3, 3, 1, 1, 1]
    opened.close()
    assert asked(interpreter(*script, state=str(tmp_path / "state")), 1) == [2]


def test_one_that_hangs_does_so_for_ever_and_its_place_is_kept(tmp_path):
    class Enough(Exception):
        pass

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) > 3:
            raise Enough

    slept, state = [], tmp_path / "state"
    opened = interpreter("class 1", "hang", "class 2", state=str(state), sleep=sleep)
    assert asked(opened, 1) == [1]
    with pytest.raises(Enough):
        one(opened)
    assert slept == [3600] * 4 and state.read_text() == "2\n"


def test_one_that_crashes_takes_its_process_along(tmp_path):
    state = tmp_path / "state"
    code = (
        "from edge import adapters; "
        f"made = adapters.open('interpreters', 'scripted', None, script=['crash'], size=8, state={str(state)!r}); "
        "made.infer(None)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd="/", check=False, timeout=60).returncode == -signal.SIGSEGV
    assert state.read_text() == "1\n"


def test_a_camera_that_hung_does_not_put_back_the_place_of_its_successor(tmp_path):
    state, script = tmp_path / "state", ("frames 1", "stall 9", "frames 2", "fail x", "frames 1")
    opened = {}

    def sleep(seconds):  # while it hangs, another one plays on
        opened["second"] = camera(*script, state=str(state))
        with pytest.raises(CameraError):
            list(opened["second"])
        opened["second"].close()

    first = camera(*script, state=str(state), sleep=sleep)
    frames = iter(first)
    next(frames)
    next(frames)
    assert state.read_text() == "4\n"
    first.close()
    assert state.read_text() == "4\n"
    assert len(list(camera(*script, state=str(state)))) == 1


def test_garbage_is_no_picture_and_a_pace_is_kept():
    class Time:
        now = 0

        def __call__(self):
            return self.now

        def sleep(self, seconds):
            self.now += round(seconds * 1e9)

    time = Time()
    first, second = camera("garbage 1", "frames 1", fps=4.0, clock=time, sleep=time.sleep)
    assert (first.pixel_format, second.pixel_format) == ("MJPG", "BGR")
    assert cv2.imdecode(first.pixels, cv2.IMREAD_COLOR) is None
    assert (first.index, second.index, second.captured_at_ns - first.captured_at_ns) == (0, 1, 250_000_000)
