"""Files that are written whole or not at all, their names as text, and the folder for what can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all: beside it first, and then in its place.

    Raises:
        OSError: the folder cannot be written.
    """
    import tempfile  # slow to import, and what runs a model writes no files

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


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
    """The name of a file as text that can be written anywhere; Linux allows names that are not."""
    return os.fsencode(name).decode("utf-8", "replace")


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
