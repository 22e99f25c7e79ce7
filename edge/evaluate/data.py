"""Labelled pictures: where they are, what they show, and how models number that."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

import msgspec

from edge.cameras.images import PICTURES
from edge.errors import ConfigError
from edge.files import printable
from edge.tasks.classify import BACKGROUND, unnamed


class Labelled(msgspec.Struct, frozen=True):
    """A picture, and what it shows: the index of a class, or its name where the data tells only that."""

    path: Path
    truth: int | str


def read(data: Path) -> list[Labelled]:
    """The pictures of a `labels.csv` (a folder that holds one, or the file) or of a folder of class folders.

    Raises ConfigError, with the line of the file that is wrong, or the folder that cannot be read.
    """
    try:
        return _read(data)
    except OSError as error:
        where = printable(error.filename or data)
        raise ConfigError(f"{where}: cannot be read: {error.strerror}; make it readable, or move it away") from error


def _read(data: Path) -> list[Labelled]:
    table = data / "labels.csv" if data.is_dir() else data
    if table.is_file():
        return _read_table(table)
    if not data.is_dir():
        raise ConfigError(
            f"{data}: no such folder; give a labels.csv (file,class_index,…) or a folder of class folders"
        )
    folders = [sorted(_pictures(folder)) for folder in _folders(data)]
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


def _pictures(folder: Path) -> Iterator[Path]:
    """The pictures in a folder and those below it. Raises OSError where one cannot be listed."""

    def refuse(error: OSError) -> NoReturn:
        raise error

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in names if Path(name).suffix.lower() in PICTURES)


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
    if not name or not index or not re.fullmatch(r"\s*[0-9]{1,18}\s*", index):
        raise ConfigError(f"{table}: line {number}: needs a file and a class_index of 0 or more; mend it")
    return Labelled(table.parent / name, int(index))


def _first(labels: Sequence[str]) -> int:
    """The model's number of the class that data numbers 0."""
    return 1 if labels and (labels[0].lower() == BACKGROUND or len(labels) == 1001) else 0


def truths(pictures: Sequence[Labelled], labels: Sequence[str]) -> list[int]:
    """The class of each picture as the model numbers them. Raises ConfigError for one that it does not know.

    A model whose first class is the background counts from 1 what the data counts from 0. Names of folders are labels;
    where none of them is, folders in the order of their names are the classes, if there are as many.
    """
    first = _first(labels)
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
    if len(folders) == len(labels) - first and not any(folder in known for folder in folders):
        return {folder: first + index for index, folder in enumerate(folders)}
    strange = next(folder for folder in folders if folder not in known)
    raise ConfigError(f"class folder {strange!r}: not among the model's labels; name the folders as the labels are")


def shared_classes(one: Sequence[str], other: Sequence[str]) -> tuple[list[int], list[int]]:
    """The indices, in each of two models' labels, of the classes that both have, in the same order.

    By name, where both have the same names; else by number, where they have as many and no name that both have stands
    at two numbers. A background that only one has is left out. Raises ConfigError where neither will do.
    """
    first, second = (0, 0) if _first(one) == _first(other) else (_first(one), _first(other))
    left, right = one[first:], other[second:]
    here = list(range(first, len(one)))
    if len(left) != len(right):
        raise ConfigError(f"{len(right)} classes cannot be compared with {len(left)}; {COMPARABLE}")
    if len(set(left)) == len(left) and set(left) == set(right):
        places = {label: second + index for index, label in enumerate(right)}
        return here, [places[label] for label in left]
    stray = _stray(one, other, first - second)
    if stray is not None:
        raise ConfigError(f"its classes have another order or other names (see {stray!r}); {COMPARABLE}")
    return here, list(range(second, len(other)))


def lent(labels: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of a model that has none, from those of one that has; `other` as it is, where they do not fit."""
    try:
        here, there = shared_classes(labels, other)
    except ConfigError:
        return other
    names = dict(zip(there, (labels[index] for index in here), strict=True))
    return tuple(names.get(index, BACKGROUND) for index in range(len(other)))


COMPARABLE = "give models of the same classes, under the same names"


def _stray(one: Sequence[str], other: Sequence[str], shift: int) -> str | None:
    """A name that both have, each once, and that stands at numbers that do not differ by `shift`."""
    if unnamed(len(one)) == tuple(one) or unnamed(len(other)) == tuple(other):
        return None
    here, there = _once(one), _once(other)
    return next((label for label in here if label in there and here[label] - there[label] != shift), None)


def _once(labels: Sequence[str]) -> dict[str, int]:
    counts = Counter(labels)
    return {label: index for index, label in enumerate(labels) if counts[label] == 1}
