"""`edge service token`: who may see a camera's page from other machines."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from edge.errors import ConfigError, EdgeError
from edge.files import printable, write_whole
from edge.service.install.steps import Run, run_command
from edge.service.install.system import System, named
from edge.settings import Web, load


class Door(NamedTuple):
    """What a token is for. file: for what is kept of it. settings: the file of its camera; None: of none. camera: of
    that name, to which systemd passes it; None: of none."""

    file: Path
    settings: Path | None = None
    camera: str | None = None


@click.command("token")
@click.argument("camera", required=False)
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), help="Write what is kept of it there, for no camera."
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default="/",
    help="Of the system in this folder, such as a mounted SD card.",
)
def command(camera: str | None, file: Path | None, root: Path) -> None:
    """Make a token for the page of CAMERA, and show it, this once; the one before opens nothing any more.

    CAMERA is a name, by which the token reaches the service as a credential of systemd's, or the TOML file of one, for
    which its `token_file` is written. Without it: the one camera that is installed here. What is kept is a hash of the
    token (scrypt), in a file that only its owner reads.

    The token alone goes to stdout.
    """
    from edge.web.token import make

    system = System(root.resolve())
    door = _door(camera, file, system)
    token, kept = make()
    try:
        write_whole(door.file, f"{kept.line}\n".encode(), 0o600)
    except OSError as error:
        raise EdgeError(
            f"{printable(door.file)}: {error.strerror}; put `sudo` before it, or name another place with --file"
        ) from error
    click.echo(f"wrote {printable(door.file)}; the token itself is shown this once:", err=True)
    click.echo(token)
    _tell(door, token, system)


def _door(camera: str | None, file: Path | None, system: System) -> Door:
    if file is not None:
        if camera is not None:
            raise ConfigError("--file is for no camera; leave one of the two out")
        return Door(file)
    if camera is not None and (camera.endswith(".toml") or "/" in camera):
        return _of_file(Path(camera))
    name = named(camera) if camera is not None else _only(system)
    settings = system.settings(name)
    if not settings.exists():
        there = ", ".join(system.cameras()) or "none"
        advice = f"run `edge service install {name}` first"
        raise ConfigError(f"{printable(settings)} is not there; installed here: {there}; {advice}")
    return Door(system.token(name), settings, name)


def _only(system: System) -> str:
    there = system.cameras()
    if len(there) != 1:
        raise ConfigError(f"say which camera; installed here: {', '.join(there) or 'none'}")
    return there[0]


def _of_file(path: Path) -> Door:
    web = load(path).web
    if web is None or web.token_file is None:
        advice = f'write `token_file = "{path.stem}.web-token"` into its section [web]'
        raise ConfigError(f"{printable(path)}: web.token_file: this key is needed; {advice}")
    return Door(Path(web.token_file), path)


def _tell(door: Door, token: str, system: System) -> None:
    """What is to be done with it. Raises ConfigError where the settings of its camera are not right."""
    if door.camera is not None:
        begin_anew(door.camera, system)
    if door.settings is None:
        click.echo(f"name it as `token_file` in [web], or: edge demo --token-file {printable(door.file)}", err=True)
    elif (web := load(door.settings).web) is None:
        click.echo('note: there is no page yet; its settings need `[web]` with `listen = ":8080"`', err=True)
    elif system.running:
        _show(web, token)


def begin_anew(camera: str, system: System) -> None:
    """Have systemd pass the token on, which it does when it starts a service."""
    if system.active(camera, run_command):
        step = Run(("systemctl", "restart", "--no-block", f"edge@{camera}.service"))
        click.echo(step.words, err=True)
        step.do(run_command)


def _show(web: Web, token: str) -> None:
    from edge.cli import qr
    from edge.demo import Shown
    from edge.demo.reach import url_of
    from edge.listening import is_local, place

    local, (_, port) = is_local(web.listen), place(web.listen)
    shown = Shown(url_of(web.listen, port, web.certificate is not None), token, local)
    click.echo(f"open {shown.link}", err=True)
    if local:
        click.echo('note: only this machine reaches the page; `listen = ":8080"` in [web] lets others come', err=True)
    else:
        qr.show(shown.link)
        if web.certificate is None:
            click.echo("note: it is no https: who is on the way can read token and pictures", err=True)
