"""The command line, as a user has it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def edge(*arguments: object, cwd: Path | None = None, stdin: bytes = b"", **env: str) -> Ran:
    """`edge ...` in a process of its own, away from the checkout."""
    line = [sys.executable, "-m", "edge", *map(str, arguments)]
    place = cwd or Path(os.environ["XDG_CACHE_HOME"])
    done = subprocess.run(
        line, cwd=place, input=stdin, capture_output=True, timeout=120, env={**os.environ, **env}, check=False
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
