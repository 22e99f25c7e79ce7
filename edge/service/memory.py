"""What the house has asked of a camera outlasts the process: a camera that is paused stays so through a restart."""

from __future__ import annotations

import json
from threading import Event as Flag

from edge.service.lives import Notes
from edge.tireless import Tireless
from edge.vitals import Controls, Vitals

CONTROLS = "controls"

LOOK_S = 1.0
"""Between two looks at what is asked."""


class Memory:
    """Writes down what `controls` hold whenever it changes, in a thread of its own.

    every_s: seconds between two looks.
    """

    def __init__(self, controls: Controls, notes: Notes, vitals: Vitals, every_s: float = LOOK_S) -> None:
        self._controls = controls
        self._notes = notes
        self._thread = Tireless("memory", self._work, vitals)
        self._kept = ""
        self._every_s = every_s

    def recall(self) -> None:
        """Put into the controls what was written last. Raises OSError where the disk fails."""
        self._kept = self._notes.noted(CONTROLS) or ""
        self._controls.paused, self._controls.threshold = _read(self._kept)

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def keep(self) -> None:
        """Write what has changed, if anything has. Raises OSError where the disk fails."""
        now = json.dumps({"paused": self._controls.paused, "threshold": self._controls.threshold})
        if now != self._kept:
            self._notes.note(CONTROLS, now)
            self._kept = now

    def close(self) -> None:
        """Look no more."""
        self._thread.close()

    def _work(self, over: Flag) -> None:
        while not over.wait(self._every_s):
            self.keep()
            self._thread.well()


def _read(kept: str) -> tuple[bool, float | None]:
    try:
        found = json.loads(kept)
        threshold = found["threshold"]
        return found["paused"] is True, threshold if isinstance(threshold, float) and 0 <= threshold <= 1 else None
    except (ValueError, TypeError, KeyError):
        return False, None
