"""The forms in which a network leaves: .tflite and ONNX, float and int8, with labels inside and a card beside."""

from __future__ import annotations

from collections.abc import Sequence

from .calibrate import Watch
from .checkpoint import Checkpoint, folded
from .convert import to_tflite
from .labels import with_labels
from .quantise import Pixels, quantised


def float_tflite(checkpoint: Checkpoint) -> bytes:
    """The float .tflite with its labels inside: (1, size, size, 3) float32, normalised as ``checkpoint.input``, in;
    (1, classes) float32 probabilities out.

    Raises:
        ModelError: the parameters do not fit, or the converter fails.
    """
    return with_labels(to_tflite(folded(checkpoint).arrays, checkpoint.size), checkpoint.labels)


def int8_tflite(checkpoint: Checkpoint, pictures: Sequence[Pixels], watch: Watch) -> bytes:
    """The int8 .tflite with its labels inside, calibrated on ``pictures`` (size, size, 3) RGB uint8.

    ``watch(items, title)`` shows progress.

    Raises:
        ModelError: the parameters do not fit, or a converter fails.
    """
    return with_labels(quantised(checkpoint, pictures, watch), checkpoint.labels)
