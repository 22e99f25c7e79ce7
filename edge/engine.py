"""What turns a frame into a result: preprocessing, interpreter and task, opened together by a profile."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from edge import adapters, models
from edge.adapters import Adapter
from edge.errors import AdapterError, ConfigError, ModelError
from edge.models import ModelFile
from edge.models.card import Card
from edge.preprocess import Preprocessor
from edge.profile import DeviceProfile
from edge.tasks.classify import Classify
from edge.types import FITS, Array, Clock, Fit, Frame, Interpreter, Result, Timing

log = logging.getLogger("edge")


class Engine:
    """One model on one device. `prepare` may run in another thread than `answer`.

    outputs: of the interpreter, for the last answer. instead_of: why each interpreter that the profile prefers to this
    one cannot run here.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        preprocessor: Preprocessor,
        task: Classify,
        model: str,
        clock: Clock,
        instead_of: tuple[str, ...] = (),
    ) -> None:
        self.interpreter = interpreter
        self.preprocessor = preprocessor
        self.task = task
        self.model = model
        self.clock = clock
        self.instead_of = instead_of
        self.outputs: list[Array] = []

    def prepare(self, frame: Frame, tensor: Array) -> int:
        """Fill `tensor` from `frame`; returns the nanoseconds that took."""
        started = self.clock()
        self.preprocessor(frame, tensor)
        return self.clock() - started

    def answer(self, frame: Frame, tensor: Array, preprocess_ns: int) -> Result:
        """Run the model on a prepared tensor and read its answer. Raises InferenceError."""
        started = self.clock()
        self.outputs = outputs = self.interpreter.infer(tensor)
        inferred = self.clock()
        answer = self.task(outputs)
        finished = self.clock()
        return Result(
            frame=frame.index,
            answer=answer,
            captured_at_ns=frame.captured_at_ns,
            finished_at_ns=finished,
            timing=Timing(preprocess_ns, inferred - started, finished - inferred),
            backend=self.interpreter.backend,
            instead_of=self.instead_of,
        )

    def close(self) -> None:
        """Free the interpreter."""
        self.interpreter.close()


def open_engine(
    profile: DeviceProfile,
    *,
    model: str | Path | ModelFile | None = None,
    labels: str | Path | None = None,
    fit: Fit | None = None,
    threads: int | None = None,
    top_k: int = 5,
    threshold: float = 0.0,
    clock: Clock = time.monotonic_ns,
) -> Engine:
    """Open the first interpreter of the profile that can run here.

    What is not given comes from the profile, then from the model's card, then from what an interpreter that reads more
    out of the file than its bytes tell says of it (its `model`), then from the defaults. Raises ModelError for a model
    that does not fit, AdapterError where no interpreter of the profile can run.
    """
    _check(fit, top_k, threshold)
    if not isinstance(model, ModelFile):
        model = models.load(profile.model if model is None else model, profile.labels if labels is None else labels)
    interpreter, reasons = _first_that_runs(profile, model, threads)
    said = getattr(interpreter, "model", None)
    file = said if isinstance(said, ModelFile) else model
    card = file.card or Card(name=file.name)
    chosen: Fit = fit or profile.fit or card.fit or "squash"
    try:
        task = Classify(interpreter.outputs[0], file.labels, top_k, threshold, file.gives_probabilities)
        preprocessor = Preprocessor(interpreter.inputs[0], chosen, card.input)
        return Engine(interpreter, preprocessor, task, file.name, clock, reasons)
    except ModelError as error:
        interpreter.close()
        raise ModelError(f"model {file.path}: {error}") from error


def _check(fit: Fit | None, top_k: int, threshold: float) -> None:
    if fit is not None and fit not in FITS:
        raise ConfigError(f"fit is {fit!r}; give one of {', '.join(FITS)}")
    if not isinstance(top_k, int) or top_k < 1:
        raise ConfigError(f"top_k is {top_k!r}; give a whole number of 1 or more")
    if not isinstance(threshold, float | int) or not 0 <= threshold <= 1:
        raise ConfigError(f"threshold is {threshold!r}; give a number from 0 to 1")


def _first_that_runs(
    profile: DeviceProfile, file: ModelFile, threads: int | None
) -> tuple[Interpreter, tuple[str, ...]]:
    """Only a missing or broken library moves on to the next of the profile's order, and it is said why."""
    reasons: list[str] = []
    for adapter in profile.interpreters:
        options = {**_threads(adapter, profile.threads), **adapter.options, **_threads(adapter, threads)}
        try:
            adapters.check("interpreters", adapter.kind, options, "")
            found: Interpreter = adapters.open("interpreters", adapter.kind, file, **options)
        except AdapterError as error:
            reasons.append(str(error))
            continue
        for reason in reasons:
            log.warning("%s runs instead, because %s", found.backend, reason)
        return found, (*reasons, *getattr(found, "instead_of", ()))
    raise AdapterError("; ".join(reasons))


def _threads(adapter: Adapter, count: int | None) -> dict[str, int]:
    """The option, where a count was given and the adapter has one."""
    return {"threads": count} if count is not None and adapters.takes("interpreters", adapter.kind, "threads") else {}
