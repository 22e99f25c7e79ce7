"""The forms in which a network leaves, each run and compared with PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from edge.errors import ConfigError, ModelError  # noqa: E402
from edge.mobilenet import export, network, onnx, qat, quantise, rewrite  # noqa: E402
from edge.mobilenet.checkpoint import IMAGENET_INPUT, Checkpoint, folded  # noqa: E402
from edge.mobilenet.fold import INPUT, PLAIN  # noqa: E402
from edge.mobilenet.table import WIDTHS, names_of  # noqa: E402

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]

SIZE, LABELS = 96, ("ant", "bee", "cat", "dog", "elk")


def watch(items: Any, title: str) -> Any:
    return items


@pytest.fixture(scope="module")
def pictures() -> list[Pixels]:
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (10, 6, 6, 3), np.uint8)
    return [np.kron(picture, np.ones((16, 16, 1), np.uint8)) for picture in coarse]


@pytest.fixture(scope="module")
def checkpoint(pictures: list[Pixels]) -> Checkpoint:
    """A small network whose normalisation has something to fold, and whose answers differ by picture."""
    torch.manual_seed(5)
    net = network.MobileNetV2(classes=len(LABELS), width=0.35, dropout=0.0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain mean of all batches
    x = (np.stack(pictures) - np.float32(IMAGENET_INPUT.mean)) / np.float32(IMAGENET_INPUT.std)
    net.train()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    arrays = network.to_arrays(net.state_dict())
    arrays["classifier.1.weight"] = arrays["classifier.1.weight"] * 8
    return Checkpoint(arrays=arrays, labels=LABELS, size=SIZE, name="small", license="CC0-1.0")


@pytest.fixture(scope="module")
def int8(checkpoint: Checkpoint, pictures: list[Pixels]) -> bytes:
    return quantise.quantised(checkpoint, pictures, watch)


@pytest.fixture(scope="module")
def wanted(checkpoint: Checkpoint, pictures: list[Pixels]) -> Floats:
    """What PyTorch gives for the network as it is, batch normalisation and all."""
    x = np.stack(pictures).astype(np.float32)
    x = (x - np.float32(IMAGENET_INPUT.mean)) / np.float32(IMAGENET_INPUT.std)
    logits = network.probabilities(network.network_of(checkpoint.arrays), x.transpose(0, 3, 1, 2).copy())
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def run_tflite(model: bytes, pictures: list[Pixels], prepare: Callable[[Pixels], Any]) -> Floats:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=model)
    runner.allocate_tensors()
    taken, given = runner.get_input_details()[0], runner.get_output_details()[0]
    rows = []
    for picture in pictures:
        runner.set_tensor(taken["index"], prepare(picture)[None])
        runner.invoke()
        rows.append(runner.get_tensor(given["index"])[0].astype(np.float32))
    scale, zero_point = given["quantization"]
    return (np.stack(rows) - zero_point) * scale if scale else np.stack(rows)


def run_onnx(model: bytes, pictures: list[Pixels], prepare: Callable[[Pixels], Any], nhwc: bool = False) -> Floats:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = [prepare(picture)[None] if nhwc else prepare(picture).transpose(2, 0, 1)[None] for picture in pictures]
    return np.concatenate([session.run(None, {onnx.INPUT_NAME: x})[0] for x in inputs])


def normalised(mean: list[float], std: list[float]) -> Callable[[Pixels], Any]:
    return lambda picture: ((picture - np.float64(mean)) / np.float64(std)).astype(np.float32)


plain = normalised(PLAIN.mean, PLAIN.std)
levels = normalised(INPUT.mean, INPUT.std)


def test_the_float_tflite_answers_as_pytorch_does_up_to_the_border(
    checkpoint: Checkpoint, pictures: list[Pixels], wanted: Floats
) -> None:
    given = run_tflite(export.float_tflite(checkpoint), pictures, plain)
    assert np.abs(given - wanted).max() < 1e-4
    assert len(set(wanted.argmax(axis=1))) > 1


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_float_onnx_answers_as_pytorch_does_in_either_layout(
    checkpoint: Checkpoint, pictures: list[Pixels], wanted: Floats, layout: onnx.Layout
) -> None:
    given = run_onnx(onnx.float_onnx(checkpoint, layout), pictures, plain, layout == "nhwc")
    assert np.abs(given - wanted).max() < 1e-4


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_q_dq_onnx_for_tensorrt_answers_nearly_as_the_int8_tflite_it_came_from(
    checkpoint: Checkpoint, pictures: list[Pixels], int8: bytes, wanted: Floats, layout: onnx.Layout
) -> None:
    given = run_onnx(onnx.int8_onnx(int8, checkpoint, layout, "tensorrt"), pictures, levels, layout == "nhwc")
    same = run_tflite(int8, pictures, lambda picture: (picture.astype(np.int16) - 128).astype(np.int8))
    lost = np.abs(same - wanted).mean()
    assert lost < 0.1
    assert np.abs(given - wanted).mean() < 2 * lost
    assert np.abs(given - same).mean() < 2 * lost


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_q_dq_onnx_for_onnx_runtime_has_the_integers_of_the_int8_tflite_it_came_from(
    checkpoint: Checkpoint, pictures: list[Pixels], int8: bytes, layout: onnx.Layout
) -> None:
    given = run_onnx(onnx.int8_onnx(int8, checkpoint, layout), pictures, levels, layout == "nhwc")
    same = run_tflite(int8, pictures, lambda picture: (picture.astype(np.int16) - 128).astype(np.int8))
    assert np.abs(given - same).max() < 1.5 / 256, "LiteRT's probabilities are in steps of 1/256"


def graph_of(model: bytes) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    import onnx as library

    read = library.load_from_string(model)
    constants = {each.name: library.numpy_helper.to_array(each) for each in read.graph.initializer}
    return read, constants, {node.output[0]: node for node in read.graph.node}


def test_the_q_dq_onnx_for_onnx_runtime_stores_integers(checkpoint: Checkpoint, int8: bytes) -> None:
    model, constants, made_by = graph_of(onnx.int8_onnx(int8, checkpoint))
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight, bias = (constants[made_by[name].input[0]] for name in node.input[1:])
            assert (weight.dtype, bias.dtype) == (np.int8, np.int32)
    assert all(
        constants[node.input[2]].dtype == np.uint8 for node in model.graph.node if node.op_type == "QuantizeLinear"
    )
    assert len(onnx.int8_onnx(int8, checkpoint)) < 0.5 * len(onnx.int8_onnx(int8, checkpoint, target="tensorrt"))


def test_a_relu6_that_storing_does_not_make_is_written(checkpoint: Checkpoint, int8: bytes) -> None:
    from edge.mobilenet.same import Same

    found = onnx.named(rewrite.layers(int8))
    first = next(iter(found))
    for output, clipped in (((6 / 255, -128), False), ((7 / 255, -128), True), ((6 / 255, -100), True)):
        writer = Same({**found, first: found[first]._replace(output=output)})
        assert (writer.rectified("t", first) != "t") is clipped


def test_the_q_dq_onnx_for_tensorrt_has_what_tensorrt_asks_for(checkpoint: Checkpoint, int8: bytes) -> None:
    from edge.models.onnx import Grids, grids

    made = onnx.int8_onnx(int8, checkpoint, target="tensorrt")
    assert grids(made) is Grids.SYMMETRIC and grids(onnx.int8_onnx(int8, checkpoint)) is Grids.ASYMMETRIC
    assert grids(onnx.float_onnx(checkpoint)) is Grids.NONE
    model, constants, made_by = graph_of(made)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", onnx.OPSET)]
    pairs = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    for node in pairs:
        before = made_by[node.input[0]]
        assert before.op_type == "QuantizeLinear" and list(before.input[1:]) == list(node.input[1:])
        zero = constants[node.input[2]]
        assert zero.dtype == np.int8 and not zero.any(), "symmetric"
    for node in model.graph.node:
        if node.op_type == "Conv":
            assert made_by[node.input[0]].op_type == made_by[node.input[1]].op_type == "DequantizeLinear"
            scales = constants[made_by[node.input[1]].input[1]]
            assert scales.shape == (len(constants[node.input[2]]),), "weights by channel"
            assert constants[node.input[2]].dtype == np.float32, "biases stay float"
    assert {node.op_type for node in model.graph.node} <= {
        "QuantizeLinear", "DequantizeLinear", "Conv", "Clip", "Relu", "Add", "GlobalAveragePool", "Flatten", "Softmax",
    }  # fmt: skip


def test_an_onnx_file_carries_its_card_inside(checkpoint: Checkpoint) -> None:
    import onnx as library

    model = library.load_from_string(onnx.float_onnx(checkpoint))
    said = {each.key: each.value for each in model.metadata_props}
    assert said["labels"].split("\n") == list(LABELS)
    assert (said["fit"], said["mean"], said["std"]) == ("crop", "127.5,127.5,127.5", "127.5,127.5,127.5")
    assert said["license"] == "CC0-1.0" and "source" not in said


def test_uint8_is_int8_with_128_added_and_the_way_back_gives_the_same_answers(
    checkpoint: Checkpoint, pictures: list[Pixels], int8: bytes
) -> None:
    uint8 = export.finished(int8, checkpoint, "uint8")
    back = export.finished(rewrite.without_pixels(uint8), checkpoint, "int8")
    pixels = run_tflite(uint8, pictures, lambda picture: picture)
    shifted = run_tflite(back, pictures, lambda picture: (picture.astype(np.int16) - 128).astype(np.int8))
    assert np.array_equal(pixels, shifted)
    assert rewrite.without_pixels(rewrite.without_pixels(uint8)) == rewrite.without_pixels(uint8)


def test_pixels_are_put_before_an_int8_network_only(checkpoint: Checkpoint) -> None:
    with pytest.raises(ModelError, match="int8"):
        rewrite.with_pixels(export.float_tflite(checkpoint))


def test_other_tools_find_the_labels_that_the_metadata_names(checkpoint: Checkpoint, int8: bytes) -> None:
    model = export.finished(int8, checkpoint, "uint8")
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        (member,) = archive.infolist()
        assert archive.read(member).decode().split() == list(LABELS)
        assert member.compress_type == zipfile.ZIP_STORED, "MediaPipe reads no other"
    at = model.index(b"M001") - 4
    assert struct.unpack_from("<I", model, at)[0] < 1 << 16, "the root of a flatbuffer"
    said = model[at : at + 1024]
    assert member.filename.encode() in said and b"small" in said and b"CC0-1.0" in said


def test_a_model_that_is_finished_twice_has_one_set_of_metadata(checkpoint: Checkpoint, int8: bytes) -> None:
    once = export.finished(int8, checkpoint, "uint8")
    again = export.finished(rewrite.without_pixels(once), checkpoint, "uint8")
    assert again.count(b"TFLITE_METADATA") == 1
    assert zipfile.ZipFile(io.BytesIO(again)).namelist() == zipfile.ZipFile(io.BytesIO(once)).namelist()


def test_int8_operators_carry_the_versions_that_int8_needs(int8: bytes) -> None:
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils

    parsed = tfl_flatbuffer_utils.read_model(bytearray(rewrite.with_versions(int8)))
    versions = {code.builtinCode: code.version for code in parsed.operatorCodes}
    assert versions[rewrite.CONV_2D] == versions[rewrite.DEPTHWISE_CONV_2D] == 3
    assert versions[rewrite.ADD] == versions[rewrite.PAD] == versions[rewrite.SOFTMAX] == 2


def test_the_edge_tpu_check_has_nothing_against_what_is_exported(checkpoint: Checkpoint, int8: bytes) -> None:
    from edge.mobilenet import edgetpu

    for kind in ("uint8", "int8"):
        assert edgetpu.check(export.finished(int8, checkpoint, kind)) == []  # type: ignore[arg-type]
    assert edgetpu.check(export.float_tflite(checkpoint))


@pytest.mark.parametrize("width", WIDTHS)
def test_layers_find_their_names_by_their_shapes_at_every_width(width: float) -> None:
    arrays = folded(
        Checkpoint(arrays=network.to_arrays(network.MobileNetV2(classes=3, width=width).state_dict()), labels=("",) * 3)
    ).arrays
    layers = [
        rewrite.Layer(arrays[f"{name}.weight"], np.ones(1), arrays[f"{name}.bias"], (1.0, 0), None)
        for name in names_of(width)
    ]
    assert list(onnx.named(layers)) == names_of(width)
    with pytest.raises(ModelError, match="no MobileNetV2"):
        onnx.named(layers[:-1])
    with pytest.raises(ModelError, match="no MobileNetV2"):
        onnx.named(layers[::-1])


def test_a_float_tflite_is_no_source_of_q_dq_nodes(checkpoint: Checkpoint) -> None:
    with pytest.raises(ModelError, match="not an int8 model"):
        rewrite.layers(export.float_tflite(checkpoint))


def test_a_layer_whose_bias_is_all_zeros_is_quantised_like_any_other(
    checkpoint: Checkpoint, pictures: list[Pixels]
) -> None:
    plain = folded(checkpoint)
    zeroed = plain.arrays | {"classifier.1.bias": np.zeros(len(LABELS), np.float32)}
    model = quantise.quantised(Checkpoint(**_fields(plain) | {"arrays": zeroed}), pictures, watch)
    assert len(rewrite.layers(model)) == len(names_of(0.35))


def _fields(checkpoint: Checkpoint) -> dict[str, Any]:
    return {name: getattr(checkpoint, name) for name in checkpoint.__struct_fields__}


@pytest.mark.parametrize("picture", [np.zeros((SIZE, SIZE, 3), np.uint8), np.full((SIZE, SIZE, 3), 255, np.uint8)])
def test_pictures_of_one_colour_are_nothing_to_calibrate_on(checkpoint: Checkpoint, picture: Pixels) -> None:
    with pytest.raises(ConfigError, match="none of which shows anything"):
        quantise.quantised(checkpoint, [picture], watch)
    with pytest.raises(ConfigError, match="give about 100 photographs"):
        quantise.quantised(checkpoint, [], watch)


def test_the_simulated_network_answers_as_the_int8_one(
    checkpoint: Checkpoint, pictures: list[Pixels], int8: bytes
) -> None:
    found = onnx.named(rewrite.layers(int8))
    arrays = {f"{name}.{part}": getattr(layer, part) for name, layer in found.items() for part in ("weight", "bias")}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    x = np.concatenate([quantise.float_input(picture) for picture in pictures])
    logits = network.probabilities(qat.Simulated(arrays, found), x)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    given = run_tflite(int8, pictures, lambda picture: (picture.astype(np.int16) - 128).astype(np.int8))
    assert np.abs(powers / powers.sum(axis=1, keepdims=True) - given).mean() < 0.02


def test_teaching_brings_the_int8_network_nearer_to_the_float_one_and_the_same_each_time(
    checkpoint: Checkpoint, pictures: list[Pixels], int8: bytes
) -> None:
    arrays = quantise.prepared(checkpoint, pictures, watch)
    found = onnx.named(rewrite.layers(int8))
    x = torch.from_numpy(np.concatenate([quantise.float_input(picture) for picture in pictures]))

    def error(learned: Any) -> float:
        with torch.no_grad():
            wanted = network.network_of(arrays).eval()(x)
            return float(qat.divergence(wanted, qat.Simulated(learned, found)(x)))

    once, again = (qat.taught(arrays, int8, pictures, watch, epochs=3) for _ in range(2))
    assert all(np.array_equal(once[name], again[name]) for name in once)
    assert error(once) < error(arrays)
