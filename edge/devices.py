"""What is asked of device files of any kind: may they be opened, who holds them, and is what they say the time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edge import sysfs
from edge.errors import one_line

YOUNG_NS = 10_000_000_000
"""A device's timestamp older than this belongs to some other clock."""


def permitted(device: str | Path) -> bool:
    """Whether this user may open a device for reading and writing."""
    return os.access(device, os.R_OK | os.W_OK, effective_ids=True)


def believable(stamp_ns: int, now_ns: int) -> bool:
    """Whether a device's timestamp can be of the clock that says `now_ns`."""
    return now_ns - YOUNG_NS < stamp_ns <= now_ns


def holders(device: str | Path, root: Path = Path("/")) -> Iterator[str]:
    """Who has a device open, as "name (process 12)", as far as this user may see."""
    target = os.path.realpath(device)
    for process in sorted((root / "proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if target in opened(process):
            yield f"{one_line(sysfs.text(process / 'comm') or 'a program')} (process {process.name})"


def opened(process: Path) -> list[str]:
    """The paths that a process has open, by its folder in /proc; none of another user's."""
    try:
        return [path for path in map(_target, (process / "fd").iterdir()) if path]
    except OSError:  # of another user, or ended meanwhile
        return []


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:  # closed meanwhile
        return ""
