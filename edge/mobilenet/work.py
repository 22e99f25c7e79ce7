"""What a fine-tune has done so far, in a folder beside its result, so that the next start goes on from there.

Each file is written whole or not at all, and holds what the same command would make again to the last bit.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.files import printable, write_whole

KEY, TIMES = "key.json", "times.json"


def folder_of(out: Path) -> Path:
    """Where the work for a result lies: hidden, beside it, on the same disk."""
    return out.parent / f".{out.name}.finetune"


class Work:
    """The folder of one fine-tune, held by one process at a time."""

    def __init__(self, folder: Path, lock: IO[bytes]) -> None:
        self.folder = folder
        self._lock = lock
        self.times: dict[str, float] = _read(folder / TIMES) or {}
        self._began, self._earlier = time.monotonic(), sum(self.times.values())

    def match(self, key: dict[str, Any], fresh: bool) -> str | None:
        """Keep what was done under the same ``key``, else forget it; says which, or None where nothing was there.

        Raises:
            OSError: the folder cannot be written.
        """
        before = _read(self.folder / KEY)
        if before == key and not fresh:
            return f"going on from what is in {printable(self.folder)}"
        for path in self.folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.times, self._earlier = {}, 0.0
        write_whole(self.folder / KEY, json.dumps(key).encode())
        if before is None:
            return None
        changed = [name for name in key if before.get(name) != key[name]]
        why = f"other {', '.join(changed)}" if changed else "as asked"
        return f"starting anew ({why}); what was in {printable(self.folder)} is gone"

    def path(self, name: str) -> Path:
        """Of a file of this work."""
        return self.folder / name

    def save_array(self, name: str, array: NDArray[Any]) -> None:
        """Write an array. Raises OSError."""
        file = io.BytesIO()
        np.save(file, array)
        write_whole(self.path(name), file.getvalue())

    def array(self, name: str) -> NDArray[Any]:
        """An array that was written; it stays on the disk until it is looked at."""
        found: NDArray[Any] = np.load(self.path(name), mmap_mode="r")
        return found

    def spent(self) -> float:
        """Seconds since this start, and those of phases that were timed in earlier ones."""
        return self._earlier + time.monotonic() - self._began

    @contextlib.contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the seconds inside to those of a phase, over all starts."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.times[phase] = self.times.get(phase, 0.0) + time.monotonic() - began
            write_whole(self.path(TIMES), json.dumps(self.times).encode())


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Work]:
    """The work folder, made if need be.

    Raises:
        ConfigError: another process works in it.
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"{printable(folder)}: another fine-tune works there; wait, or give another -o"
            ) from error
        yield Work(folder, lock)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def publish(staged: Path, place: Path, names: list[str]) -> None:
    """Move finished files from ``staged`` into ``place``, in this order.

    What a card describes must come after it in ``names``: the old one goes before the new card comes, so that a model
    never stands beside a card that is another's. Raises OSError.
    """
    for name in names:
        if (place / name).is_dir():
            raise IsADirectoryError(
                errno.EISDIR, "a folder has the name of a file that is to be written", str(place / name)
            )
    models = [name for name in names if not name.endswith((".toml", ".md", ".png")) and (staged / name).exists()]
    for name in models:
        (place / name).unlink(missing_ok=True)
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # moved before an interrupt
            os.replace(staged / name, place / name)  # noqa: PTH105
