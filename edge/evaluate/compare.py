"""Several models on the same pictures, one after the other: their scores, and how far each is from the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from tempfile import SpooledTemporaryFile

import msgspec
import numpy as np

from edge.engine import Engine
from edge.errors import ConfigError
from edge.evaluate.data import Labelled, shared_classes, truths
from edge.evaluate.score import Score, score
from edge.types import Array, Result

IN_MEMORY = 64 << 20
"""Bytes of score vectors that are kept in memory; more of them go to a temporary file."""


class Answer(msgspec.Struct, frozen=True):
    """What a model said first of one picture, and whether it is so; None where it gave no number."""

    label: str | None
    index: int | None
    score: float | None
    right: bool


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How far a model is from the first, over the pictures that both answered and the classes that both have.

    agreement: share of pictures (0 to 1) with the same likeliest class. A picture's difference is the largest
    |p - q| of any class, p and q being the two models' probabilities; largest_difference and mean_difference are the
    largest and the mean of that over the pictures.
    """

    model: str
    agreement: float
    largest_difference: float
    mean_difference: float


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """A model's score, and its answers by the number of the picture. instead_of: why nothing that is preferred ran."""

    model: str
    backend: str
    score: Score
    answers: dict[int, Answer]
    instead_of: tuple[str, ...] = ()


class ClassScore(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of one class (its index is the first model's), and the share of them that each model got right."""

    label: str
    index: int
    images: int
    top1: tuple[float, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """models: in the order they were given. against: of each but the first. truths: the class of each picture that
    the first model answered, as that numbers it, by the number of the picture. labels: the first model's."""

    models: list[Scored]
    against: list[Difference]
    truths: dict[int, int]
    labels: tuple[str, ...]


def compare(
    engines: Sequence[Engine],
    pictures: Sequence[Labelled],
    progress: Callable[[str], None] = lambda model: None,
    limit: int | None = None,
) -> Comparison:
    """Score each engine on the pictures, or the first `limit` of them, and hold each against the first.

    `progress` is called with the model's name after each picture. An engine is closed when it is done. Raises
    ConfigError where a model does not know a class, or its classes are not those of the first; before any runs.
    """
    first, *others = engines
    for engine in engines:
        _check(engine, pictures)
    shared = [_shared(first, other) for other in others]
    with Rows(len(first.task.labels)) as rows:
        keep: Callable[[int, Array], None] = rows.put if others else lambda number, scores: None
        scored, expected = _scored(first, pictures, progress, limit, keep)
        comparison = Comparison(models=[scored], against=[], truths=expected, labels=first.task.labels)
        for other, classes in zip(others, shared, strict=True):
            gap = Gap(rows, *classes)
            found, _ = _scored(other, pictures, progress, limit, gap.see)
            comparison.models.append(found)
            comparison.against.append(gap.difference(scored, found))
    return comparison


def _check(engine: Engine, pictures: Sequence[Labelled]) -> None:
    try:
        truths(pictures, engine.task.labels)
    except ConfigError as error:
        raise ConfigError(f"{engine.model}: {error}") from error


def _shared(first: Engine, other: Engine) -> tuple[list[int], list[int]]:
    try:
        return shared_classes(first.task.labels, other.task.labels)
    except ConfigError as error:
        raise ConfigError(f"{other.model} against {first.model}: {error}") from error


def _scored(
    engine: Engine,
    pictures: Sequence[Labelled],
    progress: Callable[[str], None],
    limit: int | None,
    keep: Callable[[int, Array], None],
) -> tuple[Scored, dict[int, int]]:
    answers: dict[int, Answer] = {}
    expected: dict[int, int] = {}

    def see(number: int, truth: int, result: Result) -> None:
        expected[number] = truth
        best = result.answer[0] if result.answer else None
        answers[number] = Answer(*best, right=best.index == truth) if best else Answer(None, None, None, right=False)
        keep(number, engine.task.probabilities(engine.outputs))

    found = score(engine, pictures, lambda: progress(engine.model), limit, see)
    engine.close()
    backend = engine.interpreter.backend
    told = engine.instead_of
    return Scored(model=engine.model, backend=backend, score=found, answers=answers, instead_of=told), expected


class Rows:
    """Score vectors, (classes,) float32 each, by the number of their picture."""

    def __init__(self, classes: int) -> None:
        self._bytes = 4 * classes
        self._places: dict[int, int] = {}
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by __exit__

    def put(self, number: int, scores: Array) -> None:
        """Keep the scores of a picture. Raises OSError for a full disk."""
        self._places[number] = at = len(self._places) * self._bytes
        self._file.seek(at)
        self._file.write(scores.tobytes())

    def get(self, number: int) -> Array | None:
        """The scores of a picture; None where there are none."""
        if number not in self._places:
            return None
        self._file.seek(self._places[number])
        return np.frombuffer(self._file.read(self._bytes), np.float32)

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *what: object) -> None:
        self._file.close()


class Gap:
    """Gathers how far a model's scores are from those in `rows`; the indices are of the classes that both have."""

    def __init__(self, rows: Rows, ours: list[int], theirs: list[int]) -> None:
        self._rows = rows
        self._ours, self._theirs = ours, theirs
        self._largest, self._sum, self._count = 0.0, 0.0, 0

    def see(self, number: int, scores: Array) -> None:
        """Take the other model's scores of one picture."""
        row = self._rows.get(number)
        if row is not None:
            gap = float(np.abs(row[self._ours] - scores[self._theirs]).max())
            self._largest = float(np.maximum(self._largest, gap))  # unlike max, it lets no NaN get lost
            self._sum += gap
            self._count += 1

    def difference(self, first: Scored, other: Scored) -> Difference:
        """What it comes to, over the pictures that both models answered."""
        same = dict(zip(self._theirs, self._ours, strict=True))
        both = [(first.answers[n].index, a.index) for n, a in other.answers.items() if n in first.answers]
        alike = sum(theirs is not None and same.get(theirs) == ours for ours, theirs in both)
        return Difference(
            model=other.model,
            agreement=alike / len(both),
            largest_difference=self._largest,
            mean_difference=self._sum / self._count,
        )


def by_class(comparison: Comparison) -> list[ClassScore]:
    """Each class that was among the pictures, in the order of the first model's numbers."""
    members: dict[int, list[int]] = {}
    for number, truth in comparison.truths.items():
        members.setdefault(truth, []).append(number)
    return [
        ClassScore(
            label=comparison.labels[truth],
            index=truth,
            images=len(numbers),
            top1=tuple(_share(scored, numbers) for scored in comparison.models),
        )
        for truth, numbers in sorted(members.items())
    ]


def _share(scored: Scored, numbers: list[int]) -> float:
    return sum(n in scored.answers and scored.answers[n].right for n in numbers) / len(numbers)
