"""Records as Markdown, for an issue, a chat or a README."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from edge.errors import one_line

from ..record import Record, Result
from .about import asked, host, machine
from .columns import table
from .words import Row, told
from .words import title as named

SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What GitHub's Markdown (a superset of CommonMark 0.31) reads as anything but a letter within a line."""


def text(records: Sequence[Record]) -> str:
    """All records: one table, and under it each host, and each result with its warnings."""
    return "\n".join(lines(records)) + "\n"


def lines(records: Sequence[Record]) -> Iterator[str]:
    """The text, line by line."""
    heads, rows = table(records)
    yield "# edge-bench"
    yield ""
    if rows:
        yield row(heads)
        yield "|" + " --- |" * len(heads)
        yield from map(row, rows)
    else:
        yield "No result: nothing was measured."
    for record in records:
        yield from about(record)


def row(cells: Iterable[str]) -> str:
    """One row of a table."""
    return "| " + " | ".join(map(plain, cells)) + " |"


def about(record: Record) -> Iterator[str]:
    """One record: the machine, what was asked, and its results."""
    yield ""
    yield f"## {plain(host(record.host))}"
    yield ""
    yield from listed([*machine(record.host), *asked(record)])
    for result in record.results:
        yield from one(result)


def one(result: Result) -> Iterator[str]:
    """One result: verdict and warnings first, then all figures."""
    yield ""
    yield f"### {plain(named(result))}"
    yield ""
    yield f"**{result.verdict}**"
    yield ""
    for each in result.warnings:
        yield f"- {each.verdict}: {plain(each.text)}. *{plain(each.advice)}*"
    yield from [""] if result.warnings else []
    yield from listed(told(result))


def listed(found: Iterable[Row]) -> Iterator[str]:
    """Names and what is told of each."""
    for each in found:
        yield f"- {each.name}: {'; '.join(map(plain, each.lines))}"


def plain(words: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return SPECIAL.sub(r"\\\g<0>", html.escape(one_line(words.replace("   ", ", ")), quote=False))
