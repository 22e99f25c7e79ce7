"""Small files of /proc and /sys, and the lines in them. What cannot be read is None."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


def text(path: Path) -> str | None:
    """What a small file holds, without blanks and NULs around it; None where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip().strip("\0") or None
    except OSError:
        return None


def number(path: Path) -> int | None:
    """The integer that a file holds."""
    found = text(path)
    return int(found) if found and re.fullmatch(r"-?\d+", found) else None


def total(paths: list[Path]) -> int | None:
    """The sum of the integers that files hold; of those that can be read."""
    read = [value for value in map(number, paths) if value is not None]
    return sum(read) if read else None


def megahertz(paths: list[Path]) -> tuple[float, ...] | None:
    """What files hold in kHz, in MHz."""
    return tuple(value / 1000 for value in map(number, paths) if value is not None) or None


def once(values: Iterable[str | None]) -> tuple[str, ...] | None:
    """Each value that is one, once, in order."""
    return tuple(dict.fromkeys(value for value in values if value)) or None


def first_number(line: str | None) -> float | None:
    """The number that a line begins with."""
    found = re.match(r"\d+\.?\d*", line or "")
    return float(found[0]) if found else None


def kib(lines: str, name: str) -> int | None:
    """Bytes of a value that a file of /proc gives in kB, which are KiB."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", lines, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def listed(ranges: str) -> list[int]:
    """Numbers as the kernel lists them: "0-2,5"."""
    ends = re.findall(r"(\d+)(?:-(\d+))?", ranges)
    return [number for first, last in ends for number in range(int(first), int(last or first) + 1)]
