"""What turns a frame into a result: preprocessing, interpreter and task, opened together by a profile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge import adapters, isolated, models
from edge.adapters import Adapter
from edge.errors import AdapterError, ConfigError, DeviceError, EdgeError, InferenceError, ModelError
from edge.models import ModelFile
from edge.models.card import Card
from edge.preprocess import Preprocessor
from edge.profile import DeviceProfile
from edge.tasks.classify import Classify
from edge.types import FITS, Array, Clock, Fit, Frame, Interpreter, Result, Timing

log = logging.getLogger("edge")

CANNOT_RUN = (AdapterError, DeviceError, ModelError, InferenceError)
"""What moves on to the next interpreter of a profile's order: its library, its device, its model, its own trial."""


class Engine:
    """One model on one device. `prepare` may run in another thread than `answer`.

    outputs: of the interpreter, for the last answer. instead_of: why each interpreter that the profile prefers to this
    one cannot run here. path: of the model's file, where it is known.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        preprocessor: Preprocessor,
        task: Classify,
        model: str,
        clock: Clock,
        path: Path | None = None,
    ) -> None:
        self.interpreter = interpreter
        self.preprocessor = preprocessor
        self.task = task
        self.model = model
        self.clock = clock
        self.instead_of: tuple[str, ...] = ()
        self.path = path
        self.outputs: list[Array] = []
        self.comes_after(())

    def comes_after(self, passed: Sequence[Passed]) -> None:
        """Note why those before it in the profile's order do not run, and what the interpreter says of itself."""
        own = getattr(self.interpreter, "instead_of", ())
        self.instead_of = (*(each.why for each in passed), *own)

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
            model=self.model,
            instead_of=self.instead_of,
        )

    def close(self) -> None:
        """Free the interpreter."""
        self.interpreter.close()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an engine, over what profile and card say; None is left to them. Raises ConfigError.

    top_k: classes of an answer, at most. threshold: the lowest score (0 to 1) that it holds. isolated: an interpreter
    that would run in this process is served by a child. told: is called in words, now and then, where opening takes
    long.
    """

    model: str | Path | ModelFile | None = None
    labels: str | Path | None = None
    fit: Fit | None = None
    threads: int | None = None
    top_k: int = 5
    threshold: float = 0.0
    clock: Clock = time.monotonic_ns
    isolated: bool = False
    told: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        if self.fit is not None and self.fit not in FITS:
            raise ConfigError(f"fit is {self.fit!r}; give one of {', '.join(FITS)}")
        if not isinstance(self.top_k, int) or self.top_k < 1:
            raise ConfigError(f"top_k is {self.top_k!r}; give a whole number of 1 or more")
        if not isinstance(self.threshold, float | int) or not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold!r}; give a number from 0 to 1")


class Opener(NamedTuple):
    """One interpreter of a profile's order. open: loads its model anew; raises what `CANNOT_RUN` names."""

    kind: str
    open: Callable[[], Engine]


