"""Small files of /proc and /sys, and the lines in them. What cannot be read is None."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

MOST_BYTES = 1 << 20
"""Of a file; /proc/cpuinfo of the largest machines has some hundred KiB."""


def text(path: Path) -> str | None:
    """What a small file holds, without blanks and NULs around it; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace").strip().strip("\0") or None
    except OSError:
        return None


def number(path: Path) -> int | None:
    """The integer that a file holds."""
    found = text(path)
    return int(found) if found and re.fullmatch(r"-?[0-9]{1,18}", found) else None


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


MOST_NUMBERS = 8192
"""No Linux has more cores (NR_CPUS)."""


def listed(ranges: str) -> list[int]:
    """Numbers as the kernel lists them: "0-2,5"."""
    ends = [(int(first), int(last or first)) for first, last in re.findall(r"(\d{1,9})(?:-(\d{1,9}))?", ranges)]
    return [number for first, last in ends for number in range(first, min(last, first + MOST_NUMBERS) + 1)]


UNNAMED = r"(?i)to be filled|default string|system (manufacturer|product)|not (applicable|specified)|o\.e\.m|none$"
"""What makers leave in DMI where a name was to be."""


def board_name(root: Path) -> str | None:
    """What the machine below `root` is called, by its device tree, else by its firmware (DMI)."""
    return (
        text(root / "proc/device-tree/model")
        or _of_dmi(root, "sys_vendor", "product_name")
        or _of_dmi(root, "board_vendor", "board_name")
    )


def _of_dmi(root: Path, *names: str) -> str | None:
    """Maker and product, where it has a name."""
    maker, product = (text(root / "sys/class/dmi/id" / name) for name in names)
    told = [part for part in (maker, product) if part and not re.match(UNNAMED, part)]
    return " ".join(told) if product in told else None
