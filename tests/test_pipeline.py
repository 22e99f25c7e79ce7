import contextlib
import importlib
import itertools
import logging
import sys
import threading
import time

import cv2
import msgspec
import numpy as np
import pytest

import edge
from edge import adapters, pipeline, profile
from edge.engine import Engine, open_engine, requiring
from edge.errors import AdapterError, CameraError, ConfigError, DeviceError, InferenceError, ModelError
from edge.models.card import Input
from edge.preprocess import Preprocessor
from edge.recovery import Ladder
from edge.succession import AGAIN_S
from edge.tasks.classify import Classify
from edge.types import Frame

GUARD_S = 15.0


def scripted_engine(script=None, sleep=lambda seconds: None, clock=lambda: 0):
    interpreter = adapters.open("interpreters", "scripted", None, script=script, size=8, sleep=sleep)
    task = Classify(interpreter.outputs[0], None, 3, 0.0, lambda: True)
    preprocessor = Preprocessor(interpreter.inputs[0], "squash", Input(mean=[0.0] * 3, std=[1.0] * 3))
    return Engine(interpreter, preprocessor, task, "scripted", clock)


def waiting_for(gate):
    """A sleep that ends when the gate opens, and fails where it never does."""

    def sleep(seconds):
        assert gate.wait(GUARD_S), "the gate was never opened"

    return sleep


def camera_of(*script, live=False, **injected):
    return adapters.open("cameras", "scripted", script=list(script), live=live, **injected)


def run(camera, engine, **options):
    with pipeline.Pipeline(camera, engine, "a source", **options) as opened:
        return list(opened), opened


def test_a_recorded_source_loses_no_frame_and_keeps_the_order():
    results, opened = run(camera_of("frames 200"), scripted_engine(["class 1", "class 2 0.5"]))
    assert [result.frame for result in results] == list(range(200))
    assert [result.answer[0].index for result in results] == [1, 2] * 100
    assert opened.dropped == 0


def test_a_whole_run_can_be_replayed_exactly():
    def once():
        camera = camera_of("frames 5", "stall 2", "frames 3", clock=lambda: 7, sleep=lambda seconds: None)
        return run(camera, scripted_engine(["class 1 0.8", "class 4"]))[0]

    assert once() == once()
    assert len(once()) == 8


def test_the_tensor_is_made_of_the_frame_that_the_result_is_of():
    class Echo:
        """Answers with the class that the picture's brightness names."""

        backend = "echo"

        def __init__(self):
            real = adapters.open("interpreters", "scripted", None, classes=256, size=8)
            self.inputs, self.outputs = real.inputs, real.outputs

        def infer(self, tensor):
            seen = tensor.flat[0]
            time.sleep(0.0005)  # nobody may fill this tensor while it is inferred from
            assert (tensor == seen).all()
            return [np.eye(256, dtype=np.float32)[[seen]]]

        def close(self): ...

    echo = Echo()
    fill = Preprocessor(echo.inputs[0], "squash", Input(mean=[0.0] * 3, std=[1.0] * 3))
    engine = Engine(echo, fill, Classify(echo.outputs[0], None, 1, 0.0, lambda: True), "echo", lambda: 0)
    results, _ = run(camera_of("frames 256"), engine)
    assert [result.answer[0].index for result in results] == [result.frame for result in results] == list(range(256))


def test_pairs_give_the_frame_that_each_result_is_of():
    with pipeline.Pipeline(camera_of("frames 9"), scripted_engine(), "a source") as opened:
        pairs = list(opened.pairs())
    assert [(frame.index, result.frame) for frame, result in pairs] == [(n, n) for n in range(9)]


def test_a_live_source_drops_old_frames_and_counts_them():
    all_there = threading.Event()
    camera = camera_of("frames 50", "stall 1", live=True, sleep=lambda seconds: all_there.set())
    engine = scripted_engine(["sleep 1", "class 1"], sleep=waiting_for(all_there))
    results, opened = run(camera, engine)
    frames = [result.frame for result in results]
    assert frames == sorted(set(frames))
    assert frames[-1] == 49  # the newest wins
    assert opened.dropped == 50 - len(frames) > 40


