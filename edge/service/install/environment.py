"""The Python environment that a service runs from: where it lies, and whether the service's user can get at it."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import edge
from edge.errors import ConfigError

HOMES = ("home", "root", "run/user")
"""Of these the service sees only what it is shown."""

EMPTIED = ("tmp", "var/tmp", "run")
"""Not there any more after a start of the board, or another one for each service."""

ANEW = "make the environment in /opt: `sudo python3 -m venv /opt/edge`"


class Environment(NamedTuple):
    """program: the command `edge`. shown: folders in a home that it needs, which the service is shown, read-only."""

    program: Path
    shown: tuple[Path, ...] = ()


def this_one() -> Environment:
    """The environment that this command runs from. Raises ConfigError, as `checked` does."""
    scripts = Path(sysconfig.get_path("scripts"))
    return checked(scripts / "edge", Path(sys.prefix), Path(sys.executable), Path(edge.__file__))


def on(root: Path, folder: Path) -> Environment:
    """An environment of the system in `root`, by its folder there, such as /opt/edge. Raises ConfigError."""
    inside = folder.absolute() if root == Path("/") else root / str(folder).lstrip("/")
    program = inside / "bin/edge"
    module = next(inside.glob("lib/python3*/site-packages/edge/__init__.py"), program)
    python = (
        inside / "bin/python" if root == Path("/") else program
    )  # its links lead through a system that does not run
    found = checked(program, inside, python, module, root)
    told = (Path("/", path.relative_to(root)) for path in (found.program, *found.shown))
    return Environment(next(told), tuple(told))


def checked(program: Path, prefix: Path, python: Path, module: Path, root: Path = Path("/")) -> Environment:
    """An environment that the service can use.

    program: its command. prefix: its folder. python: its interpreter, often a link to another one. module: a file of
    the package, which lies elsewhere where that is installed editable. root: where homes and temporary files are below.
    Raises ConfigError where the service's user cannot get at it, with what mends that, or where it would not stay.
    """
    if not program.is_file():
        raise ConfigError(f"there is no {program}; install edgekit with pip, and run the `edge` that it brings")
    homes, emptied = _below(root, HOMES), _below(root, EMPTIED)
    folders = _outermost([prefix, *_behind(python), module.parents[1]])
    for folder in (*folders, program):
        _must_stay(folder, homes, emptied)
    shown = [folder for folder in folders if _within(folder, homes)]
    for path in (program, python, python.resolve(), module):
        closed = _closed(path, shown, root)
        if closed is not None:
            open_it = next((folder for folder in shown if closed.is_relative_to(folder)), closed)
            raise ConfigError(
                f"the service's user may not read {closed}, of the environment that it has to run from; `sudo chmod -R "
                f"go+rX {open_it}`, or {ANEW}"
            )
    return Environment(program, tuple(shown))


def _below(root: Path, names: tuple[str, ...]) -> list[Path]:
    return [root / name for name in names]


def _within(path: Path, folders: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _behind(python: Path) -> list[Path]:
    """The folders of each interpreter that a link leads to in turn; the system's own need no care."""
    found = [python.resolve().parents[1]]
    while python.is_symlink() and python.exists():  # which a ring of links does not
        python = python.parent / python.readlink()
        found.append(python.parents[1])
    return [folder for folder in found if folder not in (Path("/usr"), Path("/"))]


def _outermost(folders: list[Path]) -> list[Path]:
    """Without those that lie in another one."""
    once = list(dict.fromkeys(folders))
    return [folder for folder in once if not any(folder != o and folder.is_relative_to(o) for o in once)]


def _must_stay(path: Path, homes: list[Path], emptied: list[Path]) -> None:
    if _within(path, emptied) and not _within(path, homes):
        raise ConfigError(f"{path} lies where nothing stays, and the service would be gone at the next start; {ANEW}")
    if any(character in str(path) for character in " \t\n\"'\\$%;:"):
        raise ConfigError(f"{path}: this name cannot stand in a unit of systemd; {ANEW}")


def _closed(path: Path, shown: list[Path], root: Path) -> Path | None:
    """The first folder or file on the way to `path` that is closed to others; the way to what is shown is made open."""
    start = next((folder for folder in shown if path.is_relative_to(folder)), root)
    way = [each for each in (path, *path.parents) if each.is_relative_to(start)]
    return next((each for each in reversed(way) if not _open(each)), None)


def _open(path: Path) -> bool:
    wanted = 0o005 if path.is_dir() else 0o004
    return path.stat().st_mode & wanted == wanted
