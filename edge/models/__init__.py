"""Models as files: found by name or path, read once, with their labels and their card."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from edge.errors import ModelError
from edge.files import data_folder, printable
from edge.models import card as cards
from edge.models import graph
from edge.models import labels as label_files
from edge.models.card import Card

if TYPE_CHECKING:
    from edge.models.onnx import Facts

DEFAULT = "mobilenet_v2_1.0_224_int8"
FOLDER = Path(__file__).with_name("default")
MOST_BYTES = 1 << 30
SUFFIXES = (".tflite", ".onnx", ".pth")

QDQ = "_qdq"
"""Ends the name of the form for TensorRT that `edge export --store` makes of a model."""

Format = Literal["tflite", "onnx", "torch"]

ZIP, PICKLE = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How PyTorch's files begin: a zip, with a data.pkl in it, or, before version 1.6, a pickled number."""

__all__ = ["DEFAULT", "QDQ", "Format", "ModelFile", "find", "load", "pulled", "shipped"]


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was read, and what is known of it before it runs.

    name: as it stands in records. data: the whole file. labels: one a class, or None. card: None where there is none,
    neither beside the file nor, in an ONNX file, inside. trusted: it ships with the package, so it needs no probe.
    """

    name: str
    path: Path
    data: bytes
    labels: tuple[str, ...] | None
    card: Card | None
    trusted: bool
    format: Format = "tflite"

    @property
    def sha256(self) -> str:
        """Of `data`, in hexadecimal; computed when it is asked for."""
        return _sha256(self.data)

    def gives_probabilities(self) -> bool | None:
        """Whether its first output is said to be probabilities (True) or not (False); None: the file does not tell."""
        if self.format == "onnx":
            from edge.models import onnx  # as below

            return onnx.gives_probabilities(self.data)
        return graph.gives_probabilities(self.data) if self.format == "tflite" else None


def shipped() -> dict[str, Path]:
    """The models that ship inside the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.tflite"))}


def pulled() -> dict[str, Path]:
    """The models that `edge models pull` put into the store, by name."""
    place = data_folder()
    if place is None:
        return {}
    found = sorted((place / "models").glob("*"))
    return {path.stem: path for path in found if path.suffix in SUFFIXES and _is_file(path)}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may be listed and not entered
        return False


def load(model: str | Path | None = None, labels: str | Path | None = None) -> ModelFile:
    """Read a model by name or path (None: the default model), with `labels` from a file.

    Without `labels`, those in NAME.txt beside NAME.tflite count, else those inside the model. A .tflite, an ONNX file
    and one of PyTorch's are told apart by what they hold, whatever they are called. Raises ModelError where a file is
    missing, is none of these, or differs from what its card says.
    """
    path = shipped()[DEFAULT] if model is None else find(model)
    data = read(path)
    kind = _format(path, data)
    return ModelFile(
        name=printable(path.stem),
        path=path,
        data=data,
        labels=_labels(path, data, kind, labels),
        card=_card(path, data, kind),
        trusted=path.parent == FOLDER,
        format=kind,
    )


def _labels(path: Path, data: bytes, kind: Format, given: str | Path | None) -> tuple[str, ...] | None:
    """Those that are given, else those in a text file beside the model, else those inside it."""
    beside = path.with_suffix(".txt")
    if given is not None or beside.is_file():
        return label_files.read(beside if given is None else Path(given))
    return labels_inside(data, kind)


def labels_inside(data: bytes, kind: Format) -> tuple[str, ...] | None:
    """The labels inside a model; None where it has none, or where PyTorch would have to read them."""
    if kind == "onnx":
        return _facts(data).labels
    return label_files.embedded(data) if kind == "tflite" else None


def _card(path: Path, data: bytes, kind: Format) -> Card | None:
    """The card beside a model; what it does not say, an ONNX file may say itself."""
    beside = cards.path_beside(path)
    card = cards.read(beside) if beside.is_file() else None
    if card and card.sha256 and path.parent != FOLDER and card.sha256 != _sha256(data):
        if not cards.is_of_another(card, path):
            raise ModelError(f"{path}: the file is not the one that its card {beside.name} describes; fetch both again")
        card = None
    inside = _facts(data) if kind == "onnx" else None
    if inside is None or not (inside.fit or inside.input):
        return card
    card = card or Card(name=printable(path.stem))
    return msgspec.structs.replace(card, fit=card.fit or inside.fit, input=card.input or inside.input)


def _sha256(data: bytes) -> str:
    import hashlib  # slow to import, and a model that ships needs none to run

    return hashlib.sha256(data).hexdigest()


def _facts(data: bytes) -> Facts:
    from edge.models import onnx  # as below

    return onnx.facts(data)


def find(model: str | Path) -> Path:
    """The path of a model by path or name; a file comes before a name. Raises ModelError, which says what there is."""
    path = Path(model)
    with contextlib.suppress(OSError, ValueError):  # a text that can be no path, such as one that is too long
        if path.exists():
            return path
    known = {**pulled(), **shipped()}
    if str(model) in known:
        return known[str(model)]
    from edge.models import catalogue  # not needed where a model is found

    there_are = f"give the path of a model file, or one of: {', '.join({**shipped(), **known})}"
    if str(model) in catalogue.shipped():
        raise ModelError(f"model {model}: not fetched yet; fetch it with `edge models pull {model}`")
    if str(model).endswith(QDQ) and str(model).removesuffix(QDQ) in known:
        made = f"edge export {str(model).removesuffix(QDQ)} --for tensorrt --store"
        raise ModelError(f"model {model}: not made yet; make it with `{made}` (needs `pip install onnx`)")
    raise ModelError(f"model {printable(model)}: no such file; {there_are}; `edge models list` has those to fetch")


def read(path: Path) -> bytes:
    """The bytes of a model. Raises ModelError where it is no regular file, empty or larger than any model."""
    advice = "give a .tflite, an ONNX or a PyTorch file"
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
    return data


def format_of(data: bytes) -> Format | None:
    """What a model is, by what it holds; None: none of these."""
    if graph.is_tflite(data):
        return "tflite"
    if data.startswith(PICKLE) or (data.startswith(ZIP) and b"data.pkl" in data):
        return "torch"
    from edge.models import onnx  # most models are none, and start sooner without

    return "onnx" if onnx.is_onnx(data) else None


def _format(path: Path, data: bytes) -> Format:
    found = format_of(data)
    if found:
        return found
    known = {".tflite": "TensorFlow Lite", ".onnx": "ONNX", ".pth": "PyTorch", ".pt": "PyTorch"}
    called = known.get(path.suffix.lower())
    if called:
        raise ModelError(f"model {path}: no {called} model, or a damaged one; fetch or export it again")
    raise ModelError(f"model {path}: not a TensorFlow Lite, ONNX or PyTorch model; give one of these")
