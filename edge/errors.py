"""Everything that can go wrong, as one small tree.

    EdgeError                       exit code 1: it was right, and failed while it ran
    |-- ConfigError    ValueError   exit code 2: what was asked for cannot be; mend the command or the file it names
    |-- ModelError     ValueError   exit code 2: the model file, its labels or its card do not fit
    |-- AdapterError   ImportError  exit code 1: the library behind an adapter is missing or broken
    |-- DeviceError    OSError      exit code 1: an accelerator is absent, not permitted or gone
    |-- CameraError    OSError      exit code 1: a camera is absent, busy, gone or silent
    |-- FetchError     OSError      exit code 1: a model could not be fetched, or not be kept
    |-- MeterError     OSError      exit code 1: a power meter is absent, not permitted or gone
    `-- InferenceError RuntimeError exit code 1: the interpreter failed on an input

Each one also is the builtin that a Python programmer would catch. A message is one line: what happened, to which
thing, and what to do about it.
"""

from __future__ import annotations

import re


class EdgeError(Exception):
    """The base of every error that the toolkit raises on purpose."""

    exit_code = 1


class ConfigError(EdgeError, ValueError):
    """A command, a profile or a source that cannot be right."""

    exit_code = 2


class ModelError(EdgeError, ValueError):
    """A model file, its labels or its card that cannot be used."""

    exit_code = 2


class AdapterError(EdgeError, ImportError):
    """The library behind an adapter is not installed, or does not work here."""


class DeviceError(EdgeError, OSError):
    """An accelerator that is absent, not permitted, gone, or that its driver or library cannot drive."""


class CameraError(EdgeError, OSError):
    """A camera or stream that is absent, busy, not permitted, silent or gone."""


class FetchError(EdgeError, OSError):
    """A model that could not be fetched, is not the one that is pinned, or could not be kept."""


class MeterError(EdgeError, OSError):
    """A power meter that is absent, not permitted, gone, or that gives nonsense."""


class InferenceError(EdgeError, RuntimeError):
    """The interpreter failed while it ran."""


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What steers a terminal or a page instead of being shown on it: C0, DEL and C1 of ISO/IEC 6429, Unicode's separators
of lines, and what turns the direction of text (Unicode Standard Annex 9)."""


def one_line(text: object, most: int | None = None) -> str:
    """Fold `text` (often another library's message) into one line of at most `most` characters, without what steers a
    terminal."""
    line = CONTROL.sub("", " ".join(str(text).split()))
    return line if most is None or len(line) <= most else f"{line[: most - 1].rstrip()}…"


def key_and_reason(error: Exception) -> tuple[str, str]:
    """Take a msgspec validation error apart: the path of the key that is wrong, and why."""
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", one_line(error))
    reason, path = (found[1], found[2] or "") if found else (str(error), "")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", reason)
    missing = re.fullmatch(r"Object missing required field `(.*)`", reason)
    if unknown:
        return f"{path}.{unknown[1]}".lstrip("."), "unknown key"
    if missing:
        return f"{path}.{missing[1]}".lstrip("."), "this key is needed"
    return path, reason
