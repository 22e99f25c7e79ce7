"""`edge service uninstall`: what `install` did is undone."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge.cli.service.install import carry_out, may
from edge.errors import ConfigError
from edge.service.install import System, uninstall
from edge.service.install.steps import run_command


@click.command("uninstall")
@click.argument("cameras", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All cameras of this machine.")
@click.option("--purge", is_flag=True, help="Also what is yours: settings, secrets, events and pictures.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default="/",
    help="Of the system in this folder.",
)
def command(cameras: tuple[str, ...], every: bool, purge: bool, dry_run: bool, root: Path) -> None:
    """Stop and remove the services of CAMERAS; with the last one goes all that came with it.

    Settings that you changed, secrets, events and pictures stay, and with them their user, but for --purge.
    """
    system = System(root.resolve())
    every_one = sorted({*system.cameras(), *(system.left() if purge else ())})
    names = every_one if every else list(dict.fromkeys(cameras))
    if bool(cameras) == every:
        told = ", ".join(system.cameras()) or "none"
        raise ConfigError(f"say which cameras, or --all; installed here: {told}")
    may(dry_run, system, os.geteuid())
    steps = uninstall(names, system, purge)
    carry_out(steps, dry_run, run_command)
    if not steps:
        click.echo("nothing is installed here")
