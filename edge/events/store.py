"""Events on the disk: one SQLite database a camera, which nothing that happens to it stops.

What `Store.add` has returned from is on the disk, also where the power fails in the next moment: a write-ahead log that
is synced at each commit (https://www.sqlite.org/wal.html; `PRAGMA synchronous = FULL`).

Old events go by age and by size. Their age is by the wall clock, which on a board without a battery, or by a mistake,
may jump a year ahead: it is believed only once it has kept pace with the monotonic clock for a day of running, in one
life of the process or in several that follow one another within a day (edge/events/age.py). A clock that is wrong for
longer than that is taken for right.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.events.age import Look, look
from edge.events.database import Database
from edge.events.rows import COLUMNS, LAYOUT, event_of, row_of, stamp
from edge.settings import Events
from edge.types import Clock, Event

PRUNE_EVERY = 256
"""Events, from one look at age and size to the next; whoever has the time looks more often."""

SPARE = 0.9
"""Where the events take more than they may, the oldest go until they take this share of it."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

WHOLE = f"SELECT {COLUMNS} FROM events"
DROPPED, LOOK = "dropped", "look"
INSERT = f"INSERT OR IGNORE INTO events ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split(', ')))})"


class Counts(NamedTuple):
    """stored: events on the disk. waiting: of these, for the broker. dropped: that it never got, over all lives."""

    stored: int
    waiting: int
    dropped: int


