"""The forms in which a network leaves: .tflite and ONNX, float and int8, with labels inside and a card beside."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from edge import adapters, models
from edge.errors import ConfigError, ModelError
from edge.files import write_whole
from edge.models import ModelFile
from edge.models import card as cards
from edge.models import labels as label_files
from edge.models.card import Card, Input, path_beside
from edge.models.store import Report

from . import checkpoint as checkpoints
from . import metadata, weights
from .calibrate import Watch
from .checkpoint import Checkpoint, folded
from .convert import to_tflite
from .fold import INPUT, PLAIN, affine
from .labels import MEMBER, with_labels
from .onnx import Layout, Target, float_onnx, int8_onnx, named
from .photographs import all_pixels, in_folder
from .quantise import Pixels, quantised
from .rewrite import (
    classes,
    input_size,
    layers,
    with_convolution,
    with_metadata,
    with_pixels,
    with_versions,
    without_pixels,
)

Kind = Literal["int8", "float"]
Say = Callable[[str], None]
InputType = Literal["uint8", "int8"]

OFFICIAL = "official"
"""The word for torchvision's weights in place of a file."""


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
    """A plain int8 .tflite as it leaves: the input that is asked for, right versions, metadata and labels."""
    made = with_versions(with_convolution(model))
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
    """Put a model and its card in their place: both are written in full before either moves there.

    Killed between the two moves, it leaves a model without a card, never a false one.

    Raises:
        ConfigError: a list of labels beside it would count in place of those inside.
        OSError: the folder cannot be written; what was there before still is.
    """
    labels = out.with_suffix(".txt")
    if labels.is_file() and label_files.read(labels) != label_files.embedded(model):
        raise ConfigError(f"{labels} would count in place of the labels inside {out.name}; move it away")
    staged = [(place.with_name(f".new-{place.name}"), place) for place in (out, path_beside(out))]
    try:
        for (new, _), data in zip(staged, (model, cards.text(card).encode()), strict=True):
            write_whole(new, data)
        path_beside(out).unlink(missing_ok=True)
        for new, place in staged:
            new.replace(place)
    finally:
        for new, _ in staged:
            new.unlink(missing_ok=True)


class Order(NamedTuple):
    """What `edge export` was asked for; None: not asked for. ``kind``: "int8" or "float"."""

    source: str
    out: Path
    kind: Kind | None = None
    calibration: Path | None = None
    every: int | None = None
    input_type: InputType | None = None
    layout: Layout | None = None
    aware: bool = False
    target: Target | None = None

    @property
    def is_onnx(self) -> bool:
        """Whether ONNX is wanted; else a .tflite."""
        return self.out.suffix == ".onnx"

    def command(self) -> str:
        """The command to do it again, with the names of files and without the folders of this machine."""
        words = ["edge", "export", Path(self.source).name, "-o", self.out.name]
        given = {"type": self.kind, "calibration": self.calibration and self.calibration.name, "every": self.every}
        given |= {"layout": self.layout, "for": self.target, "input": self.input_type}
        words += [word for name, value in given.items() if value for word in (f"--{name}", str(value))]
        return shlex.join([*words, *(["--qat"] if self.aware else [])])

    def refuse(self, reason: str, **options: object) -> None:
        """Raise ConfigError where one of the options is given that have no meaning here."""
        wrong = [f"--{name}" for name, value in options.items() if value]
        if wrong:
            raise ConfigError(f"{' and '.join(wrong)} would change nothing: {reason}; leave it out")


