"""The forms in which a network leaves: .tflite and ONNX, float and int8, with labels inside and a card beside."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from edge import models
from edge.errors import ConfigError, ModelError
from edge.files import write_whole
from edge.models.card import Card, Input, path_beside, save

from . import checkpoint as checkpoints
from . import metadata, weights
from .calibrate import Watch
from .checkpoint import Checkpoint, folded
from .convert import to_tflite
from .fold import INPUT, PLAIN, affine
from .labels import MEMBER, with_labels
from .onnx import Layout, float_onnx, int8_onnx
from .photographs import in_folder, pixels
from .progress import watch
from .quantise import Pixels, quantised
from .rewrite import classes, input_size, with_metadata, with_pixels, with_versions, without_pixels

InputType = Literal["uint8", "int8"]

OFFICIAL = "official"
"""The word for torchvision's weights in place of a file."""

TORCH = (".pth", ".pt")


def float_tflite(checkpoint: Checkpoint) -> bytes:
    """The float .tflite with its labels inside: (1, size, size, 3) float32, -1 to 1 (``PLAIN``), in; (1, classes)
    float32 probabilities out. It turns its input into the checkpoint's own, so it is exact at the border as well.

    Raises:
        ModelError: the parameters do not fit, or the converter fails.
    """
    model = to_tflite(folded(checkpoint).arrays, checkpoint.size, affine(checkpoint.input, PLAIN))
    return described(model, checkpoint, PLAIN)


def int8_tflite(
    checkpoint: Checkpoint,
    pictures: Sequence[Pixels],
    watch: Watch,
    input_type: InputType = "uint8",
    aware: bool = False,
) -> bytes:
    """The int8 .tflite with its labels inside, calibrated on ``pictures`` (size, size, 3) RGB uint8.

    ``input_type``: "uint8", pixels as they are in, (1, size, size, 3), and uint8 probabilities out, (1, classes); or
    "int8", pixels - 128 in and int8 probabilities out. ``aware``: fine-tune it on the pictures (see ``qat``).
    ``watch(items, title)`` shows progress.

    Raises:
        ConfigError: the pictures show nothing.
        ModelError: the parameters do not fit, or a converter fails.
    """
    return finished(quantised(checkpoint, pictures, watch, aware), checkpoint, input_type)


def finished(model: bytes, about: Checkpoint, input_type: InputType) -> bytes:
    """A plain int8 .tflite with the input that is asked for, right versions, metadata and labels."""
    made = with_versions(model)
    return described(with_pixels(made) if input_type == "uint8" else made, about, None)


def described(model: bytes, about: Checkpoint, normalisation: Input | None) -> bytes:
    """A .tflite with metadata and labels in it, so that other tools read them as well."""
    said = metadata.classifier(about.name, about.license, normalisation, MEMBER)
    return with_labels(with_metadata(model, metadata.FIELD, said), about.labels)


def card_of(model: bytes, about: Checkpoint, normalisation: Input, kind: str, command: str) -> Card:
    """The card of a finished model; its accuracy is not known here."""
    return Card(
        name=f"{about.name}, {kind}",
        sha256=hashlib.sha256(model).hexdigest(),
        classes=len(about.labels),
        fit=about.fit,
        license=about.license,
        source=about.source,
        made_by=command,
        input=normalisation,
    )


def deliver(out: Path, model: bytes, card: Card) -> None:
    """Put a model and its card in their place. Killed in between, it leaves a model without a card, never a false one.

    Raises:
        OSError: the folder cannot be written.
    """
    path_beside(out).unlink(missing_ok=True)
    write_whole(out, model)
    save(card, path_beside(out))


class Order(NamedTuple):
    """What `edge export` was asked for. ``kind``: "int8" or "float"."""

    source: str
    out: Path
    kind: str = "int8"
    calibration: Path | None = None
    every: int = 1
    input_type: InputType = "uint8"
    layout: Layout = "nchw"
    aware: bool = False

    @property
    def is_onnx(self) -> bool:
        """Whether ONNX is wanted; else a .tflite."""
        return self.out.suffix == ".onnx"

    def command(self) -> str:
        """The command to do it again, with the names of files and without the folders of this machine."""
        words = ["edge", "export", Path(self.source).name, "-o", self.out.name, "--type", self.kind]
        words += ["--calibration", self.calibration.name] if self.calibration else []
        words += ["--every", str(self.every)] if self.every != 1 else []
        words += ["--layout", self.layout] if self.is_onnx else []
        words += ["--input", self.input_type] if not self.is_onnx and self.kind == "int8" else []
        return shlex.join([*words, *(["--qat"] if self.aware else [])])


def export(order: Order) -> str:
    """Do what was asked for; a line on what was written.

    Raises:
        ConfigError: int8 is wanted of a float network, and there are no photographs.
        ModelError: the source does not fit, or a converter fails.
        OSError: the result cannot be written.
    """
    is_network = order.source == OFFICIAL or Path(order.source).suffix in TORCH
    model, about = _of_network(order) if is_network else _of_tflite(order)
    if order.is_onnx:  # which has its card inside
        write_whole(order.out, model)
    else:
        normalisation = PLAIN if order.kind == "float" else INPUT
        deliver(order.out, model, card_of(model, about, normalisation, order.kind, order.command()))
    return f"{order.out}: {len(model):,} bytes, {about.name}, {order.kind}, {len(about.labels)} classes"


def network(source: str) -> Checkpoint:
    """The float network of a file, or the official one. Raises ModelError, and FetchError where it cannot be had."""
    if source != OFFICIAL:
        return checkpoints.read(Path(source))
    return official(weights.official())


def official(path: Path) -> Checkpoint:
    """torchvision's weights for ImageNet in ``path``, and what is known of them."""
    found = checkpoints.read(path)
    source = f"torchvision MobileNet_V2_Weights.IMAGENET1K_V1, {weights.address()}"
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    return Checkpoint(**values | {"name": "MobileNetV2 1.0 224", "license": "BSD-3-Clause", "source": source})


def _of_network(order: Order) -> tuple[bytes, Checkpoint]:
    found = network(order.source)
    if order.kind == "float":
        return (float_onnx(found, order.layout) if order.is_onnx else float_tflite(found)), found
    if order.calibration is None:
        advice = "give --calibration FOLDER with about 100 like those that the model will see, or --type float"
        raise ConfigError(f"int8 needs photographs to find its ranges on; {advice}")
    pictures = [pixels(path, found.size, found.fit) for path in in_folder(order.calibration)[:: order.every]]
    made = quantised(found, pictures, watch, order.aware)
    return (int8_onnx(made, found, order.layout) if order.is_onnx else finished(made, found, order.input_type)), found


def _of_tflite(order: Order) -> tuple[bytes, Checkpoint]:
    file = models.load(order.source)
    if file.format != "tflite" or order.kind == "float":
        raise ModelError(f"{order.source}: a float network comes from a checkpoint (.pth) only; give that, or official")
    made, card = without_pixels(file.data), file.card or Card(name=file.name)
    about = Checkpoint(
        arrays={},
        labels=file.labels or tuple(f"class {i}" for i in range(classes(made))),
        size=input_size(made),
        fit=card.fit or "squash",
        name=card.name.removesuffix(", int8"),
        license=card.license,
        source=card.source,
    )
    if order.is_onnx:
        return int8_onnx(made, about, order.layout), about
    return finished(made, about, order.input_type), about
