"""How a run is followed: a bar with the time left on a terminal, else a line for each job; results as they come."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from edge.errors import EdgeError

from .. import measure
from ..parts import Job
from ..record import Record, Result
from ..report.text import show


def title(job: Job) -> str:
    """What a job is called."""
    threads = f", {_many(job.threads, 'thread')}" if job.threads else ""
    streams = f", {_many(job.streams, 'camera')}" if job.scenario == "streams" else ""
    return f"{job.scenario}, {job.model.name:.40}{threads}{streams}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


class Following:
    """Shows how far a run is, and each result when it is there."""

    def __init__(self, jobs: list[Job], console: Console) -> None:
        self._jobs = jobs
        self._console = console
        self._bar: Progress | None = None
        self._said: set[int] = set()
        self._terminal = Console(stderr=True)

    def progress(self, job: Job) -> measure.Progress:
        """Who is told how far a job is."""
        number = next(place for place, each in enumerate(self._jobs) if each is job)
        if not self._terminal.is_terminal or self._terminal.is_dumb_terminal:
            return lambda what, share: self._say(number, what)
        return lambda what, share: self._move(number, what, share)

    def _say(self, number: int, what: str) -> None:
        if number not in self._said and what != "idle":
            self._said.add(number)
            click.echo(f"edge-bench: {number + 1} of {len(self._jobs)}: {title(self._jobs[number])}", err=True)

    def _move(self, number: int, what: str, share: float) -> None:
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._terminal, transient=True, auto_refresh=False)
            self._bar.add_task("", total=len(self._jobs))
            self._bar.start()
        job = self._jobs[number]
        described = title(job) if what == job.scenario else f"{title(job)}: {what}"
        done = number + (min(share, 1.0) if what == job.scenario else float(what == "check answers"))
        self._bar.update(self._bar.task_ids[0], completed=done, description=described, refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def result(self, result: Result, record: Record) -> None:
        """Print a result."""
        self.close()
        show(result, record.host, self._console)

    def error(self, job: Job, error: EdgeError) -> None:
        """Say what ended a job."""
        self.close()
        click.echo(f"edge-bench: {title(job)}: {error}", err=True)
