"""The model alone: set input, invoke, read output, on one tensor in memory."""

from __future__ import annotations

from collections.abc import Iterator

from edge.engine import Engine
from edge.types import Clock, Frame

from ..parts import Bench, Job, Sample
from .loaded import Loaded


class Interpreter(Loaded):
    """Times `infer` of whatever the profile opened."""

    latency_is = "set input, invoke, read output"
    stages = ()
    back_to_back = True

    def __init__(self, engine: Engine, frame: Frame, clock: Clock) -> None:
        super().__init__(engine)
        self._clock = clock
        self._tensor = engine.preprocessor.new_tensor()
        engine.prepare(frame, self._tensor)

    def __iter__(self) -> Iterator[Sample]:
        """Yield a sample an inference. Raises InferenceError."""
        clock, infer, tensor = self._clock, self.engine.interpreter.infer, self._tensor
        while True:
            started = clock()
            infer(tensor)
            ended = clock()
            yield Sample(ended, ended - started)


def open(job: Job, bench: Bench) -> Interpreter:
    """Load the model, and make its input of the first frame."""
    frame = job.frames()[0]
    return Interpreter(job.open(), frame, bench.clock)
