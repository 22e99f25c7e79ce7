"""What every adapter promises, asked of every kind that ships."""

import inspect
import itertools
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import cv2
import numpy as np
import pytest
import trees

from edge import adapters, models
from edge.adapters import INJECTED
from edge.errors import CameraError, ConfigError, EdgeError, InferenceError, MeterError
from edge.inbox import Inbox
from edge.types import Frame, Power, TensorSpec

ALL = [(family, kind) for family in adapters.FAMILIES for kind in adapters.kinds(family)]
CAMERAS, INTERPRETERS, METERS = (adapters.kinds(family) for family in ("cameras", "interpreters", "power"))

HIDE = """
import sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {vendors!r}:
            raise ImportError(name + " is hidden")

sys.meta_path.insert(0, Hide())
from edge import adapters
for family in adapters.FAMILIES:
    for kind in adapters.kinds(family):
        adapters.find(family, kind)
        print(family, kind)
"""
VENDORS = {"ai_edge_litert", "tflite_runtime", "tensorrt", "cuda", "onnxruntime", "picamera2", "libcamera", "torch"}


def test_every_adapter_can_be_found_without_its_vendors_package():
    code = HIDE.format(vendors=VENDORS)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{family} {kind}" for family, kind in ALL]


@pytest.mark.parametrize(("family", "kind"), ALL)
def test_an_adapter_says_how_it_is_opened_and_how_it_is_installed(family, kind):
    module = adapters.find(family, kind)
    assert isinstance(module.INSTALL, str) and module.INSTALL
    assert module.open.__doc__ and module.__doc__
    hints = get_type_hints(module.open)
    parameters = list(inspect.signature(module.open).parameters.values())
    if family == "interpreters":
        assert parameters.pop(0).name == "model"
    for parameter in parameters:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.name in hints
    assert "return" in hints


@pytest.mark.parametrize(("family", "kind"), ALL)
def test_an_option_that_an_adapter_does_not_have_is_refused_by_name_before_it_is_opened(family, kind):
    with pytest.raises(ConfigError, match=r"^here\.colour: unknown key; .* takes: "):
        adapters.check(family, kind, {"colour": "red"}, "here.")


@pytest.mark.parametrize(("family", "kind"), ALL)
@pytest.mark.parametrize("injected", sorted(INJECTED))
def test_no_user_can_give_what_only_a_test_or_the_loop_gives(family, kind, injected):
    with pytest.raises(ConfigError, match=f"{injected}: unknown key"):
        adapters.check(family, kind, {injected: 1}, "")


@pytest.fixture
def options(tmp_path, monkeypatch):
    """What opens a camera of a kind here, or a skip that says why it cannot."""

    def of(kind):
        picture = np.full((32, 48, 3), 90, np.uint8)
        if kind == "images":
            for name in "abc":
                cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
            return {"path": str(tmp_path)}
        if kind == "stream":
            file = tmp_path / "clip.avi"
            writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 25, (48, 32))
            for _ in range(3):
                writer.write(picture)
            writer.release()
            return {"url": str(file)}
        if kind == "scripted":
            return {"script": ["frames 3"]}
        if kind == "sample":
            return {"fps": 0.0}
        if kind == "browser":
            return {}
        if kind == "v4l2":
            from edge.cameras import v4l2

            found = v4l2.devices()
            if not found:
                pytest.skip("no V4L2 camera on this machine")
            return {"device": found[0]}
        if kind == "picamera":  # on a scripted picamera2, which tests/test_picamera.py tells of
            monkeypatch.syspath_prepend(str(Path(__file__).with_name("scripted")))
            monkeypatch.delitem(sys.modules, "picamera2", raising=False)
            return {"width": 640}
        pytest.skip(f"this test does not know how to open {kind} on this machine")

    yield of
    sys.modules.pop("picamera2", None)


class Sender(Inbox):
    """As if a page sent a picture whenever one is looked for."""

    def take(self, most_s):
        self.put(cv2.imencode(".jpg", np.full((32, 48, 3), 90, np.uint8))[1].tobytes())
        return super().take(most_s)


