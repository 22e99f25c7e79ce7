"""What a fine-tune came to, for people: a page of text, and the confusion matrix as a picture.

The only file that imports matplotlib.
"""

from __future__ import annotations

import io
import platform
import shlex
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.evaluate import TOP, Comparison, Scored
from edge.files import printable, write_whole

from .begin import Made, Options, Start, versions
from .data import Data

Counts = NDArray[np.int64]

WRITTEN = 20
"""Classes up to which a matrix is written in full; of more, the commonest confusions are."""

NAMED = 150
"""Classes up to which the axes of the picture carry their names; beyond, their numbers."""


class Told(NamedTuple):
    """All that the report tells. times: seconds a phase, over all starts."""

    options: Options
    data: Data
    begin: Start
    made: Made
    comparison: Comparison
    times: dict[str, float]


def command(options: Options) -> str:
    """The command that makes the model again; folders by their last name alone."""
    parts: list[object] = [
        "edge",
        "finetune",
        printable(options.data.resolve().name),
        "-o",
        printable(options.out.name),
    ]
    given = {
        name: value for name, value in msgspec.structs.asdict(options).items() if name not in ("data", "out", "fresh")
    }
    for name, value in given.items():
        if value is not None and value != getattr(DEFAULTS, name):
            parts += [f"--{name.replace('_', '-')}", value.name if isinstance(value, Path) else value]
    return shlex.join(map(str, parts))


DEFAULTS = Options(data=Path(), out=Path())


def confusion(comparison: Comparison, scored: Scored) -> Counts:
    """(classes, classes) counts: row, what a picture shows; column, what the model said."""
    size = len(comparison.labels)
    matrix = np.zeros((size, size), np.int64)
    for number, truth in comparison.truths.items():
        said = scored.answers[number].index if number in scored.answers else None
        if said is not None:
            matrix[truth, said] += 1
    return matrix


def text(told: Told, model: str) -> str:
    """The report, as Markdown. model: the name of the model's file."""
    matrix = confusion(told.comparison, told.comparison.models[0])
    parts = [
        f"# {told.made.checkpoint.name}",
        _run_it(model),
        "## Accuracy\n\n" + _accuracy(told),
        "## Classes\n\n" + _classes(matrix, told),
        "## Confusion\n\n" + matrix_text(matrix, told.data.labels),
        "## Pictures\n\n" + _pictures(told),
        "## Training\n\n" + _training(told),
    ]
    return "\n\n".join(parts) + "\n"


def _run_it(model: str) -> str:
    return f"```sh\nedge run --model {shlex.quote(model)} SOURCE\n```"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _accuracy(told: Told) -> str:
    comparison, several = told.comparison, len(told.data.labels) > TOP
    names = ("int8", "float", "float, head alone")
    head = ["", "top-1", *(["top-5"] if several else []), "ms a picture"]
    rows = [
        [name, f"{s.score.top1:.1%}", *([f"{s.score.top5:.1%}"] if several else []), f"{s.score.ms_per_image:.1f}"]
        for name, s in zip(names, comparison.models, strict=False)
    ]
    int8, real, gap = comparison.models[0].score, comparison.models[1].score, comparison.against[0]
    return (
        f"On {int8.images} pictures that were never trained on ({told.data.held_out}).\n\n{_table(head, rows)}\n\n"
        f"Quantisation: {100 * (int8.top1 - real.top1):+.1f} points of top-1; the int8 model and the float network say "
        f"the same of {gap.agreement:.1%} of the pictures; their probabilities differ by at most "
        f"{gap.largest_difference:.3f}, on average (of each picture's largest) by {gap.mean_difference:.3f}."
    )


def _classes(matrix: Counts, told: Told) -> str:
    real = confusion(told.comparison, told.comparison.models[1])
    rows = []
    for place, label in enumerate(told.data.labels):
        right, said, shown = matrix[place, place], matrix[:, place].sum(), matrix[place].sum()
        found, trained = _share(right, shown), sum(picture.label == place for picture in told.data.train)
        rows.append([label, trained, shown, found, _share(right, said), _share(real[place, place], real[place].sum())])
    head = [
        "class",
        "trained on",
        "scored on",
        "found (recall)",
        "right when said (precision)",
        "found by the float one",
    ]
    return _table(head, rows)


