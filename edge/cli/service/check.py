"""`edge service check`: whether a camera's file is right, and what it comes to."""

from __future__ import annotations

import click

from edge.errors import ConfigError, one_line
from edge.files import printable
from edge.service.check import Checked, check
from edge.service.places import settings_file


@click.command("check")
@click.argument("file")
def command(file: str) -> None:
    """Check the file of a camera, and say what will run; nothing is opened.

    FILE is a path, or the name of a camera in /etc/edge. Every thing that is wrong is said, with the path of the key.
    """
    path = settings_file(file)
    shown, checked = printable(path), check(path)
    tell(shown, checked)
    click.echo(f"{shown}: good")
    for line in checked.said:
        click.echo(f"  {one_line(line)}")


def tell(shown: str, checked: Checked) -> None:
    """Tell what may surprise. shown: the file. Raises ConfigError where something is wrong, and tells all of it."""
    for note in checked.notes:
        click.echo(f"note: {one_line(note)}", err=True)
    for fault in checked.wrong[:-1]:
        click.echo(f"edge: {shown}: {one_line(fault)}", err=True)
    if checked.wrong:
        raise ConfigError(f"{shown}: {checked.wrong[-1]}")
