"""The one loop: camera, preprocessing and inference overlap, each in its own thread.

    camera --frames--> preprocessing --ready--> inference and answer (the caller's thread)

A recorded source waits where the next stage is behind, and loses nothing. A live one drops the oldest frame and counts
it; the next frame is prepared just before the running inference is expected to end, so that it is as young as can be.
A live camera that fails is waited for; an interpreter that is lost has its successor.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, NamedTuple

from edge import adapters
from edge import profile as profiles
from edge import source as sources
from edge.adapters import Adapter
from edge.channel import Channel
from edge.engine import CANNOT_RUN, Engine, Wanted, openers
from edge.errors import AdapterError, CameraError, ConfigError
from edge.files import printable
from edge.lasting import Lasting
from edge.profile import DeviceProfile
from edge.succession import Prepared, Succession
from edge.types import Camera, Clock, Frame, Result

log = logging.getLogger("edge")

STALL_S = 10.0
"""A live source that gives no frame for so long has failed."""

RECORDED_STALL_S = 300.0
"""A recorded one: a picture of a billion pixels takes a slow board minutes, and loses nobody anything."""

JOIN_S = 2.0
"""How long a thread that hangs in a driver is waited for at the end."""

PATIENCE_S = 60.0
"""How long a live camera that failed is waited for."""

TENSORS = 3
"""One is filled, one waits, one is inferred from."""

Ready = tuple[Frame, Prepared]


class Pipeline:
    """Iterating yields a `Result` a frame; a context manager that gives the camera and the model back.

    engine: the one there is, or a succession of them.
    """

    def __init__(self, camera: Camera, engine: Engine | Succession, source: str, stall_s: float | None = None) -> None:
        self.camera = camera
        self.source = source
        self._succession = engine if isinstance(engine, Succession) else Succession(engine=engine)
        self._stall_s = stall_s or (STALL_S if camera.live else RECORDED_STALL_S)
        self._frames: Channel[Frame] = Channel(1 if camera.live else 2, lossless=not camera.live)
        self._ready: Channel[Ready] = Channel(1, lossless=True)
        self._free: Channel[Prepared | None] = Channel(TENSORS, lossless=True)
        self._taken = Event()
        self._taken.set()
        self._wanted = Event()
        self._lead_s = 0.0
        self._stopped = self._closing = False
        self._threads: list[Thread] = []

    @property
    def engine(self) -> Engine:
        """What runs the model now."""
        return self._succession.engine

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
            ready = self._next()
            if ready is None:
                return
            frame, prepared = ready
            self._wanted.clear()
            self._taken.set()
            taken = time.monotonic_ns()
            try:
                result = self._succession.answer(frame, prepared)
            except CANNOT_RUN:
                if self._stopped:
                    return
                raise
            self._free.put(prepared)
            yield frame, result
            # What the caller does with a result counts too: the next frame is wanted when both are done.
            self._lead_s = max(0, time.monotonic_ns() - taken - 2 * prepared.took_ns) / 1e9

    def _next(self) -> Ready | None:
        """The next frame, prepared; None at the end. Raises CameraError where there is none for too long."""
        while True:
            try:
                return self._ready.get(self._stall_s)
            except EOFError:
                return None
            except TimeoutError as error:
                if isinstance(self.camera, Lasting) and self.camera.away:
                    continue
                live = "check its cable or network, and whether something else uses it"
                advice = live if self.camera.live else "check the disk that it lies on"
                raise CameraError(f"{self.source}: no frame for {self._stall_s:g} s; {advice}") from error

    def stop(self) -> None:
        """End the loop after the frame in hand; may be called from a signal handler's thread."""
        self._stopped = True
        self._succession.stop()
        if isinstance(self.camera, Lasting):
            self.camera.stop()
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
        self._succession.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _start(self) -> None:
        if self._threads:  # iterated before: what is left of it goes on
            return
        for _ in range(TENSORS):
            self._free.put(None)
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
                used = self._free.get()
                if self.camera.live:
                    # One frame an inference: only when the last is taken, and then as late as can be.
                    self._taken.wait()
                    self._taken.clear()
                    self._wanted.wait(self._lead_s)
                if not self._ready.put(self._fill(used)):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            self._ready.close(None if isinstance(error, EOFError) else error)

    def _fill(self, used: Prepared | None) -> Ready:
        """Prepare the next frame that can be: one that a camera garbled on its cable is skipped, and counted."""
        while True:
            frame = self._frames.get()
            try:
                return frame, self._succession.prepare(frame, used)
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
    patience_s: float = PATIENCE_S,
    **engine_options: Any,
) -> Pipeline:
    """Open what a profile names: the first of its cameras that opens (or `source`, in the grammar of the command line),
    and the first of its interpreters that runs. profile: None is "auto", the one that fits this machine.

    patience_s: so long a live camera may be away in mid-run; 0: its failure ends the run. engine_options: model,
    labels, fit, threads, top_k, threshold, as `open_engine` takes them. Profile, source and model are checked before
    the camera is opened. Raises the errors of `edge.errors`.
    """
    if not patience_s >= 0:
        raise ConfigError(f"patience is {patience_s!r}; give a number of seconds, 0 or more")
    if not isinstance(profile, DeviceProfile):
        profile = profiles.load(profile or profiles.AUTO)
    listed = cameras(profile, None if source is None else str(source))
    succession = Succession(openers(profile, Wanted(clock=clock, **engine_options)))
    try:
        given = {"clock": clock, "covers": succession.engine.preprocessor.size}
        chosen, camera = first_that_opens(listed, given)
    except BaseException:
        succession.close()
        raise
    if camera.live and patience_s > 0:
        # By its name that stays, where it has one: what is plugged in again may have another number.
        same = Adapter(chosen.adapter.kind, {**chosen.adapter.options, **getattr(camera, "again", {})})
        camera = Lasting(camera, lambda: open_camera(same, given), chosen.name, patience_s)
    return Pipeline(camera, succession, chosen.name, stall_s)


