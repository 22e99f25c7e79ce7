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
from edge.models.card import Input
from edge.types import Fit

from .fold import MEAN, STD, fold_input, fold_norms
from .labels import imagenet
from .table import width_of

FORMAT = 1
"""Of the files written here; a reader refuses what it does not know."""

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
        return "features.0.0.bias" in self.arrays


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
    except (ModelError, msgspec.ValidationError, KeyError, AttributeError) as error:
        raise ModelError(f"{path}: {error}; give a checkpoint of edgekit, or torchvision's weights") from error


def _plain(arrays: dict[str, NDArray[Any]], path: Path) -> Checkpoint:
    width_of(arrays)  # says in words what is missing
    classes = len(arrays["classifier.1.bias"])
    labels = imagenet() if classes == len(imagenet()) else tuple(f"class {i}" for i in range(classes))
    return _checked(Checkpoint(arrays=arrays, labels=labels, name=path.stem))


def _checked(checkpoint: Checkpoint) -> Checkpoint:
    width_of(checkpoint.arrays)
    classes = len(checkpoint.arrays["classifier.1.bias"])
    if len(checkpoint.labels) != classes:
        raise ModelError(f"{len(checkpoint.labels)} labels for {classes} classes")
    if not all(np.isfinite(array).all() for array in checkpoint.arrays.values()):
        raise ModelError("it holds numbers that are not finite")
    return checkpoint


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all. Raises OSError."""
    from .network import to_tensors
    from .network import write as write_file

    plain = msgspec.to_builtins(msgspec.structs.replace(checkpoint, arrays={}))
    write_file(path, {"edgekit": FORMAT, **plain, "arrays": to_tensors(checkpoint.arrays)})
