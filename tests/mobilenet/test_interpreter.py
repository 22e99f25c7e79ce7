"""Checkpoints and ONNX files, really run: what the plain tests can only do with stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
onnx = pytest.importorskip("onnx", reason="needs the train extra")
pytest.importorskip("onnxruntime", reason="needs the train extra")

from edge import adapters, evaluate, models, profile  # noqa: E402
from edge.adapters import Adapter  # noqa: E402
from edge.engine import Engine, open_engine  # noqa: E402
from edge.errors import InferenceError, ModelError  # noqa: E402
from edge.mobilenet import checkpoint, network  # noqa: E402
from edge.mobilenet.checkpoint import Checkpoint  # noqa: E402
from edge.models.card import Input  # noqa: E402
from edge.preprocess import frame_of  # noqa: E402
from edge.profile import DeviceProfile  # noqa: E402

TORCH = "edge.mobilenet.interpreter"
HALF = Input(mean=[127.5] * 3, std=[127.5] * 3)


def device(kind: str) -> DeviceProfile:
    return msgspec.structs.replace(profile.load(), interpreters=(Adapter(kind, {"threads": 1}),))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small network that was never trained."""
    torch.manual_seed(0)
    arrays = network.to_arrays(network.MobileNetV2(classes=3, width=0.35).state_dict())
    path = tmp_path / "small.pth"
    checkpoint.write(path, Checkpoint(arrays=arrays, labels=("a", "b", "c"), size=96, input=HALF, fit="letterbox"))
    return path


def test_a_checkpoint_runs_with_its_own_size_labels_input_and_fit(file: Path) -> None:
    engine = open_engine(device(TORCH), model=file)
    assert engine.interpreter.backend == "torch-cpu"
    assert engine.task.labels == ("a", "b", "c")
    assert (engine.preprocessor.fit, engine.preprocessor.size) == ("letterbox", (96, 96))
    picture = np.random.default_rng(0).normal(size=(1, 96, 96, 3)).astype(np.float32)
    (found,) = engine.interpreter.infer(picture)
    expected = network.probabilities(network.deployed(checkpoint.read(file).arrays), picture)
    assert found.shape == (1, 3) and found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6


def test_labels_beside_a_checkpoint_and_its_card_come_before_what_it_says_itself(file: Path) -> None:
    file.with_suffix(".txt").write_text("x\ny\nz\n")
    file.with_suffix(".toml").write_text('name = "card"\nfit = "crop"\n')
    engine = open_engine(device(TORCH), model=file)
    assert (engine.task.labels, engine.preprocessor.fit) == (("x", "y", "z"), "crop")


def test_torchvision_s_plain_state_dictionary_runs(tmp_path: Path) -> None:
    path = tmp_path / "plain.pth"
    torch.save(network.MobileNetV2(classes=5, width=0.35).state_dict(), path)
    interpreter = adapters.open("interpreters", TORCH, models.load(path))
    assert (interpreter.inputs[0].shape, interpreter.outputs[0].shape) == ((1, 224, 224, 3), (1, 5))


def test_a_closed_network_says_so_and_one_that_is_given_the_wrong_tensor_too(file: Path) -> None:
    interpreter = adapters.open("interpreters", TORCH, models.load(file), threads=1)
    with pytest.raises(InferenceError, match=r"small\.pth: it fails when it runs: "):
        interpreter.infer(np.zeros((1, 96, 96, 4), np.float32))
    interpreter.close()
    interpreter.close()
    with pytest.raises(InferenceError, match="the interpreter was closed; open it again"):
        interpreter.infer(np.zeros((1, 96, 96, 3), np.float32))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, tiny_file: Path, file: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny\.tflite: no checkpoint, which PyTorch needs; give a \.pth file"):
        adapters.open("interpreters", TORCH, models.load(tiny_file))
    cut = tmp_path / "cut.pth"
    cut.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(ModelError, match=r"cut\.pth is not a PyTorch checkpoint"):
        adapters.open("interpreters", TORCH, models.load(cut))


@pytest.mark.parametrize("kind", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("planar", [False, True])
def test_a_real_onnx_file_gives_the_scores_it_should(tiny_onnx: Any, tmp_path: Path, kind: str, planar: bool) -> None:
    data = tiny_onnx(kind, batch="N", planar=planar, labels="\n".join("abcdefghijkl"), mean="0,0,0", std="16,16,16")
    onnx.checker.check_model(onnx.load_from_string(data))
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    engine = open_engine(device("onnx"), model=path)
    tensor = engine.preprocessor.new_tensor()
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    engine.prepare(frame_of(picture, 0), tensor)
    best = engine.answer(frame_of(picture, 0), tensor, 0).answer[0]
    powers = np.exp(np.arange(12) * 20 / 16)
    assert (best.label, best.score) == ("l", pytest.approx(powers[-1] / powers.sum(), abs=1e-5))


@pytest.fixture
def helper_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model that onnx itself makes."""

    def write(shape: list[Any], kind: int = 1, outputs: int = 1) -> Path:
        helper = onnx.helper
        names = [f"out{n}" for n in range(outputs)]
        graph = helper.make_graph(
            [helper.make_node("Flatten", ["in"], [name]) for name in names],
            "g",
            [helper.make_tensor_value_info("in", kind, shape)],
            [helper.make_tensor_value_info(name, kind, None) for name in names],
        )
        path = tmp_path / "helper.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        return path

    return write


def test_a_model_of_another_maker_opens_and_its_outputs_are_as_they_really_are(
    helper_model: Callable[..., Path],
) -> None:
    interpreter = adapters.open("interpreters", "onnx", models.load(helper_model(["N", 3, 4, 4], outputs=2)))
    assert interpreter.inputs[0].shape == (1, 3, 4, 4)
    assert [spec.shape for spec in interpreter.outputs] == [(1, 48), (1, 48)]


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [(["N", 3, "h", "w"], 1, "leaves its size open"), ([1, 3, 4, 4], 10, r"is a tensor\(float16\), not of float32")],
)
def test_an_input_that_cannot_be_filled_is_refused(
    helper_model: Callable[..., Path], shape: list[Any], kind: int, words: str
) -> None:
    with pytest.raises(ModelError, match=rf"^model .*helper\.onnx: its input {words}"):
        adapters.open("interpreters", "onnx", models.load(helper_model(shape, kind)))


def test_a_damaged_model_is_refused_in_a_line_and_nothing_is_written(
    tiny_onnx: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(tiny_onnx().replace(b"Softmax", b"Softm\xffx"))
    with pytest.raises(ModelError, match=r"bad\.onnx: ONNX Runtime cannot load it: .*fetch or export it again"):
        adapters.open("interpreters", "onnx", models.load(path))
    assert capfd.readouterr() == ("", "")


def opened(kind: str, model: Path, **options: Any) -> Engine:
    return open_engine(device(kind), model=model, top_k=evaluate.TOP, **options)


def test_a_network_as_tflite_and_as_onnx_agrees_with_itself(shared: Path) -> None:
    name = "mobilenet_v2_1.0_224_int8_per_tensor"
    engines = [
        opened("litert", shared / "models" / f"{name}.tflite", fit="squash"),
        opened("onnx", shared / "models" / f"{name}.onnx", fit="squash"),
    ]
    found = evaluate.compare(engines, evaluate.read(shared / "imagenet300"), limit=40)
    assert [model.backend for model in found.models] == ["litert-cpu", "onnx-cpu"]
    assert found.against[0].agreement >= 0.95
    assert found.against[0].mean_difference < 0.02
