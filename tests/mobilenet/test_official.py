"""The official weights, as PyTorch runs them and in every form that is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

import edge  # noqa: E402
from edge import models  # noqa: E402
from edge.errors import EdgeError  # noqa: E402
from edge.mobilenet import export, network, weights  # noqa: E402
from edge.mobilenet.checkpoint import IMAGENET_INPUT, Checkpoint  # noqa: E402
from edge.mobilenet.fold import INPUT, PLAIN  # noqa: E402
from edge.mobilenet.onnx import INPUT_NAME, float_onnx, int8_onnx  # noqa: E402
from edge.mobilenet.photographs import pixels  # noqa: E402
from edge.mobilenet.rewrite import without_pixels  # noqa: E402
from edge.models.card import Input  # noqa: E402

Array = np.ndarray[Any, Any]
PHOTOGRAPHS = sorted((Path(edge.__file__).parent / "cameras" / "photographs").glob("*.jpg"))


@pytest.fixture(scope="module")
def official() -> Checkpoint:
    try:
        return export.official(weights.official())
    except EdgeError as error:
        pytest.skip(f"the official weights cannot be had here: {error}")


@pytest.fixture(scope="module")
def pictures() -> list[Array]:
    return [pixels(path) for path in PHOTOGRAPHS]


@pytest.fixture(scope="module")
def wanted(official: Checkpoint, pictures: list[Array]) -> Array:
    """What PyTorch gives for torchvision's network with torchvision's own normalisation."""
    net = network.network_of(official.arrays)
    logits = np.concatenate([network.probabilities(net, x) for x in prepared(pictures, IMAGENET_INPUT, planar=True)])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def prepared(pictures: list[Array], given: Input, planar: bool) -> list[Array]:
    real = [
        ((picture - np.float64(given.mean)) / np.float64(given.std)).astype(np.float32)[None] for picture in pictures
    ]
    return [x.transpose(0, 3, 1, 2).copy() for x in real] if planar else real


def run_onnx(model: bytes, inputs: list[Array]) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {INPUT_NAME: x})[0] for x in inputs])


def test_the_float_tflite_agrees_with_the_official_weights(
    official: Checkpoint, pictures: list[Array], wanted: Array
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=export.float_tflite(official))
    runner.allocate_tensors()
    rows = []
    for x in prepared(pictures, PLAIN, planar=False):
        runner.set_tensor(runner.get_input_details()[0]["index"], x)
        runner.invoke()
        rows.append(runner.get_tensor(runner.get_output_details()[0]["index"])[0])
    assert np.abs(np.stack(rows) - wanted).max() < 1e-4


def test_the_float_onnx_agrees_with_the_official_weights(
    official: Checkpoint, pictures: list[Array], wanted: Array
) -> None:
    assert np.abs(run_onnx(float_onnx(official), prepared(pictures, PLAIN, planar=True)) - wanted).max() < 1e-4


def test_the_default_model_and_its_q_dq_form_say_what_the_official_network_is_sure_of(
    official: Checkpoint, pictures: list[Array], wanted: Array
) -> None:
    sure = wanted.max(axis=1) > 0.6
    assert sure.sum() >= 3
    given = run_onnx(int8_onnx(without_pixels(models.load().data), official), prepared(pictures, INPUT, planar=True))
    with edge.Classifier(fit="squash", top_k=1) as classify:
        said = np.array([classify(picture).answer[0].index for picture in pictures])
    assert (given.argmax(axis=1) == wanted.argmax(axis=1))[sure].all()
    assert (said == wanted.argmax(axis=1))[sure].all()
    assert np.abs(given - wanted).max() < 0.35
