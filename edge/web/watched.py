"""What a page shows, and what it may ask for: one camera of the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from edge.settings import Settings
from edge.types import Event, Frame, Result
from edge.vitals import Controls, Vitals

Exposed = Callable[[str], tuple[bytes, str]]
"""Metrics, and their media type, for an Accept header."""


class Desk(Protocol):
    """What is to be had of a camera beside its vitals."""

    @property
    def settings(self) -> Settings:
        """Those that count now, with what was chosen."""
        ...

    @property
    def written(self) -> Settings:
        """Those of the file."""
        ...

    def recent(self, most: int, before: str | None = None) -> list[Event]:
        """The newest events, newest first, at most so many. before: the id of one; only older ones.

        Raises OSError where the disk fails; KeyError where there is no such event.
        """
        ...

    def picture(self, event_id: str) -> bytes | None:
        """The picture of an event, a JPEG; None: there is none, or no longer. Raises OSError."""
        ...


class Watched(NamedTuple):
    """A camera that can be looked at."""

    vitals: Vitals
    controls: Controls
    desk: Desk

    @property
    def latest(self) -> tuple[Frame, Result] | None:
        """The newest frame and its answer; None where that is not of now: it is to be paused, or is lost and looked
        for."""
        return None if self.controls.paused or self.vitals.condition == "recovering" else self.vitals.latest
