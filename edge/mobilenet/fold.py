"""Fold batch normalisation, and the normalisation of the input, into the convolutions before and after them.

All of it works on parameters by name, as NumPy arrays, so it needs no framework. Method: Jacob et al., "Quantization
and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.models.card import Input

from .table import Arrays, norm_of

EPSILON = 1e-5
"""Added to the variance under the root, PyTorch's default: what the official weights were trained with."""

INPUT_MEAN = 128.0
"""The deployed network takes ``(pixel - INPUT_MEAN) / INPUT_STD``: as int8, ``pixel - 128`` and nothing else."""

INPUT_STD = 127.5

INPUT = Input(mean=[INPUT_MEAN] * 3, std=[INPUT_STD] * 3)
"""The same as a card says it."""

PLAIN = Input(mean=[127.5] * 3, std=[127.5] * 3)
"""-1 to 1: what float models of MobileNet's reference take, and what a tool expects of one that says nothing."""

Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Factors and offsets, (3,) each, of red, green and blue."""

MEAN = (0.485, 0.456, 0.406)
"""Mean of the training pictures, red, green, blue, pixels 0 to 1 (torchvision's documentation of these weights)."""

STD = (0.229, 0.224, 0.225)
"""Standard deviation of the same."""


def merge_norm(arrays: Arrays, convolution: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (outputs, inputs / groups, height, width) and bias (outputs,) of ``convolution``, its norm merged in."""
    norm = norm_of(convolution)
    variance = arrays[f"{norm}.running_var"].astype(np.float64)
    scale = arrays[f"{norm}.weight"] / np.sqrt(variance + EPSILON)
    weight = arrays[f"{convolution}.weight"] * scale[:, None, None, None]
    return weight, arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale


def convolutions(arrays: Arrays) -> list[str]:
    """Names of the convolutions, in the network's order: whatever has a four-dimensional weight."""
    return [name.removesuffix(".weight") for name, array in arrays.items() if array.ndim == 4]


def fold_norms(arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    """The parameters of the same network without batch normalisation, by the names of ``MobileNetV2(folded=True)``."""
    folded: dict[str, NDArray[np.float32]] = {}
    for name in convolutions(arrays):
        weight, bias = merge_norm(arrays, name)
        folded |= {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": bias.astype(np.float32)}
    return folded | {name: arrays[name].astype(np.float32) for name in ("classifier.1.weight", "classifier.1.bias")}


def affine(given: Input, wanted: Input) -> Affine:
    """Factors and offsets (3,) that turn an input normalised as ``wanted`` into one normalised as ``given``."""
    std = np.asarray(given.std)
    return np.asarray(wanted.std) / std, (np.asarray(wanted.mean) - np.asarray(given.mean)) / std


def fold_input(
    arrays: Arrays, given: Input, wanted: Input, first: str = "features.0.0"
) -> dict[str, NDArray[np.float32]]:
    """The folded parameters for an input normalised as ``wanted`` in place of ``given``.

    Exact inside the picture. The zero padding comes to mean ``wanted.mean`` and not ``given.mean``; that touches the
    first row and column of the first convolution's output.
    """
    weight = arrays[f"{first}.weight"].astype(np.float64)
    gain, shift = affine(given, wanted)
    bias = arrays[f"{first}.bias"] + np.einsum("oihw,i->o", weight, shift)
    changed = {f"{first}.weight": weight * gain[None, :, None, None], f"{first}.bias": bias}
    return dict(arrays) | {name: array.astype(np.float32) for name, array in changed.items()}
