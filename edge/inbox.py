"""Pictures that come from outside, such as those of a browser's camera: the newest one waits for whoever takes it."""

from __future__ import annotations

import time
from threading import Condition

from edge.types import Clock

MOST_BYTES = 4 << 20
"""Of one picture."""

MOST_PIXELS = 4096 * 2304
"""A small file may say that it is a huge picture, and take gigabytes when it is decoded."""

MOST_SCANS = 32
"""A small file may go through all of its pixels very often; a progressive JPEG does so some ten times."""

MOST_SEGMENTS, MOST_FILL = 256, 64
"""Before the one that tells the size, and 0xFF bytes before each: what comes is looked at in few steps."""


HELD_S = 3.0
"""Whoever sent the newest picture is the only one whose pictures are taken, until it is silent for so long."""


class Taken(Exception):
    """Somebody else sends pictures."""


class Inbox:
    """Holds the newest JPEG, of one sender at a time. clock: of frames. From any thread."""

    def __init__(self, clock: Clock = time.monotonic_ns) -> None:
        self._clock = clock
        self._changed = Condition()
        self._newest: tuple[bytes, tuple[int, int], int] | None = None
        self._sender = ""
        self._sent_ns: int | None = None
        self.dropped = 0

    def put(self, data: bytes, sender: str = "") -> None:
        """Take a picture in place of the one before. sender: whose it is.

        Raises ValueError where it is none, or too large; Taken while another sender's are taken.
        """
        if len(data) > MOST_BYTES:
            raise ValueError(f"{len(data)} bytes are too many for a picture; give at most {MOST_BYTES}")
        size = size_of(data)
        if size is None:
            raise ValueError("that is no JPEG; give one")
        if not 0 < size[0] * size[1] <= MOST_PIXELS:
            raise ValueError(f"{size[0]} x {size[1]} pixels are too many; give at most {MOST_PIXELS}")
        scans = data.count(b"\xff\xda")
        if scans > MOST_SCANS:
            raise ValueError(f"{scans} scans are too many for a picture; give at most {MOST_SCANS}")
        with self._changed:
            now = self._clock()
            if sender != self._sender and self._sent_ns is not None and now - self._sent_ns < HELD_S * 1e9:
                raise Taken("the board looks through another browser's camera; stop that one first")
            self._sender, self._sent_ns = sender, now
            self.dropped += self._newest is not None
            self._newest = (data, size, now)
            self._changed.notify_all()

    def take(self, most_s: float) -> tuple[bytes, tuple[int, int], int] | None:
        """The newest picture, its width and height, and when it came; None: none comes within so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None, most_s)
            newest, self._newest = self._newest, None
            return newest


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG says it has (ITU-T T.81, B.2.2); None: it is none, or it is said too far behind."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    for _ in range(MOST_SEGMENTS):
        before = data[at : at + MOST_FILL]
        marker = before.lstrip(b"\xff")
        at += len(before) - len(marker)
        if not marker or marker == before or at + 8 > len(data) or marker[0] in (0xD9, 0xDA):
            return None
        if 0xC0 <= marker[0] <= 0xCF and marker[0] not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 6 : at + 8], "big"), int.from_bytes(data[at + 4 : at + 6], "big")
        at += 1 + max(2, int.from_bytes(data[at + 1 : at + 3], "big"))
    return None
