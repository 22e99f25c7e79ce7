"""What an installation does, as values: each can be told before it is done."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from edge.errors import EdgeError, one_line
from edge.files import write_whole

Runner = Callable[[Sequence[str]], str]
"""Runs a command of the system; returns its stdout. Raises EdgeError where it fails."""

LIMIT_S = 120.0


class Step(Protocol):
    """One thing that is done."""

    @property
    def words(self) -> str:
        """What it does, for who looks on."""
        ...

    def do(self, run: Runner) -> None:
        """Do it. Raises EdgeError and OSError."""
        ...


class Write(NamedTuple):
    """A file is written whole."""

    path: Path
    text: str
    mode: int = 0o644

    @property
    def words(self) -> str:
        """Which one."""
        return f"{'write anew' if self.path.exists() else 'write'} {self.path}"

    def do(self, run: Runner) -> None:
        """Write it."""
        write_whole(self.path, self.text.encode(), self.mode)


class Remove(NamedTuple):
    """A file, or a folder with all that is in it, is removed."""

    path: Path

    @property
    def words(self) -> str:
        """Which one."""
        return f"remove {self.path}{'/, with all that is in it' if self.path.is_dir() else ''}"

    def do(self, run: Runner) -> None:
        """Remove it, where it is still there."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


class RemoveEmpty(NamedTuple):
    """A folder is removed where nothing is left in it by then."""

    path: Path

    @property
    def words(self) -> str:
        """Which one."""
        return f"remove {self.path}/ if nothing is left in it"

    def do(self, run: Runner) -> None:
        """Remove it."""
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()


class Run(NamedTuple):
    """A command of the system is run. must: its failure ends the installation."""

    argv: tuple[str, ...]
    must: bool = True

    @property
    def words(self) -> str:
        """The command."""
        return f"run {' '.join(self.argv)}"

    def do(self, run: Runner) -> None:
        """Run it."""
        try:
            run(self.argv)
        except EdgeError:
            if self.must:
                raise


class Keep(NamedTuple):
    """Something stays as it is."""

    path: Path
    why: str

    @property
    def words(self) -> str:
        """What, and why."""
        return f"keep {self.path}: {self.why}"

    def do(self, run: Runner) -> None:
        """Leave it."""


def run_command(argv: Sequence[str], limit_s: float = LIMIT_S) -> str:
    """Run a command of the system; returns its stdout. Raises EdgeError with what it said, where it fails."""
    try:
        done = subprocess.run(list(argv), capture_output=True, text=True, errors="replace", timeout=limit_s)
    except OSError as error:
        raise EdgeError(f"{argv[0]} cannot be run: {error.strerror}; is systemd what runs this machine?") from error
    except subprocess.TimeoutExpired as error:
        raise EdgeError(f"`{' '.join(argv)}` did not end within {limit_s:g} s; run it by hand to see why") from error
    if done.returncode:
        said = one_line(done.stderr or done.stdout, 300) or f"exit code {done.returncode}"
        raise EdgeError(f"`{' '.join(argv)}` failed: {said}; mend that, and run this again")
    return done.stdout
