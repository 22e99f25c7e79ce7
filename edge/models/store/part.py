"""A file that is on its way: the bytes that have arrived, held by one process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from edge.errors import FetchError
from edge.files import sha256_of, sync, write_whole

POLL = 0.2
"""Seconds between two looks at a part that another process holds."""

MOST_POLLS = 3000
"""Looks before giving up: ten minutes."""


class Part:
    """The bytes of a file so far, open and locked. `unwritable`: the disk refused some, so no source is of use."""

    def __init__(self, file: FileIO, path: Path) -> None:
        self.path = path
        self.unwritable = False
        self._file = file

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return os.fstat(self._file.fileno()).st_size

    def write(self, data: bytes) -> None:
        """Append. Where the disk takes no more, what was there is given back to it, and FetchError raised."""
        rest = memoryview(data)
        try:
            while rest:  # an unbuffered file may take less than it is given
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.restart()
            self.unwritable = True
            advice = "make room there, or set XDG_DATA_HOME to a folder on another disk"
            raise FetchError(f"{self.path.parent}: {error.strerror}; {advice}") from error

    def restart(self) -> None:
        """Forget what has arrived."""
        self._file.truncate(0)

    def sha256(self) -> str:
        """Of what has arrived, in hexadecimal."""
        return sha256_of(self.path) or ""

    def land(self, place: Path) -> None:
        """Become the file at `place`, whole or not at all. Raises OSError."""
        os.fsync(self._file.fileno())
        try:
            self.path.replace(place)
            sync(place.parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            write_whole(place, self.path.read_bytes())
            self.path.unlink()


@contextmanager
def held(path: Path, sleep: Callable[[float], None], waiting: Callable[[], None]) -> Iterator[Part]:
    """The part at `path`, for this process alone; one that stays empty is removed.

    Where another process holds it, `waiting` is called once, and for ten minutes at most is waited. Raises FetchError.
    """
    with _locked(path, sleep, waiting) as file:
        part = Part(file, path)
        try:
            yield part
        finally:
            if part.size == 0:
                path.unlink(missing_ok=True)


def _locked(path: Path, sleep: Callable[[float], None], waiting: Callable[[], None]) -> FileIO:
    for poll in range(MOST_POLLS):
        file = FileIO(path, "a+")
        if _lock(file, path):
            return file
        file.close()
        if poll == 0:
            waiting()
        sleep(POLL)
    raise FetchError(f"{path}: another process has been fetching it for minutes; stop that one, or wait for it")


def _lock(file: FileIO, path: Path) -> bool:
    """Whether the lock was free, and the file still is the one at `path`: who held it may have moved it away."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
