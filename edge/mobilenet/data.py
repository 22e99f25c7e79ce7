"""Pictures to train, to stop by and to score with: found in class folders, and parted so that none is on two sides.

A class folder's name is its label. Pictures lie in it at any depth; what is hidden (its name begins with a dot) does
not count, a class folder may be a symbolic link, and links to folders below it are not followed. Two files with the
same pixels are one picture, whatever they are called and however they are compressed without loss.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge.cameras import images
from edge.errors import ConfigError
from edge.files import printable
from edge.models import labels as label_files

TRAIN, VAL, TEST = "train", "val", "test"

FEWEST = 8
"""Different pictures that a class needs."""

VAL_SHARE = 0.15
"""Of the pictures to train with, those that say when to stop."""

TEST_SHARE = 0.2
"""Of all pictures, those that are only scored with, where the data names none."""

Watch = Callable[[Sequence[Any], str], Iterable[Any]]


class Picture(NamedTuple):
    """A picture file. label: the number of its class. name: below DATA. digest: of its decoded pixels."""

    path: Path
    label: int
    name: str
    digest: str


class Data(NamedTuple):
    """The pictures of each side, and what was left out, in words for people.

    held_out: where the pictures of ``test`` come from. notes: one line each, of copies, broken pictures and folders.
    """

    labels: tuple[str, ...]
    train: list[Picture]
    val: list[Picture]
    test: list[Picture]
    held_out: str
    notes: list[str]


def read(folder: Path, seed: int, watch: Watch) -> Data:
    """The pictures of DATA: class folders, or ``train/`` with ``test/``, ``val/`` or both inside.

    What DATA does not part is parted by ``seed``, each class in the same proportion. ``watch(items, title)`` shows
    progress.

    Raises:
        ConfigError: no such folder, fewer than two classes, or a class with fewer than ``FEWEST`` different pictures.
    """
    places, notes = sides(folder)
    labels = classes(places[TRAIN])
    for side, place in places.items():
        _same_classes(place, labels, side)
    found = {side: scan(folder, place, labels, watch, notes) for side, place in places.items()}
    found = without_copies(found, notes)
    _check_counts(found[TRAIN], labels, places[TRAIN], notes)
    for side in found.keys() - {TRAIN}:
        _check_some(found[side], labels, places[side])
    rng = np.random.default_rng([seed, 0])
    name = printable(folder.resolve().name)
    held_out = f"{name}/{places[TEST].name}" if TEST in found else f"{TEST_SHARE:.0%} of {name}, by seed {seed}"
    if TEST not in found:
        found[TRAIN], found[TEST] = part(found[TRAIN], TEST_SHARE, rng)
    if VAL not in found:
        found[TRAIN], found[VAL] = part(found[TRAIN], VAL_SHARE, rng)
    return Data(labels, found[TRAIN], found[VAL], found[TEST], held_out, notes)


def sides(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Where the pictures of each side are, and a note of folders that do not count.

    A lone ``val/`` holds the pictures that are scored with. Raises ConfigError where only those are given.
    """
    if not folder.is_dir():
        raise ConfigError(f"{printable(folder)}: no such folder; give a folder of class folders")
    found = {side: folder / side for side in (TRAIN, VAL, TEST) if (folder / side).is_dir()}
    if TRAIN not in found:
        if found and found.keys() == {path.name for path in _folders(folder)}:
            raise ConfigError(
                f"{printable(folder)}: {', '.join(found)} but no train; put the pictures to train with there"
            )
        return {TRAIN: folder}, []
    if TEST not in found and VAL in found:
        found[TEST] = found.pop(VAL)
    others = [printable(path.name) for path in _folders(folder) if path not in found.values()]
    return found, [f"folders beside train that do not count: {_some(others)}"] if others else []


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def classes(folder: Path) -> tuple[str, ...]:
    """The names of the class folders, sorted. Raises ConfigError for fewer than two, or a name that is no label."""
    names = tuple(path.name for path in _folders(folder))
    if len(names) < 2:
        what = f"one class ({printable(names[0])})" if names else "no class folders"
        raise ConfigError(f"{printable(folder)}: {what}; give at least two folders of pictures, one a class")
    for name in names:
        if printable(name) != name or label_files.split(name.encode()) != (name,):
            raise ConfigError(f"class folder {printable(name)!r}: no label can be called so; rename it plainly")
    return names


def _same_classes(folder: Path, labels: tuple[str, ...], side: str) -> None:
    here = {path.name for path in _folders(folder)}
    for name in sorted(here ^ set(labels)):
        what = (
            f"no class {printable(name)}, which train has"
            if name in labels
            else f"class {printable(name)} is not in train"
        )
        raise ConfigError(f"{printable(folder)}: {what}; give {side} and train the same class folders")


