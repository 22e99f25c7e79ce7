"""Class names: from a text file, or from the zip that a .tflite with metadata also is."""

from __future__ import annotations

import io
import re
from pathlib import Path

from edge.errors import CONTROL, ModelError

END_OF_ZIP = b"PK\x05\x06"

MOST_BYTES = 4 << 20
"""A label file larger than this is none; a zip in an untrusted model may unpack to anything."""


def read(path: Path) -> tuple[str, ...]:
    """The labels of a text file, one a line. Raises ModelError."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ModelError(f"labels {path}: no regular file; give a text file with one label a line")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ModelError(f"labels {path}: {error.strerror}; give a text file with one label a line") from error
    if len(data) > MOST_BYTES or b"\0" in data:
        raise ModelError(f"labels {path}: not a list of labels; give a text file with one label a line")
    return split(data)


def embedded(model: bytes) -> tuple[str, ...] | None:
    """The labels inside a .tflite; None where it has none that can be read."""
    if END_OF_ZIP not in model[-(1 << 17) :]:
        return None
    import zipfile  # slow to import, and most models need none
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            texts = [i for i in archive.infolist() if i.filename.endswith(".txt") and i.file_size <= MOST_BYTES]
            return split(archive.open(texts[0]).read(MOST_BYTES)) if texts else None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError):
        return None


def split(data: bytes) -> tuple[str, ...]:
    """Text to labels: blank lines at the end do not count, blank lines between are classes without a name."""
    # Not splitlines: it takes some characters of a name for the end of a line. Nothing that steers a terminal is kept.
    text = data.decode("utf-8-sig", "replace").rstrip()
    lines = re.split(r"\r\n|\r|\n", text) if text else []
    names = [(line if line.isprintable() else CONTROL.sub(" ", line)).strip() for line in lines]
    return tuple(_without_numbers(names))


def _without_numbers(names: list[str]) -> list[str]:
    """Coral's older lists begin each line with the number of its class; where every line does, that is no name."""
    numbered = [re.fullmatch(r"(\d+)[:\s]+(\S.*)", name) for name in names if names[0].startswith("0")]
    if len(numbered) < 2 or not all(found and int(found[1]) == i for i, found in enumerate(numbered)):
        return names
    return [found[2] for found in numbered if found]
