import logging

import msgspec
import numpy as np
import pytest

import edge
from edge import adapters, isolated, models
from edge.adapters import Adapter
from edge.engine import Wanted, openers
from edge.errors import ConfigError, DeviceError, InferenceError, ModelError
from edge.isolated import load
from edge.profile import DeviceProfile
from edge.recovery import Ladder


def tensor_of(spec):
    return np.zeros(spec.shape, spec.dtype)


def scripted(tiny_file, *script, **options):
    return isolated.open("scripted", models.load(tiny_file), {"script": list(script), "size": 8, **options})


def test_what_runs_in_this_process_says_so():
    assert [isolated.applies(kind) for kind in ("litert", "onnx", "scripted")] == [True] * 3
    assert not isolated.applies("edgetpu") and not isolated.applies("tensorrt")
    with pytest.raises(ConfigError, match="there is no 'npu' among the interpreters"):
        isolated.applies("npu")


def test_a_child_answers_as_the_interpreter_itself_does(tiny_file):
    itself = adapters.open("interpreters", "litert", models.load(tiny_file), threads=1)
    served = isolated.open("litert", models.load(tiny_file), {"threads": 1})
    try:
        assert (served.backend, served.threads) == (itself.backend, itself.threads)
        assert (list(served.inputs), list(served.outputs)) == (list(itself.inputs), list(itself.outputs))
        picture = np.random.default_rng(6).integers(0, 255, served.inputs[0].shape).astype(served.inputs[0].dtype)
        assert [(a == b).all() for a, b in zip(served.infer(picture), itself.infer(picture), strict=True)] == [True]
    finally:
        served.close()
        itself.close()


@pytest.mark.parametrize(
    ("step", "limit_s", "how"), [("crash", None, "SIGSEGV"), ("hang", 0.2, "no answer within 0.2 s")]
)
def test_a_crash_and_a_hang_are_losses(tiny_file, step, limit_s, how):
    served = scripted(tiny_file, "class 1", "class 2", step)
    tensor = tensor_of(served.inputs[0])
    served.infer(tensor)
    if limit_s is not None:
        served._limits = served._limits._replace(run=limit_s)
    with pytest.raises(InferenceError, match=rf"tiny.tflite: scripted was lost: {how} while it ran; the model or its"):
        served.infer(tensor)
    with pytest.raises(InferenceError, match="was closed, or lost; open it again"):
        served.infer(tensor)


def test_a_crash_in_the_trial_is_a_device_that_may_come_back(tiny_file):
    with pytest.raises(DeviceError, match=r"scripted was lost: SIGSEGV at its first inference; the model or"):
        scripted(tiny_file, "crash")


def test_what_opening_raises_is_raised_here(tiny_file):
    with pytest.raises(ModelError, match="no ONNX file, which ONNX Runtime needs"):
        isolated.open("onnx", models.load(tiny_file), {})


def test_a_child_that_cannot_start_is_an_error_that_says_so(tiny_file, monkeypatch, tmp_path):
    (tmp_path / "msgspec.py").write_text("raise SystemExit(7)")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(edge.AdapterError, match="Python itself does not start in a process of its own: exit code 7"):
        scripted(tiny_file, "class 1")


def test_a_child_that_is_killed_while_python_starts_may_start_later(tiny_file, monkeypatch, tmp_path):
    (tmp_path / "msgspec.py").write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DeviceError, match="was lost: SIGKILL while it started; something killed it, or memory"):
        scripted(tiny_file, "class 1")


def test_the_child_gets_all_that_is_known_of_the_file(tiny_file):
    file = models.load(tiny_file)
    wanted = isolated.Wanted(
        kind="scripted",
        options={"script": ["class 3"], "size": 8},
        name=file.name,
        path=str(file.path),
        labels=file.labels,
        card=file.card,
        trusted=file.trusted,
        format=file.format,
    )
    opened = load(msgspec.json.encode(wanted) + b"\0" + file.data, "")
    assert opened.outputs[0].shape == (1, 12)


PROFILE = DeviceProfile(
    name="p",
    description="",
    interpreters=(Adapter("scripted", {"script": ["class 1"], "size": 8}),),
    cameras=(),
    power=None,
    model=None,
    labels=None,
    fit=None,
    threads=None,
)


def test_an_engine_is_not_isolated_where_nobody_wants_that(tiny_file):
    (opener,) = openers(PROFILE, Wanted(model=tiny_file))
    engine = opener.open()
    assert type(engine.interpreter).__name__ == "Scripted"
    engine.close()


def test_a_pipeline_goes_on_after_its_interpreter_crashed_and_the_ladder_was_climbed(profile_file, caplog):
    told = []
    ladder = Ladder(lambda rung, words: told.append((rung, words)))
    file = profile_file('["class 1", "class 2", "class 3", "crash"]')
    with edge.open_pipeline(file, "scripted:frames 5", ladder=ladder, isolated=True) as opened:
        results = [(result.frame, result.answer[0].index) for result in opened]
    # The child's trial plays the first step of each life.
    assert results == [(0, 2), (1, 3), (2, 2), (3, 3), (4, 2)]
    assert told == [("interpreter", "opening scripted again")] * 2
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "scripted was lost: SIGSEGV while it ran" in warned[0] and "scripted is back after" in warned[1]
