"""A result on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edge.errors import one_line
from edge.host import Facts

from ..record import Result, Verdict
from .about import host
from .words import title, told

STYLES: dict[Verdict, str] = {"valid": "green", "suspect": "yellow", "invalid": "red"}


INDENT = 12
"""Columns that the names of the rows take."""


def show(result: Result, facts: Facts, console: Console) -> None:
    """Print one result: what it is, all figures in words, and the verdict with its warnings last."""
    console.print(Text.assemble((title(result), "bold"), (f"  on {host(facts)}", "dim")))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for row in told(result):
        lines = [line for long in row.lines for line in filled(long, console.width - INDENT)]
        grid.add_row(Text(f"  {row.name}", "dim"), Text("\n".join(lines)))
    grid.add_row(Text("  verdict", "dim"), Text(result.verdict, f"bold {STYLES[result.verdict]}"))
    for each in result.warnings:
        grid.add_row("", Text(f"{each.verdict}: {one_line(each.text)}", STYLES[each.verdict]))
        grid.add_row("", Padding(Text(one_line(each.advice)), (0, 0, 0, 2)))
    console.print(grid)
    console.print()


def filled(line: str, room: int) -> list[str]:
    """A line as several, broken between its figures, not within one."""
    lines: list[str] = []
    for part in line.split("   "):
        if lines and len(lines[-1]) + 3 + len(part) <= room:
            lines[-1] += f"   {part}"
        else:
            lines.append(part)
    return lines
