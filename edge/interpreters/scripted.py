"""The fake interpreter: it answers what is written. Never chosen unless it is named.

A script is a list of steps, one a frame, played round and round: "class 3" (that class, surely), "class 3 0.6" (with
that score), "class 3 0.6 100" (a hundred times), "fail bad picture" (an InferenceError), "lost cable pulled" (an
InferenceError, and nothing works any more until it is opened anew), "crash" (the process that it runs in dies of a
segmentation fault), "hang" (no answer ever). "sleep 0.2" holds up the step that follows it. Where a child serves it,
its trial plays a step, too.

Each opening begins the script anew; with `state`, a file that keeps the place, it goes on where it was left. Then
"absent 4" is a device that is not there for the next four openings. To rehearse the loss and the return of a device:

    [[interpreter]]
    kind = "scripted"
    script = ["class 3", "class 3", "lost cable pulled", "absent 8"]
    state = "/tmp/place"
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np

from edge.errors import ConfigError, DeviceError, InferenceError
from edge.rehearsal import Place, unfolded
from edge.types import Array, TensorSpec

INSTALL = "it needs nothing"

IN_PROCESS = True
"""A service has a child run it (`edge.isolated`)."""

Size = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class Scripted:
    """Plays a checked script, and keeps count of what it was asked."""

    backend = "scripted"
    threads = None

    def __init__(
        self, script: list[str], place: Place, classes: int, size: int, sleep: Callable[[float], None]
    ) -> None:
        self.inputs = [TensorSpec(name="picture", shape=(1, size, size, 3), dtype=np.dtype(np.uint8))]
        self.outputs = [TensorSpec(name="scores", shape=(1, classes), dtype=np.dtype(np.float32))]
        self.asked = 0
        self.closed = False
        self._script = script
        self._place = place
        self._lost, self._said = "", 0
        self._sleep = sleep

    def infer(self, tensor: Array) -> list[Array]:
        """Answer as the next step says. Raises InferenceError where it says so, and after it was closed."""
        if self.closed:
            raise InferenceError("scripted interpreter: it was closed; open it again")
        self.asked += 1
        while not self._lost:
            verb, *rest = self._script[self._place.at % len(self._script)].split()
            self._said = self._said + 1 if verb == "class" and self._said + 1 < _times(rest) else 0
            self._place.at += verb != "absent" and not self._said
            if verb == "sleep":
                self._sleep(float(rest[0]))
            elif verb in ("crash", "hang"):
                self._place.keep()
                self._end(verb)
            elif verb == "fail":
                raise InferenceError(f"scripted interpreter: {' '.join(rest)}; the script says so")
            elif verb in ("lost", "absent"):
                self._lost = " ".join(rest) or "the device is gone"
                self._place.keep()
            else:
                return [self._scores(int(rest[0]), float(rest[1]) if len(rest) > 1 else 1.0)]

        raise InferenceError(f"scripted interpreter: {self._lost}; the script says so")

    def _end(self, verb: str) -> None:
        if verb == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        while True:
            self._sleep(3600)

    def _scores(self, index: int, score: float) -> Array:
        classes = self.outputs[0].shape[1]
        scores = np.full((1, classes), (1 - score) / (classes - 1), np.float32)
        scores[0, index] = score
        return scores

    def close(self) -> None:
        """Note that the device was given back."""
        if not self.closed:
            self._place.keep()
        self.closed = True


def open(
    model: Any,
    *,
    script: list[str] | None = None,
    classes: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 10,
    size: Size = 224,
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None,
    state: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Scripted:
    """Be ready to play a script. Where `model` has labels, it has as many classes. threads: of no meaning here.

    state: a file that keeps the place in the script across openings. Raises ConfigError, which names the step that is
    wrong, and DeviceError where the script says that the device is absent.
    """
    classes = len(model.labels) if model is not None and model.labels else classes
    steps = unfolded(script or ["class 0"], state, "scripted interpreter")
    for step in steps:
        _check(step, classes)
    if all(step.startswith("sleep ") for step in steps):
        raise ConfigError("scripted interpreter: a script of nothing but sleep gives no answer; add 'class INDEX'")
    place = Place(state)
    if steps[place.at % len(steps)] == "absent":
        place.at += 1
        place.keep()
        raise DeviceError("scripted interpreter: there is no device; the script says so")
    return Scripted(steps, place, classes, size, sleep)


def _times(rest: list[str]) -> int:
    return int(rest[2]) if len(rest) > 2 else 1


def _check(step: str, classes: int) -> None:
    verb, *rest = step.split() or [""]
    try:
        if (
            verb == "class"
            and 0 <= int(rest[0]) < classes
            and all(0 <= float(r) <= 1 for r in rest[1:2])
            and len(rest) < 4
            and _times(rest) > 0
        ):
            return
        if verb == "sleep" and len(rest) == 1 and 0 <= float(rest[0]) < 1e6:
            return
        if (verb in ("fail", "lost") and rest) or step in ("absent", "crash", "hang"):
            return
    except (IndexError, ValueError):
        pass
    raise ConfigError(
        f"scripted interpreter: step {step!r}: write 'class INDEX [SCORE [TIMES]]', 'sleep SECONDS', 'fail WORDS', "
        "'lost WORDS', 'absent OPENINGS', 'crash' or 'hang'"
    )
