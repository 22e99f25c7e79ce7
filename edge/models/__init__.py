"""Models as files: found by name or path, read once, with their labels and their card."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from edge.errors import ModelError
from edge.files import printable
from edge.models import card as cards
from edge.models import graph
from edge.models import labels as label_files
from edge.models.card import Card

DEFAULT = "mobilenet_v2_1.0_224_int8"
FOLDER = Path(__file__).with_name("default")
MOST_BYTES = 1 << 30

__all__ = ["DEFAULT", "ModelFile", "load", "shipped"]


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was read, and what is known of it before it runs.

    name: as it stands in records. data: the whole file. labels: one a class, or None. card: None where there is none.
    trusted: it ships with the package, so it needs no probe.
    """

    name: str
    path: Path
    data: bytes
    labels: tuple[str, ...] | None
    card: Card | None
    trusted: bool

    @property
    def sha256(self) -> str:
        """Of `data`, in hexadecimal; computed when it is asked for."""
        import hashlib  # slow to import, and a model that ships needs none to run

        return hashlib.sha256(self.data).hexdigest()


def shipped() -> dict[str, Path]:
    """The models that ship inside the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.tflite"))}


def load(model: str | Path | None = None, labels: str | Path | None = None) -> ModelFile:
    """Read a model by name or path (None: the default model), with `labels` from a file.

    Without `labels`, those in NAME.txt beside NAME.tflite count, else those inside the model.
    Raises ModelError where a file is missing, is no .tflite, or differs from what its card says.
    """
    path = shipped()[DEFAULT] if model is None else _find(model)
    data = _read(path)
    beside = cards.path_beside(path)
    file = ModelFile(
        name=printable(path.stem),
        path=path,
        data=data,
        labels=_labels(path, data, labels),
        card=cards.read(beside) if beside.is_file() else None,
        trusted=path.parent == FOLDER,
    )
    if not file.trusted and file.card and file.card.sha256 and file.card.sha256 != file.sha256:
        raise ModelError(f"{path}: the file is not the one that its card {beside.name} describes; fetch both again")
    return file


def _labels(path: Path, data: bytes, given: str | Path | None) -> tuple[str, ...] | None:
    """Those that are given, else those in a text file beside the model, else those inside it."""
    beside = path.with_suffix(".txt")
    if given is not None or beside.is_file():
        return label_files.read(beside if given is None else Path(given))
    return label_files.embedded(data)


def _find(model: str | Path) -> Path:
    path, known = Path(model), shipped()
    with contextlib.suppress(OSError, ValueError):  # a text that can be no path, such as one that is too long
        if path.exists():
            return path
    if str(model) in known:
        return known[str(model)]
    raise ModelError(f"model {model}: no such file; give the path of a .tflite file, or one of: {', '.join(known)}")


def _read(path: Path) -> bytes:
    advice = "give an int8, uint8 or float32 .tflite file"
    try:
        if not path.is_file() and not path.is_dir():
            raise ModelError(f"model {path}: no regular file; {advice}")
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(f"model {path}: larger than 1 GiB; {advice}")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {path}: {error.strerror}; {advice}") from error
    if not data:
        raise ModelError(f"model {path}: the file is empty; copy it again")
    if not graph.is_tflite(data):
        raise ModelError(f"model {path}: not a TensorFlow Lite model; {advice}")
    return data