def test_a_recorded_source_waits_where_the_model_is_behind():
    taken = itertools.count()
    camera = camera_of("frames 100", clock=lambda: next(taken))
    gate = threading.Event()
    engine = scripted_engine(["sleep 1", "class 1"], sleep=waiting_for(gate))
    with pipeline.Pipeline(camera, engine, "a source") as opened:
        results, thread = [], None
        thread = threading.Thread(target=lambda: results.extend(opened), daemon=True)
        thread.start()
        thread.join(0.2)
        assert next(taken) <= 10
        gate.set()
        thread.join(GUARD_S)
        assert len(results) == 100


def test_the_next_frames_are_prepared_while_the_model_runs():
    asked, prepared = itertools.count(1), threading.Event()

    def clock():
        if next(asked) >= 5:  # two for preparing a frame, one before inference: the fifth is of the second frame
            prepared.set()
        return 0

    engine = scripted_engine(["sleep 1", "class 1"], sleep=waiting_for(prepared), clock=clock)
    results, _ = run(camera_of("frames 5"), engine)
    assert len(results) == 5


def test_the_times_of_a_result_are_those_of_its_stages():
    ticks = iter([100, 130, 1000, 1600, 1605])  # before and after preparing; before, after inference, after the answer
    engine = scripted_engine(clock=lambda: next(ticks))
    (result,), _ = run(camera_of("frames 1", clock=lambda: 40), engine)
    assert (result.timing.preprocess, result.timing.inference, result.timing.postprocess) == (30, 600, 5)
    assert (result.captured_at_ns, result.finished_at_ns) == (40, 1605)
    assert result.backend == "scripted"


def test_a_camera_that_fails_ends_the_run_after_the_frames_there_were():
    camera, engine, seen = camera_of("frames 3", "fail cable pulled"), scripted_engine(), []
    with pipeline.Pipeline(camera, engine, "a source") as opened, pytest.raises(CameraError, match="cable pulled"):
        for result in opened:
            seen.append(result.frame)
    assert seen == [0, 1, 2]
    assert camera.closed and engine.interpreter.closed


def test_an_interpreter_that_fails_ends_the_run_and_gives_all_back():
    camera, engine = camera_of("frames 30"), scripted_engine(["class 1", "class 1", "fail device lost"])
    seen = []
    with pipeline.Pipeline(camera, engine, "a source") as opened, pytest.raises(InferenceError, match="device lost"):
        for result in opened:
            seen.append(result.frame)
    assert seen == [0, 1]
    assert camera.closed and engine.interpreter.closed


@pytest.mark.parametrize(("live", "advice"), [(True, "check its cable or network"), (False, "check the disk")])
def test_a_source_that_gives_nothing_for_too_long_is_an_error(live, advice):
    gate = threading.Event()
    camera = camera_of("frames 2", "stall 1", "frames 1", live=live, sleep=waiting_for(gate))
    opened, seen = pipeline.Pipeline(camera, scripted_engine(), "a source", stall_s=1.0), []
    with pytest.raises(CameraError, match=rf"a source: no frame for 1 s; {advice}"):
        for result in opened:
            seen.append(result.frame)
    assert seen == [0, 1] or (live and seen == [1])
    gate.set()
    opened.close()
    assert camera.closed


def test_a_camera_that_hangs_in_its_driver_is_not_waited_for_without_end(caplog):
    gate = threading.Event()
    camera = camera_of("stall 1", live=True, sleep=waiting_for(gate))
    engine = scripted_engine()
    opened = pipeline.Pipeline(camera, engine, "a source", stall_s=0.01)
    caplog.set_level(logging.INFO, "edge")
    with pytest.raises(CameraError), opened:
        list(opened)
    gate.set()
    assert not camera.closed  # closing what a thread is still inside could crash
    assert engine.interpreter.closed
    assert "a source hangs in its driver" in caplog.text


def test_stopping_ends_a_run_that_waits_for_a_frame():
    gate = threading.Event()
    camera = camera_of("frames 1", "stall 1", sleep=waiting_for(gate))
    with pipeline.Pipeline(camera, scripted_engine(), "a source") as opened:
        results = iter(opened)
        assert next(results).frame == 0
        threading.Timer(0.05, opened.stop).start()
        assert list(results) == []
        gate.set()


