"""How commands that take long show how far they are: a bar below and lines above it, or lines alone; all on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 15.0
"""Seconds between lines of progress where there is no terminal."""


class Live:
    """A bar that stays at the bottom, and lines above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def watch(self, items: Sequence[Any], title: str) -> Iterator[Any]:
        """Go through ``items`` with a bar."""
        task = self._progress.add_task(title, total=len(items))
        try:
            for item in items:
                yield item
                self._progress.advance(task)
        finally:
            self._progress.remove_task(task)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, highlight=False, markup=False)


class Plain:
    """Lines on stderr: what is said, and now and then how far a long step is. name: of the program, before each."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, name: str = "edge") -> None:
        self._clock = clock
        self._name = name

    def watch(self, items: Sequence[Any], title: str) -> Iterator[Any]:
        """Go through ``items``; long ones tell how far they are."""
        told = self._clock()
        for place, item in enumerate(items):
            if self._clock() - told >= EVERY:
                told = self._clock()
                self.say(f"{title}: {place} of {len(items)}")
            yield item

    def say(self, line: str) -> None:
        """Print a line."""
        click.echo(f"{self._name}: {line}", err=True)


@contextmanager
def shown(console: Console, name: str = "edge") -> Iterator[Live | Plain]:
    """A live display where the console is a terminal, else lines on stderr that begin with the program's `name`."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield Plain(name=name)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Live(progress)
