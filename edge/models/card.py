"""A model's card: what it is, what it was made from, how good it is, how to make it again. TOML beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edge.errors import ModelError
from edge.files import read_small, sha256_of, write_whole
from edge.types import Fit

SIBLINGS = (".tflite", ".onnx", ".pth", ".pt")
"""Models of one name, in several formats, share the place of one card."""


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How pixels become the model's real input, per channel (RGB): real = (pixel - mean) / std."""

    mean: list[float]
    std: list[float]


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Scores (0 to 1) on `images` pictures of `data` that were not used to make the model.

    top5: None where there are no more than five classes. float_top1, float_top5: of the float network that it was made
    from, on the same pictures; None: not measured.
    """

    data: str
    images: int
    top1: float
    top5: float | None = None
    float_top1: float | None = None
    float_top5: float | None = None
    date: str


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in the TOML file beside a model, under the same name. Only the name must; unknown is None."""

    name: str
    task: str = "classify"
    sha256: str | None = None
    classes: int | None = None
    fit: Fit | None = None
    license: str | None = None
    source: str | None = None
    made_by: str | None = None
    input: Input | None = None
    accuracy: Accuracy | None = None


def path_beside(model: Path) -> Path:
    """Where the card of `model` is looked for."""
    return model.with_suffix(".toml")


def is_of_another(card: Card, model: Path) -> bool:
    """Whether the card beside `model` is that of another file of its name there, such as its float network.

    To be asked of a card whose hash is not the model's. Raises ModelError where one of the files cannot be read.
    """
    others = (model.with_suffix(suffix) for suffix in SIBLINGS if suffix != model.suffix)
    try:
        return card.sha256 is not None and card.sha256 in map(sha256_of, others)
    except OSError as error:
        raise ModelError(f"{error.filename}: {error.strerror}; make it readable, or move it away") from error


def read(path: Path) -> Card:
    """Read a card; raises ModelError, which names the key, where it does not fit."""
    try:
        return msgspec.toml.decode(read_small(path), type=Card)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(
            f"{path}: not a model card: {error}; mend it, or move it away to run without a card"
        ) from error


def save(card: Card, path: Path) -> None:
    """Write a card, whole or not at all. Raises OSError."""
    write_whole(path, text(card).encode())


def text(card: Card) -> str:
    """A card as TOML; what is None is left out."""
    fields = msgspec.structs.asdict(card)
    tables = {key: msgspec.structs.asdict(value) for key, value in fields.items() if isinstance(value, msgspec.Struct)}
    lines = _lines({key: value for key, value in fields.items() if key not in tables})
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_lines(table)]
    return "".join(f"{line}\n" for line in lines)


def _lines(table: dict[str, Any]) -> list[str]:
    import json  # only what makes or fetches models writes cards

    # Strings, numbers and lists of numbers are written in TOML as in JSON, but for DEL, which must be escaped.
    pairs = ((key, json.dumps(value, ensure_ascii=False)) for key, value in table.items() if value is not None)
    return [f"{key} = {value}".replace("\x7f", "\\u007f") for key, value in pairs]
