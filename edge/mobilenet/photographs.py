"""Pictures to train and to calibrate with, seen as the toolkit shows them to the model when it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.cameras import images
from edge.errors import ConfigError
from edge.files import printable
from edge.models.card import Input
from edge.preprocess import Preprocessor
from edge.types import Fit, Frame, TensorSpec

SIZE = 224
"""Height and width of the network's input, in pixels."""

NAMED = 3
"""Pictures that cannot be read are named up to so many, and counted."""

FIT: Fit = "crop"
"""How the default model sees a picture: torchvision's weights were trained and scored on crops in proportion."""


def pixels(path: Path, size: int = SIZE, fit: Fit = FIT) -> NDArray[np.uint8]:
    """The picture as the model will see it: (size, size, 3), RGB, uint8. Raises ConfigError where it is none."""
    picture = images.decode(path)
    if picture is None:
        raise ConfigError(f"{path} is not a picture that OpenCV reads; take it away")
    spec = TensorSpec(name="pixels", shape=(1, size, size, 3), dtype=np.dtype(np.uint8))
    prepare = Preprocessor(spec, fit, Input(mean=[0.0] * 3, std=[1.0] * 3))
    frame = Frame(pixels=picture, index=0, captured_at_ns=0, size=(picture.shape[1], picture.shape[0]))
    return np.asarray(prepare(frame, prepare.new_tensor())[0], np.uint8)


def all_pixels(paths: Sequence[Path], size: int, fit: Fit, say: Callable[[str], None]) -> list[NDArray[np.uint8]]:
    """Those of the pictures that can be read, as ``pixels`` gives them; ``say`` is told of the others.

    Raises:
        ConfigError: none can be read.
    """
    found: list[NDArray[np.uint8]] = []
    wrong: list[str] = []
    for path in paths:
        try:
            found.append(pixels(path, size, fit))
        except ConfigError:
            wrong.append(printable(path.name))
    if wrong:
        more = ", …" if len(wrong) > NAMED else ""
        say(f"{len(wrong)} of {len(paths)} pictures cannot be read: {', '.join(wrong[:NAMED])}{more}")
    if not found:
        raise ConfigError(f"{paths[0].parent}: none of its pictures can be read; give whole JPEG or PNG files")
    return found


def in_folder(folder: Path) -> list[Path]:
    """The picture files of a folder, in the order of their names. Raises ConfigError where there are none."""
    return images.open(path=str(folder)).paths
