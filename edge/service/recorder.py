"""Takes events from the loop, in no time, and keeps them: first on the disk, then their picture, then all are told.

While the disk is full, read-only or broken, events are held in memory and tried again; whoever passes them on to a
broker has them from here (`edge.events.Spool`), so that the house still hears; also of what a disk that hangs keeps
waiting, though that may have no picture yet.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from threading import Condition
from threading import Event as Flag
from typing import Protocol

import msgspec

from edge.errors import one_line
from edge.events.store import Counts, Store
from edge.recovery import Backoff
from edge.sinks.output import Output
from edge.tireless import Tireless
from edge.types import Clock, Event, Frame, Result
from edge.vitals import Vitals

log = logging.getLogger("edge")

HELD = 1000
"""Events in memory, at most: of those that were just put, and again of those that the disk does not take."""

FRAMES = 4
"""Of those that were just put, so many with their frame, which may be of many megabytes."""

RETRY_S, RETRY_MOST_S = 1.0, 30.0
"""Before the disk is tried again: the first time, and at most."""

TIDY_S = 3600.0
"""From one look at what is too old to the next."""


class Photographer(Protocol):
    """Takes the pictures of events, as `edge.sinks.snapshots.Pictures` does."""

    def name(self, event_id: str, at: datetime) -> str:
        """The name of the file that the picture of this event will have."""
        ...

    def take(self, name: str, frame: Frame, result: Result, event: Event | None) -> None:
        """Have a picture taken; returns at once."""
        ...


class _Taken(msgspec.Struct):
    event: Event
    shot: tuple[Frame, Result] | None


class Recorder:
    """Keeps what `put` is given, in a thread of its own; it is the `Spool` of whoever tells a broker.

    pictures: None: none are taken. outputs: are told of each event, once, when it is stored, or held because it cannot
    be. vitals: `spool` is kept up to date; what is dropped is counted as "events" (it is kept nowhere), "spool" (the
    broker never gets it) and "pictures". retry_s: before a disk that fails is tried again, the first time.
    """

    def __init__(
        self,
        store: Store,
        vitals: Vitals,
        *,
        pictures: Photographer | None = None,
        outputs: Sequence[Output] = (),
        clock: Clock = time.monotonic_ns,
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = store
        self._vitals = vitals
        self._pictures = pictures
        self._outputs = tuple(outputs)
        self._clock = clock
        self._changed = Condition()
        self._new: deque[_Taken] = deque()
        self._held: deque[Event] = deque()
        self._owed: set[str] = set()
        self._fine = True
        self._over = False
        self._backoff = Backoff(retry_s, RETRY_MOST_S)
        self._due_ns = self._tidy_ns = clock()
        self._dropped = 0
        self._counts = Counts(0, 0, 0)
        self._thread = Tireless("events", self._record, vitals)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def adopt(self, pictures: Photographer | None, outputs: Sequence[Output]) -> None:
        """Tell others from now on."""
        self._pictures, self._outputs = pictures, tuple(outputs)

    def put(self, event: Event, frame: Frame | None = None, result: Result | None = None) -> None:
        """Take an event and what was seen; returns at once. Where too many wait, the oldest is dropped, and counted.

        frame, result: None: it has no picture.
        """
        self._vitals.happened(event)
        shot = (frame, result) if frame is not None and result is not None else None
        with self._changed:
            near = len(self._new) < FRAMES
            full = len(self._new) >= HELD
            if full:
                del self._new[1]  # the first one is being stored
            self._new.append(_Taken(event, shot if near else None))
            self._changed.notify_all()
        if full:
            self._vitals.lost("events")
        if self._pictures and shot and not near:
            self._vitals.lost("pictures")

    def waiting(self, most: int) -> list[Event]:
        """The oldest events that wait for the broker; those that only memory holds as well."""
        with self._changed:
            owed, held, new = set(self._owed), list(self._held), [taken.event for taken in self._new]
        try:
            stored, new = self._store.waiting(most + len(owed)), []  # what is new is told once it is stored
        except OSError:  # the thread that writes finds it out, too, and says it
            stored = []
        found = {event.id: event for event in [*stored, *held, *new] if event.id not in owed}
        return list(found.values())[:most]

    def delivered(self, ids: Iterable[str]) -> None:
        """The broker has them; `waiting` tells them no more, and the disk learns it soon."""
        these = list(ids)
        with self._changed:
            self._owed.update(these)
            self._changed.notify_all()
        if self._over:  # and nobody else will do it
            with suppress(OSError):
                self._store.delivered(these)

    def close(self) -> None:
        """Store what is there, within a few seconds; calling it again is harmless. The store stays open."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.close()

    def _record(self, _over: Flag) -> None:
        while self._waited():
            if self._new:
                self._take_first()
            if self._fine or self._clock() >= self._due_ns:
                self._settle()
        self._settle()  # the disk may be well again since it was tried last
        if self._held:
            log.warning("events: %d could not be stored, and are lost", len(self._held))
            self._vitals.lost("events", len(self._held))

    def _waited(self) -> bool:
        """Wait until something is to do; False: all is over."""
        with self._changed:
            due_s = max((self._due_ns - self._clock()) / 1e9, 0.0)
            self._changed.wait_for(lambda: self._new or self._over or (self._owed and self._fine), due_s)
            return bool(self._new) or not self._over

    def _take_first(self) -> None:
        """Take what is new; it stays at hand for `waiting` until it is stored or held."""
        try:
            self._take(self._new[0])
        finally:
            with self._changed:
                self._new.popleft()

    def _take(self, taken: _Taken) -> None:
        pictures = self._pictures
        if pictures and taken.shot:
            name = pictures.name(taken.event.id, taken.event.at)
            taken.event = msgspec.structs.replace(taken.event, picture=name)
        event = taken.event
        if not self._fine or not self._tried(event):
            self._hold(event)
        if pictures and taken.shot and event.picture:
            pictures.take(event.picture, *taken.shot, event)
        for output in self._outputs:
            output.told(event)

    def _tried(self, event: Event) -> bool:
        try:
            self._keep(event)
            return True
        except OSError as error:
            self._fail(error)
            return False

    def _keep(self, event: Event) -> None:
        """Store an event. Raises OSError; one that no database would take is dropped, so that others get by."""
        try:
            self._store.add(event)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it would be so again for ever
            log.warning("events: %s cannot be stored, and is dropped: %s", event.id, one_line(error))
            self._vitals.lost("events")

    def _hold(self, event: Event) -> None:
        with self._changed:
            self._held.append(event)
            oldest = self._held.popleft() if len(self._held) > HELD else None
            lost = oldest is not None and oldest.id not in self._owed
            if oldest:
                self._owed.discard(oldest.id)
        if lost:
            self._vitals.lost("events")
        self._count()

    def _settle(self) -> None:
        """Bring the disk up to date."""
        try:
            self._catch_up()
        except OSError as error:
            self._fail(error)
            return
        self._fine, self._due_ns = True, self._tidy_ns
        self._backoff.reset()
        self._thread.well()

    def _catch_up(self) -> None:
        while self._held:
            self._keep(self._held[0])
            with self._changed:
                self._held.popleft()
        with self._changed:
            owed = self._owed - {taken.event.id for taken in self._new}
        self._store.delivered(owed)
        with self._changed:
            self._owed -= owed
        if self._clock() >= self._tidy_ns:
            self._store.prune()
            self._tidy_ns = self._clock() + int(TIDY_S * 1e9)
        self._count()

    def _fail(self, error: OSError) -> None:
        """Leave the disk alone for a while."""
        self._fine = False
        self._due_ns = self._clock() + int(self._backoff() * 1e9)
        self._count()
        self._thread.ill(f"{one_line(error)}; until then they are kept in memory")

    def _count(self) -> None:
        with suppress(OSError):  # then what was counted last is as good as it gets
            self._counts = self._store.counts()
        dropped = self._counts.dropped - self._dropped
        if dropped > 0:
            self._vitals.lost("spool", dropped)
        self._dropped = self._counts.dropped
        self._vitals.spool = max(self._counts.waiting + len(self._held) - len(self._owed), 0)
