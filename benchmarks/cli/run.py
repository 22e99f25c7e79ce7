"""`edge-bench run`: measure, save, show."""

from __future__ import annotations

import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
import cv2
import msgspec
from rich.console import Console

from edge import adapters, meter
from edge import profile as profiles
from edge.cli import loaded
from edge.cli.options import say_which
from edge.cli.signals import ENDS, answered
from edge.engine import Engine, requiring
from edge.errors import AdapterError, ConfigError, MeterError
from edge.files import printable
from edge.host import linux
from edge.profile import DeviceProfile
from edge.types import FITS, PowerMeter

from .. import plan as plans
from .. import yardstick
from ..fidelity import fidelity
from ..measure import Check
from ..parts import Bench, Job
from ..plan import Asked
from ..record import Fidelity, Settings
from ..scenarios import SCENARIOS
from ..session import Plan, Session
from ..watch import busy_ns, in_thread
from .shown import Following

log = logging.getLogger("edge")

IDLE_S = 5.0

MOST = 256
"""Threads and cameras, at most."""


def numbers(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Whole numbers, with commas between them."""
    parts = value.split(",") if value else []
    found = tuple(int(part) if part.strip().isdecimal() else 0 for part in parts)
    if not all(1 <= number <= MOST for number in found):
        raise click.BadParameter(f"{value!r}: give whole numbers from 1 to {MOST}, with commas between: 1,2,4")
    return found


def names(ctx: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """Scenarios, with commas between them, or all."""
    found = tuple(SCENARIOS) if value == "all" else tuple(part.strip() for part in value.split(","))
    unknown = [name for name in found if name not in SCENARIOS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(SCENARIOS)}, or all")
    return found


def finite(ctx: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """A number that a run can end by."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number of seconds")
    return value


@click.command("run")
@click.argument("profile", default=profiles.AUTO)
@click.option("--require", metavar="BACKEND", help="Run on this kind of interpreter of the profile, or not at all.")
@click.option("--model", "models", multiple=True, help="A file or a name; may be repeated.  [default: the profile's]")
@click.option("--labels", help="Class names, one a line.  [default: those beside or inside the model]")
@click.option("--fit", type=click.Choice(FITS), help="How a picture is made square.  [default: as the card says]")
@click.option("--scenario", "scenarios", callback=names, default="interpreter,single-stream", show_default=True,
              help=f"With commas between them: {', '.join(SCENARIOS)}; or all.")  # fmt: skip
@click.option("--source", "sources", multiple=True,
              help="Frames, as `edge run` takes them; one for each camera of streams.  "
              "[default: the profile's camera, else sample:]")  # fmt: skip
@click.option("--fps", type=click.FloatRange(0, 1000), default=30.0, show_default=True,
              help="How fast a recording is played as a camera; 0: every frame, as fast as can be.")  # fmt: skip
@click.option("--threads", callback=numbers, help="Of the interpreter, as in 1,2,4.  [default: up to 4]")
@click.option(
    "--streams", callback=numbers, default="1,2,4", show_default=True, help="Cameras of the scenario streams."
)
@click.option(
    "--duration", type=click.FloatRange(0, min_open=True), callback=finite, help="Seconds of each.  [default: 10]"
)
@click.option("--count", type=click.IntRange(1), help="Samples of each; with --duration, whichever is reached first.")
@click.option("--power", default="auto", show_default=True,
              help="auto, none, a kind of meter (hwmon, pmic, rapl), or the CSV of an outside one.")  # fmt: skip
@click.option("--idle", type=click.FloatRange(0, 3600), default=IDLE_S, show_default=True,
              help="Seconds that a meter is read before, with nothing to do.")  # fmt: skip