class Source(NamedTuple):
    """What users call a camera, and its adapter."""

    name: str
    adapter: Adapter


def cameras(profile: DeviceProfile, source: str | None) -> list[Source]:
    """What may be opened, in order: `source` alone where it is given.

    A profile that nobody named may also have any other camera that there is; none is listed twice. Raises ConfigError.
    """
    if source is not None:
        return [Source(printable(source), sources.parse(source))]
    listed = [Source(adapter.kind, adapter) for adapter in profile.cameras]
    if listed and profile.because is None:
        return listed
    name = sources.default()
    found = Source(name, sources.parse(name))
    known = found.adapter.kind == "sample" or is_listed(found.adapter, profile.cameras)
    return listed if listed and known else [*listed, found]


def is_listed(found: Adapter, listed: Sequence[Adapter]) -> bool:
    """Whether the first camera that was found is among those: where it is not told which, a kind opens its first."""

    def which(adapter: Adapter) -> object:
        device, number = (adapter.options.get(name) for name in ("device", "number"))
        return number if device is None else os.path.realpath(device)

    return any(each.kind == found.kind and which(each) in (None, which(found)) for each in listed)


def first_that_opens(cameras: Sequence[Source], given: dict[str, Any]) -> tuple[Source, Camera]:
    """Open the first that can be, and say why those before it cannot; given: as `open_camera` takes it.

    Raises the error of the only one unchanged, else one that tells the reason of each.
    """
    reasons: list[str] = []
    for source in cameras:
        try:
            camera = open_camera(source.adapter, given)
        except (CameraError, AdapterError) as error:
            if len(cameras) == 1:
                raise
            reasons.append(f"{source.name}: {error}")
            continue
        for reason in reasons:
            log.warning("%s is the source instead, because %s", source.name, reason)
        return source, camera
    told = "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    raise CameraError(f"none of the profile's {len(cameras)} cameras can be opened: {told}")


def open_camera(adapter: Adapter, given: dict[str, Any]) -> Camera:
    """Open a camera with its options, and with those of `given` (clock, covers) that it has."""
    known = {name: value for name, value in given.items() if adapters.takes("cameras", adapter.kind, name)}
    camera: Camera = adapters.open("cameras", adapter.kind, **adapter.options, **known)
    return camera