def test_leaving_early_gives_camera_and_model_back():
    camera, engine, before = camera_of("frames 1000"), scripted_engine(), set(threading.enumerate())
    with pipeline.Pipeline(camera, engine, "a source") as opened:
        assert [result.frame for result in itertools.islice(opened, 3)] == [0, 1, 2]
    assert camera.closed and engine.interpreter.closed
    opened.close()
    assert set(threading.enumerate()) <= before


def test_a_pipeline_that_never_ran_gives_its_devices_back():
    camera, engine = camera_of("frames 1"), scripted_engine()
    pipeline.Pipeline(camera, engine, "a source").close()
    assert camera.closed and engine.interpreter.closed


def test_a_closed_pipeline_has_no_results():
    opened = pipeline.Pipeline(camera_of("frames 5"), scripted_engine(), "a source")
    opened.close()
    assert list(opened) == []


def test_iterating_a_second_time_does_not_hang():
    opened = pipeline.Pipeline(camera_of("frames 3"), scripted_engine(), "a source", stall_s=1.0)
    assert len(list(opened)) == 3
    ended = []

    def again():
        with contextlib.suppress(RuntimeError, OSError, ValueError):  # an error would do as well as results
            list(opened)
        ended.append(True)

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    thread.join(5)
    opened.close()
    assert ended


class Garbled:
    """A live camera whose cable garbles the frames that `bad` names."""

    skipped = 0

    def __init__(self, bad, live=True):
        self.bad, self.live, self.taken = bad, live, threading.Semaphore(1 if live else 100)

    def __iter__(self):
        data = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].ravel()
        for n in range(6):
            assert self.taken.acquire(timeout=GUARD_S)
            pixels = np.frombuffer(b"\xff\xd8garbled", np.uint8) if n in self.bad else data
            yield Frame(pixels=pixels, index=n, captured_at_ns=0, size=(64, 48), pixel_format="MJPG")
            if n in self.bad:
                self.taken.release()

    def close(self): ...


def test_a_garbled_frame_of_a_live_camera_is_skipped_and_counted():
    camera = Garbled({1, 5})
    with pipeline.Pipeline(camera, scripted_engine(), "a source") as opened:
        seen = []
        for result in opened:
            seen.append(result.frame)
            camera.taken.release()
    assert set(seen) <= {0, 2, 3, 4}
    assert seen[0] == 0
    assert camera.skipped + len(seen) + opened.dropped == 6
    assert camera.skipped >= 1


def test_a_garbled_frame_of_a_recording_is_an_error():
    camera = Garbled({0}, live=False)
    with pipeline.Pipeline(camera, scripted_engine(), "x") as opened, pytest.raises(CameraError, match="JPEG"):
        list(opened)


# --- opening


def test_a_pipeline_is_opened_by_a_profile_and_a_source(profile_file):
    with edge.open_pipeline(profile_file('["class 2 0.75"]'), "scripted:frames 4", top_k=1) as opened:
        results = list(opened)
    assert opened.source == "scripted:frames 4"
    assert opened.engine.model == "tiny"
    assert [[(c.label, c.index, round(c.score, 4)) for c in r.answer] for r in results] == [[("class c", 2, 0.75)]] * 4


def test_a_profile_that_was_loaded_will_do(profile_file):
    loaded = profile.load(profile_file())
    with edge.open_pipeline(loaded, "scripted:frames 2") as opened:
        assert len(list(opened)) == 2


CAMERA = '[camera]\nkind = "scripted"\nscript = ["frames 3"]\nwidth = 32\n'


def test_the_profiles_camera_is_used_unless_a_source_is_named(profile_file):
    file = profile_file(extra=CAMERA)
    with edge.open_pipeline(file) as opened:
        assert opened.source == "scripted"
        assert [frame.size for frame, _ in opened.pairs()] == [(32, 48)] * 3
    with edge.open_pipeline(file, "scripted:frames 1") as opened:
        assert [frame.size for frame, _ in opened.pairs()] == [(64, 48)]


def test_of_several_cameras_the_first_that_opens_is_used_and_the_reasons_of_the_others_are_told(profile_file, caplog):
    gone = '[[camera]]\nkind = "v4l2"\ndevice = "/dev/video987"\n'
    there = '[[camera]]\nkind = "scripted"\nscript = ["frames 2"]\n'
    with edge.open_pipeline(profile_file(extra=gone + there)) as opened:
        assert opened.source == "scripted"
        assert len(list(opened)) == 2
    assert "scripted is the source instead, because v4l2: /dev/video987: there is no such camera" in caplog.text


