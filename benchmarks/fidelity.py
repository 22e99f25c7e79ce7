"""Whether what is fast is also right: the answers held against those of the processor, on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.engine import Engine
from edge.errors import ModelError
from edge.types import Array, Frame

from .record import Fidelity


def fidelity(engine: Engine, reference: Engine, frames: Sequence[Frame]) -> Fidelity:
    """Run both engines on the frames, and compare the scores of all classes (0 to 1).

    Raises ModelError where the two do not have the same number of classes, InferenceError where either fails.
    """
    ours, theirs = len(engine.task.labels), len(reference.task.labels)
    if ours != theirs:
        raise ModelError(f"the reference {reference.model} has {theirs} classes, and {engine.model} {ours}")
    pairs = [(_scores(engine, frame), _scores(reference, frame)) for frame in frames]
    gaps = [_gap(one, other) for one, other in pairs]
    alike = sum(int(bool(np.isfinite(one).all()) and one.argmax() == other.argmax()) for one, other in pairs)
    return Fidelity(
        reference=f"{reference.model} on {reference.interpreter.backend}",
        pictures=len(pairs),
        agreement=alike / len(pairs),
        largest_difference=max(gaps),
    )


def _gap(one: Array, other: Array) -> float:
    """The largest difference of scores; 1 where one is no number, which is as far as scores can be apart."""
    gap = float(np.abs(one - other).max())
    return gap if np.isfinite(gap) else 1.0


def _scores(engine: Engine, frame: Frame) -> Array:
    tensor = engine.preprocessor.new_tensor()
    engine.prepare(frame, tensor)
    return engine.task.probabilities(engine.interpreter.infer(tensor))
