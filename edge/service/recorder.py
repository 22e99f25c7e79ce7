"""Takes events from the loop, in no time, and keeps them: first on the disk, then their picture, then all are told.

While the disk is full, read-only or broken, events are held in memory and tried again; whoever passes them on to a
broker has them from here (`edge.events.Spool`), so that the house still hears.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Event as Flag  # fmt: skip
from typing import Protocol

import msgspec

from edge.errors import one_line
from edge.events.store import Store
from edge.recovery import jittered
from edge.sinks.output import Output
from edge.tireless import Tireless
from edge.types import Event, Frame, Result
from edge.vitals import Vitals

log = logging.getLogger("edge")

HELD = 1000
"""Events in memory, at most: those that were just put, and likewise those that the disk does not take."""

FRAMES = 4
"""Of those that were just put, so many with their frame, which may be of many megabytes."""

RETRY_S, RETRY_MOST_S = 1.0, 30.0
"""Before the disk is tried again: the first time, and at most."""

TIDY_S = 3600.0
"""From one look at what is too old to the next."""


class Album(Protocol):
    """Who takes pictures of events; `edge.sinks.snapshots.Pictures`."""

    def name(self, event_id: str, at: object, /) -> str:
        """The name of the file that a picture of this event will have."""
        ...

    def take(self, name: str, frame: Frame, result: Result, event: Event | None, /) -> None:
        """Have a picture taken; returns at once."""
        ...


class _Taken(msgspec.Struct):
    event: Event
    shot: tuple[Frame, Result] | None


class Recorder:
    """Keeps what `put` is given, in a thread of its own.

    pictures: None: none are taken. outputs: are told of each event, once, when it is stored, or held because it cannot
    be. vitals: `spool` is kept up to date; what is dropped is counted as "events" (nobody ever got them), "spool" (the
    broker never did) and "pictures".
    """

    def __init__(
        self,
        store: Store,
        vitals: Vitals,
        *,
        pictures: Album | None = None,
        outputs: Sequence[Output] = (),
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._store = store
        self._vitals = vitals
        self._pictures = pictures
        self._outputs = outputs
        self._changed = Condition()
        self._new: deque[_Taken] = deque()
        self._held: deque[Event] = deque()
        self._owed: dict[str, None] = {}
        self._dropped = 0
        self._work = Tireless("events", self._record, vitals)
