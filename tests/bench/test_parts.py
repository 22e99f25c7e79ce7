"""The parts of a measurement, each alone."""

import json
import threading
import time
from itertools import islice

import numpy as np
import pytest
from edge.benchmarks import fidelity, fresh, measure, plan, scripted, warmup, watch, yardstick
from edge.benchmarks.paced import Paced
from edge.benchmarks.parts import Sample
from edge.benchmarks.scenarios import cold
from hypothesis import given
from hypothesis import strategies as st

from edge import adapters, models
from edge.errors import CameraError, InferenceError, ModelError
from edge.host import State

# --- the fake clock


def test_the_fake_clock_moves_when_somebody_sleeps_and_calls_what_is_due_on_the_way():
    clock, seen = scripted.Clock(), []
    clock.at(0.25, lambda: seen.append(("once", clock())))
    with clock.every(0.1, lambda: seen.append(("every", clock()))):
        clock.sleep(0.3)
    clock.sleep(1)
    assert seen == [
        ("every", 100_000_000), ("every", 200_000_000), ("once", 250_000_000), ("every", 300_000_000),
    ]  # fmt: skip
    assert clock() == 1_300_000_000
    assert clock.wall() == pytest.approx(1_767_225_601.3)


def test_the_fake_clock_waits_for_the_threads_of_the_loop_and_not_for_ever():
    go = threading.Event()
    busy = threading.Thread(target=lambda: [None for _ in iter(go.is_set, True)], name="edge-busy", daemon=True)
    busy.start()
    with pytest.raises(RuntimeError, match="did not come to rest"):
        scripted.at_rest(limit_s=0.05)
    go.set()
    busy.join(10)
    scripted.at_rest()


# --- warming up


def samples(times_ms):
    clock = scripted.Clock()

    def each():
        for ms in times_ms:
            clock.sleep(ms / 1e3)
            yield Sample(clock(), round(ms * 1e6))

    return each(), clock


@given(st.lists(st.floats(1, 50), min_size=1, max_size=400))
def test_a_warm_up_takes_samples_from_the_front_and_ends(times):
    source, clock = samples(times)
    warm = warmup.warm_up(source, clock, threading.Event())
    left = list(source)
    assert len(warm.samples) + len(left) == len(times)
    assert warm.seconds <= warmup.MOST_S + 1
    assert warm.settled or not left


def test_a_steady_model_is_warm_after_three_windows():
    source, clock = samples([10.0] * 1000)
    warm = warmup.warm_up(source, clock, threading.Event())
    assert (warm.settled, warm.seconds, len(warm.samples)) == (True, pytest.approx(0.6), 60)


def test_a_window_of_a_slow_model_holds_three_samples():
    source, clock = samples([900.0] * 100)
    assert len(warmup.warm_up(source, clock, threading.Event()).samples) == 9


# --- watching


def test_what_watches_runs_beside_and_ends():
    ticked = threading.Event()
    with watch.in_thread(0.001, ticked.set):
        assert ticked.wait(10)
    assert "edge-watch" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("before", "after", "load"),
    [
        ((1.0, 0.5), (3.0, 1.0), 1.5),
        ((1.0, 0.5), (1.2, 1.5), 0.0),
        ((None, 0.5), (1.2, 1.5), None),
        ((1.0, 0.5), (1.2, None), None),
    ],
)
def test_the_load_of_others_is_what_was_busy_and_not_ours(before, after, load):
    first, second = (State(at_ns=n * 10**9, busy_s=b, own_s=o) for n, (b, o) in enumerate((before, after)))
    assert watch.other_load(first, second) == load
    assert watch.other_load(second, second) is None  # no time between them


# --- the yardstick and the loop


def test_the_yardstick_is_an_inference_of_the_model_that_ships():
    first, second = yardstick.work(1)(), yardstick.work(1)()
    np.testing.assert_array_equal(first[0], second[0])
    assert yardstick.called(1) == "mobilenet_v2_1.0_224_int8 on LiteRT, 1 thread"
    assert yardstick.called(None) == "mobilenet_v2_1.0_224_int8 on LiteRT"


def test_on_a_slow_board_the_yardstick_takes_a_tenth_of_the_time_at_most():
    clock = scripted.Clock()
    timed = yardstick.Timed(lambda: clock.sleep(0.1), "slow", clock)
    for _ in range(1000):
        timed.between(clock())
        clock.sleep(0.01)
    assert len(timed.record(0).ms) == 5  # of 0.2 s in each two seconds and what they take


def test_the_loop_costs_something_and_tells_how_far_it_is(whole):
    real = whole.bench()._replace(clock=time.monotonic_ns)
    assert 0 < measure.loop_cost_us(real, 200) < 1000
    told = []
    source, clock = samples([50.0] * 100)
    bench = whole.bench()._replace(clock=clock)
    timed = yardstick.Timed(None, "", clock)
    taken = measure.take(source, measure.Limit(0, 2.0, 100), bench, timed, told.append)
    assert len(taken.samples) == 40
    assert told == sorted(told) and told[-1] < 1
    assert timed.record(0) is None


