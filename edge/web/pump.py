"""The newest frame as a JPEG for all who look: made once, however many they are, and only while there are some."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import TracebackType

from edge.errors import CameraError, one_line
from edge.picture import Encode, jpeg, shown
from edge.types import Clock, Frame
from edge.vitals import Controls, Vitals
from edge.web.share import Bell, Share

WIDTH, QUALITY = 1280, 80
"""Of pictures; wider frames are made smaller."""

NICE = 10
"""By so much a picture waits for the loop: setpriority(2)."""

LOOK_S = 0.005
"""How often the newest frame is looked for while somebody waits: that much older a picture is at most."""

SILENT_S = 1.0
"""Who waits for a picture is woken so often where there is none."""


class Shot:
    """A frame, and its JPEG once somebody wanted it; None: it cannot be one. took_s: processor time."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.data: bytes | None = None
        self.took_s = 0.0


class Pump:
    """Of one camera. A context manager that ends its thread. Its methods are of one event loop. width: pixels.

    fps: so many pictures a second are made at most. share: of the processor, for all pumps of this loop. encode: makes
    the pictures, in the thread of this.
    """

    def __init__(
        self,
        vitals: Vitals,
        controls: Controls,
        fps: float,
        share: Share,
        width: int = WIDTH,
        silent_s: float = SILENT_S,
        clock: Clock = time.monotonic_ns,
        encode: Encode = jpeg,
    ) -> None:
        self._vitals = vitals
        self._controls = controls
        self._fps = fps
        self._share = share
        self._width = width
        self._silent_s = silent_s
        self._clock = clock
        self._encode = encode
        self._made: Shot | None = None
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "edge-web-picture", initializer=_give_way)
        self._bell = Bell()
        self._task: asyncio.Task[None] | None = None
        self._wanted: list[float] = []
        self._rung_at = 0.0
        self._shown: Frame | None = None

    @property
    def frame(self) -> Frame | None:
        """The newest one; None where there is none yet, and while the camera is to be paused."""
        latest = self._vitals.latest
        return None if latest is None or self._controls.paused else latest[0]

    def age_ms(self, frame: Frame) -> float:
        """Milliseconds since it was captured."""
        return (self._clock() - frame.captured_at_ns) / 1e6

    async def shot(self, frame: Frame) -> Shot:
        """A frame that was newest, with its JPEG."""
        async with self._one_at_a_time:
            if self._made is None or self._made.frame is not frame:
                made = Shot(frame)
                await asyncio.get_running_loop().run_in_executor(self._thread, _make, made, self._width, self._encode)
                self._share.add(made.took_s)
                self._made = made
            return self._made

    @contextmanager
    def looking(self, fps: float) -> Iterator[None]:
        """As long as somebody looks, who wants so many pictures a second at most."""
        if not self._wanted:
            self._made = None  # it is of when somebody looked last
        self._wanted.append(fps)
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        try:
            yield
        finally:
            self._wanted.remove(fps)

    async def next(self, before: Shot | None) -> Shot | None:
        """The next picture that is another than `before`, for who looks; None: there is none for a second."""
        if self._newer(before) is None:
            await self._bell.heard()
        return self._newer(before)

    def _newer(self, before: Shot | None) -> Shot | None:
        made = self._made
        if made is None or made is before or made.data is None or self.frame is None:
            return None
        return made

    async def _work(self) -> None:
        """Make pictures while somebody looks."""
        self._rung_at, self._shown = time.monotonic(), None
        try:
            while self._wanted:
                try:
                    await self._look()
                except Exception as error:  # noqa: BLE001 - whatever became of one picture, all who look see the next
                    words = f"a fault of edge: pictures: {one_line(repr(error))}"
                    asyncio.get_running_loop().call_exception_handler({"message": words})
                    await asyncio.sleep(self._silent_s)
                    self._bell.ring()
        finally:
            self._task = None

    async def _look(self) -> None:
        """Have the newest frame seen where it is another one than that which was shown last."""
        frame, now, used_s = self.frame, time.monotonic(), self._share.used_s
        if frame is None:
            self._made = self._shown = None  # it is of before the pause
        if frame is not None and (self._made is None or self._shown is not frame):
            await self.shot(frame)
            self._shown = frame
            rate = min(self._fps, max(self._wanted, default=self._fps))
            rest = self._share.rest(now, used_s, 1 / rate - LOOK_S / 2)
        elif now < self._rung_at + self._silent_s:
            await asyncio.sleep(LOOK_S)
            return
        else:
            rest = asyncio.sleep(0)
        self._rung_at = now
        self._bell.ring()
        await rest

    def __enter__(self) -> Pump:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(cancel_futures=True)


def _make(shot: Shot, width: int, encode: Encode) -> None:
    begun = time.thread_time()
    try:
        shot.data = shown(shot.frame, width, QUALITY, encode)
    except CameraError:
        shot.data = None
    shot.took_s = time.thread_time() - begun


def _give_way() -> None:
    """Have this thread wait where others want the processor."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICE)  # on Linux: of this thread
