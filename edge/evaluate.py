"""How good a model is: its top-1 and top-5 accuracy on labelled pictures, through the loop that runs it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from edge.cameras.images import PICTURES, Images
from edge.engine import Engine
from edge.errors import ConfigError
from edge.pipeline import Pipeline
from edge.tasks.classify import BACKGROUND

TOP = 5
"""The engine that is scored must answer with so many classes."""


class Labelled(msgspec.Struct, frozen=True):
    """A picture, and what it shows: the index of a class, or its name where the data tells only that."""

    path: Path
    truth: int | str


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """top1, top5: shares, 0 to 1, of `images` pictures. ms_per_image: preprocessing to answer, on average."""

    top1: float
    top5: float
    images: int
    ms_per_image: float
    skipped: int


def read(data: Path) -> list[Labelled]:
    """The pictures of a `labels.csv` (a folder that holds one, or the file) or of a folder of class folders.

    Raises ConfigError, with the line of the file that is wrong.
    """
    table = data / "labels.csv" if data.is_dir() else data
    if table.is_file():
        return _read_table(table)
    if not data.is_dir():
        raise ConfigError(
            f"{data}: no such folder; give a labels.csv (file,class_index,…) or a folder of class folders"
        )
    folders = [sorted(f for f in folder.rglob("*") if f.suffix.lower() in PICTURES) for folder in _folders(data)]
    # In turn from each class, so that the first few are of all of them.
    found = [
        Labelled(path, folder.name)
        for row in zip_longest(*folders)
        for folder, path in zip(_folders(data), row, strict=True)
        if path is not None
    ]
    if not found:
        raise ConfigError(f"{data}: no labels.csv and no class folders with pictures; give one or the other")
    return found


def _folders(data: Path) -> list[Path]:
    return sorted(folder for folder in data.iterdir() if folder.is_dir())


def _read_table(table: Path) -> list[Labelled]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"file", "class_index"} <= set(rows.fieldnames or ()):
                raise ConfigError(f"{table}: the first line must name the columns file and class_index")
            found = [_row(table, rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{table}: cannot be read: {error}; give a CSV file in UTF-8") from error
    if not found:
        raise ConfigError(f"{table}: no line below the first; give one line a picture")
    return found


def _row(table: Path, number: int, row: dict[str, str]) -> Labelled:
    name, index = row["file"], row["class_index"]
    if not name or not index or not re.fullmatch(r"\s*[0-9]+\s*", index):
        raise ConfigError(f"{table}: line {number}: needs a file and a class_index of 0 or more; mend it")
    return Labelled(table.parent / name, int(index))


def truths(pictures: Sequence[Labelled], labels: Sequence[str]) -> list[int]:
    """The class of each picture as the model numbers them. Raises ConfigError for one that it does not know.

    A model whose first class is the background counts from 1 what the data counts from 0. Names of folders are labels;
    where none of them is, folders in the order of their names are the classes, if there are as many.
    """
    first = 1 if labels and (labels[0].lower() == BACKGROUND or len(labels) == 1001) else 0
    if isinstance(pictures[0].truth, int):
        numbers = [first + int(picture.truth) for picture in pictures]
    else:
        names = _numbered([str(picture.truth) for picture in pictures], labels, first)
        numbers = [names[str(picture.truth)] for picture in pictures]
    for picture, number in zip(pictures, numbers, strict=True):
        if number >= len(labels):
            raise ConfigError(f"{picture.path}: class {picture.truth}, but the model has {len(labels)}; check the data")
    return numbers


def _numbered(names: list[str], labels: Sequence[str], first: int) -> dict[str, int]:
    folders = sorted(set(names))
    known = {label: index for index, label in reversed(list(enumerate(labels)))}
    if all(folder in known for folder in folders):
        return {folder: known[folder] for folder in folders}
    if all(re.fullmatch("[0-9]+", folder) for folder in folders):
        return {folder: first + int(folder) for folder in folders}
    if len(folders) == len(labels) - first:
        return {folder: first + index for index, folder in enumerate(folders)}
    strange = next(folder for folder in folders if folder not in known)
    raise ConfigError(f"class folder {strange!r}: not among the model's labels; name the folders as the labels are")


def score(
    engine: Engine,
    pictures: Sequence[Labelled],
    progress: Callable[[], None] = lambda: None,
    limit: int | None = None,
) -> Score:
    """Run the pictures, or the first `limit` of them, and count; `progress` is called after each.

    Raises ConfigError where the model does not know a class, CameraError where no picture can be decoded.
    """
    expected = dict(enumerate(truths(pictures, engine.task.labels)))
    camera = Images([picture.path for picture in pictures[:limit]], engine.clock)
    pipeline = Pipeline(camera, engine, str(pictures[0].path.parent))
    count = first = among = spent = 0
    try:
        for result in pipeline:
            count += 1
            indices = [c.index for c in result.answer[:TOP]]
            first += indices[:1] == [expected[result.frame]]
            among += expected[result.frame] in indices
            spent += result.timing.preprocess + result.timing.inference + result.timing.postprocess
            progress()
    finally:
        pipeline.stop()
    return Score(
        top1=first / count, top5=among / count, images=count, ms_per_image=spent / count / 1e6, skipped=camera.skipped
    )
