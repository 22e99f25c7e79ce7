"""MediaPipe's ImageClassifier, which scales, infers and sorts by itself; its number of threads cannot be set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def open(model: str, threads: int) -> tuple[None, None, Callable[..., Any]]:
    """The one step there is, classify."""
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model), max_results=1)
    classifier = vision.ImageClassifier.create_from_options(options)

    def classify(frame: Any) -> int:
        middle = np.ascontiguousarray(frame[16:464, 96:544])
        seen = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=middle)
        return int(classifier.classify(seen).classifications[0].categories[0].index)

    return None, None, classify
