"""edgekit: `Classifier(image)`; its interpreter alone for the inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2

import edge
from edge import engine, preprocess, profile


def open(model: str, threads: int) -> tuple[Callable[..., Any], ...]:
    """The steps prepare, infer and classify."""
    cv2.setNumThreads(threads)
    parts = engine.open_engine(profile.load("cpu"), model=model, threads=threads)
    classifier = edge.Classifier(model, threads=threads, profile="cpu")

    def prepare(frame: Any) -> Any:
        tensor = parts.preprocessor.new_tensor()
        parts.prepare(preprocess.frame_of(frame, 0), tensor)
        return tensor

    def classify(frame: Any) -> int:
        return classifier(frame).answer[0].index

    return prepare, parts.interpreter.infer, classify