# --- a recording as a camera


def test_a_recording_is_played_at_its_rate_and_frames_are_captured_when_they_are_shown():
    clock = scripted.Clock()
    camera = Paced(lambda: adapters.open("cameras", "scripted", script=["frames 3"]), 10.0, clock, clock.sleep)
    assert camera.live
    frames = list(islice(camera, 4))  # it begins anew where it has ended
    assert [frame.captured_at_ns for frame in frames] == [0, 100_000_000, 200_000_000, 300_000_000]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    camera.close()


def test_a_recording_may_also_be_played_as_fast_as_it_is_taken(tmp_path):
    import cv2

    (tmp_path / "a.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((8, 8, 3), np.uint8))
    clock = scripted.Clock()
    camera = Paced(lambda: adapters.open("cameras", "images", path=str(tmp_path)), 0.0, clock, clock.sleep)
    assert not camera.live
    assert len(list(islice(camera, 3))) == 3
    assert (clock(), camera.skipped) == (0, 3)


def test_a_recording_without_a_frame_is_told():
    clock = scripted.Clock()
    with pytest.raises(CameraError, match="the recording gave no frame"):
        next(iter(Paced(lambda: adapters.open("cameras", "scripted", script=["frames 0"]), 9.0, clock, clock.sleep)))


def test_a_recording_that_is_slow_to_read_is_late_and_does_not_hurry_after():
    clock = scripted.Clock()
    script = ["frames 1", "stall 1", "frames 3"]
    slow = Paced(lambda: adapters.open("cameras", "scripted", script=script, sleep=clock.sleep), 10, clock, clock.sleep)
    times = [frame.captured_at_ns / 1e9 for frame in islice(slow, 4)]
    assert times == [0, 1.0, pytest.approx(1.0), pytest.approx(1.1)]


# --- pictures and frames


def test_views_of_the_photographs_are_spread_over_all_of_them():
    frames = plan.views(12)
    assert len(frames) == 12 and {frame.pixels.shape for frame in frames} == {(480, 640, 3)}
    assert len({frame.file for frame in frames}) == 6


def test_a_jpeg_of_a_camera_is_decoded_before_it_is_measured():
    import cv2

    from edge.types import Frame

    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1]
    frame = Frame(pixels=jpeg, index=0, captured_at_ns=0, size=(64, 48), pixel_format="MJPG")
    decoded = plan._decoded(frame)
    assert decoded.pixels.shape == (48, 64, 3) and decoded.pixel_format == "BGR"


def test_a_source_without_a_frame_is_told():
    with pytest.raises(CameraError, match="it gave no frame"):
        plan._first(adapters.open("cameras", "scripted", script=["frames 0"]), 8, "empty")


# --- whether it is right


def test_the_same_answers_agree_wholly_and_others_by_their_share(whole):
    frames = plan.views(4)
    same = fidelity.fidelity(whole.engine("class 3 0.6"), whole.engine("class 3 0.6"), frames)
    assert (same.agreement, same.largest_difference, same.pictures) == (1.0, 0.0, 4)
    half = fidelity.fidelity(whole.engine("class 3 0.6", "class 4 0.6"), whole.engine("class 3 0.6"), frames)
    assert half.agreement == 0.5
    assert half.largest_difference == pytest.approx(0.6 - 0.4 / 9, abs=1e-6)
    assert half.reference == "made up on scripted"


def test_scores_that_are_no_numbers_agree_with_nothing(whole):
    broken = whole.engine("class 3")
    infer = broken.interpreter.infer
    broken.interpreter.infer = lambda tensor: [scores * np.nan for scores in infer(tensor)]
    found = fidelity.fidelity(broken, whole.engine("class 0"), plan.views(2))
    assert (found.agreement, found.largest_difference) == (0.0, 1.0)


def test_models_of_other_classes_are_not_compared(whole, classifier):
    with pytest.raises(ModelError, match="has 1000 classes, and made up 10"):
        fidelity.fidelity(whole.engine("class 1"), classifier.engine, plan.views(1))


def test_the_reference_of_a_compiled_model_has_to_be_named(whole, compiled_file):
    job = whole.job(model=models.load(compiled_file))
    with pytest.raises(ModelError, match=r"tiny_edgetpu: compiled for the Edge TPU; give .*: --reference MODEL"):
        plan.reference(job, None, whole.engine("class 1"))


# --- fresh processes


def test_a_fresh_process_tells_when_it_had_done_what(tiny_file):
    begun = time.monotonic_ns()
    told = json.loads(fresh.answer(begun, str(tiny_file), "cpu", 1))
    assert told["times_ns"] == sorted(told["times_ns"]) and told["times_ns"][0] == begun
    assert (told["backend"], told["threads"]) == ("litert-cpu", 1)


def test_a_fresh_process_that_fails_says_why(whole):
    scenario = cold.open(whole.job("cold"), whole.bench())  # its model is a file that does not exist
    with pytest.raises(InferenceError, match=r"a fresh process ended with code 1 and said: .*m\.tflite"):
        next(iter(scenario))
    scenario.close()
