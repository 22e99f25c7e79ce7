"""Ways out of a library that may hang or end the process."""

from __future__ import annotations

import atexit
import contextlib
import logging
import re
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, TypeVar

from edge.devices import opened
from edge.errors import one_line
from edge.whose import thread

CLOSE_S = 3.0
"""How long a camera may take to be given back."""

ROOT = Path("/")

T = TypeVar("T")

log = logging.getLogger("edge")


def shut(camera: Any, name: str, limit_s: float = CLOSE_S, root: Path = ROOT) -> None:
    """Close a camera of picamera2's for at most so many seconds."""
    # Jobs that nobody will finish would keep it from closing.
    cancel = getattr(camera, "cancel_all_and_flush", lambda: None)
    if removed(root):
        # To stop a camera whose driver has gone fails an assertion of libcamera's, which ends the process. So only
        # picamera2's own thread is ended; what the kernel gave is gone as it is.
        camera.is_open = False
    try:
        bounded(lambda: (cancel(), camera.close()), limit_s)
    except TimeoutError:
        log.info("%s hangs in its library; it is left behind", name)
    except Exception as error:  # noqa: BLE001 - it is gone either way
        log.info("%s: %s", name, one_line(error))
    atexit.unregister(camera.close)  # what failed here would fail or hang there again


def removed(root: Path = ROOT) -> bool:
    """Whether a video device that this process has open was unplugged, or its driver taken away."""
    gone = re.compile(r"/dev/(video|media|v4l-subdev)\d+ \(deleted\)")
    return any(gone.fullmatch(path) for path in opened(root / "proc/self"))


def handed(ask: Callable[[Callable[[T], None]], Any], limit_s: float, late: Callable[[T], Any]) -> T:
    """What comes to the function that `ask` is called with, by whatever thread.

    Raises TimeoutError where nothing comes within so many seconds; `late` gets what comes afterwards.
    """
    taken: Future[None] = Future()
    things: list[T] = []  # apart, and emptied: a thing that knows `take` would hold itself for ever

    def take(thing: T) -> None:
        if taken.set_running_or_notify_cancel():
            things.append(thing)
            taken.set_result(None)
            return
        with contextlib.suppress(Exception):  # a thread of the library's, and nobody who waits
            late(thing)

    ask(take)
    wait([taken], limit_s)
    if taken.cancel():
        raise TimeoutError(f"no answer within {limit_s:g} s")
    taken.result()
    return things.pop()


def bounded(work: Callable[[], T], limit_s: float, late: Callable[[T], Any] = lambda result: None) -> T:
    """What `work` returns or raises, done in a thread of its own; TimeoutError where it takes longer.

    late: gets what `work` returns after that.
    """

    def run(take: Callable[[Future[T]], None]) -> None:
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            done.set_exception(error)
        take(done)
        del done  # an error's traceback has this frame

    def ask(take: Callable[[Future[T]], None]) -> None:
        thread(run, "edge-picamera", take).start()

    return handed(ask, limit_s, lambda done: late(done.result())).result()
