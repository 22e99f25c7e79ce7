"""The score of one model: its top-1 and top-5 accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from edge.cameras.images import Images
from edge.engine import Engine
from edge.evaluate.data import Labelled, truths
from edge.pipeline import Pipeline
from edge.types import Result

TOP = 5
"""The engine that is scored must answer with so many classes."""

See = Callable[[int, int, Result], None]
"""Takes the number of a picture, its true class as the model numbers it, and what the model said."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """top1, top5: shares, 0 to 1, of `images` pictures. ms_per_image: preprocessing to answer, on average."""

    top1: float
    top5: float
    images: int
    ms_per_image: float
    skipped: int


def score(
    engine: Engine,
    pictures: Sequence[Labelled],
    progress: Callable[[], None] = lambda: None,
    limit: int | None = None,
    see: See = lambda number, truth, result: None,
) -> Score:
    """Run the pictures, or the first `limit` of them, and count; `see` and `progress` are called after each.

    Raises ConfigError where the model does not know a class, CameraError where no picture can be decoded.
    """
    expected = truths(pictures, engine.task.labels)
    camera = Images([picture.path for picture in pictures[:limit]], engine.clock)
    pipeline = Pipeline(camera, engine, str(pictures[0].path.parent))
    count = first = among = spent = 0
    try:
        for result in pipeline:
            count += 1
            truth = expected[result.frame]
            indices = [c.index for c in result.answer[:TOP]]
            first += indices[:1] == [truth]
            among += truth in indices
            spent += result.timing.preprocess + result.timing.inference + result.timing.postprocess
            see(result.frame, truth, result)
            progress()
    finally:
        pipeline.stop()
    return Score(
        top1=first / count, top5=among / count, images=count, ms_per_image=spent / count / 1e6, skipped=camera.skipped
    )
