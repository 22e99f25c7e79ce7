"""What models there are, those that ship, those that were pulled and those that can be, and whether they are right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from edge import models
from edge.errors import ModelError
from edge.files import printable, sha256_of
from edge.models import card as cards
from edge.models import graph
from edge.models import labels as label_files
from edge.models.card import Card
from edge.models.catalogue import Entry, RunsOn

State = Literal["shipped", "pulled", "available"]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a list. None: not known. top1: 0 to 1, as its card has it; size: of its file, in bytes."""

    name: str
    state: State
    task: str | None
    classes: int | None
    runs_on: RunsOn | None
    top1: float | None
    size: int
    license: str | None
    path: str | None


def known(entries: Mapping[str, Entry]) -> list[Listed]:
    """All models: in the package, in the store, and those of `entries` that are in neither."""
    shipped, pulled = models.shipped(), models.pulled()
    here: list[tuple[State, str, Path]] = [
        *(("shipped", name, path) for name, path in shipped.items()),
        *(("pulled", name, path) for name, path in pulled.items() if name not in shipped),
    ]
    listed = [_present(state, name, path, entries.get(name)) for state, name, path in here]
    there = {each.name for each in listed}
    return listed + [_available(entry) for name, entry in entries.items() if name not in there]


def _present(state: State, name: str, path: Path, entry: Entry | None) -> Listed:
    card = _card(path) or Card(name=name, task="unknown")
    return Listed(
        name=printable(name),
        state=state,
        task=card.task if card.task != "unknown" else None,
        classes=card.classes,
        runs_on=entry.runs_on if entry else _runs_on(path),
        top1=card.accuracy.top1 if card.accuracy else None,
        size=path.stat().st_size,
        license=card.license,
        path=printable(path),
    )


def _available(entry: Entry) -> Listed:
    return Listed(
        name=entry.name,
        state="available",
        task=entry.task,
        classes=entry.classes,
        runs_on=entry.runs_on,
        top1=entry.accuracy.top1 if entry.accuracy else None,
        size=entry.model.size,
        license=entry.license,
        path=None,
    )


def _card(path: Path) -> Card | None:
    """The card beside a model; None where there is none that can be read."""
    try:
        return cards.read(cards.path_beside(path))
    except ModelError:
        return None


def _runs_on(path: Path) -> RunsOn | None:
    if path.suffix != ".tflite":
        return "torch" if path.suffix == ".pth" else "cpu"
    try:
        return "edgetpu" if graph.compiled_for_edgetpu(models.read(path)) else "cpu"
    except ModelError:
        return None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a model is the one that its card and the catalogue describe; None: neither says anything of it.

    words: why; agrees: with what its SHA-256 agrees.
    """

    name: str
    path: str | None
    right: bool | None
    words: str
    sha256: str | None
    agrees: tuple[str, ...] = ()


def verify(model: str, entries: Mapping[str, Entry]) -> Verdict:
    """Check a model, by name or path, against its card and `entries`; what cannot be read is wrong."""
    try:
        path = models.find(model)
    except ModelError as error:
        return Verdict(name=printable(model), path=None, right=False, words=f"missing: {error}", sha256=None)
    try:
        data = models.read(path)
    except ModelError as error:
        name = printable(path.stem)
        return Verdict(name=name, path=printable(path), right=False, words=str(error), sha256=None)
    found = hashlib.sha256(data).hexdigest()
    named = path in (*models.shipped().values(), *models.pulled().values())
    entry = entries.get(path.stem) if named else None
    entry = entry or next((each for each in entries.values() if each.model.sha256 == found), None)
    wrong, agrees = list(_wrong(path, data, found, entry, named)), tuple(_agrees(path, found, entry))
    return Verdict(
        name=printable(path.stem),
        path=printable(path),
        right=False if wrong else bool(agrees) or None,
        words="; ".join(wrong) or _good(path, data, agrees),
        sha256=found,
        agrees=agrees,
    )


def _agrees(path: Path, found: str, entry: Entry | None) -> Iterator[str]:
    card = _card(path)
    if card and card.sha256 == found:
        yield "card"
    if entry and entry.model.sha256 == found:
        yield "catalogue"


def _wrong(path: Path, data: bytes, found: str, entry: Entry | None, named: bool) -> Iterator[str]:
    """What is wrong with a file, its card and its labels. named: it is one of ours, which have cards."""
    beside = cards.path_beside(path)
    again = "install edgekit again" if path.parent == models.FOLDER else "pull it again"
    card = None
    try:
        card = cards.read(beside) if named or beside.is_file() else None
        if card and card.sha256 and card.sha256 != found:
            if not cards.is_of_another(card, path):
                yield f"its sha256 {found[:12]}… is not the {card.sha256[:12]}… of its card; {again}"
            card = None
    except ModelError as error:
        yield str(error) if beside.exists() else f"its card {beside.name} is missing; {again}"
    if entry and entry.model.sha256 != found:
        yield f"its sha256 {found[:12]}… is not the {entry.model.sha256[:12]}… of the catalogue; {again}"
    if named and entry and entry.labels:
        labels = _sha256_of(path.with_suffix(".txt"))
        if labels != entry.labels.sha256:
            yield f"its labels {path.stem}.txt are {'not those of the catalogue' if labels else 'missing'}; {again}"
    classes = (card.classes if card else None) or (entry.classes if entry else None)
    try:
        count = _labels(path, data)
    except ModelError as error:
        yield str(error)
    else:
        if classes is not None and count not in (None, classes):
            yield f"{count} labels for {classes} classes; give the labels that belong to it"


def _sha256_of(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:  # reading them says why
        return None


def _labels(path: Path, data: bytes) -> int | None:
    """How many labels a model has, beside it or inside; None where it has none, or they are not read here."""
    beside, kind = path.with_suffix(".txt"), models.format_of(data)
    inside = models.labels_inside(data, kind) if kind else None
    labels = label_files.read(beside) if beside.is_file() else inside
    return None if labels is None else len(labels)


def _good(path: Path, data: bytes, agrees: tuple[str, ...]) -> str:
    if not agrees:
        return "nothing to check it against: no card says its sha256, and the catalogue does not have it"
    count = _labels(path, data)
    said = f"sha256 as {' and '.join(agrees)} say{'' if len(agrees) > 1 else 's'}"
    if count is None and models.format_of(data) == "torch":  # which may have some inside, for PyTorch to read
        return said
    return f"{said}, {count or 'no'} labels"
