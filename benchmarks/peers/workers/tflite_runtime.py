"""tflite-runtime, the runtime before LiteRT: set the tensor, invoke, read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from tflite_runtime.interpreter import Interpreter


def open(model: str, threads: int) -> tuple[Callable[..., Any], ...]:
    """The steps prepare, infer and classify."""
    cv2.setNumThreads(threads)
    interpreter = Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    first = interpreter.get_input_details()[0]["index"]
    last = interpreter.get_output_details()[0]["index"]

    def prepare(frame: Any) -> Any:
        return cv2.resize(frame[16:464, 96:544], (224, 224))[None]

    def infer(tensor: Any) -> Any:
        interpreter.set_tensor(first, tensor)
        interpreter.invoke()
        return interpreter.get_tensor(last)

    def classify(frame: Any) -> int:
        return int(np.argmax(infer(prepare(frame))))

    return prepare, infer, classify