@pytest.fixture
def camera(request, options):
    kind = request.param
    chosen = adapters.check("cameras", kind, options(kind), "")
    given = {"inbox": Sender()} if kind == "browser" else {}
    opened = adapters.open("cameras", kind, **chosen, **given)
    yield opened
    opened.close()


@pytest.mark.parametrize("camera", CAMERAS, indirect=True)
def test_a_camera_is_its_frames(camera):
    frames = list(itertools.islice(camera, 3))
    assert len(frames) == 3
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.pixels.dtype == np.uint8
        assert frame.pixel_format in ("BGR", "RGB", "MJPG")
        if frame.pixel_format == "MJPG":
            assert frame.pixels.ndim == 1
        else:
            assert frame.pixels.shape == (frame.size[1], frame.size[0], 3)
    assert all(one.index < other.index for one, other in itertools.pairwise(frames))
    assert all(one.captured_at_ns <= other.captured_at_ns for one, other in itertools.pairwise(frames))
    assert frames[0].index == 0


@pytest.mark.parametrize("camera", CAMERAS, indirect=True)
def test_a_camera_knows_whether_it_is_live_and_what_it_skipped(camera):
    assert isinstance(camera.live, bool)
    assert camera.skipped == 0
    list(itertools.islice(camera, 2))
    assert camera.skipped == 0


@pytest.mark.parametrize("camera", CAMERAS, indirect=True)
def test_a_camera_may_be_closed_twice_and_unused(camera):
    camera.close()
    camera.close()


def test_a_camera_that_is_not_there_is_a_camera_or_configuration_error():
    with pytest.raises(CameraError):
        adapters.open("cameras", "v4l2", device="/dev/video987")
    with pytest.raises(ConfigError):
        adapters.open("cameras", "images", path="/nowhere")
    with pytest.raises(ConfigError):
        adapters.open("cameras", "stream", url="/nowhere.mp4")


@pytest.fixture
def interpreter(request, tiny_file, tiny_onnx, tmp_path):
    kind = request.param
    if kind == "onnx":
        pytest.importorskip("onnxruntime", reason="needs onnxruntime, which the extra train has")
        tiny_file = tmp_path / "tiny.onnx"
        tiny_file.write_bytes(tiny_onnx())
    options = {"threads": 1}
    if kind == "edgetpu":
        tiny_file, options = (
            request.getfixturevalue("compiled_file"),
            {"library": str(request.getfixturevalue("standin"))},
        )
    model = models.load(tiny_file)
    if kind not in ("edgetpu", "litert", "onnx", "scripted"):
        try:
            opened = adapters.open("interpreters", kind, model)
        except EdgeError as error:
            pytest.skip(f"{kind} cannot be opened on this machine: {error}")
    else:
        opened = adapters.open("interpreters", kind, model, **adapters.check("interpreters", kind, options, ""))
    yield opened
    opened.close()


@pytest.mark.parametrize("interpreter", INTERPRETERS, indirect=True)
def test_an_interpreter_turns_a_tensor_into_tensors_as_it_says(interpreter):
    assert all(isinstance(spec, TensorSpec) for spec in [*interpreter.inputs, *interpreter.outputs])
    assert isinstance(interpreter.backend, str) and interpreter.backend
    spec = interpreter.inputs[0]
    tensor = np.zeros(spec.shape, spec.dtype)
    first, second = interpreter.infer(tensor), interpreter.infer(tensor)
    for outputs in (first, second):
        assert [(o.shape, o.dtype) for o in outputs] == [(s.shape, s.dtype) for s in interpreter.outputs]
    assert first[0] is not second[0]
    assert (tensor == 0).all()


@pytest.mark.parametrize("interpreter", INTERPRETERS, indirect=True)
def test_an_interpreter_has_as_many_classes_as_the_model(interpreter):
    assert interpreter.outputs[0].shape == (1, 12)


