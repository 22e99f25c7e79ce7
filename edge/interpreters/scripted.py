"""The fake interpreter: it answers what is written. Never chosen unless it is named.

A script is a list of steps, one a frame, played round and round: "class 3" (that class, surely), "class 3 0.6" (with
that score), "fail device lost" (an InferenceError). "sleep 0.2" holds up the step that follows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np

from edge.errors import ConfigError, InferenceError
from edge.types import Array, TensorSpec

INSTALL = "it needs nothing"

Size = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class Scripted:
    """Plays a checked script, and keeps count of what it was asked."""

    backend = "scripted"
    threads = None

    def __init__(self, script: list[str], classes: int, size: int, labels: int, sleep: Callable[[float], None]) -> None:
        self.inputs = [TensorSpec(name="picture", shape=(1, size, size, 3), dtype=np.dtype(np.uint8))]
        self.outputs = [TensorSpec(name="scores", shape=(1, labels or classes), dtype=np.dtype(np.float32))]
        self.asked = 0
        self.closed = False
        self._script = script
        self._at = 0
        self._sleep = sleep

    def infer(self, tensor: Array) -> list[Array]:
        """Answer as the next step says. Raises InferenceError where it says so, and after it was closed."""
        if self.closed:
            raise InferenceError("scripted interpreter: it was closed; open it again")
        self.asked += 1
        while True:
            verb, *rest = self._script[self._at % len(self._script)].split()
            self._at += 1
            if verb == "sleep":
                self._sleep(float(rest[0]))
            elif verb == "fail":
                raise InferenceError(f"scripted interpreter: {' '.join(rest)}; the script says so")
            else:
                return [self._scores(int(rest[0]), float(rest[1]) if len(rest) > 1 else 1.0)]

    def _scores(self, index: int, score: float) -> Array:
        classes = self.outputs[0].shape[1]
        scores = np.full((1, classes), (1 - score) / (classes - 1), np.float32)
        scores[0, index] = score
        return scores

    def close(self) -> None:
        """Note that the device was given back."""
        self.closed = True


def open(
    model: Any,
    *,
    script: list[str] | None = None,
    classes: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 10,
    size: Size = 224,
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Scripted:
    """Be ready to play a script. Where `model` has labels, it has as many classes. threads: of no meaning here.

    Raises ConfigError, which names the step that is wrong.
    """
    labels = len(model.labels) if model is not None and model.labels else 0
    steps = script or ["class 0"]
    for step in steps:
        _check(step, labels or classes)
    if all(step.startswith("sleep ") for step in steps):
        raise ConfigError("scripted interpreter: a script of nothing but sleep gives no answer; add 'class INDEX'")
    return Scripted(steps, classes, size, labels, sleep)


def _check(step: str, classes: int) -> None:
    verb, *rest = step.split() or [""]
    try:
        if (
            verb == "class"
            and 0 <= int(rest[0]) < classes
            and all(0 <= float(r) <= 1 for r in rest[1:2])
            and len(rest) < 3
        ):
            return
        if verb == "sleep" and len(rest) == 1 and 0 <= float(rest[0]) < 1e6:
            return
        if verb == "fail" and rest:
            return
    except (IndexError, ValueError):
        pass
    raise ConfigError(
        f"scripted interpreter: step {step!r}: write 'class INDEX [SCORE]', 'sleep SECONDS' or 'fail WORDS'"
    )
