"""The Q/DQ form of the default model on ONNX Runtime, against LiteRT on the shared photographs."""

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs the train extra")
pytest.importorskip("onnxruntime", reason="needs the train extra")

from edge import evaluate
from edge.mobilenet.default import compared
from edge.mobilenet.export import Order, export
from edge.models import DEFAULT, shipped


def made(out: Path, target: str | None) -> Path:
    order = Order(DEFAULT, out, target=target)  # type: ignore[arg-type]
    export(order, lambda items, title: items, lambda line: None)
    return out


def test_it_says_what_litert_says_of_the_same_photographs(shared: Path, tmp_path: Path) -> None:
    pictures = evaluate.read(shared / "imagenet300")
    assert len(pictures) == 300
    paths = [shipped()[DEFAULT], made(tmp_path / "same.onnx", None), made(tmp_path / "tensorrt.onnx", "tensorrt")]
    comparison = compared(paths, pictures)
    assert [scored.backend for scored in comparison.models] == ["litert-cpu", "onnx-cpu", "onnx-cpu"]
    same, symmetric = comparison.against
    assert same.agreement >= 0.97  # 1.0 where both have their fast kernels
    # TensorRT's symmetric grids are others: LiteRT's own two sets of kernels agree on 95 % of these.
    assert symmetric.agreement >= 0.9
    tflite, _, rounded = (scored.score.top1 for scored in comparison.models)
    assert abs(rounded - tflite) <= 0.03
