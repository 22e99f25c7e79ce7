"""An environment for each peer, made once with venv and pip, and kept for the next time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edge.errors import EdgeError, one_line

from .known import Peer

MADE_OF = "made-of.txt"
"""Lies in each environment that is complete, and tells what was installed."""

LIMIT_S = 1800.0
"""For pip: some wheels are hundreds of megabytes."""

MOST_SAID = 200


def python_of(peer: Peer, folder: Path, say: Callable[[str], None]) -> str:
    """The Python that runs the peer; its environment is made below `folder` where it is not there yet.

    Raises EdgeError, with the reason, where it cannot be made.
    """
    if not peer.packages:
        return sys.executable
    place = folder / peer.file
    python, told = place / "bin" / "python", place / MADE_OF
    wanted = "\n".join(peer.packages)
    if python.exists() and told.is_file() and told.read_text() == wanted:
        return str(python)
    maker = suitable(peer)
    say(f"{peer.name}: making its environment ({' '.join(peer.packages)})")
    ran([maker, "-m", "venv", "--clear", str(place)])
    ran([str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q", *peer.packages])
    told.write_text(wanted)
    return str(python)


def suitable(peer: Peer, own: tuple[int, int] = sys.version_info[:2]) -> str:
    """A Python that the peer has wheels for: this one, of version `own`, or an older one. Raises EdgeError."""
    if peer.newest is None or own <= (3, peer.newest):
        return sys.executable
    found = next(filter(None, (shutil.which(f"python3.{minor}") for minor in range(peer.newest, 8, -1))), None)
    if found is None:
        raise EdgeError(f"it has wheels up to Python 3.{peer.newest}, and none so old is installed")
    return found


def ran(line: list[str], limit_s: float = LIMIT_S) -> str:
    """The standard output of a command. Raises EdgeError with the last thing it complained of."""
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=limit_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise EdgeError(f"{' '.join(line[1:4])} took more than {limit_s:.0f} s") from error
    except OSError as error:
        raise EdgeError(f"{line[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise EdgeError(complaint(done.stderr) or f"{' '.join(line[1:4])} ended with exit code {done.returncode}")
    return done.stdout


def complaint(said: str) -> str:
    """The line of what a program said that tells best why it failed: the last one with an error in it, or the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return one_line((errors or lines or [""])[-1], MOST_SAID)
