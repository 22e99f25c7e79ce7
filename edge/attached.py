"""The cameras that are attached to this machine: by V4L2, and a Raspberry Pi's own by libcamera."""

from __future__ import annotations

import fcntl
from pathlib import Path

from edge.cameras.picamera import INSTALL, listing
from edge.cameras.v4l2 import nodes
from edge.cameras.v4l2.ioctls import Ioctl
from edge.cameras.v4l2.nodes import Found
from edge.errors import EdgeError


def gather(root: Path = nodes.ROOT, ioctl: Ioctl = fcntl.ioctl) -> list[Found]:
    """Every camera there is, those of libcamera first. Asking opens each for a moment."""
    return [*_of_libcamera(nodes.of_libcamera(root)), *nodes.found(root, ioctl)]


def offered(root: Path = nodes.ROOT, ioctl: Ioctl = fcntl.ioctl) -> list[tuple[str, str]]:
    """The sources that may be chosen here, each with words for people: every camera, and the photographs that ship."""
    found = [(each.source, f"{each.card} ({each.why})" if each.why else each.card) for each in gather(root, ioctl)]
    return [*found, ("sample:", "photographs that ship")]


def _of_libcamera(there: bool) -> list[Found]:
    """A Raspberry Pi's own cameras; where one is there and cannot be asked for, why."""
    if not listing.installed():
        return [_unusable("picamera2 is missing", INSTALL)] if there else []
    try:
        known = listing.listed()
    except EdgeError as error:
        why, _, mend = str(error).partition("; ")
        return [_unusable(why, mend)] if there else []
    return [
        Found(f"picamera:{each.number}", f"picamera:{each.number}", "", each.model, "libcamera", each.id, "unknown")
        for each in known
    ]


def _unusable(why: str, mend: str) -> Found:
    return Found("picamera:0", "picamera:0", "", "the board's own camera", "libcamera", "", "unusable", why, mend)
