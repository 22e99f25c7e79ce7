"""A float network in a file: its parameters, and what one must know to run it. What all that makes models hands on.

Two kinds of file are read: those that are written here, which say everything, and torchvision's plain state
dictionaries, for which the documentation of the official weights says the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.files import printable
from edge.models.card import Input
from edge.models.labels import split
from edge.types import Fit

from .fold import MEAN, STD, fold_input, fold_norms
from .labels import imagenet
from .table import CLASSIFIER, is_folded, shapes_of, width_of

FORMAT = 1
"""Of the files written here; a reader refuses what it does not know."""

SMALLEST, LARGEST = 32, 1024
"""Pixels a side that a network of five halvings makes sense for."""

IMAGENET_INPUT = Input(mean=[round(255 * value, 4) for value in MEAN], std=[round(255 * value, 4) for value in STD])
"""Mean and standard deviation of torchvision's weights, in pixels of 0 to 255."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A float MobileNetV2.

    arrays: parameters by torchvision's names, with their batch normalisation, or folded. labels: one a class. size:
    height and width of its input in pixels. input: how pixels become that input. fit: how a picture is made square.
    name: in words, for a card. license, source: of the weights.
    """

    arrays: dict[str, NDArray[Any]]
    labels: tuple[str, ...]
    size: int = 224
    input: Input = IMAGENET_INPUT
    fit: Fit = "crop"
    name: str = "MobileNetV2"
    license: str | None = None
    source: str | None = None

    @property
    def width(self) -> float:
        """The width multiplier."""
        return width_of(self.arrays)

    @property
    def is_folded(self) -> bool:
        """Whether batch normalisation is merged into the convolutions."""
        return is_folded(self.arrays)


def folded(checkpoint: Checkpoint) -> Checkpoint:
    """The same network without batch normalisation: equal to rounding."""
    if checkpoint.is_folded:
        return checkpoint
    return msgspec.structs.replace(checkpoint, arrays=fold_norms(checkpoint.arrays))


def with_input(checkpoint: Checkpoint, wanted: Input) -> Checkpoint:
    """The folded network for another normalisation of its input (see ``fold_input`` for the border)."""
    base = folded(checkpoint)
    if base.input == wanted:
        return base
    return msgspec.structs.replace(base, arrays=fold_input(base.arrays, base.input, wanted), input=wanted)


def read(path: Path) -> Checkpoint:
    """The network in a file, this module's or a plain state dictionary of torchvision's.

    Raises:
        ModelError: it is neither, or not whole.
    """
    from .network import read as read_file
    from .network import to_arrays

    found = read_file(path)
    try:
        if "edgekit" not in found:
            return _plain(to_arrays(found), path)
        if found.pop("edgekit") != FORMAT:
            raise ModelError("written by a newer edgekit; update this one")
        arrays = to_arrays(found.pop("arrays"))
        checkpoint = msgspec.convert({**found, "arrays": {}}, Checkpoint)
        return _checked(msgspec.structs.replace(checkpoint, arrays=arrays))
    except (ModelError, msgspec.ValidationError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{path}: {error}; give a checkpoint of edgekit, or torchvision's weights") from error


def _plain(arrays: dict[str, NDArray[Any]], path: Path) -> Checkpoint:
    classes = _classes(arrays)
    labels = imagenet() if classes == len(imagenet()) else tuple(f"class {i}" for i in range(classes))
    return _checked(Checkpoint(arrays=arrays, labels=labels, name=printable(path.stem)))


def _classes(arrays: dict[str, NDArray[Any]]) -> int:
    bias = arrays.get(f"{CLASSIFIER}.bias", np.zeros(0))
    if bias.ndim != 1 or len(bias) < 2:
        raise ModelError("it is no classifier of two classes or more")
    return len(bias)


def _checked(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint from a stranger, if all of it can be what it says. Shapes come first: a view may be of any size."""
    arrays, classes = checkpoint.arrays, _classes(checkpoint.arrays)
    wanted = shapes_of(width_of(arrays), classes, checkpoint.is_folded)
    for name, shape in wanted.items():
        if name not in arrays or arrays[name].shape != shape:
            found = arrays[name].shape if name in arrays else "missing"
            raise ModelError(f"{name} is {found}, and should be {shape}")
    kept = {name: arrays[name] for name in wanted}
    if not all(np.isfinite(array).all() for array in kept.values()):
        raise ModelError("it holds numbers that are not finite")
    if any((array < 0).any() for name, array in kept.items() if name.endswith(".running_var")):
        raise ModelError("it holds variances below zero")
    _check_words(checkpoint, classes)
    return msgspec.structs.replace(checkpoint, arrays=kept)


def _check_words(checkpoint: Checkpoint, classes: int) -> None:
    if len(checkpoint.labels) != classes:
        raise ModelError(f"{len(checkpoint.labels)} labels for {classes} classes")
    if any(split(label.encode()) != (label,) for label in checkpoint.labels):
        raise ModelError("a label is empty, or more than one line of text")
    if not SMALLEST <= checkpoint.size <= LARGEST:
        raise ModelError(f"an input of {checkpoint.size} pixels; {SMALLEST} to {LARGEST} will do")
    numbers = [*checkpoint.input.mean, *checkpoint.input.std]
    if len(checkpoint.input.mean) != 3 or len(numbers) != 6 or not np.isfinite(numbers).all():
        raise ModelError("its normalisation is not three means and three deviations")
    if min(checkpoint.input.std) < 1e-6:
        raise ModelError("its normalisation divides by zero")


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all. Raises OSError."""
    from .network import to_tensors
    from .network import write as write_file

    plain = msgspec.to_builtins(msgspec.structs.replace(checkpoint, arrays={}))
    write_file(path, {"edgekit": FORMAT, **plain, "arrays": to_tensors(checkpoint.arrays)})
