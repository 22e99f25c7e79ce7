"""`edge-bench power`: what an outside meter logged, added to a record."""

from __future__ import annotations

import math
from pathlib import Path

import click
import msgspec

from edge.errors import MeterError
from edge.files import printable
from edge.host import Facts

from .. import energy
from ..record import PowerUse, Record, Result, read, save
from ..verdict import judged

YARDSTICK = "and joules an inference include the yardstick, a tenth at most (`--power LOG.csv` measures without it)"


@click.command("power")
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--csv", "log", required=True, type=click.Path(path_type=Path), help="What the meter wrote.")
@click.option("--offset", default=0.0, show_default=True, help="Seconds to add to the times of the log.")
@click.option("--output", type=click.Path(path_type=Path), help="The record with watts.  [default: the same file]")
def command(record: Path, log: Path, offset: float, output: Path | None) -> None:
    """Add what an outside meter logged to each result of RECORD, in place of what a meter of the board told.

    The log is a CSV with headings: a time (Unix seconds or milliseconds, or ISO 8601; without a zone it is of this
    machine's) and watts, or volts and amps. Its times are matched by the wall clock. Results are judged anew. The
    record stays as it is where the log does not cover one of its results.
    """
    if not math.isfinite(offset):
        raise click.BadParameter(f"--offset {offset}: give a number of seconds.")
    if output is not None and output.resolve() == log.resolve():
        raise click.UsageError(f"--output {printable(output)}: that is the log; name another file.")
    known = read(record)
    found = msgspec.structs.replace(known, results=[_with(result, known.host, log, offset) for result in known.results])
    save(found, output or record)
    for line in lines(found):
        click.echo(line)
    click.echo(f"written: {printable(output or record)}")


def _with(result: Result, host: Facts, log: Path, offset: float) -> Result:
    if not result.latency_ms.samples:
        return result
    try:
        use = energy.from_csv(log, result.idle, energy.window_of(result), len(result.latency_ms.samples), offset)
    except MeterError as error:
        raise MeterError(f"{_named(result)}: {error}") from error
    if result.yardstick is not None:
        use = msgspec.structs.replace(use, misses=f"{use.misses}; {YARDSTICK}")
    return judged(msgspec.structs.replace(result, power=use, power_not_measured=None), host)


def lines(record: Record) -> list[str]:
    """One line a result: what it drew."""
    return [f"{_named(result)}: {_words(result.power)}" for result in record.results if result.power]


def _named(result: Result) -> str:
    threads = f", {result.threads} threads" if result.threads else ""
    return f"{result.scenario}, {result.model}{threads}"


def _words(use: PowerUse) -> str:
    figures = (
        (use.watts, 1, "W"),
        (use.idle_watts, 1, "W idle"),
        (use.joules_per_inference, 1e3, "mJ an inference"),
        (use.joules_per_inference_net, 1e3, "mJ of it beyond idling"),
    )
    return ", ".join(f"{value * scale:.3g} {unit}" for value, scale, unit in figures if value is not None)
