"""One SQLite file that outlives what happens to it: opened when it is used, opened anew where that failed, and put
aside where what is in it can no longer be read."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import msgspec

from edge.errors import one_line

log = logging.getLogger("edge")

Answer = TypeVar("Answer")

ASIDE = 2
"""Damaged files that are kept."""

BUSY_S = 5.0
"""How long whoever else writes is waited for."""

HANGS_S = 3.0
"""A card that is worn out may hold up a write for seconds; nobody else has to wait for all of them."""

LOG_BYTES = 1 << 20
"""About as large as the write-ahead log becomes before it is carried over; on a full disk it needs to grow less."""

CACHE_KIB = 512
"""Of a file's pages SQLite by itself keeps the 2 MB used last. A service would fill that over weeks, to little use: it
mostly writes at the end of its tables, and reads what it wrote last."""

FAILURES = (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError)
"""What reading raises: the last one where not even the reason is text any more."""

ADVICE = {
    "full": "free some space",
    "readonly": "the file system is read-only, or the file is another user's",
    "unable to open": "the folder, or the file, may not be written",
    "locked": "another program writes to it for long",
}


class Database:
    """The file at `path`, from any thread, one at a time.

    layout: SQL that makes what is not there yet, and fails where the file holds something else. begun: called with each
    newly opened connection. hangs_s: who waits longer for another thread to be through is told so. damaged: how often
    the file was put aside, so far.
    """

    def __init__(
        self, path: Path, layout: str, begun: Callable[[sqlite3.Connection], None], hangs_s: float = HANGS_S
    ) -> None:
        self.damaged = 0
        self._path = path
        self._layout = layout
        self._begun = begun
        self._hangs_s = hangs_s
        self._lock = Lock()
        self._open: tuple[sqlite3.Connection, tuple[int, int]] | None = None
        self._closed = False

    def read(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `work` finds.

        Raises:
            OSError: in one line: the disk is full, read-only or broken, or the file is closed for good. Nothing is
                changed then, and it may be tried again.
        """
        with self._alone():
            try:
                return self._tried(work)
            except FAILURES as error:
                if not _is_damage(error):
                    self._look_again()
                    raise OSError(self._words(error)) from error
                self._give_back()
                self._put_aside(error)
            try:
                return self._tried(work)
            except FAILURES as error:
                self._give_back()
                raise OSError(self._words(error)) from error

    def write(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `work` does, all of it or none, and on the disk when this returns. Raises OSError as `read` does."""
        return self.read(lambda connection: _whole(connection, work))

    def close(self, timeout_s: float = 1.0) -> None:
        """Give the file back, for good; calling it again is harmless. A disk that hangs is waited for so long."""
        self._closed = True
        if self._lock.acquire(timeout=timeout_s):
            self._give_back()
            self._lock.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._hangs_s):
            raise OSError(f"{self._path}: the disk does not answer")
        try:
            yield
        finally:
            if self._closed:  # meanwhile, by somebody who did not wait
                self._give_back()
            self._lock.release()

    def _tried(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        if self._closed:
            raise OSError(errno.EBADF, "closed", str(self._path))
        if self._open and self._open[1] != _place(self._path):  # deleted or replaced: what is written there is lost
            self._give_back()
        if self._open is None:
            self._open = self._begin()
            self._begun(self._open[0])
        return work(self._open[0])

    def _begin(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = connect(str(self._path), timeout=BUSY_S, check_same_thread=False)
        try:
            for word in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = FULL"):
                connection.execute(f"PRAGMA {word}").fetchall()
            connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}").fetchall()
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}").fetchall()
            connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // 4096}").fetchall()
            connection.executescript(self._layout)
            return connection, _place(self._path)
        except BaseException:
            connection.close()
            raise

    def _look_again(self) -> None:
        """After a failure: what can still be read is kept open, for a full disk would not let it be opened again."""
        try:
            if self._open:
                self._begun(self._open[0])
        except sqlite3.Error:
            self._give_back()

    def _give_back(self) -> None:
        if self._open:
            with suppress(sqlite3.Error):
                self._open[0].close()
            self._open = None

    def _words(self, error: Exception) -> str:
        text = one_line(error)
        advice = next((advice for word, advice in ADVICE.items() if word in text), "look at the disk: dmesg")
        return f"{self._path}: {text}; {advice}"

    def _put_aside(self, error: Exception) -> None:
        """Rename the file and its log; of those put aside before, only the newest stay."""
        path = self._path
        self.damaged += 1
        aside = path.with_name(f"{path.name}.damaged-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}")
        log.warning("%s is damaged (%s): put aside as %s, and begun anew", path, one_line(error), aside.name)
        before = sorted(each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith("-wal"))
        for old in before[: max(len(before) - ASIDE + 1, 0)]:
            old.unlink(missing_ok=True)
            beside(old, "-wal").unlink(missing_ok=True)
        beside(path, "-shm").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            beside(path, "-wal").rename(beside(aside, "-wal"))
        with suppress(FileNotFoundError):
            path.rename(aside)


def connect(place: str, **how: Any) -> sqlite3.Connection:
    """Open a database in which every statement is a transaction of its own. Raises sqlite3.Error."""
    connection: sqlite3.Connection = sqlite3.connect(place, isolation_level=None, **how)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def beside(path: Path, ending: str) -> Path:
    """The file that SQLite keeps beside a database: "-wal", its log, or "-shm", the log's index."""
    return path.with_name(path.name + ending)


def _whole(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
    connection.execute("BEGIN IMMEDIATE")
    try:
        answer = work(connection)
        connection.execute("COMMIT")
        return answer
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _place(path: Path) -> tuple[int, int]:
    """Which file it is; none is like no other."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every use, and a third of the cost
        return found.st_dev, found.st_ino
    except FileNotFoundError:
        return -1, -1


def _is_damage(error: Exception) -> bool:
    """Of sqlite3's errors, those of the disk are OperationalErrors; a file that makes no sense is a DatabaseError."""
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(("no such ", "unsupported file format", "malformed"))
    return not isinstance(error, sqlite3.Error) or type(error) is sqlite3.DatabaseError