class Passed(NamedTuple):
    """An interpreter of the order that was passed over, and the error that says why."""

    kind: str
    text: str
    error: type[EdgeError]

    @property
    def why(self) -> str:
        """The reason; it begins with the kind."""
        return self.text if self.text.startswith(self.kind) else f"{self.kind}: {self.text}"

    @property
    def may_return(self) -> bool:
        """Whether it may run again without anybody's doing: a device may come back, a library does not."""
        return issubclass(self.error, DeviceError | InferenceError)


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

    What is not given comes from the interpreter's table in the profile, then from the profile, then from the model's
    card, then from what an interpreter that reads more out of the file than its bytes tell says of it (its `model`),
    then from the defaults. A missing library, device or model, and a model that an interpreter cannot run, move on to
    the next of the order. Where none is left, the error of the only one is raised, or one that tells the reason of
    each: ModelError, AdapterError or DeviceError.
    """
    wanted = Wanted(model=model, labels=labels, fit=fit, threads=threads, top_k=top_k, threshold=threshold, clock=clock)
    return first_of(openers(profile, wanted))[0]


def openers(profile: DeviceProfile, wanted: Wanted) -> list[Opener]:
    """The interpreters of a profile, in its order; nothing is opened."""

    def opener(adapter: Adapter) -> Opener:
        return Opener(adapter.kind, lambda: _opened(profile, adapter, wanted))

    return [opener(adapter) for adapter in profile.interpreters]


def first_of(order: Sequence[Opener]) -> tuple[Engine, list[Passed]]:
    """Open the first of `order` that can run, and say why those before it do not.

    Raises the error of the only one unchanged, else one that tells the reason of each.
    """
    passed: list[Passed] = []
    for opener in order:
        try:
            engine = opener.open()
        except CANNOT_RUN as error:
            if len(order) == 1:
                raise
            passed.append(Passed(opener.kind, str(error), type(error)))
            continue
        for each in passed:
            log.warning("%s runs instead, because %s", engine.interpreter.backend, each.why)
        engine.comes_after(passed)
        return engine, passed
    raise none_runs(passed)


def none_runs(passed: Sequence[Passed]) -> EdgeError:
    """One error for all that were passed over, with the reason of each, or the one that they share."""
    errors = {each.error for each in passed}
    shared = errors.pop() if len(errors) == 1 else DeviceError if DeviceError in errors else AdapterError
    if len({each.text for each in passed}) == 1:
        return shared(passed[0].text)
    told = "; ".join(f"({number}) {each.why}" for number, each in enumerate(passed, 1))
    return shared(f"none of the profile's {len(passed)} interpreters can run: {told}")


def _opened(profile: DeviceProfile, adapter: Adapter, wanted: Wanted) -> Engine:
    file = _model(profile, adapter, wanted)
    options = {**_threads(adapter, profile.threads), **adapter.options, **_threads(adapter, wanted.threads)}
    adapters.check("interpreters", adapter.kind, options, "")
    interpreter = _interpreter(adapter.kind, file, options, wanted)
    said = getattr(interpreter, "model", None)
    file = said if isinstance(said, ModelFile) else file
    card = file.card or Card(name=file.name)
    chosen: Fit = wanted.fit or profile.fit or card.fit or "squash"
    try:
        spec = interpreter.outputs[0]
        task = Classify(spec, file.labels, wanted.top_k, wanted.threshold, file.gives_probabilities)
        preprocessor = Preprocessor(interpreter.inputs[0], chosen, card.input)
    except ModelError as error:
        interpreter.close()
        raise ModelError(f"model {file.path}: {error}") from error
    return Engine(interpreter, preprocessor, task, file.name, wanted.clock, file.path)


def _interpreter(kind: str, file: ModelFile, options: dict[str, Any], wanted: Wanted) -> Interpreter:
    if wanted.isolated and isolated.applies(kind):
        return isolated.open(kind, file, options, wanted.told)
    given = {"told": wanted.told} if adapters.takes("interpreters", kind, "told") else {}
    opened: Interpreter = adapters.open("interpreters", kind, file, **options, **given)
    return opened


def _model(profile: DeviceProfile, adapter: Adapter, wanted: Wanted) -> ModelFile:
    """Read anew for each opening: an engine that runs for months holds no copy of the file beside the loaded model."""
    if isinstance(wanted.model, ModelFile):
        return wanted.model
    named = (wanted.model, adapter.model, profile.model)
    lists = (wanted.labels, adapter.labels, profile.labels)
    model, labels = (next((each for each in given if each is not None), None) for given in (named, lists))
    return models.load(model, labels)


def _threads(adapter: Adapter, count: int | None) -> dict[str, int]:
    """The option, where a count was given and the adapter has one."""
    return {"threads": count} if count is not None and adapters.takes("interpreters", adapter.kind, "threads") else {}


def requiring(profile: DeviceProfile, backend: str | None) -> DeviceProfile:
    """The profile, its order cut to the interpreters of one kind. Raises ConfigError where it lists none of them."""
    if backend is None:
        return profile
    kept = tuple(adapter for adapter in profile.interpreters if adapter.kind == backend)
    if not kept:
        listed = ", ".join(dict.fromkeys(adapter.kind for adapter in profile.interpreters))
        raise ConfigError(
            f"--require {backend}: the profile {profile.name} lists no such interpreter, only {listed}; "
            "choose another profile (`edge profiles list`)"
        )
    return msgspec.structs.replace(profile, interpreters=kept)
