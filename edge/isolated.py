"""An interpreter whose library would run in this process, served by a child: what crashes or hangs there is lost, and
no more than that.

Those that drive a device of their own (`edgetpu`, `tensorrt`) have a child in any case. The others say `IN_PROCESS`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge import adapters, worker
from edge.errors import AdapterError, DeviceError, EdgeError, InferenceError
from edge.models import Format, ModelFile
from edge.models.card import Card
from edge.types import Interpreter
from edge.worker import Loss, Worker

LOAD_S = 120.0
"""Seconds for loading, with the trial of a model that was never tried; a kind may have a `LOAD_S` of its own."""

log = logging.getLogger("edge")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is asked for: a kind of interpreter with its options, and what is known of the model's file."""

    kind: str
    options: dict[str, Any]
    name: str
    path: str
    labels: tuple[str, ...] | None
    card: Card | None
    trusted: bool
    format: Format


def applies(kind: str) -> bool:
    """Whether interpreters of a kind run in the process that opens them. Raises ConfigError for none."""
    return bool(getattr(adapters.find("interpreters", kind), "IN_PROCESS", False))


def open(kind: str, model: ModelFile, options: dict[str, Any], told: Callable[[str], None] | None = None) -> Worker:
    """Have a child open an interpreter as `edge.adapters.open` does, and serve it; it plays its first inference there.

    options: checked. told: is called now and then while it loads. Raises what opening it raises; DeviceError where the
    child is lost meanwhile, since another one may do. `infer` raises InferenceError where it is lost.
    """

    path = model.path  # what is kept with the child must not keep the whole file

    def explain(loss: Loss) -> EdgeError:
        words = f"model {path}: {kind} was lost: {loss}"
        if loss.phase == "start" and loss.how.startswith("exit code"):
            return AdapterError(
                f"{kind}: Python itself does not start in a process of its own: {loss}; see `pip check`"
            )
        advice = "the model or its runtime is broken, or the board is"
        if loss.how == "SIGKILL":
            advice = "something killed it, or memory ran out: free some"
        elif loss.phase == "start":
            advice = "the board has too much to do, or no memory"
        return (InferenceError if loss.phase == "run" else DeviceError)(f"{words}; {advice}")

    wanted = Wanted(
        kind=kind,
        options=options,
        name=model.name,
        path=str(model.path),
        labels=model.labels,
        card=model.card,
        trusted=model.trusted,
        format=model.format,
    )
    load_s = getattr(adapters.find("interpreters", kind), "LOAD_S", LOAD_S)
    data = (msgspec.json.encode(wanted), b"\0", model.data)
    served = worker.start("edge.isolated:load", data, load_s=load_s, explain=explain, told=told)
    for reason in served.instead_of:
        log.warning("%s runs instead, because %s", served.backend, reason)
    return served


def load(data: bytes, _: str) -> Interpreter:
    """What the child does: open it. JSON holds no byte 0, so the first one ends it."""
    head, _end, bare = data.partition(b"\0")
    wanted = msgspec.json.decode(head, type=Wanted)
    file = ModelFile(
        name=wanted.name,
        path=Path(wanted.path),
        data=bare,
        labels=wanted.labels,
        card=wanted.card,
        trusted=wanted.trusted,
        format=wanted.format,
    )
    opened: Interpreter = adapters.open("interpreters", wanted.kind, file, **wanted.options)
    return opened
