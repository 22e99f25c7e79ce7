"""Several cameras on one device: each with a loop and an interpreter of its own, all in this process."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread

from edge.errors import CameraError, EdgeError
from edge.pipeline import JOIN_S, STALL_S

from ..parts import Bench, Job, Lost, Sample
from . import camera
from .loaded import Loaded
from .single_stream import STAGES

Item = Sample | EdgeError | None
"""A sample of a loop, what ended it, or None where its source has ended."""


class Streams(Loaded):
    """Runs the loops in threads, and takes their answers in the order in which they come."""

    latency_is = "preprocess, inference and answer of a frame, in one of the loops that run at the same time"
    stages = STAGES
    back_to_back = False

    def __init__(self, loops: list[camera.Loop]) -> None:
        super().__init__(loops[0].engine)
        self._loops = loops
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._threads: list[Thread] = []

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples of all loops, until all sources have ended. Raises CameraError and InferenceError."""
        for number, loop in enumerate(self._loops):
            thread = Thread(target=self._run, args=(number, loop), name=f"edge-stream-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        running = len(self._loops)
        while running:
            try:
                item = self._items.get(timeout=2 * STALL_S)
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
                self._items.put(sample._replace(camera=number))
            self._items.put(None)
        except EdgeError as error:
            self._items.put(error)

    def lost(self) -> list[Lost]:
        """Of each camera."""
        return [lost for loop in self._loops for lost in loop.lost()]

    def close(self) -> None:
        """Stop all loops, and give cameras and models back."""
        with ExitStack() as stack:
            for loop in self._loops:
                stack.callback(loop.close)
        for thread in self._threads:
            thread.join(JOIN_S)


def open(job: Job, bench: Bench) -> Streams:
    """Open a loop for each stream; where one cannot be opened, those before it are closed."""
    with ExitStack() as stack:
        loops = []
        for number in range(job.streams):
            loops.append(camera.open(job, bench, number))
            stack.callback(loops[-1].close)
        stack.pop_all()
    return Streams(loops)
