"""The CSV that an outside meter wrote: its columns found by their headings, its rows read one by one."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from edge.errors import ConfigError, one_line
from edge.files import printable

DELIMITERS = ",;\t|"

PREAMBLE = 50
"""Some meters put so many lines in front of the headings."""

LONGEST = 80
"""No heading is longer; a line of some other file may be."""

TIMES = {"timestamp", "datetime", "epoch", "unix", "time", "date", "ts", "t"}

TIME_UNITS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

UNITS = {
    **{"w": ("watts", 1.0), "watt": ("watts", 1.0), "watts": ("watts", 1.0), "mw": ("watts", 1e-3)},
    **{"milliwatts": ("watts", 1e-3), "uw": ("watts", 1e-6), "µw": ("watts", 1e-6), "kw": ("watts", 1e3)},
    **{"v": ("volts", 1.0), "volt": ("volts", 1.0), "volts": ("volts", 1.0), "mv": ("volts", 1e-3)},
    **{"millivolts": ("volts", 1e-3), "a": ("amps", 1.0), "amp": ("amps", 1.0), "amps": ("amps", 1.0)},
    **{"ampere": ("amps", 1.0), "amperes": ("amps", 1.0), "ma": ("amps", 1e-3), "milliamps": ("amps", 1e-3)},
    **{"ua": ("amps", 1e-6), "µa": ("amps", 1e-6)},
}
"""What a column holds by the unit in its heading, and what that unit is in watts, volts or amperes."""

NAMES = {"power": "watts", "p": "watts", "voltage": "volts", "u": "volts", "current": "amps", "i": "amps"}
"""What a column without a unit holds, by its name; then it is in watts, volts or amperes."""

OTHERS = {"min", "max", "peak", "limit", "set", "energy", "charge", "capacity", "factor", "wh", "mwh", "ah", "mah"}
"""A heading with one of these is of another quantity."""

ISO = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ]+(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII
)

MAGNITUDES = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
"""From so much on, a number is of nano-, micro- or milliseconds since 1970, where its heading names no unit."""


class Row(NamedTuple):
    """One row: its line, seconds since 1970, and watts; None where the cells hold none."""

    line: int
    at: float | None
    watts: float | None


class Columns(NamedTuple):
    """Where things stand. times: one column, or a date and a time of day. factors: a column, and what its unit is."""

    times: tuple[int, ...]
    time_unit: float | None
    factors: tuple[tuple[int, float], ...]


def rows(path: Path) -> Iterator[Row]:
    """Read the rows after the headings. Raises ConfigError where the file cannot be read, or has no such columns."""
    name = printable(path)
    try:
        if not path.is_file():
            raise ConfigError(f"--csv {name}: no such file; give what the meter wrote")
        with path.open(encoding=_encoding(path), errors="replace", newline="") as file:
            yield from _rows((line.replace("\0", "\ufffd") for line in file), name)  # csv fails on NUL in Python 3.10
    except OSError as error:
        raise ConfigError(
            f"--csv {name}: cannot be read: {error.strerror or one_line(error)}; check the name"
        ) from error
    except csv.Error as error:
        raise ConfigError(f"--csv {name}: not CSV: {one_line(error)}; export it anew") from error


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _rows(lines: Iterator[str], name: str) -> Iterator[Row]:
    for number, line in enumerate(itertools.islice(lines, PREAMBLE), 1):
        for delimiter in DELIMITERS:
            columns = _columns(next(csv.reader([line], delimiter=delimiter), []), name)
            if columns:
                reader = csv.reader(lines, delimiter=delimiter)
                decimal = "." if delimiter == "," else ","
                yield from (_row(number + reader.line_num, cells, columns, decimal) for cells in reader if any(cells))
                return
    wanted = "a time, and of watts, or of volts and amps"
    raise ConfigError(f"--csv {name}: no line with headings of {wanted}; write one, as 'timestamp,watts'")


def _columns(headings: Sequence[str], name: str) -> Columns | None:
    """None where these are no headings, or not all that are needed."""
    words = [_words(heading) for heading in headings]
    times = [place for place, heading in enumerate(words) if set(heading) & TIMES and not set(heading) & OTHERS]
    kinds: dict[str, list[tuple[int, float]]] = {"watts": [], "volts": [], "amps": []}
    for place, heading in enumerate(words):
        found = _quantity(heading) if place not in times else None
        if found:
            kinds[found[0]].append((place, found[1]))
    wanted = ("watts",) if kinds["watts"] else ("volts", "amps")
    if not times or not all(kinds[kind] for kind in wanted):
        return None
    for kind in wanted:
        if len(kinds[kind]) > 1:
            several = " and ".join(repr(headings[place].strip()) for place, _ in kinds[kind])
            raise ConfigError(f"--csv {name}: {several} may both be the {kind}; keep the column that is meant")
    units = [TIME_UNITS[word] for word in words[times[0]] if word in TIME_UNITS]
    days = [place for place in times if words[place] == ["date"]]
    clocks = [place for place in times if words[place] == ["time"]]
    chosen = (days[0], clocks[0]) if days and clocks else (times[0],)
    return Columns(chosen, units[0] if units else None, tuple(kinds[kind][0] for kind in wanted))


def _words(heading: str) -> list[str]:
    if len(heading) > LONGEST:
        return []
    apart = re.sub(r"(?<=[a-z]{2})(?=[A-Z])", " ", heading.replace("\u03bc", "µ"))
    return re.findall(r"[^\W\d_]+", apart.lower())


def _quantity(words: list[str]) -> tuple[str, float] | None:
    if set(words) & OTHERS:
        return None
    units = [UNITS[word] for word in words if word in UNITS]
    name = next((NAMES[word] for word in words if word in NAMES), None)
    fitting = [unit for unit in units if name is None or unit[0] == name]
    return fitting[-1] if fitting else (name, 1.0) if name else None


def _row(line: int, cells: list[str], columns: Columns, decimal: str) -> Row:
    if max(*columns.times, *(place for place, _ in columns.factors)) >= len(cells):  # cut short, its time maybe as well
        return Row(line, None, None)
    watts: float | None = 1.0
    for place, factor in columns.factors:
        value = _number(cells[place], decimal)
        watts = None if watts is None or value is None else watts * value * factor
    return Row(
        line, _time(" ".join(cells[place].strip() for place in columns.times), columns.time_unit, decimal), watts
    )


def _number(cell: str, decimal: str) -> float | None:
    try:
        value = float(cell.replace(decimal, "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _time(cell: str, unit: float | None, decimal: str) -> float | None:
    """Seconds since 1970."""
    value = _number(cell, decimal)
    if value is not None:
        return value * (unit or next((scale for least, scale in MAGNITUDES if value >= least), 1.0))
    return iso(cell)


def iso(text: str) -> float | None:
    """Seconds since 1970 of a time in ISO 8601; None where it is none. Without a zone it is one of this machine's."""
    found = ISO.fullmatch(text)
    try:
        return _moment(*found.groups()) if found else None
    except (ValueError, OverflowError):
        return None


def _moment(
    year: str, month: str, day: str, hour: str, minute: str, second: str | None, part: str | None, zone: str | None
) -> float:
    whole = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
    if zone == "Z":
        whole = whole.replace(tzinfo=timezone.utc)
    elif zone:
        away = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        whole = whole.replace(tzinfo=timezone(away if zone[0] == "+" else -away))
    return whole.timestamp() + (float(f"0.{part}") if part else 0.0)
