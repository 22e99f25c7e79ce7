"""The whole path from a decoded frame to an answer, one frame at a time: what a program of one thread would see."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from edge.engine import Engine
from edge.types import Clock, Frame, Result

from ..parts import Bench, Job, Sample
from .loaded import Loaded

STAGES = ("preprocess", "inference", "postprocess")


def split(result: Result) -> tuple[int, int, int]:
    """Nanoseconds of each stage of one answer, as `STAGES` names them."""
    return result.timing.preprocess, result.timing.inference, result.timing.postprocess


class SingleStream(Loaded):
    """Goes round and round frames in memory."""

    latency_is = "from a decoded frame to its answer: preprocess, infer, read the answer"
    stages = STAGES
    back_to_back = True

    def __init__(self, engine: Engine, frames: list[Frame], clock: Clock) -> None:
        super().__init__(engine)
        self._frames = frames
        self._clock = clock
        self._tensor = engine.preprocessor.new_tensor()

    def __iter__(self) -> Iterator[Sample]:
        """Yield a sample a frame. Raises InferenceError."""
        engine, clock, tensor = self.engine, self._clock, self._tensor
        for frame in cycle(self._frames):
            started = clock()
            result = engine.answer(frame, tensor, engine.prepare(frame, tensor))
            ended = clock()
            yield Sample(ended, ended - started, split(result))


def open(job: Job, bench: Bench) -> SingleStream:
    """Load the frames and the model."""
    frames = job.frames()
    return SingleStream(job.open(), frames, bench.clock)
