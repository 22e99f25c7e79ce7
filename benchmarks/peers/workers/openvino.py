"""OpenVINO, which reads the .tflite itself: compiled for latency on the processor, one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import openvino


def open(model: str, threads: int) -> tuple[Callable[..., Any], ...]:
    """The steps prepare, infer and classify."""
    cv2.setNumThreads(threads)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def prepare(frame: Any) -> Any:
        return cv2.resize(frame[16:464, 96:544], (224, 224))[None]

    def infer(tensor: Any) -> Any:
        return request.infer([tensor])[0]

    def classify(frame: Any) -> int:
        return int(np.argmax(infer(prepare(frame))))

    return prepare, infer, classify
