"""How far a build is: a bar on a terminal, and lines on standard error where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

import msgspec

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY_S = 15.0
"""Seconds between two lines."""


class Step(msgspec.Struct, frozen=True, tag=True):
    """What the builder does now; `of` is 0 where it does not tell how many steps that has."""

    phase: str
    done: int
    of: int


class Shown(Protocol):
    """Takes what the builder says."""

    def __call__(self, step: Step) -> None:
        """Show a step."""
        ...

    def still(self) -> None:
        """Nothing was said for a while; show that it still works."""
        ...


class Lines:
    """A line now and then."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._began = clock()
        self._next = self._began
        self._step = Step("starts", 0, 0)

    def __call__(self, step: Step) -> None:
        """Take a step, and print it where it is time."""
        self._step = step
        self.still()

    def still(self) -> None:
        """Print where it is time."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY_S
        far = f", {self._step.done} of {self._step.of}" if self._step.of else ""
        print(
            f"edge: TensorRT builds the engine ({now - self._began:.0f} s): {self._step.phase}{far}",
            file=self._out,
            flush=True,
        )


class Told:
    """Shows it as another does, and tells of it in words, as a sign of life."""

    def __init__(self, shows: Shown, told: Callable[[str], None]) -> None:
        self._shows = shows
        self._told = told
        self._words = "TensorRT builds the engine"

    def __call__(self, step: Step) -> None:
        """Take a step."""
        far = f", {step.done} of {step.of}" if step.of else ""
        self._words = f"TensorRT builds the engine: {step.phase}{far}"
        self._told(self._words)
        self._shows(step)

    def still(self) -> None:
        """Tell that it still does what was told last."""
        self._told(self._words)
        self._shows.still()


@contextmanager
def shown() -> Iterator[Shown]:
    """A bar where standard error is a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Lines(sys.stderr)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("TensorRT builds: {task.description:.48}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress, progress.add_task("starts", total=None))


class Bar:
    """One bar of rich's, for the phase that runs."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def __call__(self, step: Step) -> None:
        """Show a step."""
        self._progress.update(self._task, description=step.phase, completed=step.done, total=step.of or None)

    def still(self) -> None:
        """Nothing: the bar moves by itself."""
