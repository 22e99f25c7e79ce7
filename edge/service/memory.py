"""What the house has asked of a camera outlasts the process: a camera that is paused stays so through a restart.

It stands in a small file of its own, which is read whatever has become of the database of events, and is written over
in its place, as that needs no room on a disk that is full.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event as Flag
from typing import Annotated

import msgspec

from edge.errors import one_line
from edge.files import read_small
from edge.tireless import Tireless
from edge.vitals import Controls, Vitals

CONTROLS = "controls.json"
"""The name of the file."""

SIZE = 64
"""Bytes; always as many, and less than a disk writes at once."""

LOOK_S = 1.0
"""Between two looks at what is asked."""


class Kept(msgspec.Struct):
    """What is written."""

    paused: bool
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None


class Memory:
    """Writes down what `controls` hold whenever it changes, in a thread of its own.

    every_s: seconds between two looks.
    """

    def __init__(self, controls: Controls, path: Path, vitals: Vitals, every_s: float = LOOK_S) -> None:
        self._controls = controls
        self._path = path
        self._thread = Tireless("memory", self._work, vitals)
        self._kept: Kept | None = None
        self._every_s = every_s

    def recall(self) -> None:
        """Put into the controls what was written last. What cannot be read is said, and a problem; nothing is asked."""
        try:
            self._kept = kept = msgspec.json.decode(read_small(self._path), type=Kept)
        except FileNotFoundError:
            return  # nobody has asked for anything yet
        except (OSError, msgspec.MsgspecError) as error:
            self._thread.ill(f"whether the camera was paused is not known: {one_line(error)}")
            return
        self._controls.paused, self._controls.threshold = kept.paused, kept.threshold

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def keep(self) -> None:
        """Write what has changed, if anything has. Raises OSError where the disk fails."""
        now = Kept(self._controls.paused, self._controls.threshold)
        if now != self._kept:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _write(self._path, msgspec.json.encode(now).ljust(SIZE - 1) + b"\n")
            self._kept = now

    def close(self) -> None:
        """Look no more."""
        self._thread.close()

    def _work(self, over: Flag) -> None:
        while not over.wait(self._every_s):
            self.keep()
            self._thread.well()


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
