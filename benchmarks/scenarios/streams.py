"""Several cameras on one device: each with a loop and an interpreter of its own, all in this process."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread

from edge.engine import Engine
from edge.errors import CameraError, EdgeError
from edge.pipeline import STALL_S

from ..parts import Bench, Counted, Job, Sample
from ..record import Frames, Stream
from . import camera
from .single_stream import STAGES

Item = tuple[int, Sample | EdgeError | None]
"""Of which loop: a sample, what ended it, or None where its source has ended."""


class Streams:
    """Runs the loops in threads, and takes their answers in the order in which they come."""

    latency_is = "preprocess, inference and answer of a frame, in one of the loops that run at the same time"
    stages = STAGES
    back_to_back = False
    warms_up = True

    def __init__(self, loops: list[camera.Loop]) -> None:
        self.engine: Engine = loops[0].engine
        self._loops = loops
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples of all loops, until all sources have ended. Raises CameraError and InferenceError."""
        for number, loop in enumerate(self._loops):
            Thread(target=self._run, args=(number, loop), name=f"edge-stream-{number}", daemon=True).start()
        running = len(self._loops)
        while running:
            try:
                _, item = self._items.get(timeout=2 * STALL_S)
            except queue.Empty as error:
                raise CameraError(f"none of {running} loops gave an answer for {2 * STALL_S:g} s; try fewer") from error
            if isinstance(item, EdgeError):
                raise item
            if item is None:
                running -= 1
            else:
                yield item

    def _run(self, number: int, loop: camera.Loop) -> None:
        try:
            for sample in loop:
                self._items.put((number, sample))
            self._items.put((number, None))
        except EdgeError as error:
            self._items.put((number, error))

    @property
    def backend(self) -> str:
        """What really runs the model."""
        return self.engine.interpreter.backend

    def begin(self) -> None:
        """Count from now on."""
        for loop in self._loops:
            loop.begin()

    def counted(self, seconds: float) -> Counted:
        """What became of the frames of each camera, and of all."""
        each = [loop.frames() for loop in self._loops]
        every = Frames(
            answered=sum(frames.answered for frames in each),
            replaced=sum(frames.replaced for frames in each),
            undecodable=sum(frames.undecodable for frames in each),
        )
        return Counted(every, [_stream(frames, seconds) for frames in each])

    def close(self) -> None:
        """Stop all loops, and give cameras and models back."""
        for loop in self._loops:
            loop.close()


def _stream(frames: Frames, seconds: float) -> Stream:
    return Stream(fps=round(frames.answered / seconds, 3), answered=frames.answered, replaced=frames.replaced)


def open(job: Job, bench: Bench) -> Streams:
    """Open a loop for each stream; where one cannot be opened, those before it are closed."""
    with ExitStack() as stack:
        loops = []
        for _ in range(job.streams):
            loops.append(camera.open(job, bench))
            stack.callback(loops[-1].close)
        stack.pop_all()
    return Streams(loops)
