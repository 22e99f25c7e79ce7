"""A folder of pictures that takes no more of the disk than it may: the oldest go first.

A name begins with a number that only rises, so that "oldest" does not depend on a clock that is set:

    00000042-20261123T140509Z-1f0c2d3e.jpg                  the picture of an event
    00000042-20261123T140509Z-1f0c2d3e-before-02.50s.jpg    what was seen so long before it
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from edge.errors import ConfigError
from edge.files import write_whole

NAME = re.compile(r"(\d{8,18})-\d{8}T\d{6}Z-[0-9a-f]{1,8}(?:-before-(\d{2,5}\.\d{2})s)?\.jpg")

BLOCK = 4096
"""A file takes whole blocks of the disk."""

AGAIN_S = 3600.0
"""The folder is read again so often, for others may have taken files away."""

LEFT_OVER = ".edge-*"
"""What was being written when the power failed (`edge.files`)."""


class Kept(NamedTuple):
    """One picture, of thousands. blocks: of the disk, that it takes."""

    name: str
    blocks: int

    @property
    def age(self) -> tuple[int, float]:
        """Of two pictures the older one has less: the number of the event, and seconds from it, negative before it."""
        found = NAME.fullmatch(self.name)
        assert found
        return int(found[1]), -float(found[2] or 0)


class Album:
    """Of one camera, and of nobody else. most_bytes: of all pictures. clock: seconds, monotonic.

    Only what bears such a name is counted or deleted. `name` may be called from any thread, the rest from one.
    """

    def __init__(self, folder: Path, most_bytes: float, clock: Callable[[], float]) -> None:
        self.folder = folder
        self._most = most_bytes
        self._clock = clock
        self._lock = Lock()
        self._number: int | None = None
        self._kept: list[Kept] = []
        self._taken = 0
        self._read_at: float | None = None

    @property
    def taken(self) -> int:
        """Bytes that the pictures take, as far as is known."""
        return self._taken

    def name(self, event_id: str, at: datetime) -> str:
        """The name for the picture of an event, which no other has. event_id: hexadecimal.

        Looks into the folder once; where that cannot be read, the numbers begin anew.
        """
        with self._lock:
            if self._number is None:
                self._number = self._highest()
            self._number += 1
            return f"{self._number:08d}-{at.astimezone(timezone.utc):%Y%m%dT%H%M%S}Z-{event_id[:8]}.jpg"

    def before(self, name: str, seconds: float) -> str:
        """The name of what was seen so long before the picture of that name."""
        return f"{Path(name).stem}-before-{seconds:05.2f}s.jpg"

    def write(self, name: str, data: bytes) -> None:
        """Keep a picture, whole or not at all, and first take away the oldest that it leaves no room for.

        Raises OSError; ConfigError for a picture that is larger than all may be.
        """
        kept = Kept(name, _blocks(len(data)))
        size = kept.blocks * BLOCK
        if size > self._most:
            raise ConfigError(
                f"a picture of {size >> 10} KiB is more than all may take; "
                "give [snapshots] a larger quota_mb, or a smaller width"
            )
        if self._read_at is None or self._clock() - self._read_at > AGAIN_S:
            self._read()
        self._make_room(size)
        write_whole(self.folder / name, data)
        self._note(kept)

    def forget(self) -> None:
        """Read the folder again before the next picture."""
        self._read_at = None

    def _highest(self) -> int:
        with contextlib.suppress(OSError):
            return max((kept.age[0] for kept in self._look()), default=0)
        return 0

    def _make_room(self, size: int) -> None:
        gone = 0
        for kept in self._kept:
            if self._taken + size <= self._most:
                break
            (self.folder / kept.name).unlink(missing_ok=True)
            self._taken -= kept.blocks * BLOCK
            gone += 1
        del self._kept[:gone]

    def _note(self, kept: Kept) -> None:
        self._taken += kept.blocks * BLOCK
        if not NAME.fullmatch(kept.name):
            return
        self._kept.append(kept)
        if len(self._kept) > 1 and kept.age < self._kept[-2].age:
            self._kept.sort(key=lambda each: each.age)

    def _read(self) -> None:
        if self._read_at is None:
            for path in self.folder.glob(LEFT_OVER):
                path.unlink(missing_ok=True)
        self._kept = sorted(self._look(), key=lambda each: each.age)
        self._taken = sum(kept.blocks for kept in self._kept) * BLOCK
        self._read_at = self._clock()

    def _look(self) -> list[Kept]:
        """All pictures that are there."""
        try:
            paths = list(self.folder.iterdir())
        except FileNotFoundError:  # it is made with the first picture
            return []
        return [Kept(path.name, _blocks(_size(path))) for path in paths if NAME.fullmatch(path.name)]


def _size(path: Path) -> int:
    """Bytes; 0 of a file that just went."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _blocks(size: int) -> int:
    return -(-size // BLOCK)
