"""The loop itself: its threads, what they hand over, and what happens where a camera gives nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread, current_thread
from types import TracebackType

from edge.channel import Channel
from edge.engine import CANNOT_RUN, Engine
from edge.errors import CameraError
from edge.lasting import Lasting
from edge.paced import Paced
from edge.recovery import LOOK_S
from edge.succession import Prepared, Succession
from edge.turns import Turn
from edge.types import Camera, Frame, Result
from edge.whose import thread

log = logging.getLogger("edge")

STALL_S = 10.0
"""A live source that gives no frame for so long has failed."""

RECORDED_STALL_S = 300.0
"""A recorded one: a picture of a billion pixels takes a slow board minutes, and loses nobody anything."""

JOIN_S = 2.0
"""How long a thread that hangs in a driver is waited for at the end."""

MOST_LEFT = 3
"""So many threads may hang in a live camera's driver, and so often in a row it may give nothing of use."""

TENSORS = 3
"""One is filled, one waits, one is inferred from."""

Ready = tuple[Frame, Prepared]


class Pipeline:
    """Iterating yields a `Result` a frame; a context manager that gives the camera and the model back.

    engine: the one there is, a succession of them, or a turn on one that is shared.
    """

    def __init__(
        self, camera: Camera, engine: Engine | Succession | Turn, source: str, stall_s: float | None = None
    ) -> None:
        self.camera = camera
        self.source = source
        self._succession = Succession(engine=engine) if isinstance(engine, Engine) else engine
        self._stall_s = stall_s or (STALL_S if camera.live else RECORDED_STALL_S)
        self._frames: Channel[Frame] = Channel(1 if camera.live else 2, lossless=not camera.live)
        self._ready: Channel[Ready] = Channel(1, lossless=True)
        self._free: Channel[Prepared | None] = Channel(TENSORS, lossless=True)
        self._taken = Event()
        self._taken.set()
        self._wanted = Event()
        self._lead_s = 0.0
        self._stopped = self._closing = False
        self._threads: dict[str, Thread] = {}
        self._left: list[Thread] = []
        self._stalls = 0

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

    def pairs(self, waiting: Callable[[], None] = lambda: None) -> Iterator[tuple[Frame, Result]]:
        """As iterating, with the frame that each result is of.

        waiting: is called every second while there is none, because the camera is away or an interpreter is being
        opened; it may call `stop`.
        """
        self._succession.waiting = waiting
        self._start()
        while True:
            self._wanted.set()
            ready = self._next(waiting)
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

    def _next(self, waiting: Callable[[], None]) -> Ready | None:
        """The next frame, prepared; None at the end. Raises CameraError where there is none for too long."""
        left_s, each_s = self._stall_s, min(self._stall_s, LOOK_S)
        while True:
            try:
                ready = self._ready.get(each_s)
                self._stalls = 0
                return ready
            except EOFError:
                return None
            except TimeoutError as error:
                waiting()
                left_s -= each_s
                if left_s > 0:
                    continue
                live = "check its cable or network, and whether something else uses it"
                advice = live if self.camera.live else "check the disk that it lies on"
                words = f"no frame for {self._stall_s:g} s; {advice}"
                if not isinstance(self.camera, Lasting) or not self._waited_for(self.camera, words):
                    raise CameraError(f"{self.source}: {words}") from error

    def _waited_for(self, camera: Lasting, words: str) -> bool:
        """Whether a camera that gives nothing is on its way back; one that hangs is left to its thread for another.

        False where too many stay behind, or give nothing that can be decoded. Raises CameraError as `give_up` does.
        """
        if camera.recovering:
            return True
        self._stalls += 1
        self._left = [thread for thread in self._left if thread.is_alive()]
        if self._stalls > MOST_LEFT or len(self._left) >= MOST_LEFT:
            return False
        camera.give_up(f"{self.source}: {words}")
        self._left.append(self._threads["capture"])
        self._begin("capture", self._capture)
        return True

    def be_patient(self, seconds: float) -> None:
        """Wait so long for a live camera that is away, from here on."""
        if isinstance(self.camera, Lasting):
            self.camera.patience_s = seconds

    def stop(self) -> None:
        """End the loop after the frame in hand; may be called from a signal handler's thread."""
        self._stopped = True
        self._succession.stop()
        if isinstance(self.camera, Lasting | Paced):
            self.camera.stop()
        for channel in (self._frames, self._ready, self._free):
            channel.abandon()
        self._taken.set()
        self._wanted.set()

    def close(self) -> None:
        """Stop, and give camera and model back; calling it again is harmless."""
        self._closing = True
        self.stop()
        end = time.monotonic() + JOIN_S
        for each in self._threads.values():
            each.join(max(0.0, end - time.monotonic()))
        hang = any(each.is_alive() for each in self._threads.values())
        if hang or any(thread.is_alive() for thread in self._left):
            log.info("%s hangs in its driver; its thread closes it when it comes back", self.source)
        if not hang:
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
        self._begin("capture", self._capture)
        self._begin("prepare", self._prepare)

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        made = self._threads[name] = thread(work, f"edge-{name}")
        made.start()

    def _capture(self) -> None:
        failed = None
        try:
            for frame in self.camera:
                if not self._frames.put(frame):
                    break
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            failed = error
        if self._threads["capture"] is not current_thread():  # it hung, and another one has its place
            return
        self._frames.close(failed)
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