def _share(part: Any, whole: Any) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def matrix_text(matrix: Counts, labels: Sequence[str]) -> str:
    """A (classes, classes) confusion matrix as text; of more than ``WRITTEN`` classes, what is confused most."""
    if len(labels) > WRITTEN:
        pairs = Counter({(t, s): int(matrix[t, s]) for t, s in np.argwhere(matrix) if t != s}).most_common(WRITTEN)
        rows = [[labels[truth], labels[said], count] for (truth, said), count in pairs]
        return f"The commonest, of {len(labels)} classes:\n\n" + _table(["shows", "said to be", "pictures"], rows)
    width = max(len(label) for label in labels)
    cells = max(width, len(str(matrix.max())))
    lines = [" " * width + "  " + "  ".join(f"{label:>{cells}}" for label in labels)]
    lines += [
        f"{label:<{width}}  " + "  ".join(f"{count:>{cells}}" for count in row)
        for label, row in zip(labels, matrix, strict=True)
    ]
    return "Rows: what a picture shows. Columns: what the int8 model says.\n\n```text\n" + "\n".join(lines) + "\n```"


def _pictures(told: Told) -> str:
    data = told.data
    counts = f"- {len(data.train)} to train with, {len(data.val)} to stop by, {len(data.test)} to score with"
    return "\n".join([counts, *(f"- {note}" for note in data.notes)])


def _training(told: Told) -> str:
    made, begin = told.made, told.begin
    what = "random numbers" if not begin.learnt else begin.checkpoint.source or "the weights that were given"
    best = "the head alone was best" if made.best_epoch == 0 else f"epoch {made.best_epoch} was best"
    lines = [
        f"- made by `{command(told.options)}`",
        f"- from {what}; width {begin.checkpoint.width}, {begin.checkpoint.size} x {begin.checkpoint.size} pixels, "
        f"fit {begin.checkpoint.fit}; the last {begin.blocks} blocks trained, seed {told.options.seed}",
        f"- {made.ended}; {best}" if begin.blocks else f"- {made.ended}",
        f"- on the pictures to stop by: {made.tuned.accuracy:.1%} right, loss {made.tuned.loss:.3f}"
        + (f"; the head alone: {made.head.accuracy:.1%}, loss {made.head.loss:.3f}" if made.head else ""),
        "- seconds: " + ", ".join(f"{phase} {seconds:.0f}" for phase, seconds in told.times.items()),
        f"- {platform.machine()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {number}" for name, number in versions().items()),
    ]
    return "\n".join(lines)


def picture(comparison: Comparison, path: Path) -> None:
    """Draw the confusion matrix of the first model, each row as shares of its class, and write it as PNG.

    Raises:
        OSError: the disk is full.
    """
    from matplotlib.figure import Figure

    labels, matrix = comparison.labels, confusion(comparison, comparison.models[0])
    size = len(labels)
    side = min(4.0 + 0.32 * size, 20.0)
    figure = Figure(figsize=(side, side * 0.9), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the class", shrink=0.8)
    font = float(np.clip(650 / size, 6.5, 11))
    if size <= NAMED:
        named = [label if len(label) <= 24 else f"{label[:23]}…" for label in labels]
        axes.set_xticks(range(size), named, rotation=0 if size <= 4 else 90, fontsize=font, parse_math=False)
        axes.set_yticks(range(size), named, fontsize=font, parse_math=False)
    axes.set(xlabel="said by the int8 model", ylabel="shown in the picture")
    if size <= WRITTEN:
        for (row, column), count in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=font)
    score = comparison.models[0].score
    axes.set_title(f"{score.top1:.1%} of {score.images} pictures right")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scripts that matplotlib's own font lacks; the report has them as text
        figure.savefig(file, format="png")
    write_whole(path, file.getvalue())
