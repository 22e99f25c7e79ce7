"""What the fake devices share: the place in a script, kept in a file, so that a device can go and return.

A fake without such a file begins its script anew each time it is opened. With one it goes on where it was left, so
that a script tells the whole life of a device: what it does, when it is lost, and how often it cannot be opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from edge.errors import ConfigError
from edge.files import printable, read_small, write_whole

MOST_BYTES = 100
"""Of a number."""

MOST_ABSENT = 10_000


class Place:
    """How many steps of a script are behind. state: the file that keeps it across openings; None: nothing does."""

    def __init__(self, state: str | None) -> None:
        """Raise ConfigError where the file cannot be read, or holds no number."""
        self._file = None if state is None else Path(state)
        self.at = 0
        if self._file is None or not self._file.exists():
            return
        try:
            self.at = max(0, int(read_small(self._file, MOST_BYTES)))
        except (OSError, ValueError) as error:
            advice = "remove it to begin the script at its beginning"
            raise ConfigError(f"state {printable(self._file)}: not the place in a script: {error}; {advice}") from error

    @property
    def kept(self) -> bool:
        """Whether a file keeps it."""
        return self._file is not None

    def keep(self) -> None:
        """Write it down, unless the file tells of a later one: a device that hung may come after the one in its place.

        Raises ConfigError where that cannot be.
        """
        if self._file is None:
            return
        with contextlib.suppress(OSError, ValueError):
            if int(read_small(self._file, MOST_BYTES)) > self.at:
                return
        try:
            write_whole(self._file, b"%d\n" % self.at)
        except OSError as error:
            raise ConfigError(f"state {printable(self._file)}: {error.strerror}; name another file") from error


def unfolded(script: Sequence[str], state: str | None, who: str) -> list[str]:
    """The script with "absent N" as so many steps. Raises ConfigError for one that cannot be, or without `state`."""
    steps: list[str] = []
    for step in script:
        verb, _, times = step.partition(" ")
        if verb != "absent":
            steps.append(step)
            continue
        if not times.isdecimal() or not 1 <= int(times) <= MOST_ABSENT:
            raise ConfigError(f"{who}: step {step!r}: write 'absent OPENINGS', from 1 to {MOST_ABSENT}")
        if state is None:
            raise ConfigError(f"{who}: step {step!r}: it counts openings, so give state = a file that keeps the count")
        steps += ["absent"] * int(times)
    return steps