def test_where_no_camera_of_a_profile_opens_each_reason_is_told(profile_file):
    tables = "".join(f'[[camera]]\nkind = "v4l2"\ndevice = "/dev/video{n}"\n' for n in (987, 988))
    told = r"none of the profile's 2 cameras can be opened: \(1\) v4l2: /dev/video987: .*; \(2\) v4l2: /dev/video988: "
    with pytest.raises(CameraError, match=told):
        edge.open_pipeline(profile_file(extra=tables))


def test_a_profile_that_nobody_named_may_have_any_other_camera_too(profile_file):
    from edge import source

    chosen = profile.load(profile_file(extra=CAMERA))
    by_itself = msgspec.structs.replace(chosen, because="it looks like one")
    found = source.default()
    others = [] if found == "sample:" else [found]
    assert [name for name, _ in pipeline.cameras(chosen, None)] == ["scripted"]
    assert [name for name, _ in pipeline.cameras(by_itself, None)] == ["scripted", *others]
    assert [name for name, _ in pipeline.cameras(by_itself, "sample:")] == ["sample:"]


@pytest.mark.parametrize(
    ("listed", "found", "same"),
    [
        (("picamera", {}), ("picamera", {"number": 0}), True),
        (("picamera", {"number": 1}), ("picamera", {"number": 0}), False),
        (("v4l2", {}), ("v4l2", {"device": "/dev/video0"}), True),
        (("v4l2", {"device": "link"}), ("v4l2", {"device": "video"}), True),
        (("v4l2", {"device": "other"}), ("v4l2", {"device": "video"}), False),
        (("v4l2", {}), ("picamera", {"number": 0}), False),
    ],
)
def test_a_camera_that_was_found_is_not_tried_beside_the_one_that_is_listed(tmp_path, monkeypatch, listed, found, same):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "video").touch()
    (tmp_path / "link").symlink_to("video")
    assert pipeline.is_listed(adapters.Adapter(*found), [adapters.Adapter(*listed)]) == same


@pytest.mark.parametrize("patience", [float("nan"), -1])
def test_patience_is_a_number_of_seconds(patience):
    with pytest.raises(ConfigError, match=r"patience is .*; give a number of seconds, 0 or more"):
        edge.open_pipeline("cpu", "sample:", patience_s=patience)


def test_a_camera_that_takes_it_is_told_the_size_of_the_models_input(tmp_path, monkeypatch, profile_file):
    folder = tmp_path / "outer_camera"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "cam.py").write_text(
        "from edge.cameras import scripted\nINSTALL = ''\n"
        "def open(*, covers=None):\n    return scripted.open(script=['frames 1'], width=covers[0], height=covers[1])\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with edge.open_pipeline(profile_file(extra='[camera]\nkind = "outer_camera.cam"\n', options="size = 8")) as opened:
        assert [frame.size for frame, _ in opened.pairs()] == [(8, 8)]


LIVE = '[camera]\nkind = "scripted"\nlive = true\nscript = ["frames 2", "stall 0.05", "fail cable pulled", "absent 1", '


def test_a_live_camera_that_returns_goes_on_and_a_run_without_patience_ends(profile_file, tmp_path, caplog):
    extra = LIVE + f'"frames 2"]\nstate = "{tmp_path / "state"}"\n'
    with edge.open_pipeline(profile_file(extra=extra), patience_s=30) as opened:
        assert [result.frame for result in opened][-1] == 3
    assert "waiting up to 30 s for it to return" in caplog.text and "scripted is back after" in caplog.text
    (tmp_path / "state").unlink()
    with (
        edge.open_pipeline(profile_file(extra=extra), patience_s=0) as opened,
        pytest.raises(CameraError, match="pulled"),
    ):
        list(opened)


def test_an_outage_that_is_waited_for_is_no_stall_and_stopping_ends_it(profile_file, tmp_path):
    extra = LIVE + f'"absent 99"]\nstate = "{tmp_path / "state"}"\n'
    asked = []

    def waiting():
        asked.append(opened.camera.recovering)
        if asked.count(True) == 3:
            opened.stop()

    with edge.open_pipeline(profile_file(extra=extra), stall_s=0.1, patience_s=1000) as opened:
        assert [result.frame for _, result in opened.pairs(waiting)][-1] == 1
    assert not [thread for thread in opened._threads.values() if thread.is_alive()]


STUCK = """\
from threading import Event
from edge.cameras import scripted
INSTALL = ""
GATE, OPENED = Event(), []
def open(*, script: list[str], later: list[str]):
    made = scripted.open(script=later if OPENED else script, live=True, sleep=GATE.wait)
    OPENED.append(made)
    return made
"""


@pytest.fixture
def stuck(tmp_path, monkeypatch, profile_file):
    """Writes the profile of a live camera that hangs where it stalls, by what it plays when it is opened first, and
    later; and gives its module, whose gate ends all stalls."""
    folder = tmp_path / "stuck_cameras"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "cam.py").write_text(STUCK)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("stuck_cameras.cam")

    def write(first, later):
        table = f"[camera]\nkind = 'stuck_cameras.cam'\nscript = {first}\nlater = {later}\n"
        return profile_file(extra=table), module

    yield write
    module.GATE.set()
    for name in ("stuck_cameras", "stuck_cameras.cam"):
        sys.modules.pop(name, None)


