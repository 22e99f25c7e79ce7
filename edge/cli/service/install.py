"""`edge service install`: a camera becomes a service of systemd."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge.errors import ConfigError, EdgeError
from edge.files import printable, read_small
from edge.service.install import System, Wanted, install
from edge.service.install.steps import Runner, Step, run_command
from edge.settings import Settings, each, load

BOOTED = Path("/run/systemd/system")
"""There where systemd runs the machine: sd_booted(3)."""


@click.command("install")
@click.argument("camera")
@click.option("--source", help="What it looks at, as `edge run` takes it.  [default: the first camera there is]")
@click.option(
    "--reboot/--no-reboot",
    default=None,
    help="Start the board anew where the service does not stay, as the last resort.  [default: as it is; at first, no]",
)
@click.option(
    "--environment",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The Python environment that it runs from.  [default: the one of this command]",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default="/",
    help="Install into the system in this folder, such as a mounted SD card.",
)
def command(
    camera: str, source: str | None, reboot: bool | None, environment: Path | None, dry_run: bool, root: Path
) -> None:
    """Install CAMERA, a name or the TOML file of one, as the service edge@CAMERA, and start it.

    The service runs from the environment that this command is in, as the user "edge", by the settings in
    /etc/edge/CAMERA.toml, which are written where there are none, and left alone where there are. Run it again after
    an update of edgekit, or to move to another environment: it does what is missing, and nothing else. `edge service
    uninstall` takes all of it away.
    """
    from edge.service.install.environment import on, this_one

    system, run = System(root.resolve()), run_command
    may(dry_run, system, os.geteuid())
    wanted = Wanted(*_settings(camera, source, reboot, system), reboot)
    try:
        place = this_one() if environment is None else on(system.root, environment)
    except PermissionError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}, to see whether it serves; use sudo") from error
    steps = install(wanted, place, system, run)
    carry_out(steps, dry_run, run)
    for folder in place.shown:
        click.echo(f"note: {folder} is in a home, where the service sees nothing else; it stops without that folder")
    if not steps:
        click.echo(f"{wanted.name}: installed already, and as it should be")
    elif not dry_run and system.running:
        click.echo(f"{wanted.name}: `edge service status {wanted.name}` tells how it fares")


def may(dry_run: bool, system: System, user: int, booted: Path = BOOTED) -> None:
    """See that this can be done here. user: who asks, by number. Raises ConfigError."""
    if dry_run or not system.running:
        return
    if user != 0:
        raise ConfigError("only root may change the services of a machine; put `sudo` and the full path before it")
    if not booted.is_dir():
        raise ConfigError("systemd does not run here; --dry-run shows what would be done, --root installs elsewhere")


def carry_out(steps: list[Step], dry_run: bool, run: Runner) -> None:
    """Tell each step, and do it. Raises EdgeError: the step that was told last failed."""
    for number, step in enumerate(steps):
        click.echo(f"would {step.words}" if dry_run else step.words)
        try:
            if not dry_run:
                step.do(run)
        except OSError as error:
            raise EdgeError(
                f"{number} of {len(steps)} steps were done, then: {error}; mend that and run it again, or undo it with "
                "`edge service uninstall`"
            ) from error


def _settings(camera: str, source: str | None, reboot: bool | None, system: System) -> tuple[str, str]:
    """The name of a camera and the text of its settings, checked for where they will lie.

    Raises ConfigError and OSError.
    """
    from edge.service.install.plan import example
    from edge.service.install.system import named
    from edge.source import recorded

    file = Path(camera)
    in_file = file.suffix == ".toml" or len(file.parts) > 1
    name = named(file.stem if in_file else camera)
    there = system.settings(name)
    if in_file and source is not None:
        raise ConfigError("--source stands in the file of a camera already; leave one of the two out")
    if there.exists() and source is not None:
        raise ConfigError(f"{there} is there already, and is left alone; write the source into it")
    if in_file:
        load(file)
        text = read_small(file).decode()
    else:
        text = "" if there.exists() else example(source or _found(system))
    settings = _checked(there, None if there.exists() else text.encode(), system)
    if reboot and not settings.repeat and any(one.source and recorded(one.source) for one in each(settings)):
        raise ConfigError(f"{there}: --reboot would have the board started anew by a recording; set `repeat = true`")
    return name, text or there.read_text()


def _checked(there: Path, text: bytes | None, system: System) -> Settings:
    """Settings that are right, as the service will have them. Raises ConfigError."""
    from edge.cli.service.check import tell
    from edge.service.check import check

    if system.running:  # what another system has cannot be told from here
        tell(printable(there), check(there, text))
    return load(there, text)


def _found(system: System) -> str:
    from edge import source as sources

    found = sources.default() if system.running else "sample:"
    if found == "sample:":
        raise ConfigError("no camera was found to look through; plug one in, or say which with --source")
    return found
