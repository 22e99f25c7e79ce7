"""How the scores of models are shown: tables for eyes, plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.evaluate import ClassScore, Comparison, Labelled, Scored
from edge.files import printable

LOW = 0.5
"""A class of which less is right stands out."""

MOST_NAMED = 5
"""Classes that are named as the worst."""


def as_json(comparison: Comparison, files: Sequence[Path], classes: list[ClassScore]) -> dict[str, Any]:
    """The keys of the first model's score, and `models`, `against` and `classes`."""
    plain = msgspec.to_builtins
    models = [
        {
            "model": scored.model,
            "file": printable(file),
            "backend": scored.backend,
            **({"instead_of": scored.instead_of} if scored.instead_of else {}),
            **plain(scored.score),
        }
        for scored, file in zip(comparison.models, files, strict=True)
    ]
    first = plain(comparison.models[0].score)
    return {**first, "models": models, "against": plain(comparison.against), "classes": plain(classes)}


def as_rows(comparison: Comparison, pictures: Sequence[Labelled]) -> list[dict[str, Any]]:
    """One object a picture: its file, its class as the first model calls it, and each model's answer, None without."""
    return [
        {
            "file": printable(pictures[number].path),
            "truth": comparison.labels[truth],
            "answers": [msgspec.to_builtins(scored.answers.get(number)) for scored in comparison.models],
        }
        for number, truth in comparison.truths.items()
    ]


def in_words(scored: Scored) -> str:
    """The score of one model, in a line."""
    score = scored.score
    skipped = f", {score.skipped} skipped" if score.skipped else ""
    return (
        f"{scored.model} on {scored.backend}: top-1 {score.top1:.1%}, top-5 {score.top5:.1%} of "
        f"{_images(score.images)}{skipped}, {score.ms_per_image:.2f} ms an image{_because(scored)}"
    )


def _because(scored: Scored) -> str:
    """Why nothing that the profile prefers ran it."""
    return f"; {scored.backend} because {'; '.join(scored.instead_of)}" if scored.instead_of else ""


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def print_models(console: Console, comparison: Comparison, files: Sequence[Path]) -> None:
    """A row a model, and how far each is from the first."""
    table = _table("", "model", "top-1", "top-5", "ms", "agrees", "largest", "mean")
    gaps = (
        ["", "", ""],
        *(
            [f"{gap.agreement:.1%}", f"{gap.largest_difference:.2g}", f"{gap.mean_difference:.2g}"]
            for gap in comparison.against
        ),
    )
    for number, (scored, file, gap) in enumerate(zip(comparison.models, files, gaps, strict=True), 1):
        score = scored.score
        shares = f"{score.top1:.1%}", f"{score.top5:.1%}", f"{score.ms_per_image:.2f}"
        table.add_row(str(number), Text(f"{printable(file.name)}\non {scored.backend}"), *shares, *gap)
    console.print(table)
    first = comparison.models[0].score
    skipped = f", {first.skipped} skipped" if first.skipped else ""
    console.print(f"{_images(first.images)}{skipped}. Agreement and score differences are with model 1.")
    for number, scored in enumerate(comparison.models, 1):
        if scored.instead_of:
            console.print(Text(f"Model {number}{_because(scored)}"))


def print_classes(console: Console, classes: list[ClassScore]) -> None:
    """A row a class, and below it the classes that the first model knows least."""
    models = len(classes[0].top1)
    table = _table("class", "images", *(["top-1"] if models == 1 else [f"model {n + 1}" for n in range(models)]))
    for each in classes:
        shares = [Text(f"{share:.0%}", style="red" if share < LOW else "") for share in each.top1]
        table.add_row(Text(each.label, style=shares[0].style), str(each.images), *shares)
    console.print(table)
    worst = sorted(classes, key=lambda each: (each.top1[0], -each.images))[:MOST_NAMED]
    named = ", ".join(f"{each.label} {each.top1[0]:.0%} of {each.images}" for each in worst if each.top1[0] < 1)
    console.print(Text(f"Worst: {named}." if named else "All are right."))


def print_pictures(console: Console, rows: list[dict[str, Any]]) -> None:
    """A row for each picture that a model got wrong, with what each said."""
    wrong = [row for row in rows if not all(answer and answer["right"] for answer in row["answers"])]
    if not wrong:
        console.print("All models are right on all pictures.")
        return
    numbers = [f"model {n + 1}" for n in range(len(wrong[0]["answers"]))]
    table = _table("picture", "class", *numbers, right=())
    for row in wrong:
        table.add_row(Text(Path(row["file"]).name), Text(row["truth"]), *map(_answer, row["answers"]))
    console.print(table)


def _answer(answer: dict[str, Any] | None) -> Text:
    if answer is None or answer["label"] is None:
        return Text("no answer", style="red")
    return Text(f"{answer['label']} {answer['score']:.2f}", style="" if answer["right"] else "red")


WORDS = ("model", "class")


def _table(*columns: str, right: tuple[str, ...] | None = None) -> Table:
    """Columns of numbers stand to the right, those of words fold where there is no room for them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        words = column in WORDS if right is None else True
        table.add_column(column, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return table