def test_a_live_camera_that_hangs_is_left_to_its_thread_and_opened_again(stuck, caplog):
    told = []
    file, module = stuck(["frames 1", "stall 99", "frames 1"], ["frames 3"])
    with edge.open_pipeline(file, stall_s=0.6, ladder=Ladder(lambda rung, words: told.append(rung))) as opened:
        seen = [result.frame for result in opened]
        assert seen[0] == 0 and seen[-1] == 3 and told == ["camera"]
        (left,) = opened._left
        assert left.is_alive() and not module.OPENED[0].closed
        module.GATE.set()
        left.join(GUARD_S)
        assert not left.is_alive() and module.OPENED[0].closed
    assert module.OPENED[1].closed
    assert "no frame for 0.6 s; check its cable or network" in caplog.text and "is back after" in caplog.text


def test_a_camera_that_hangs_again_and_again_ends_the_run(stuck):
    file, module = stuck(["frames 1", "stall 99"], ["frames 1", "stall 99"])
    seen = []
    with edge.open_pipeline(file, stall_s=0.3) as opened, pytest.raises(CameraError, match=r"no frame for 0\.3 s; "):
        for result in opened:
            seen.append(result.frame)
    assert seen == [0, 1, 2, 3] and len(module.OPENED) == 4


def test_a_camera_that_sends_nothing_but_garbage_any_more_is_opened_again_and_then_an_error(stuck):
    file, module = stuck(["frames 1", "garbage 1", "stall 99"], ["garbage 1", "stall 99"])
    with edge.open_pipeline(file, stall_s=0.3) as opened, pytest.raises(CameraError, match=r"no frame for 0\.3 s"):
        list(opened)
    assert len(module.OPENED) == 4 and opened.camera.skipped >= 1


def test_a_camera_that_stays_away_ends_the_run_when_patience_does(profile_file, tmp_path):
    extra = LIVE + f'"absent 99"]\nstate = "{tmp_path / "state"}"\n'
    told = r"there is no camera; .*; it did not return for good within 0.5 s"
    opened = edge.open_pipeline(profile_file(extra=extra), patience_s=0.5)
    with opened, pytest.raises(CameraError, match=told):
        list(opened)


ORDER = """
[[interpreter]]
kind = "scripted"
size = 16
script = ["class 1", "class 1", "fail once", "fail twice", "fail thrice", "absent 99"]
state = "{state}"
"""


def test_an_interpreter_that_is_lost_has_its_successor_and_no_frame_is_lost(profile_file, tmp_path, tiny_file):
    path = tmp_path / "order.toml"
    path.write_text(
        f'name = "o"\nmodel = "{tiny_file}"\n'
        + ORDER.format(state=tmp_path / "state")
        + '[[interpreter]]\nkind = "litert"'
    )
    with edge.open_pipeline(path, "scripted:frames 30", threads=1) as opened:
        results = list(opened)
        assert opened.engine.interpreter.backend == "litert-cpu"
    assert [result.frame for result in results] == list(range(30))
    assert [result.backend for result in results] == ["scripted"] * 2 + ["litert-cpu"] * 28
    assert {bool(result.instead_of) for result in results[2:]} == {True}
    assert not [thread for thread in threading.enumerate() if thread.name == "edge-return"]