def files(folder: Path) -> list[Path]:
    """The picture files below a class folder, sorted, without what is hidden."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(place)
        found += [here / n for n in names if not n.startswith(".") and (here / n).suffix.lower() in images.PICTURES]
    return sorted(found)


def digest(path: Path) -> str | None:
    """A hash of the decoded pixels; None where the picture cannot be read."""
    pixels = images.decode(path)
    if pixels is None:
        return None
    return blake2b(pixels.tobytes() + repr(pixels.shape).encode(), digest_size=16).hexdigest()


def scan(root: Path, folder: Path, labels: Sequence[str], watch: Watch, notes: list[str]) -> list[Picture]:
    """All pictures of the class folders in ``folder`` that can be read; a note names those that cannot.

    Raises:
        ConfigError: a class folder holds no picture files.
    """
    named = [(path, label) for label, name in enumerate(labels) for path in files(folder / name)]
    empty = [name for label, name in enumerate(labels) if label not in {label for _, label in named}]
    if empty:
        raise ConfigError(f"{printable(folder)}: class {empty[0]} has no pictures; put some there, or take it away")
    with ThreadPoolExecutor(2) as pool:
        digests = list(watch_map(pool, [path for path, _ in named], watch))
    found = [
        Picture(path, label, printable(path.relative_to(root)), seen)
        for (path, label), seen in zip(named, digests, strict=True)
        if seen is not None
    ]
    broken = [printable(path.relative_to(root)) for (path, _), seen in zip(named, digests, strict=True) if seen is None]
    if broken:
        notes.append(f"{_count(broken)} that cannot be read or decoded: {_some(broken)}")
    return found


def watch_map(pool: ThreadPoolExecutor, paths: list[Path], watch: Watch) -> Iterable[str | None]:
    """The digest of each file, in order, a few hundred files at a time."""
    for start in watch(range(0, len(paths), 256), "pictures"):
        yield from pool.map(digest, paths[start : start + 256])


def without_copies(found: dict[str, list[Picture]], notes: list[str]) -> dict[str, list[Picture]]:
    """Each side without the pictures that a stricter one has: test keeps all of its own, then val, then train.

    A picture that lies in two classes of train teaches nothing, and goes as well. Notes name and count all of them.
    """
    kept: dict[str, list[Picture]] = {}
    taken: set[str] = set()
    for side in (TEST, VAL, TRAIN):
        if side in found:
            kept[side] = [picture for picture in found[side] if picture.digest not in taken]
            copies = [picture.name for picture in found[side] if picture.digest in taken]
            taken |= {picture.digest for picture in found[side]}
            if copies:
                notes.append(f"{_count(copies)} of {side} left out, as another side has the same: {_some(copies)}")
    for side, pictures in kept.items():
        times = Counter(digest for digest, _ in {(picture.digest, picture.label) for picture in pictures})
        torn = [picture.name for picture in pictures if times[picture.digest] > 1]
        if torn:
            notes.append(f"{_count(torn)} left out, as the same lie in two classes: {_some(torn)}")
            kept[side] = [picture for picture in pictures if times[picture.digest] == 1]
    return kept


def part(pictures: Sequence[Picture], share: float, rng: np.random.Generator) -> tuple[list[Picture], list[Picture]]:
    """Two sides, about ``share`` of each class on the second, at least one and not all; copies stay together."""
    second: set[str] = set()
    for label in sorted({picture.label for picture in pictures}):
        different = sorted({picture.digest for picture in pictures if picture.label == label})
        count = min(max(1, round(share * len(different))), len(different) - 1)
        second |= {different[place] for place in rng.permutation(len(different))[:count]}
    return [p for p in pictures if p.digest not in second], [p for p in pictures if p.digest in second]


def _check_counts(pictures: Sequence[Picture], labels: Sequence[str], folder: Path, notes: list[str]) -> None:
    for label, name in enumerate(labels):
        count = len({picture.digest for picture in pictures if picture.label == label})
        if count < FEWEST:
            why = f" ({'; '.join(notes)})" if notes else ""
            raise ConfigError(
                f"{printable(folder)}: class {name} has {count} different pictures that can be used{why}; "
                f"give each class at least {FEWEST}"
            )


def _check_some(pictures: Sequence[Picture], labels: Sequence[str], folder: Path) -> None:
    for label, name in enumerate(labels):
        if not any(picture.label == label for picture in pictures):
            raise ConfigError(f"{printable(folder)}: class {name} has no picture that can be read; give it some")


def _count(names: Sequence[str]) -> str:
    return "1 picture" if len(names) == 1 else f"{len(names)} pictures"


def _some(names: Sequence[str], most: int = 3) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{rest}"
