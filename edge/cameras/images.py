"""Pictures from files: one, a folder with all below it, or a pattern. Every one counts."""

from __future__ import annotations

import glob
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.errors import CameraError, ConfigError
from edge.files import printable
from edge.types import Array, Clock, Frame

INSTALL = "install it with `pip install opencv-python-headless`"

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif"}
"""What a folder is searched for."""

log = logging.getLogger("edge")


class Images:
    """Decodes pictures in the order of their names; one that cannot be decoded is reported, skipped and counted."""

    live = False

    def __init__(self, paths: list[Path], clock: Clock) -> None:
        self.skipped = 0
        self.paths = paths
        self._clock = clock

    def __iter__(self) -> Iterator[Frame]:
        """Yield a frame a picture (BGR). Raises CameraError when not one could be decoded."""
        shown = 0
        for index, path in enumerate(self.paths):
            captured = self._clock()
            picture = decode(path)
            if picture is None:
                self.skipped += 1
                if len(self.paths) > 1:
                    log.warning("%s: cannot be read or decoded, so it is skipped", printable(path))
                continue
            shown += 1
            size = (picture.shape[1], picture.shape[0])
            yield Frame(pixels=picture, index=index, captured_at_ns=captured, size=size, file=printable(path))
        if not shown:
            what = printable(self.paths[0]) if len(self.paths) == 1 else f"none of {len(self.paths)} pictures"
            advice = "give pictures that are whole (JPEG, PNG, BMP, WebP, TIFF)"
            raise CameraError(f"{what}: cannot be read or decoded; {advice}")

    def close(self) -> None:
        """Nothing is held open."""


def decode(path: Path) -> Array | None:
    """The picture in a file, upright, H x W x 3 uint8 BGR; None where it is not whole."""
    try:
        data = path.read_bytes() if path.is_file() else b""  # a pipe or a device may give bytes for ever
        if not data or not _goes_to_its_end(data):
            return None
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None


def _goes_to_its_end(data: bytes) -> bool:
    """False for a JPEG without its end: OpenCV before version 5 fills what is missing with grey, and says nothing."""
    if not data.startswith(b"\xff\xd8"):
        return True
    at = 2
    while data[at : at + 1] == b"\xff" and data[at : at + 2] not in (b"\xff", b"\xff\xda"):  # the header, thumbnails
        fill = data[at + 1] == 0xFF
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(b"\xff\xd9", at) > 0


def open(*, path: str, clock: Clock = time.monotonic_ns) -> Images:
    """Find the pictures of a file, a folder or a pattern. Raises ConfigError where there are none."""
    found = _find(path)
    if not found:
        raise ConfigError(
            f"{path}: no pictures there; give a folder or pattern with {', '.join(sorted(PICTURES))} files"
        )
    return Images(found, clock)


def _find(path: str) -> list[Path]:
    place = Path(path)
    if place.is_file():
        return [place]
    pattern = glob.iglob(path, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    named = place.rglob("*") if place.is_dir() else map(Path, pattern)
    return sorted(file for file in named if file.suffix.lower() in PICTURES and not file.is_dir())