def export(order: Order, watch: Watch, say: Say) -> str:
    """Do what was asked for; a line on what was written. ``watch(items, title)`` shows progress, ``say`` takes a line.

    Raises:
        ConfigError: an option has no meaning, or int8 is wanted of a float network and there are no photographs.
        ModelError: the source does not fit, or a converter fails.
        OSError: the result cannot be written.
    """
    if order.is_onnx:
        order.refuse("an ONNX file takes floats", input=order.input_type)
    else:
        order.refuse("a .tflite takes height, width, channels", layout=order.layout)
        order.refuse("a .tflite is for LiteRT", **{"for": order.target})
    file = None if order.source == OFFICIAL else models.load(order.source)
    if file is None or file.format == "torch":
        model, about = _of_network(order, network(order.source if file is None else str(file.path), say), watch, say)
    else:
        model, about = _of_tflite(order, file)
    kind = order.kind or "int8"
    if order.is_onnx:  # which has its card inside
        write_whole(order.out, model)
    else:
        normalisation = PLAIN if kind == "float" else INPUT
        deliver(order.out, model, card_of(model, about, normalisation, kind, order.command()))
    return f"{order.out}: {len(model):,} bytes, {about.name}, {kind}, {len(about.labels)} classes"


def network(source: str, say: Say) -> Checkpoint:
    """The float network of a file, or the official one. Raises ModelError, and FetchError where it cannot be had."""
    if source != OFFICIAL:
        return checkpoints.read(Path(source))
    return official(weights.official(Report(say=say)))


def official(path: Path) -> Checkpoint:
    """torchvision's weights for ImageNet in ``path``, and what is known of them."""
    source = f"torchvision MobileNet_V2_Weights.IMAGENET1K_V1, {weights.address()}"
    found = checkpoints.read(path)
    return msgspec.structs.replace(found, name="MobileNetV2 1.0 224", license="BSD-3-Clause", source=source)


def _of_network(order: Order, found: Checkpoint, watch: Watch, say: Say) -> tuple[bytes, Checkpoint]:
    layout = order.layout or "nchw"
    if order.kind == "float":
        order.refuse(
            "a float network needs no ranges",
            calibration=order.calibration,
            every=order.every,
            qat=order.aware,
            input=order.input_type,
            **{"for": order.target},
        )
        return (float_onnx(found, layout) if order.is_onnx else float_tflite(found)), found
    if order.calibration is None:
        advice = "give --calibration FOLDER with about 100 like those that the model will see, or --type float"
        raise ConfigError(f"int8 needs photographs to find its ranges on; {advice}")
    pictures = all_pixels(in_folder(order.calibration)[:: order.every or 1], found.size, found.fit, say)
    made = quantised(found, pictures, watch, order.aware)
    if order.is_onnx:
        return int8_onnx(made, found, layout, order.target or "onnxruntime"), found
    return finished(made, found, order.input_type or "uint8"), found


def _of_tflite(order: Order, file: ModelFile) -> tuple[bytes, Checkpoint]:
    if file.format != "tflite" or order.kind == "float":
        raise ModelError(f"{file.path}: a float network comes from a checkpoint (.pth) only; give that, or official")
    reason = "an int8 .tflite keeps its ranges"
    order.refuse(reason, calibration=order.calibration, every=order.every, qat=order.aware)
    adapters.open("interpreters", "litert", file).close()  # in a child process first: it may be damaged
    try:
        made = without_pixels(file.data)
        named(layers(made))  # says what is wrong where it is none of ours
        about = _about(file, made)
    except ModelError as error:
        raise ModelError(f"{file.path}: {error}") from error
    if order.is_onnx:
        return int8_onnx(made, about, order.layout or "nchw", order.target or "onnxruntime"), about
    return finished(made, about, order.input_type or "uint8"), about


def _about(file: ModelFile, made: bytes) -> Checkpoint:
    """What is known of a .tflite, as a network without parameters."""
    card, count = file.card or Card(name=file.name), classes(made)
    if file.labels and len(file.labels) != count:
        raise ModelError(f"{len(file.labels)} labels for {count} classes; mend the list beside it, or take it away")
    return Checkpoint(
        arrays={},
        labels=file.labels or tuple(f"class {i}" for i in range(count)),
        size=input_size(made),
        fit=card.fit or "squash",
        name=card.name.removesuffix(", int8"),
        license=card.license,
        source=card.source,
    )
