"""The loop that the service runs, on a camera or on a recording that is played as one."""

from __future__ import annotations

from collections.abc import Iterator

from edge.engine import Engine
from edge.pipeline import Pipeline

from ..parts import Bench, Counted, Job, Sample
from ..record import Frames
from .single_stream import STAGES, split


class Loop:
    """Takes answers out of a pipeline as they come."""

    latency_is = "preprocess, inference and answer of a frame; waiting for it is in age_ms alone"
    stages = STAGES
    back_to_back = False
    warms_up = True

    def __init__(self, pipeline: Pipeline) -> None:
        self.engine: Engine = pipeline.engine
        self._pipeline = pipeline
        self._answered = 0
        self._before = (0, 0)

    def __iter__(self) -> Iterator[Sample]:
        """Yield a sample an answer, until the source ends. Raises CameraError and InferenceError."""
        for result in self._pipeline:
            self._answered += 1
            stages = split(result)
            age = result.finished_at_ns - result.captured_at_ns
            yield Sample(result.finished_at_ns, sum(stages), stages, age)

    @property
    def backend(self) -> str:
        """What really runs the model."""
        return self.engine.interpreter.backend

    def begin(self) -> None:
        """Count from now on."""
        self._answered, self._before = 0, self._lost()

    def counted(self, seconds: float) -> Counted:
        """What became of the frames."""
        return Counted(self.frames())

    def frames(self) -> Frames:
        """What became of the frames since `begin`."""
        replaced, undecodable = (now - then for now, then in zip(self._lost(), self._before, strict=True))
        return Frames(answered=self._answered, replaced=replaced, undecodable=undecodable)

    def _lost(self) -> tuple[int, int]:
        return self._pipeline.dropped, self._pipeline.camera.skipped

    def close(self) -> None:
        """Stop the loop, and give camera and model back."""
        self._pipeline.close()


def open(job: Job, bench: Bench) -> Loop:
    """Load the model, then open the camera."""
    engine = job.open()
    try:
        return Loop(Pipeline(job.camera(), engine, job.source))
    except BaseException:
        engine.close()
        raise
