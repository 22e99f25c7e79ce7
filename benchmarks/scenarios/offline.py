"""Throughput: decoded frames in memory, preprocessing and inference overlapped as in the loop that the service runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from edge.pipeline import Pipeline
from edge.types import Clock, Frame

from ..parts import Bench, Job, Sample
from .loaded import Loaded
from .single_stream import STAGES, split


class Memory:
    """A recording of a few frames without end, which costs nothing to read."""

    live = False
    skipped = 0

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, round and round."""
        return cycle(self._frames)

    def close(self) -> None:
        """Nothing is held open."""


class Offline(Loaded):
    """A pipeline that always has a frame ready."""

    latency_is = "from one answer to the next, with preprocessing and inference overlapped"
    stages = STAGES
    back_to_back = False

    def __init__(self, pipeline: Pipeline, clock: Clock) -> None:
        super().__init__(pipeline.engine)
        self._pipeline = pipeline
        self._clock = clock

    def __iter__(self) -> Iterator[Sample]:
        """Yield a sample an answer. Raises InferenceError."""
        before = self._clock()
        for result in self._pipeline:
            yield Sample(result.finished_at_ns, result.finished_at_ns - before, split(result))
            before = result.finished_at_ns

    def close(self) -> None:
        """Stop the loop, and free the model."""
        self._pipeline.close()


def open(job: Job, bench: Bench) -> Offline:
    """Load the frames and the model."""
    memory = Memory(job.frames())
    return Offline(Pipeline(memory, job.open(), "frames in memory"), bench.clock)
