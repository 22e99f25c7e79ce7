"""Of which camera it is what goes on, where a process has several: each line of the log that comes of it says so.

What a thread does is of the camera for which it was made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from threading import Thread
from typing import Any

CAMERA: ContextVar[str] = ContextVar("camera", default="")


@contextmanager
def of(name: str) -> Iterator[None]:
    """What is done inside, and by threads that are made inside, is of this camera; "": of none."""
    token = CAMERA.set(name)
    try:
        yield
    finally:
        CAMERA.reset(token)


def thread(work: Callable[..., None], name: str, *arguments: Any) -> Thread:
    """A thread that is not begun yet, keeps no process from its end, and is of the camera of whoever makes it."""
    return Thread(target=copy_context().run, args=(work, *arguments), name=name, daemon=True)


def named(record: logging.LogRecord) -> bool:
    """Put the camera in front of a line, and into `record.camera`; for a logger, as a filter. Always true."""
    name = CAMERA.get()
    if name and not hasattr(record, "camera"):
        record.camera = name
        record.msg, record.args = f"{name}: {record.getMessage()}", ()
    return True
