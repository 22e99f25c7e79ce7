"""OpenCV's dnn on the same network with explicit Q/DQ nodes: blobFromImage, setInput, forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np


def open(model: str, threads: int) -> tuple[Callable[..., Any], ...]:
    """The steps prepare, infer and classify."""
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(model)

    def prepare(frame: Any) -> Any:
        return cv2.dnn.blobFromImage(frame[16:464, 96:544], 1 / 127.5, (224, 224), (128, 128, 128))

    def infer(tensor: Any) -> Any:
        net.setInput(tensor)
        return net.forward()

    def classify(frame: Any) -> int:
        return int(np.argmax(infer(prepare(frame))))

    return prepare, infer, classify
