"""The loop that the service runs, on a camera or on a recording that is played as one."""

from __future__ import annotations

from collections.abc import Iterator

from edge.pipeline import Pipeline

from ..parts import Bench, Job, Lost, Sample
from .loaded import Loaded
from .single_stream import STAGES, split


class Loop(Loaded):
    """Takes answers out of a pipeline as they come."""

    latency_is = "preprocess, inference and answer of a frame; waiting for it is in age_ms alone"
    stages = STAGES
    back_to_back = False

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline.engine)
        self._pipeline = pipeline

    def __iter__(self) -> Iterator[Sample]:
        """Yield a sample an answer, until the source ends. Raises CameraError and InferenceError."""
        for result in self._pipeline:
            stages = split(result)
            age = result.finished_at_ns - result.captured_at_ns
            yield Sample(result.finished_at_ns, sum(stages), stages, age)

    def lost(self) -> list[Lost]:
        """Of the one camera."""
        return [Lost(self._pipeline.dropped, self._pipeline.camera.skipped)]

    def close(self) -> None:
        """Stop the loop, and give camera and model back."""
        self._pipeline.close()


def open(job: Job, bench: Bench, number: int = 0) -> Loop:
    """Load the model, then open the camera of that number."""
    engine = job.open()
    try:
        return Loop(Pipeline(job.camera(number, engine.preprocessor.size), engine, job.source))
    except BaseException:
        engine.close()
        raise
