"""The model alone: set input, invoke, read output, on one tensor in memory."""

from __future__ import annotations

from collections.abc import Iterator

from edge.engine import Engine
from edge.types import Clock, Frame

from ..parts import Bench, Counted, Job, Sample


class Interpreter:
    """Times `infer` of whatever the profile opened."""

    latency_is = "set input, invoke, read output"
    stages = ()
    back_to_back = True
    warms_up = True

    def __init__(self, engine: Engine, frame: Frame, clock: Clock) -> None:
        self.engine = engine
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

    @property
    def backend(self) -> str:
        """What really runs the model."""
        return self.engine.interpreter.backend

    def begin(self) -> None:
        """Nothing is counted."""

    def counted(self, seconds: float) -> Counted:
        """No frame can be lost."""
        return Counted()

    def close(self) -> None:
        """Free the model."""
        self.engine.close()


def open(job: Job, bench: Bench) -> Interpreter:
    """Load the model, and make its input of the first frame."""
    return Interpreter(job.open(), job.frames()[0], bench.clock)
