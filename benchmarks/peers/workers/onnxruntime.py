"""ONNX Runtime on the same network with explicit Q/DQ nodes: a session on the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import onnxruntime


def open(model: str, threads: int) -> tuple[Callable[..., Any], ...]:
    """The steps prepare, infer and classify."""
    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def prepare(frame: Any) -> Any:
        picture = cv2.resize(frame[16:464, 96:544], (224, 224)).astype(np.float32)
        return np.ascontiguousarray(((picture - 128) / 127.5).transpose(2, 0, 1)[None])

    def infer(tensor: Any) -> Any:
        return session.run(None, {name: tensor})[0]

    def classify(frame: Any) -> int:
        return int(np.argmax(infer(prepare(frame))))

    return prepare, infer, classify
