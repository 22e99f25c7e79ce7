"""Lines for the journal: with the level that it reads (sd-daemon(3)), and never so many that they fill a disk."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TextIO

LEVELS = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Of Python, and of syslog (RFC 5424, section 6.2.1); what is below is 7."""

BURST, BURST_S = 20, 60.0
"""One line of the source logs so often in so many seconds at most, of each `kind` and `camera` where the record has
them; what it has to say beyond is counted."""

Place = tuple[str, int, str, str]


class Prefixed(logging.Formatter):
    """Begins each line with its level, as `<4>`."""

    def format(self, record: logging.LogRecord) -> str:
        """The text, each of its lines with the level."""
        level = next((syslog for least, syslog in LEVELS if record.levelno >= least), 7)
        return "\n".join(f"<{level}>{line}" for line in super().format(record).splitlines() or [""])


class Sparing(logging.Filter):
    """Lets through what is said now and then, and counts what the same line of the source repeats too often.

    clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._times: dict[Place, deque[float]] = {}
        self._held: dict[Place, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is to be written; the first after a flood says how many were not."""
        place = (record.pathname, record.lineno, getattr(record, "kind", ""), getattr(record, "camera", ""))
        times = self._times.setdefault(place, deque(maxlen=BURST))
        now = self._clock()
        if len(times) == BURST and now - times[0] < BURST_S:
            self._held[place] = self._held.get(place, 0) + 1
            return False
        times.append(now)
        held = self._held.pop(place, 0)
        if held:
            record.msg, record.args = f"{record.getMessage()} ({held} more like it were not written)", ()
        return True


def begin(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> None:
    """Log what a service says, from level "info" on; with levels in front where `stream` leads to the journal."""
    root = logging.getLogger()
    logging.getLogger("edge").setLevel(min(logging.INFO, root.level))
    for handler in root.handlers:
        handler.addFilter(Sparing())
        if in_journal(stream, environment):
            handler.setFormatter(Prefixed("%(message)s"))


def in_journal(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream leads to the journal: by $JOURNAL_STREAM, its device and inode (systemd.exec(5))."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # closed, or no file at all
        found = os.fstat(stream.fileno())  # type: ignore[union-attr]
        return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False
