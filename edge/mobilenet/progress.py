"""Progress of what takes long: a bar a step on a terminal, a line a step elsewhere; on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click


def watch(items: Sequence[Any], title: str) -> Iterator[Any]:
    """Go through ``items``, and show how far it got."""
    with click.progressbar(items, label=f"{title:<16}", file=sys.stderr) as bar:
        yield from bar
