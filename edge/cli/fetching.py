"""How a pull tells on stderr what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from edge.errors import one_line
from edge.models.store import Report

STEPS = 4
"""Lines that tell of a file's progress where there is no terminal."""


@contextmanager
def report() -> Iterator[Report]:
    """A bar on a terminal, else some lines."""
    if not sys.stderr or not sys.stderr.isatty():
        yield Report(lambda line: click.echo(f"edge: {one_line(line)}", err=True), _lines(range(1, STEPS)))
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        tasks: dict[str, Any] = {}

        def progress(name: str, so_far: int, size: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=size, completed=so_far)
            bar.update(tasks[name], completed=so_far)

        yield Report(lambda line: console.print(f"edge: {one_line(line)}", markup=False, soft_wrap=True), progress)


def _lines(steps: Iterable[int]) -> Callable[[str, int, int], None]:
    """A line for each quarter of a file that has arrived."""
    left: dict[str, list[int]] = {}

    def progress(name: str, so_far: int, size: int) -> None:
        ahead = left.setdefault(name, list(steps))
        passed = [step for step in ahead if so_far * STEPS >= step * size]
        if passed and so_far < size:
            click.echo(f"edge: {name}: {so_far / size:.0%} of {size:,} bytes", err=True)
        left[name] = [step for step in ahead if step not in passed]

    return progress