def test_stopping_while_an_interpreter_is_opened_again_ends_the_run_without_an_error(profile_file, tmp_path):
    steps = '["class 1", "lost cable pulled", "absent 99"]'
    file = profile_file(steps, options=f'size = 8\nstate = "{tmp_path / "state"}"')
    with edge.open_pipeline(file, "scripted:frames 30") as opened:
        results = iter(opened)
        assert next(results).frame == 0
        threading.Timer(0.1, opened.stop).start()
        assert list(results) == []
    assert int((tmp_path / "state").read_text()) < 2 + len(AGAIN_S)  # steps that are behind, one a try


def test_without_a_camera_in_the_profile_the_first_there_is_or_the_sample_is_used(profile_file):
    from edge import source

    with edge.open_pipeline(profile_file()) as opened:
        assert opened.source == source.default()


def test_the_model_is_checked_before_the_camera_is_opened(profile_file):
    with pytest.raises(ModelError):
        edge.open_pipeline(profile_file(), "/dev/video987", model="nowhere.tflite")


def test_the_source_is_checked_before_the_model_is_opened():
    with pytest.raises(ConfigError, match="nobody here understands it"):
        edge.open_pipeline("cpu", "kinect:0", model="nowhere.tflite")


def test_a_camera_that_cannot_be_opened_is_an_error(profile_file):
    with pytest.raises(CameraError, match="/dev/video987"):
        edge.open_pipeline(profile_file(), "/dev/video987")


def test_an_option_that_does_not_exist_is_a_programmers_error(profile_file):
    with pytest.raises(TypeError):
        edge.open_pipeline(profile_file(), "sample:", colour="red")


# --- the engine


NPU = """
INSTALL = "install it with `pip install npu`"
def open(model, *, reason: str):
    raise ImportError(reason)
"""


@pytest.fixture
def npu(tmp_path, monkeypatch):
    """An adapter from outside that never runs."""
    (tmp_path / "fleeting_npu").mkdir()
    (tmp_path / "fleeting_npu" / "__init__.py").touch()
    (tmp_path / "fleeting_npu" / "chip.py").write_text(NPU)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "fleeting_npu.chip"


def loaded(tmp_path, tiny_file, *interpreters, extra=""):
    path = tmp_path / "order.toml"
    tables = "".join(f"[[interpreter]]\n{text}\n" for text in interpreters)
    path.write_text(f'name = "order"\nmodel = "{tiny_file}"\n{extra}\n{tables}')
    return profile.load(path)


def test_the_next_interpreter_runs_where_the_first_cannot_and_the_reason_is_said(tmp_path, tiny_file, npu, caplog):
    chosen = loaded(tmp_path, tiny_file, f'kind = "{npu}"\nreason = "no chip"', 'kind = "scripted"')
    engine = open_engine(chosen)
    assert engine.interpreter.backend == "scripted"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"scripted runs instead, because {npu} cannot run here: no chip; install it with `pip install npu`"
    )


def test_where_one_interpreter_is_listed_there_is_no_other(tmp_path, tiny_file, npu):
    chosen = loaded(tmp_path, tiny_file, f'kind = "{npu}"\nreason = "no chip"')
    with pytest.raises(AdapterError, match="cannot run here: no chip; install it with `pip install npu`"):
        open_engine(chosen)


def test_where_none_runs_every_reason_is_told_in_order(tmp_path, tiny_file, npu):
    tables = [f'kind = "{npu}"\nreason = "{reason}"' for reason in ("no chip", "no driver")]
    told = rf"^none of the profile's 2 interpreters can run: \(1\) {npu} .*no chip; install .*; \(2\) {npu} .*no driver"
    with pytest.raises(AdapterError, match=told):
        open_engine(loaded(tmp_path, tiny_file, *tables))


ABSENT = 'kind = "scripted"\nscript = ["absent 9"]\nstate = "{}"'


