"""MediaPipe's ImageClassifier loads what this toolkit makes, finds the labels inside, and answers alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

mediapipe = pytest.importorskip("mediapipe", reason="needs mediapipe")
pytestmark = pytest.mark.filterwarnings("ignore")  # of MediaPipe's own

import edge  # noqa: E402
from edge import models  # noqa: E402
from edge.cameras import images  # noqa: E402
from edge.models.card import Input  # noqa: E402
from edge.preprocess import Preprocessor, frame_of  # noqa: E402
from edge.types import TensorSpec  # noqa: E402

Array = np.ndarray[Any, Any]
PHOTOGRAPHS = sorted((Path(edge.__file__).parent / "cameras" / "photographs").glob("*.jpg"))


def made() -> list[Path]:
    """The default model, and one that was exported just now where the caller names it."""
    exported = os.environ.get("EDGE_EXPORTED")
    return [models.shipped()[models.DEFAULT], *([Path(exported)] if exported else [])]


def pixels(path: Path) -> Array:
    """A photograph as the model sees it: its scaling is ours, so that only the models are compared."""
    picture = images.decode(path)
    assert picture is not None
    spec = TensorSpec(name="pixels", shape=(1, 224, 224, 3), dtype=np.dtype(np.uint8))
    prepare = Preprocessor(spec, "crop", Input(mean=[0.0] * 3, std=[1.0] * 3))
    return prepare(frame_of(picture[:, :, ::-1].copy(), 0), prepare.new_tensor())[0].copy()


def classify(model: Path, pictures: list[Array]) -> list[Any]:
    """MediaPipe's likeliest category of each picture."""
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(model)), max_results=1)
    with vision.ImageClassifier.create_from_options(options) as classifier:
        seen = [mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture) for picture in pictures]
        return [classifier.classify(each).classifications[0].categories[0] for each in seen]


@pytest.mark.parametrize("model", made(), ids=lambda path: path.stem)
def test_mediapipe_loads_it_reads_its_labels_and_answers_as_we_do(model: Path) -> None:
    pictures = [pixels(path) for path in PHOTOGRAPHS]
    assert len(pictures) > 3
    with edge.Classifier(model, fit="squash", top_k=1) as ours:
        wanted = [ours(picture).answer[0] for picture in pictures]
    found = classify(model, pictures)
    assert [each.category_name for each in found] == [each.label for each in wanted]
    assert [each.index for each in found] == [each.index for each in wanted]
    for given, each in zip(found, wanted, strict=True):
        assert abs(given.score - each.score) < 0.05
