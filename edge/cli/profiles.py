"""`edge profiles`: the devices that are described."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec
from rich.console import Console
from rich.table import Table

from edge import boards, models, profile
from edge.adapters import Adapter, takes
from edge.errors import ModelError, one_line
from edge.models import graph
from edge.profile import DeviceProfile


@click.group("profiles")
def command() -> None:
    """List, show and check device profiles."""


@command.command("list")
def list_profiles() -> None:
    """List the profiles that ship, and which of them `auto` takes here."""
    choice = boards.recognise()
    table = Table("name", "interpreters", "description", box=None)
    for name in profile.shipped():
        loaded = profile.load(name)
        mark = " (auto)" if name == choice.profile else ""
        table.add_row(name + mark, ", ".join(adapter.kind for adapter in loaded.interpreters), loaded.description)
    Console().print(table)
    click.echo(f"edge: auto takes {choice.profile} ({choice.because})", err=True)


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Print the text of a profile, to begin one of your own with: by name, by path, or auto."""
    text = profile.text_of(name)
    if name == profile.AUTO:
        choice = profile.load(name)
        click.echo(f"edge: profile {choice.name} ({choice.because})", err=True)
    click.echo(text, nl=False)


@command.command("check")
@click.argument("file")
def check(file: str) -> None:
    """Check a profile of your own, and say what will be tried, in order; nothing is opened."""
    loaded = profile.load(file)
    reasons = [_why_not(loaded, adapter) for adapter in loaded.interpreters]
    but = ", but no interpreter of it can run as it stands" if all(reasons) else ""
    here = f"; it is {loaded.name} here ({loaded.because})" if loaded.because else ""
    click.echo(one_line(f"{file}: good{but}{here}"))
    for line in _said(loaded):
        click.echo(f"  {one_line(line)}")
    for note in dict.fromkeys(reason for reason in reasons if reason):
        click.echo(f"note: {one_line(note)}", err=True)


def _said(loaded: DeviceProfile) -> Iterator[str]:
    """What will be tried, in order."""
    for number, adapter in enumerate(loaded.cameras, 1):
        yield f"camera {number}: {adapter.kind}{_options(adapter)}"
    if not loaded.cameras:
        yield "camera: the first there is"
    for number, adapter in enumerate(loaded.interpreters, 1):
        threads = loaded.threads if takes("interpreters", adapter.kind, "threads") else None
        options = {"threads": threads, **adapter.options} if threads else adapter.options
        told = _options(Adapter(adapter.kind, options))
        yield f"interpreter {number}: {adapter.kind}{told}, {_model(loaded, adapter)}"
    power = loaded.power
    yield f"power: {power.kind}{_options(power)}" if power else "power: the first meter that gives a reading"


def _options(adapter: Adapter) -> str:
    """As they are written in TOML."""
    told = ", ".join(f"{name} = {msgspec.json.encode(value).decode()}" for name, value in adapter.options.items())
    return f" ({told})" if told else ""


def _model(loaded: DeviceProfile, adapter: Adapter) -> str:
    name = adapter.model or loaded.model
    return f"model {name}" if name else f"model {models.DEFAULT} (the default)"


def _why_not(loaded: DeviceProfile, adapter: Adapter) -> str | None:
    """Why an interpreter does not run with its model as it is: it may be fetched, or made, before the profile runs."""
    name = adapter.model or loaded.model or models.DEFAULT
    try:
        model = models.find(name)
        if adapter.kind == "edgetpu" and not graph.compiled_for_edgetpu(model.read_bytes()):
            return f"model {name}: not compiled for the Edge TPU; give {adapter.kind} one that is"
    except (ModelError, OSError) as error:
        return str(error)
    return None