def test_what_none_can_run_is_of_the_kind_that_all_share_else_of_the_device(tmp_path, tiny_file, npu):
    absent = ABSENT.format(tmp_path / "state")
    with pytest.raises(DeviceError, match=r"\(1\) .*no chip.*\(2\) scripted interpreter: there is no device"):
        open_engine(loaded(tmp_path, tiny_file, f'kind = "{npu}"\nreason = "no chip"', absent))
    tiny_file.write_bytes(tiny_file.read_bytes()[:300])
    with pytest.raises(ModelError, match=r"\(1\) onnx: model .*\(2\) litert: model .*LiteRT cannot load"):
        open_engine(loaded(tmp_path, tiny_file, 'kind = "onnx"', 'kind = "litert"'))
    missing = ["one.tflite", "two.tflite"]
    with pytest.raises(ModelError, match=r"\(1\) litert: model one.tflite.*\(2\) litert: model two.tflite"):
        open_engine(loaded(tmp_path, tiny_file, *(f'kind = "litert"\nmodel = "{name}"' for name in missing)))


def test_a_model_that_is_missing_for_all_of_them_is_told_once(tmp_path, tiny_file):
    chosen = loaded(tmp_path, tiny_file, 'kind = "scripted"', 'kind = "litert"')
    with pytest.raises(ModelError, match=r"^model nowhere\.tflite: no such file"):
        open_engine(chosen, model="nowhere.tflite")


def test_a_model_that_one_cannot_run_moves_on_to_the_next_and_the_reason_begins_with_the_kind(tmp_path, tiny_file):
    engine = open_engine(loaded(tmp_path, tiny_file, 'kind = "onnx"', 'kind = "litert"'))
    assert engine.interpreter.backend == "litert-cpu"
    (why,) = engine.instead_of
    assert why.startswith(f"onnx: model {tiny_file}: ")


def test_a_device_that_is_absent_moves_on_to_the_next(tmp_path, tiny_file, caplog):
    engine = open_engine(loaded(tmp_path, tiny_file, ABSENT.format(tmp_path / "state"), 'kind = "litert"'))
    assert engine.instead_of == ("scripted interpreter: there is no device; the script says so",)
    assert "litert-cpu runs instead, because scripted interpreter: there is no device" in caplog.text


def test_each_interpreter_has_its_own_model_unless_one_is_given(tmp_path, tiny_file, tiny):
    for name in ("own", "given"):
        (tmp_path / f"{name}.tflite").write_bytes(tiny())
    (tmp_path / "list.txt").write_text("listed\n" * 12)
    own, other = tmp_path / "own.tflite", tmp_path / "given.tflite"
    named = f'kind = "litert"\nmodel = "{own}"\nlabels = "{tmp_path / "list.txt"}"'
    chosen = loaded(tmp_path, tiny_file, named, 'kind = "litert"')
    engine = open_engine(chosen)
    assert (engine.model, engine.path, set(engine.task.labels)) == ("own", own, {"listed"})
    assert open_engine(chosen, model=other).path == other
    own.unlink()
    engine = open_engine(chosen)
    assert (engine.path, engine.task.labels[0]) == (tiny_file, "class a")
    assert engine.instead_of[0].startswith(f"litert: model {own}: no such file")


def test_a_backend_that_is_required_is_all_that_may_run(tmp_path, tiny_file):
    chosen = loaded(tmp_path, tiny_file, 'kind = "scripted"', 'kind = "litert"\nthreads = 1')
    assert requiring(chosen, None) is chosen
    cut = requiring(chosen, "litert")
    assert [(adapter.kind, adapter.options) for adapter in cut.interpreters] == [("litert", {"threads": 1})]
    with pytest.raises(ConfigError, match=r"--require npu: the profile order lists no such .*, only scripted, litert"):
        requiring(chosen, "npu")


@pytest.mark.parametrize(
    ("given", "own", "general", "used"),
    [(3, 2, 1, 3), (None, 2, 1, 2), (None, None, 1, 1), (None, None, None, None)],
)
def test_threads_come_from_the_call_then_the_interpreter_then_the_profile(
    tmp_path, tiny_file, monkeypatch, given, own, general, used
):
    folder = tmp_path / f"outer_{given}_{own}_{general}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "npu.py").write_text(
        "from edge.interpreters import scripted\nINSTALL = ''\n"
        "def open(model, *, threads: int | None = None):\n"
        "    made = scripted.open(model, size=8); made.backend = f'threads {threads}'; return made\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    table = f'kind = "{folder.name}.npu"' + (f"\nthreads = {own}" if own else "")
    chosen = loaded(tmp_path, tiny_file, table, extra=f"threads = {general}" if general else "")
    assert open_engine(chosen, threads=given).interpreter.backend == f"threads {used}"


