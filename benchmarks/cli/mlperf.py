"""`edge-bench mlperf`: MLPerf's LoadGen over the interpreter that a profile names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import cv2
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from edge import profile as profiles
from edge.cli import loaded
from edge.cli.options import say_which
from edge.engine import open_engine
from edge.files import printable

from .. import mlperf
from ..mlperf import Plan, Scenario

SECONDS = 10.0
"""LoadGen's own default."""

NO_SUBMISSION = (
    "This is no official MLPerf submission: LoadGen is the real one, the model, pictures and settings are not those of "
    "its rules."
)

EARLY = "Early Stopping Result:"
"""Heads the lines that tell how the samples bear the percentile; where they do, it is no reason."""


@click.command("mlperf")
@click.argument("profile", default=profiles.AUTO)
@click.option(
    "--scenario", type=click.Choice(mlperf.SCENARIOS), default="SingleStream", show_default=True, help="LoadGen's."
)
@click.option("--model", help="A .tflite file, or the name of a model.  [default: the one that ships]")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of the interpreter.  [default: up to 4]")
@click.option("--duration", type=float, help="At least so many seconds.  [default: 10, where there is no --count]")
@click.option("--count", type=click.IntRange(1, mlperf.MOST_QUERIES), help="At least so many samples.")
@click.option("--data", help="A folder of pictures, a pattern or a labels.csv.  [default: photographs that ship]")
@click.option("--output", default="mlperf_logs", show_default=True, help="The folder for LoadGen's logs.")
def command(
    profile: str,
    scenario: Scenario,
    model: str | None,
    threads: int | None,
    duration: float | None,
    count: int | None,
    data: str | None,
    output: str,
) -> None:
    """Let MLPerf's LoadGen ask the interpreter of PROFILE, and print its result.

    SingleStream: one sample at a time; the result is the 90th percentile of the latency. Offline: all samples at once;
    the result is samples per second. With both --duration and --count, both are reached. Where LoadGen calls the result
    INVALID, the last line says why. It needs the extra mlperf. It is no official MLPerf submission.
    """
    cv2.setNumThreads(1)
    library = mlperf.loadgen()
    plan = Plan(scenario=scenario, duration_s=SECONDS if duration is None and count is None else duration, count=count)
    paths = mlperf.pictures(data)
    mlperf.writable(Path(output))
    chosen = profiles.load(profile)
    engine = open_engine(chosen, model=model, threads=threads)
    loaded()
    say_which(chosen, "edge-bench")
    try:
        with _waiting(plan):
            lines = mlperf.drive(library, engine, paths, plan, Path(output))
    except KeyboardInterrupt:
        click.echo("edge-bench: LoadGen's logs were removed, since they count samples that were not inferred", err=True)
        raise
    finally:
        engine.close()
    threads = getattr(engine.interpreter, "threads", None)
    what = f"{engine.model} on {engine.interpreter.backend}" + (f" ({threads} threads)" if threads else "")
    click.echo(f"LoadGen {mlperf.version()}, {what}, {len(paths)} pictures")
    click.echo("\n".join(lines))
    click.echo(f"{NO_SUBMISSION}\nLogs: {printable(output)} ({', '.join(mlperf.LOGS[:2])})")
    reason = invalid(lines)
    if reason is not None:
        click.echo(f"The result is INVALID: {reason}")


def invalid(lines: Sequence[str]) -> str | None:
    """Why LoadGen calls a result INVALID, by the lines of `mlperf.outcome`; None where it does not."""
    said = [line.strip() for line in lines]
    if "Result is : INVALID" not in said:
        return None
    unmet = [line for line in said if re.search(r"satisfied ?: NO$", line)]
    early = any(line.startswith("Early stopping") for line in unmet)
    end = len(said) if early or EARLY not in said else said.index(EARLY)
    advice = [line.strip("* .") for line in said[:end] if line.startswith("* ")]
    return "; ".join([*unmet, *advice]) or "it does not say"


@contextmanager
def _waiting(plan: Plan) -> Iterator[None]:
    """Show on stderr that it runs, and for how long at least."""
    text = f"LoadGen, {plan.scenario}: at least {plan.least}"
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        click.echo(f"edge-bench: {text}", err=True)
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}; {task.elapsed:.0f} s so far"))
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
        progress.add_task(text, total=None)
        yield
