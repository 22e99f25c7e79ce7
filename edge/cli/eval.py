"""`edge eval`: score a model on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import cv2
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge import evaluate
from edge import profile as profiles
from edge.cli import loaded
from edge.cli.options import model_options
from edge.engine import open_engine


@click.command("eval")
@click.option("--data", required=True, help="A labels.csv (file,class_index,…) or a folder of class folders.")
@model_options
@click.option("--limit", type=click.IntRange(1), help="Score only the first so many pictures.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else.")
def command(data: str, profile: str, limit: int | None, as_json: bool, **engine: Any) -> None:
    """Score a model: top-1 and top-5 accuracy, and milliseconds an image from decoded picture to answer."""
    cv2.setNumThreads(1)
    pictures = evaluate.read(Path(data))
    opened = open_engine(profiles.load(profile), top_k=evaluate.TOP, **engine)
    loaded()
    try:
        with _progress(opened.model, len(pictures[:limit])) as advance:
            score = evaluate.score(opened, pictures, advance, limit)
    finally:
        opened.close()
    click.echo(msgspec.json.encode(score) if as_json else _words(score, opened.model, opened.interpreter.backend))


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def _words(score: evaluate.Score, model: str, backend: str) -> str:
    skipped = f", {score.skipped} skipped" if score.skipped else ""
    return (
        f"{model} on {backend}: top-1 {score.top1:.1%}, top-5 {score.top5:.1%} of {score.images} images{skipped}, "
        f"{score.ms_per_image:.2f} ms an image"
    )
