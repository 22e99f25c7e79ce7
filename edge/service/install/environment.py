"""The Python environment that a service runs from: where it lies, and whether the service's user can get at it."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import edge
from edge.errors import ConfigError

HOMES = ("/home", "/root", "/run/user")
"""Of these the service sees only what it is shown."""

EMPTIED = ("/tmp", "/var/tmp", "/run")
"""Not there any more after a start of the board, or another one for each service."""


class Environment(NamedTuple):
    """program: the command `edge`. shown: folders below a home that it needs, which the service is shown, read-only."""

    program: Path
    shown: tuple[Path, ...] = ()


def this_one() -> Environment:
    """The environment that this command runs from. Raises ConfigError, as `checked` does."""
    scripts = Path(sysconfig.get_path("scripts"))
    return checked(scripts / "edge", Path(sys.prefix), Path(sys.executable), Path(edge.__file__))


def checked(program: Path, prefix: Path, python: Path, module: Path) -> Environment:
    """An environment that the service can use.

    program: its command. prefix: its folder. python: its interpreter, often a link to another one. module: a file of
    the package, which lies elsewhere where that is installed editable. Raises ConfigError where the service's user
    cannot get at it, with what mends that, or where it would not stay.
    """
    if not program.is_file():
        raise ConfigError(
            f"there is no {program}; install edgekit into an environment with pip, and run its own `edge`"
        )
    folders = _outermost([prefix, *_behind(python), module.parents[1]])
    for folder in (*folders, program):
        _must_stay(folder)
    shown = [folder for folder in folders if _below(folder, HOMES)]
    for path in (program, python, python.resolve(), module):
        closed = _closed(path, shown)
        if closed is not None:
            raise ConfigError(
                f"the service's user may not read {closed}, of the environment that it has to run from; "
                f"`sudo chmod -R go+rX {next((s for s in shown if closed.is_relative_to(s)), closed)}`, or make one "
                "anew in /opt: `sudo python3 -m venv /opt/edge`"
            )
    return Environment(program, tuple(shown))


def _behind(python: Path) -> list[Path]:
    """The folders of each interpreter that a link leads to in turn; nothing of the system's own."""
    found = []
    for _ in range(40):  # as many as the kernel follows
        if not python.is_symlink():
            break
        python = python.parent / python.readlink()
        found.append(python.parents[1])
    found.append(python.resolve().parents[1])
    return [folder for folder in found if _below(folder, (*HOMES, *EMPTIED))]


def _outermost(folders: list[Path]) -> list[Path]:
    """Without those that lie in another one."""
    once = list(dict.fromkeys(folders))
    return [folder for folder in once if not any(folder != o and folder.is_relative_to(o) for o in once)]


def _below(path: Path, folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _must_stay(path: Path) -> None:
    if _below(path, EMPTIED) and not _below(path, HOMES):
        raise ConfigError(
            f"{path} lies where nothing stays, so the service would be gone at the next start; make the environment "
            "elsewhere: `sudo python3 -m venv /opt/edge`"
        )
    if any(character in str(path) for character in " \t\n\"'\\$%;:"):
        raise ConfigError(
            f"{path}: systemd would need this name quoted; make the environment in /opt/edge"
        )


def _closed(path: Path, shown: list[Path]) -> Path | None:
    """The first folder or file on the way to `path` that is closed to others; ways to what is shown are made open."""
    start = next((folder for folder in shown if path.is_relative_to(folder)), None)
    way = [path, *path.parents]
    if start is not None:
        way = way[: way.index(start) + 1]
    wants = {True: 0o005, False: 0o004}
    return next((each for each in reversed(way) if not _allows(each, wants[each.is_dir()])), None)


def _allows(path: Path, bits: int) -> bool:
    return path.stat().st_mode & bits == bits
