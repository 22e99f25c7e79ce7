"""Ways out of a library that may hang or end the process."""

from __future__ import annotations

import atexit
import contextlib
import logging
import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from edge.errors import one_line

CLOSE_S = 3.0
"""How long a camera may take to be given back."""

ROOT = Path("/")

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
    for file in (root / "proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            if re.fullmatch(r"/dev/(video|media|v4l-subdev)\d+ \(deleted\)", str(file.readlink())):
                return True
    return False


def bounded(work: Callable[[], Any], limit_s: float) -> Any:
    """What `work` returns or raises, done in a thread of its own; TimeoutError where it takes longer."""
    outcome: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.append((None, error))

    thread = Thread(target=run, name="edge-picamera", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not outcome:
        raise TimeoutError(f"no answer within {limit_s:g} s")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
