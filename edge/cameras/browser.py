"""The camera of whoever looks at the page: pictures that a browser sends, a JPEG each."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import numpy as np

from edge.errors import CameraError
from edge.inbox import Inbox
from edge.types import Frame

INSTALL = "it needs nothing: begin with `edge demo --browser-camera`"

SILENT_S = 3.0
"""A browser that sends nothing for so long has left."""

LOOK_S = 0.25


class Browser:
    """Yields what comes. The first picture is waited for as long as it takes: somebody has to open the page."""

    live = True
    skipped = 0

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._closed = Event()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames; raises CameraError when no more of them come."""
        index, silent_s = 0, 0.0
        while not self._closed.is_set():
            taken = self._inbox.take(LOOK_S)
            if taken is None:
                silent_s += LOOK_S if index else 0.0
                if silent_s > SILENT_S:
                    raise CameraError("the page sends no more pictures; open it again, and let it use its camera")
                continue
            data, size, at_ns = taken
            pixels = np.frombuffer(data, np.uint8)
            yield Frame(pixels=pixels, index=index, captured_at_ns=at_ns, size=size, pixel_format="MJPG")
            index, silent_s = index + 1, 0.0

    def stop(self) -> None:
        """Wait for no more; may be called from any thread."""
        self._closed.set()

    def close(self) -> None:
        """As `stop`; calling it again is harmless."""
        self.stop()


def open(*, inbox: Inbox | None = None) -> Browser:
    """Open it. inbox: where the pictures come; given by whoever serves the page. Raises CameraError without one."""
    if inbox is None:
        raise CameraError("browser: no page is there to send pictures; begin with `edge demo --browser-camera`")
    return Browser(inbox)