@pytest.mark.parametrize(
    ("given", "by_profile", "by_card", "used"),
    [("crop", "letterbox", "squash", "crop"), (None, "letterbox", "crop", "letterbox"), (None, None, "crop", "crop"),
     (None, None, None, "squash")],
)  # fmt: skip
def test_the_fit_comes_from_the_call_then_the_profile_then_the_card(
    tmp_path, tiny_file, given, by_profile, by_card, used
):
    if by_card:
        tiny_file.with_suffix(".toml").write_text(f'name = "tiny"\nfit = "{by_card}"\n')
    extra = f'fit = "{by_profile}"' if by_profile else ""
    chosen = loaded(tmp_path, tiny_file, 'kind = "scripted"', extra=extra)
    assert open_engine(chosen, fit=given).preprocessor.fit == used


def test_the_labels_of_the_profile_are_used_unless_others_are_given(tmp_path, tiny_file):
    for name in ("profiles", "given"):
        (tmp_path / f"{name}.txt").write_text(f"{name}\n" * 12)
    extra = f'labels = "{tmp_path / "profiles.txt"}"'
    chosen = loaded(tmp_path, tiny_file, 'kind = "scripted"', extra=extra)
    assert set(open_engine(chosen).task.labels) == {"profiles"}
    assert set(open_engine(chosen, labels=tmp_path / "given.txt").task.labels) == {"given"}


def test_a_model_and_labels_that_do_not_fit_are_told_with_the_models_path(tmp_path, tiny_file):
    (tmp_path / "few.txt").write_text("a\nb\n")
    with pytest.raises(ModelError, match=rf"model {tiny_file}: 2 labels for 12 classes; give \(--labels\)"):
        open_engine(profile.load(), model=tiny_file, labels=tmp_path / "few.txt")


def test_a_model_that_is_no_image_classifier_is_refused(tmp_path, tiny):
    tensors = [tiny.Tensor((1, 4), 0), tiny.Tensor((1, 4), 0)]
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny.build(tensors, [tiny.Operator(14, (0,), (1,))], (0,), (1,)))
    with pytest.raises(ModelError, match=rf"model {path}: the model's input is 1x4, not one RGB picture"):
        open_engine(profile.load(), model=path)


def test_a_slow_model_sees_frames_no_older_than_the_inference_before_them():
    """Measured in frames of the camera, not in seconds: it goes on ten times as fast as the model."""
    engine = scripted_engine(["sleep 0.1", "class 1"], sleep=time.sleep, clock=time.monotonic_ns)
    camera = camera_of(*["frames 1", "stall 0.01"] * 2000, live=True)
    behind = []
    with pipeline.Pipeline(camera, engine, "a source") as opened:
        for count, result in enumerate(itertools.islice(opened, 14), start=1):
            behind.append(opened.dropped + count - result.frame)
    # One inference is ten frames of the camera. Two frames waiting ahead of it would make thirty.
    assert sorted(behind[4:])[5] < 20


def test_a_slow_reader_of_results_sees_young_frames_too():
    engine = scripted_engine(["class 1"], clock=time.monotonic_ns)
    camera = camera_of(*["frames 1", "stall 0.01"] * 2000, live=True)
    behind = []
    with pipeline.Pipeline(camera, engine, "a source") as opened:
        for count, result in enumerate(itertools.islice(opened, 14), start=1):
            behind.append(opened.dropped + count - result.frame)
            time.sleep(0.1)
    assert sorted(behind[4:])[5] < 8


def test_one_clock_times_the_camera_and_the_engine():
    with pipeline.open_pipeline(source="scripted:frames 3", clock=lambda: 7) as opened:
        assert [(r.captured_at_ns, r.finished_at_ns, r.age_ms) for r in opened] == [(7, 7, 0)] * 3


def test_a_camera_that_hung_is_closed_by_its_own_thread_when_it_comes_back():
    gate = threading.Event()
    camera = camera_of("frames 1", "stall 9", "frames 1", sleep=lambda seconds: gate.wait(GUARD_S))
    opened = pipeline.Pipeline(camera, scripted_engine(), "a source")
    next(iter(opened))
    opened.close()
    assert not camera.closed
    gate.set()
    for thread in opened._threads.values():
        thread.join(GUARD_S)
    assert camera.closed
