"""`edge-bench schema`: what a record is, for other programs."""

from __future__ import annotations

import click
import msgspec

from ..record import schema


@click.command("schema")
def command() -> None:
    """Print the JSON schema (draft 2020-12) of what --output writes."""
    click.echo(msgspec.json.format(msgspec.json.encode(schema()), indent=2))