class Store:
    """The database at `path`, opened when it is first used, and again where that failed; from any thread.

    wall: the time, aware of its zone. Every method but `adopt` and `close` raises OSError, in one line, where the disk
    is full, read-only or broken: nothing is changed then, and it may be called again. A damaged database is put aside,
    which is logged, and a new one begun.
    """

    def __init__(
        self,
        path: Path,
        keep: Events,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self._keep = keep
        self._wall = wall
        self._clock = clock
        self._database = Database(path, LAYOUT, self._recount)
        self._counts = Counts(0, 0, 0)
        self._unseen = PRUNE_EVERY
        self._seen_ns: int | None = None

    @property
    def damaged(self) -> int:
        """How often a damaged database was put aside, in this life."""
        return self._database.damaged

    def adopt(self, keep: Events) -> None:
        """Keep events for so long, and so many, from now on."""
        self._keep = keep
        self._unseen = PRUNE_EVERY

    def add(self, event: Event) -> None:
        """Keep an event; it is on the disk when this returns. One that is there already is left as it is."""
        self._database.write(lambda connection: self._add(connection, event))
        self._unseen += 1
        if self._unseen > PRUNE_EVERY:
            with suppress(OSError):  # the event is kept; what is too much can wait
                self.prune()

    def waiting(self, most: int) -> list[Event]:
        """The oldest events that wait for the broker, at most so many."""
        text = f"{WHOLE} WHERE waits ORDER BY number LIMIT ?"
        return self._database.read(lambda connection: [event_of(row) for row in connection.execute(text, (most,))])

    def delivered(self, ids: Iterable[str]) -> None:
        """The broker has them."""
        these = [(each,) for each in ids]
        if these:
            self._database.write(lambda connection: self._delivered(connection, these))

    def last(self) -> Event | None:
        """The newest event; None: there is none."""
        text = f"{WHOLE} ORDER BY number DESC LIMIT 1"
        found = self._database.read(lambda connection: [event_of(row) for row in connection.execute(text)])
        return found[0] if found else None

    def recent(self, most: int, before: str | None = None) -> list[Event]:
        """The newest events, newest first, at most so many. before: the id of one; only older ones.

        Raises KeyError where there is no such event.
        """
        return self._database.read(lambda connection: list(_recent(connection, most, before)))

    def one(self, event_id: str) -> Event | None:
        """The event of an id; None: there is none."""
        text = f"{WHOLE} WHERE id = ?"
        found = self._database.read(lambda connection: [event_of(row) for row in connection.execute(text, (event_id,))])
        return found[0] if found else None

    def counts(self) -> Counts:
        """How many there are."""
        return self._database.read(lambda connection: self._counts)

    def prune(self) -> None:
        """Delete what is too old, where the clock is believed, and the oldest of what takes too much."""
        self._unseen = 0
        self._database.write(self._prune)
        # as a script: sqlite3 runs no more than the first step of a statement that has no columns
        self._database.read(lambda connection: connection.executescript("PRAGMA incremental_vacuum"))

    def note(self, key: str, value: str) -> None:
        """Keep a small thing that outlives the process."""
        self._database.write(lambda connection: _note(connection, key, value))

    def noted(self, key: str) -> str | None:
        """What was noted last; None: nothing was."""
        return self._database.read(lambda connection: _noted(connection, key))

    def close(self) -> None:
        """Give the file back, for good; calling it again is harmless. A disk that hangs is waited for a second."""
        self._database.close()

    # Counts are kept while the file is locked: a transaction that fails gives it back, and opening it counts anew.

    def _recount(self, connection: sqlite3.Connection) -> None:
        stored, waiting = connection.execute("SELECT count(*), total(waits) FROM events").fetchone()
        self._counts = Counts(
            stored, int(waiting), msgspec.convert(_noted(connection, DROPPED) or 0, int, strict=False)
        )

    def _add(self, connection: sqlite3.Connection, event: Event) -> None:
        new = connection.execute(INSERT, row_of(event)).rowcount
        stored, waiting, dropped = self._counts
        self._counts = Counts(stored + new, waiting + new, dropped)
        over = self._counts.waiting - self._keep.spool
        if over > 0:
            chosen = "number IN (SELECT number FROM events WHERE waits ORDER BY number LIMIT ?)"
            connection.execute(f"UPDATE events SET waits = 0 WHERE {chosen}", (over,))
            self._drop(connection, over)
            self._counts = Counts(stored + new, self._keep.spool, dropped + over)

    def _drop(self, connection: sqlite3.Connection, count: int) -> None:
        if count:
            _note(connection, DROPPED, str(self._counts.dropped + count))

    def _delivered(self, connection: sqlite3.Connection, ids: list[tuple[str]]) -> None:
        marked = connection.executemany("UPDATE events SET waits = 0 WHERE id = ? AND waits", ids).rowcount
        self._counts = self._counts._replace(waiting=self._counts.waiting - marked)

    def _prune(self, connection: sqlite3.Connection) -> None:
        now = self._see(connection)
        if now.believed:
            oldest = now.at - timedelta(days=min(self._keep.keep_days, (now.at - EPOCH).days))
            self._delete(connection, "at < ?", stamp(oldest))
        surplus = 1 - SPARE * self._keep.keep_mb * 1e6 / max(_bytes(connection), 1)
        if surplus > 1 - SPARE:
            oldest_first = "number IN (SELECT number FROM events ORDER BY number LIMIT ?)"
            self._delete(connection, oldest_first, math.ceil(surplus * self._counts.stored))
        self._recount(connection)

    def _delete(self, connection: sqlite3.Connection, which: str, value: object) -> None:
        waiting = connection.execute(f"SELECT total(waits) FROM events WHERE {which}", (value,)).fetchone()[0]
        connection.execute(f"DELETE FROM events WHERE {which}", (value,))
        self._drop(connection, int(waiting))
        self._recount(connection)

    def _see(self, connection: sqlite3.Connection) -> Look:
        """Look at the clocks, and note it for the next life."""
        now_ns = self._clock()
        text = _noted(connection, LOOK)
        before = msgspec.json.decode(text, type=Look) if text else None
        seen = look(before, self._wall(), None if self._seen_ns is None else (now_ns - self._seen_ns) / 1e9)
        self._seen_ns = now_ns
        _note(connection, LOOK, msgspec.json.encode(seen).decode())
        return seen


def _note(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)", (key, value))


def _noted(connection: sqlite3.Connection, key: str) -> str | None:
    found = connection.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
    return found[0] if found else None


def _bytes(connection: sqlite3.Connection) -> int:
    """What the events take of the disk, without pages that are free."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _recent(connection: sqlite3.Connection, most: int, before: str | None) -> Iterator[Event]:
    number: int | None = None
    if before is not None:
        found = connection.execute("SELECT number FROM events WHERE id = ?", (before,)).fetchone()
        if found is None:
            raise KeyError(before)
        number = found[0]
    older = "WHERE number < ?" if number is not None else "WHERE ? IS NULL"
    rows = connection.execute(f"{WHOLE} {older} ORDER BY number DESC LIMIT ?", (number, most))
    return (event_of(row) for row in rows.fetchall())
