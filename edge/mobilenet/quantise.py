"""Quantise a float .tflite to int8: ranges of our own choosing, arithmetic of ``ai-edge-quantizer``.

Weights and biases are quantised channel by channel, activations tensor by tensor. The only file that imports
ai_edge_quantizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ranges import BINS, Seen, least_squares, look

Floats = NDArray[np.floating[Any]]
Tensors = dict[str, Floats]
Range = tuple[float, float]


def opened(model: bytes) -> tuple[Any, str]:
    """An interpreter on a float model that keeps every tensor, and its input's name in the signature."""
    from ai_edge_quantizer.utils import tfl_interpreter_utils

    interpreter = tfl_interpreter_utils.create_tfl_interpreter(model, num_threads=2, preserve_all_tensors=True)
    return interpreter, interpreter.get_signature_list()["serving_default"]["inputs"][0]


def tensors(interpreter: Any, name: str, picture: Floats) -> Tensors:
    """Every float activation of the model for one ``picture`` (height, width, 3), by tensor name."""
    from ai_edge_quantizer.utils import tfl_interpreter_utils

    tfl_interpreter_utils.invoke_interpreter_signature(interpreter, {name: picture[None]}, "serving_default")
    found = tfl_interpreter_utils.get_tensor_name_to_content_map(interpreter, 0)
    return {name: value for name, value in found.items() if value.dtype == np.float32 and value.shape[:1] == (1,)}
