"""`edge profiles`: the devices that are described."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.console import Console
from rich.table import Table

from edge import boards, models, profile
from edge.adapters import Adapter, takes
from edge.errors import ModelError
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
    click.echo(f"{file}: good" + (f"; it is {loaded.name} here ({loaded.because})" if loaded.because else ""))
    for line in _said(loaded):
        click.echo(f"  {line}")
    for note in _notes(loaded):
        click.echo(f"note: {note}", err=True)


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
    told = ", ".join(f"{name} = {_value(value)}" for name, value in adapter.options.items())
    return f" ({told})" if told else ""


def _value(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _model(loaded: DeviceProfile, adapter: Adapter) -> str:
    name = adapter.model or loaded.model
    return f"model {name}" if name else f"model {models.DEFAULT} (the default)"


def _notes(loaded: DeviceProfile) -> Iterator[str]:
    """Of models that are not here: they may be fetched, or made, before the profile runs."""
    named = (adapter.model or loaded.model for adapter in loaded.interpreters)
    for name in dict.fromkeys(name for name in named if name):
        try:
            models.find(name)
        except ModelError as error:
            yield str(error)
