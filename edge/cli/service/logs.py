"""`edge service logs`: what a camera's service said, out of systemd's journal."""

from __future__ import annotations

import os

import click

from edge.errors import EdgeError
from edge.service.install.system import System


@click.command("logs")
@click.argument("cameras", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on with what it says from now on.")
@click.option("-n", "--lines", type=click.IntRange(0), default=100, show_default=True, help="The newest, at most.")
@click.option("--since", help="From then on, as journalctl takes it: '1 hour ago', '2026-01-31 08:00'.")
def command(cameras: tuple[str, ...], follow: bool, lines: int, since: str | None) -> None:
    """Show the log of CAMERAS, or of all of this machine."""
    there = System().cameras()
    for name in [each for each in cameras if each not in there]:
        click.echo(f"note: no camera {name} is installed here; there are {', '.join(there) or 'none'}", err=True)
    if not there and not cameras:
        click.echo("note: no camera is installed here; `sudo edge service install NAME` does it", err=True)
    line = asked(cameras, follow, lines, since)
    try:
        os.execvp(line[0], line)
    except OSError as error:
        raise EdgeError(f"journalctl cannot be run: {error.strerror}; is systemd what runs this machine?") from error


def asked(cameras: tuple[str, ...], follow: bool, lines: int, since: str | None) -> list[str]:
    """The command line of journalctl."""
    units = [f"--unit=edge@{name}.service" for name in cameras or ("*",)]
    options = [f"--lines={lines}", *(["--follow"] if follow else []), *([f"--since={since}"] if since else [])]
    return ["journalctl", "--output=short-iso", *([] if follow else ["--no-pager"]), *options, *units]
