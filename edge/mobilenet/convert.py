"""From PyTorch to a float .tflite. The only file that imports litert_torch."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np

from edge.errors import ModelError

from .fold import Affine
from .photographs import SIZE
from .quiet import quiet
from .table import Arrays

NEXT_TO_NOTHING = 1e-12


def with_biases(arrays: Arrays) -> Arrays:
    """``arrays``, no bias all zeros: the converter leaves such a one out, and correction wants one in every layer."""
    zeros = {name for name, array in arrays.items() if name.endswith(".bias") and not array.any()}
    return {name: np.full_like(array, NEXT_TO_NOTHING) if name in zeros else array for name, array in arrays.items()}


def to_tflite(arrays: Arrays, size: int = SIZE, affine: Affine | None = None) -> bytes:
    """A .tflite of the folded network: (1, size, size, 3) float32 in, (1, classes) float32 probabilities out.

    ``affine``: (3,) factors and offsets that come before the network.

    Raises:
        ModelError: the parameters do not fit, or the converter fails.
    """
    with quiet(), tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        import litert_torch

        from .network import deployed, zeros

        path = Path(folder) / "model.tflite"
        net = deployed(with_biases(arrays), affine)
        try:
            litert_torch.convert(net, (zeros(1, size, size, 3),)).export(str(path))
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"the network does not convert ({error}); mend the train extra") from error
        return path.read_bytes()
