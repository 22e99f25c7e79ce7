"""`edge service schema`: what may stand in a camera's file, for editors."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON schema of a camera's file.

    An editor that knows TOML completes and checks a file by it: write it beside the files with
    `edge service schema > edge.schema.json`, and begin each with the line `#:schema ./edge.schema.json`.
    """
    from edge.settings.schema import schema

    click.echo(json.dumps(schema(), ensure_ascii=False, indent=2))