@click.option("--data", help="Pictures to check the answers on.  [default: those that ship]")
@click.option("--reference", help="The model to check against.  [default: the same, on the processor]")
@click.option("--output", type=click.Path(path_type=Path), help="The record: JSON with every sample; - is stdout.")
@click.option("--strict", is_flag=True, help="Exit 1 unless every result is valid.")
def command(profile: str, require: str | None, power: str, idle: float, output: Path | None, strict: bool,
            data: str | None, reference: str | None, models: tuple[str, ...], **asked: Any) -> int:  # fmt: skip
    """Measure a model as the device profile PROFILE runs it; auto, the default, is the one that fits this machine.

    Each result is saved before it is shown, and Ctrl-C keeps what was measured.
    """
    cv2.setNumThreads(1)
    chosen = requiring(profiles.load(profile), require)
    duration, count = asked.pop("duration"), asked["count"]
    wanted = Asked(
        profile=profile if chosen.because is None else chosen.name,
        require=require,
        models=models,
        duration_s=duration or (None if count else 10.0),
        **asked,
    )
    _writable(output)
    with _each_warning_once(), _measuring(power, chosen) as (bench, outside):
        todo = Plan(
            jobs=plans.jobs(wanted, chosen, bench),
            settings=Settings(
                duration_s=wanted.duration_s,
                count=count,
                source=", ".join(wanted.sources) or None,
                command=["edge-bench", *sys.argv[1:]],
            ),
            profile=chosen,
            profile_text=profiles.text_of(wanted.profile),
            idle_s=idle if bench.meter or outside else 0.0,
            log=outside,
        )
        to_stdout = output == Path("-")
        following = Following(todo.jobs, Console(highlight=False, stderr=to_stdout))
        check = _checker(data, reference, bench)
        say_which(chosen, "edge-bench")
        session = Session(todo, bench, check, following, None if to_stdout else output)
        loaded()
        with closing(following), _stopped_by_signals(bench.stop):
            record = session.run()
    if to_stdout:
        click.echo(msgspec.json.encode(record))
    return _code(session, strict, bench.stop.is_set())


def _writable(output: Path | None) -> None:
    """Raise ConfigError, before anything is measured, where a record could not be written."""
    if output is None or output == Path("-"):
        return
    import tempfile

    name = printable(output)
    if output.exists() and not output.is_file():
        what = "a folder; name a file in it" if output.is_dir() else "a device or a pipe; name a file, or - for stdout"
        raise ConfigError(f"--output {name}: {what}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=".edge-"):
            pass
    except OSError as error:
        raise ConfigError(f"--output {name}: cannot be written: {error.strerror}; name another file") from error


@contextmanager
def _each_warning_once() -> Iterator[None]:
    """A model is opened several times; why it is that one is told at the first."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        before = len(said)
        said.add(record.getMessage())
        return len(said) > before

    log.addFilter(is_new)
    try:
        yield
    finally:
        log.removeFilter(is_new)


@contextmanager
def _measuring(power: str, profile: DeviceProfile) -> Iterator[tuple[Bench, Path | None]]:
    """What measures, with the meter that was asked for, and the file of an outside one."""
    named = power not in ("auto", "none") and (Path(power).is_file() or power.endswith(".csv"))
    outside = Path(power) if named else None
    if outside is not None and not outside.is_file():
        raise ConfigError(f"--power {printable(outside)}: no such file; start the meter's log first")
    found, why = (None, "not asked for") if outside or power == "none" else _meter(power, profile)
    bench = Bench(
        host=linux.Linux(),
        meter=found,
        no_meter=why,
        stop=threading.Event(),
        every=in_thread,
        # What a meter tells is the model's alone only if nothing else runs between its samples.
        yardstick=yardstick.none if found or outside else yardstick.work,
        busy=busy_ns,
    )
    try:
        yield bench, outside
    finally:
        if found is not None:
            found.close()


def _meter(power: str, profile: DeviceProfile) -> tuple[PowerMeter | None, str | None]:
    """The meter, or why there is none. One that was asked for and cannot be read is a MeterError."""
    if power == "auto" and profile.power is None:
        found, reasons = meter.detect()
        return found, None if found else "; ".join(reasons)
    chosen = profile.power if power == "auto" else None
    kind, options = (chosen.kind, chosen.options) if chosen else (power, {})
    try:
        opened: PowerMeter = adapters.open("power", kind, **options)
    except (AdapterError, MeterError) as error:
        if chosen is None:
            raise
        log.warning("power is not measured: %s", error)
        return None, str(error)
    return opened, None


def _checker(data: str | None, reference: str | None, bench: Bench) -> Callable[[Job], Check]:
    """What holds an engine against the processor; the pictures are read now, so that a bad name is told before."""
    frames = plans.pictures(data, bench)

    def check(job: Job) -> Check:
        def against(engine: Engine) -> Fidelity:
            other = plans.reference(job, reference, engine)
            try:
                return fidelity(engine, other, frames)
            finally:
                other.close()

        return against

    return check


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """End the sample in hand and then the run, on Ctrl-C and SIGTERM; a second one ends it at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        for each in ENDS:
            signal.signal(each, signal.default_int_handler)

    with answered(ask):
        yield


def _code(session: Session, strict: bool, stopped: bool) -> int:
    if stopped:
        return 130
    if session.errors:
        return session.errors[0].exit_code
    return int(strict and any(result.verdict != "valid" for result in session.record.results))
