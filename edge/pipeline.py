"""The one loop: camera, preprocessing and inference overlap, each in its own thread.

    camera --frames--> preprocessing --ready--> inference and answer (the caller's thread)

A recorded source waits where the next stage is behind, and loses nothing. A live one drops the oldest frame and counts
it; the next frame is prepared just before the running inference is expected to end, so that it is as young as can be.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any

from edge import adapters
from edge import profile as profiles
from edge import source as sources
from edge.adapters import Adapter
from edge.channel import Channel
from edge.engine import Engine, open_engine
from edge.errors import CameraError
from edge.files import printable
from edge.profile import DeviceProfile
from edge.types import Array, Camera, Clock, Frame, Result

log = logging.getLogger("edge")

STALL_S = 10.0
"""A live source that gives no frame for so long has failed."""

RECORDED_STALL_S = 300.0
"""A recorded one: a picture of a billion pixels takes a slow board minutes, and loses nobody anything."""

JOIN_S = 2.0
"""How long a thread that hangs in a driver is waited for at the end."""

TENSORS = 3
"""One is filled, one waits, one is inferred from."""

Ready = tuple[Frame, Array, int]


class Pipeline:
    """Iterating yields a `Result` a frame; a context manager that gives the camera and the model back."""

    def __init__(self, camera: Camera, engine: Engine, source: str, stall_s: float | None = None) -> None:
        self.camera = camera
        self.engine = engine
        self.source = source
        self._stall_s = stall_s or (STALL_S if camera.live else RECORDED_STALL_S)
        self._frames: Channel[Frame] = Channel(1 if camera.live else 2, lossless=not camera.live)
        self._ready: Channel[Ready] = Channel(1, lossless=True)
        self._free: Channel[Array] = Channel(TENSORS, lossless=True)
        self._taken = Event()
        self._taken.set()
        self._wanted = Event()
        self._lead_s = 0.0
        self._closing = False
        self._threads: list[Thread] = []

    @property
    def dropped(self) -> int:
        """Frames that a live source gave and nobody looked at, so far."""
        return self._frames.dropped

    def __iter__(self) -> Iterator[Result]:
        """Yield results until the source ends, or `stop` is called. Raises CameraError and InferenceError."""
        return (result for _, result in self.pairs())

    def pairs(self) -> Iterator[tuple[Frame, Result]]:
        """As iterating, with the frame that each result is of."""
        self._start()
        while True:
            self._wanted.set()
            try:
                frame, tensor, preprocess_ns = self._ready.get(self._stall_s)
            except EOFError:
                return
            except TimeoutError as error:
                live = "check its cable or network, and whether something else uses it"
                advice = live if self.camera.live else "check the disk that it lies on"
                raise CameraError(f"{self.source}: no frame for {self._stall_s:g} s; {advice}") from error
            self._wanted.clear()
            self._taken.set()
            taken = time.monotonic_ns()
            result = self.engine.answer(frame, tensor, preprocess_ns)
            self._free.put(tensor)
            yield frame, result
            # What the caller does with a result counts too: the next frame is wanted when both are done.
            self._lead_s = max(0, time.monotonic_ns() - taken - 2 * preprocess_ns) / 1e9

    def stop(self) -> None:
        """End the loop after the frame in hand; may be called from a signal handler's thread."""
        for channel in (self._frames, self._ready, self._free):
            channel.abandon()
        self._taken.set()
        self._wanted.set()

    def close(self) -> None:
        """Stop, and give camera and model back; calling it again is harmless."""
        self._closing = True
        self.stop()
        for thread in self._threads:
            thread.join(JOIN_S)
        if any(thread.is_alive() for thread in self._threads):
            log.info("%s hangs in its driver; its thread closes it when it comes back", self.source)
        else:
            self.camera.close()
        self.engine.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _start(self) -> None:
        if self._threads:  # iterated before: what is left of it goes on
            return
        for _ in range(TENSORS):
            self._free.put(self.engine.preprocessor.new_tensor())
        for name, work in (("capture", self._capture), ("prepare", self._prepare)):
            thread = Thread(target=work, name=f"edge-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _capture(self) -> None:
        try:
            for frame in self.camera:
                if not self._frames.put(frame):
                    return
            self._frames.close()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            self._frames.close(error)
        finally:
            if self._closing:  # `close` may have given up waiting for this thread
                self.camera.close()

    def _prepare(self) -> None:
        try:
            while True:
                tensor = self._free.get()
                if self.camera.live:
                    # One frame an inference: only when the last is taken, and then as late as can be.
                    self._taken.wait()
                    self._taken.clear()
                    self._wanted.wait(self._lead_s)
                if not self._ready.put(self._fill(tensor)):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            self._ready.close(None if isinstance(error, EOFError) else error)

    def _fill(self, tensor: Array) -> Ready:
        """Prepare the next frame that can be: one that a camera garbled on its cable is skipped, and counted."""
        while True:
            frame = self._frames.get()
            try:
                return frame, tensor, self.engine.prepare(frame, tensor)
            except CameraError as error:
                if not self.camera.live:
                    raise
                self.camera.skipped += 1
                log.info("%s", error)


def open_pipeline(
    profile: str | Path | DeviceProfile | None = None,
    source: str | Path | None = None,
    *,
    clock: Clock = time.monotonic_ns,
    stall_s: float | None = None,
    **engine_options: Any,
) -> Pipeline:
    """Open what a profile names: the camera (or `source`, in the grammar of the command line) and the model.

    engine_options: model, labels, fit, threads, top_k, threshold, as `open_engine` takes them. Profile, source and
    model are checked before the camera is opened. Raises the errors of `edge.errors`.
    """
    if not isinstance(profile, DeviceProfile):
        profile = profiles.load(profile or profiles.DEFAULT)
    name, adapter = _camera(profile, None if source is None else str(source))
    engine = open_engine(profile, clock=clock, **engine_options)
    try:
        timed = {"clock": clock} if adapters.takes("cameras", adapter.kind, "clock") else {}
        camera: Camera = adapters.open("cameras", adapter.kind, **adapter.options, **timed)
    except BaseException:
        engine.close()
        raise
    return Pipeline(camera, engine, printable(name), stall_s)


def _camera(profile: DeviceProfile, source: str | None) -> tuple[str, Adapter]:
    if source is None and profile.cameras:
        return profile.cameras[0].kind, profile.cameras[0]
    name = sources.default() if source is None else source
    return name, sources.parse(name)
