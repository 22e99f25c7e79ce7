"""`edge profiles`: the devices that are described."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from edge import profile
from edge.errors import ConfigError


@click.group("profiles")
def command() -> None:
    """List, show and check device profiles."""


@command.command("list")
def list_profiles() -> None:
    """List the profiles that ship."""
    table = Table("name", "interpreters", "description", box=None)
    for name in profile.shipped():
        loaded = profile.load(name)
        table.add_row(name, ", ".join(adapter.kind for adapter in loaded.interpreters), loaded.description)
    Console().print(table)


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Print the text of a profile that ships, to begin one of your own with."""
    known = profile.shipped()
    if name not in known:
        raise ConfigError(f"profile {name}: none of that name ships; there are: {', '.join(known)}")
    click.echo(known[name].read_text(), nl=False)


@command.command("check")
@click.argument("file")
def check(file: str) -> None:
    """Check a profile of your own; nothing is opened."""
    loaded = profile.load(file)
    click.echo(f"{file}: good; runs {', '.join(adapter.kind for adapter in loaded.interpreters)}")
