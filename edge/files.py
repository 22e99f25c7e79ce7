"""Files that are written whole or not at all, their names as text, and the folder for what can be made again."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path

from edge.errors import CONTROL

PASSWORD = re.compile(r"^(\w+://[^/\s:@]*:)[^/\s]*@")
"""In front of the host of an address: the user and a password; RFC 3986, section 3.2.1."""


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file completely or not at all, also where the power fails: beside it first, and then in its place.

    Raises:
        OSError: the folder cannot be written, or the file is a device or a pipe, whose place nothing may take; it
            names `path`.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(path, data, mode)
    except OSError as error:  # of the file beside it, whose name tells nobody anything
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    sync(path.parent)


def _write(path: Path, data: bytes, mode: int) -> None:
    import tempfile  # slow to import, and what runs a model writes no files

    handle, name = tempfile.mkstemp(prefix=".edge-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sync(folder: Path) -> None:
    """Have the names in a folder reach the disk, where its file system can be told to."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_small(path: Path, most: int = 1 << 20) -> bytes:
    """The bytes of a regular file of at most `most` bytes. Raises OSError, also where it is larger or none."""
    if path.exists() and not path.is_file() and not path.is_dir():  # it may give bytes for ever, or never any
        raise OSError(errno.EINVAL, "no regular file", str(path))
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 10} KiB", str(path))
    return data


def sha256_of(path: Path) -> str | None:
    """The SHA-256 of a file, in hexadecimal; None where there is no file. Raises OSError."""
    import hashlib  # slow to import, and what runs a model that ships needs none

    if not path.is_file():
        return None
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def printable(name: str | Path) -> str:
    """The name of a file as text that can be shown anywhere; Linux allows names that are none, or steer a terminal.

    In the address of a stream the password of its user is hidden.
    """
    shown = CONTROL.sub("\ufffd", os.fsencode(name).decode("utf-8", "replace"))
    return PASSWORD.sub(r"\1…@", shown)


def is_utf8(name: str | Path) -> bool:
    """Whether the name of a file is text at all."""
    return os.fsencode(name).decode("utf-8", "replace") == str(name)


def cache() -> Path | None:
    """Where the toolkit keeps what it can make again; None for a user without a home."""
    return _home("XDG_CACHE_HOME", ".cache")


def data_folder() -> Path | None:
    """Where the toolkit keeps what was fetched; None for a user without a home."""
    return _home("XDG_DATA_HOME", ".local/share")


def _home(variable: str, usual: str) -> Path | None:
    try:
        return Path(os.environ.get(variable) or Path.home() / usual) / "edgekit"
    except RuntimeError:
        return None
