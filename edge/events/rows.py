"""Events as rows of SQLite, and reading them beside the service that writes them."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from edge.events.database import FAILURES, beside, connect
from edge.types import Event

COLUMNS = "id, kind, label, score, at, frame, previous, lasted_s, picture"

LAYOUT = f"""
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    score REAL NOT NULL,
    at TEXT NOT NULL,
    frame INTEGER NOT NULL,
    previous TEXT,
    lasted_s REAL,
    picture TEXT,
    waits INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS waiting ON events (number) WHERE waits;
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
SELECT number, {COLUMNS}, waits FROM events LIMIT 0;
SELECT key, value FROM notes LIMIT 0;
"""
"""number: in the order in which they came, whatever the clock said. at: UTC, of fixed width, so that text sorts as time
does. waits: for the broker. A later layout may only add to this one, so that an earlier release still runs on it."""


def row_of(event: Event) -> tuple[Any, ...]:
    """The columns of an event."""
    fields = msgspec.structs.asdict(event)
    return (*({**fields, "at": stamp(event.at)}[name] for name in COLUMNS.split(", ")),)


def event_of(row: tuple[Any, ...]) -> Event:
    """The event of those columns. Raises msgspec.ValidationError where they make none."""
    return msgspec.convert(dict(zip(COLUMNS.split(", "), row, strict=True)), Event)


def stamp(at: datetime) -> str:
    """A time as text in UTC, to the microsecond."""
    return at.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read(
    path: Path, since: datetime | None = None, labels: tuple[str, ...] = (), after: int = 0
) -> Iterator[tuple[int, Event]]:
    """The events of a database in the order in which they came, each with its number; nothing is changed.

    since: the earliest. labels: that it became, or was before; none: all. after: only those with larger numbers.

    Raises:
        OSError: there is no such file, it may not be read, it is no database of events, or is damaged.
    """
    try:
        with closing(_to_read(path)) as database:
            for number, *row in database.execute(*_query(since, labels, after)):
                yield number, event_of(tuple(row))
    except FAILURES as error:
        raise OSError(f"{path} cannot be read as events: {error}") from error


def _to_read(path: Path) -> sqlite3.Connection:
    with path.open("rb"):  # its OSError says more than SQLite does
        pass
    place = f"file:{quote(str(path))}?mode=ro"
    try:
        return _tried(place)
    except sqlite3.OperationalError as error:  # nobody has it open, and the folder is not ours to begin a log in
        if not any(word in str(error) for word in ("unable to open", "readonly")):
            raise
        if beside(path, "-wal").exists():
            raise PermissionError(errno.EACCES, "the folder cannot be written", str(path.parent)) from None
        return _tried(f"{place}&immutable=1")


def _tried(place: str) -> sqlite3.Connection:
    database = connect(place, uri=True, timeout=5)
    try:
        database.execute("SELECT number FROM events LIMIT 0")
    except BaseException:
        database.close()
        raise
    return database


def _query(since: datetime | None, labels: tuple[str, ...], after: int) -> tuple[str, list[Any]]:
    given: list[Any] = [after]
    text = f"SELECT number, {COLUMNS} FROM events WHERE number > ?"
    if since is not None:
        text += " AND at >= ?"
        given.append(stamp(since))
    if labels:
        marks = ", ".join("?" * len(labels))
        text += f" AND (label IN ({marks}) OR previous IN ({marks}))"
        given += [*labels, *labels]
    return f"{text} ORDER BY number", given