@pytest.mark.parametrize("interpreter", INTERPRETERS, indirect=True)
def test_a_closed_interpreter_may_be_closed_again_and_refuses_to_infer(interpreter):
    interpreter.close()
    interpreter.close()
    spec = interpreter.inputs[0]
    with pytest.raises(InferenceError, match="open it again"):
        interpreter.infer(np.zeros(spec.shape, spec.dtype))


BOARDS = {"hwmon": trees.jetson, "pmic": trees.pi5, "rapl": trees.pc, "scripted": trees.pi4}
"""A made-up board that has a meter of the kind."""


@pytest.fixture
def on_board(tmp_path):
    """Opens a meter of a kind on a made-up board that has one, or on one that has none."""

    def of(kind, make=None):
        make = make or BOARDS.get(kind)
        if make is None:
            pytest.skip(f"this test knows no board with a meter of the kind {kind}")
        board = make(tmp_path)
        given = {"root": board.root, "run": board.run}
        return adapters.open("power", kind, **{n: v for n, v in given.items() if adapters.takes("power", kind, n)})

    return of


@pytest.mark.parametrize("kind", METERS)
def test_a_meter_tells_watts_or_joules_and_what_they_cover_and_miss(kind, on_board):
    meter = on_board(kind)
    for text in (meter.name, meter.covers, meter.misses):
        assert isinstance(text, str) and text and "\n" not in text
    assert 0.05 <= meter.interval_s <= 5
    first, second = meter.read(), meter.read()
    assert isinstance(first, Power)
    assert (first.watts is None) != (first.joules is None)
    assert (second.watts is None) == (first.watts is None)
    assert first.joules is None or second.joules >= first.joules


@pytest.mark.parametrize("kind", METERS)
def test_a_meter_may_be_closed_twice_and_unused(kind, on_board):
    meter = on_board(kind)
    meter.close()
    meter.close()


@pytest.mark.parametrize("kind", sorted(set(METERS) - {"scripted"}))
def test_a_meter_that_is_not_there_is_a_meter_error_with_advice(kind, on_board):
    bare = lambda root: trees.machine(root, cores=1, arch="riscv64", kernel="6.6", system="x")  # noqa: E731
    with pytest.raises(MeterError, match=rf"^{kind}: .*; .+"):
        on_board(kind, bare)


# --- the fake interpreter


def fake(*script, **options):
    return adapters.open("interpreters", "scripted", None, script=list(script), **options)


def played(interpreter):
    spec = interpreter.inputs[0]
    (scores,) = interpreter.infer(np.zeros(spec.shape, spec.dtype))
    return int(scores.argmax()), float(scores.max())


def test_the_fake_plays_its_script_round_and_round():
    slept = []
    interpreter = fake("class 1", "sleep 0.5", "class 2 0.75", sleep=slept.append)
    assert [played(interpreter) for _ in range(4)] == [(1, 1.0), (2, 0.75), (1, 1.0), (2, 0.75)]
    assert slept == [0.5, 0.5]
    assert interpreter.asked == 4


def test_the_fake_fails_where_its_script_says_so():
    interpreter = fake("class 1", "fail device lost")
    played(interpreter)
    with pytest.raises(InferenceError, match="scripted interpreter: device lost; the script says so"):
        played(interpreter)


@pytest.mark.parametrize(
    "step",
    ["", "class", "class x", "class 10", "class -1", "class 1 2", "class 1 0.5 x", "class 1 0.5 0", "class 1 0.5 1 1",
     "class 1 nan", "sleep", "sleep -1", "sleep inf", "sleep 1 2", "fail", "jump"],
)  # fmt: skip
def test_a_step_that_the_fake_cannot_play_is_named(step):
    with pytest.raises(ConfigError, match=f"step '{step}': write 'class INDEX"):
        fake("class 1", step)


def test_a_script_that_never_answers_is_refused():
    with pytest.raises(ConfigError, match="nothing but sleep gives no answer"):
        fake("sleep 1", "sleep 2")


def test_an_empty_script_is_refused_or_answers():
    assert played(fake()) == (0, 1.0)
