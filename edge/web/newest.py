"""The newest frame as a JPEG: made once, however many look at it, and only when somebody does."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from edge.errors import CameraError
from edge.picture import shown
from edge.types import Frame
from edge.vitals import Controls, Vitals

WIDTH, QUALITY = 1280, 80
"""Of pictures; wider frames are made smaller."""


class Shown:
    """A frame, and its JPEG once somebody wanted it."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.data: bytes | None = None


class Newest:
    """A context manager that ends its thread. Its methods are of one event loop."""

    def __init__(self, vitals: Vitals, controls: Controls) -> None:
        self._vitals = vitals
        self._controls = controls
        self._made: Shown | None = None
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "edge-web-picture")

    @property
    def frame(self) -> Frame | None:
        """The newest one; None where there is none yet, and while the camera is to be paused."""
        latest = self._vitals.latest
        return None if latest is None or self._controls.paused else latest[0]

    async def jpeg(self, frame: Frame) -> bytes | None:
        """A frame that was newest as a JPEG; None where it cannot be one."""
        async with self._one_at_a_time:
            if self._made is None or self._made.frame is not frame:
                made = Shown(frame)
                made.data = await asyncio.get_running_loop().run_in_executor(self._thread, _made, frame)
                self._made = made
            return self._made.data

    def __enter__(self) -> Newest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)


def _made(frame: Frame) -> bytes | None:
    try:
        return shown(frame, WIDTH, QUALITY)
    except CameraError:
        return None
