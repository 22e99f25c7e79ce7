"""Ctrl-C and SIGTERM, answered by a command in its own way for a while."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

ENDS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def answered(handler: Handler) -> Iterator[None]:
    """Call `handler` on Ctrl-C and SIGTERM; afterwards they do what they did before."""
    before = {number: signal.signal(number, handler) for number in ENDS}
    try:
        yield
    finally:
        for number, each in before.items():
            signal.signal(number, each)
