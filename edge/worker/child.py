"""The child's end of a worker: it loads, tries and serves, and does not outlive its parent."""

from __future__ import annotations

import contextlib
import io
import math
import os
import signal
import socket
import sys
from importlib import import_module
from mmap import mmap

import msgspec
import numpy as np

from edge.errors import ModelError
from edge.types import Interpreter
from edge.worker.messages import BAD, MOST_MESSAGE, OK, Doing, Failed, Phase, Ready, Tensor, size_of, views


def main(target: str, argument: str, line: int, model: int) -> None:
    """What the process does; the numbers are open files."""
    keep_to_itself()
    with os.fdopen(model, "rb") as file, socket.socket(fileno=line) as talk:
        file.seek(0)
        serve(target, file.read(), argument, talk)


def keep_to_itself() -> None:
    """Lose what nobody reads."""
    sys.stdout = sys.stderr = Lossy()
    # What fails to load fails again in its destructor, and hides the library's own words.
    sys.unraisablehook = lambda unraisable: None


class Lossy(io.TextIOBase):
    """Standard error, which nobody may read for long: what it has no room for is lost."""

    def write(self, text: str) -> int:
        """Write at once what there is room for."""
        with contextlib.suppress(BlockingIOError):
            os.write(2, text.encode(errors="replace"))
        return len(text)


def serve(target: str, data: bytes, argument: str, line: socket.socket) -> None:
    """Load, try, tell, and answer until the other end closes the line."""
    with contextlib.suppress(ConnectionError):
        served = _loaded(target, data, argument, line)
        del data  # the runtime has what it needs of it
        if served is None:
            return
        try:
            _answer(served, line)
        finally:
            served.close()


def _loaded(target: str, data: bytes, argument: str, line: socket.socket) -> Interpreter | None:
    try:
        module, function = target.split(":")
        load = getattr(import_module(module), function)
        _say(line, "load")
        served: Interpreter = load(data, argument)
        _say(line, "trial")
        served.infer(np.zeros(served.inputs[0].shape, served.inputs[0].dtype))
        line.send(_ready(served))
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 - the parent raises it
        line.send(msgspec.json.encode(Failed.because(error)))
        return None
    with contextlib.suppress(ValueError):  # outside the main thread
        signal.signal(signal.SIGIO, signal.SIG_DFL)  # a library may ignore it, and then outlive the parent
    return served


def _ready(served: Interpreter) -> bytes:
    """What tells the parent that it may ask. Raises ModelError where that does not go into a message."""
    ins, outs = (list(map(Tensor.of, each)) for each in (served.inputs, served.outputs))
    for tensor in (*ins, *outs):
        if not math.isfinite(tensor.scale):
            raise ModelError(f"its tensor {tensor.name} has the scale {tensor.scale}; it is damaged: export it again")
    told = (served.backend, list(getattr(served, "instead_of", ())), getattr(served, "threads", None))
    packet = msgspec.json.encode(Ready(ins, outs, *told))
    if len(packet) > MOST_MESSAGE:
        raise ModelError(f"it has {len(ins) + len(outs):,} tensors; give a model of fewer")
    return packet


def _say(line: socket.socket, phase: Phase) -> None:
    line.send(msgspec.json.encode(Doing(phase)))


def _answer(served: Interpreter, line: socket.socket) -> None:
    _, handles, _, _ = socket.recv_fds(line, 1, 1)
    if not handles:  # the other end has closed the line meanwhile
        return
    specs = [served.inputs[0], *served.outputs]
    tensor, *outputs = views(mmap(handles[0], size_of(specs)), specs)
    os.close(handles[0])
    infer, receive, send = served.infer, line.recv, line.send
    while receive(1):
        try:
            for place, output in zip(outputs, infer(tensor), strict=True):
                place[...] = output
        except Exception as error:  # noqa: BLE001 - as above
            send(BAD)
            send(msgspec.json.encode(Failed.because(error)))
        else:
            send(OK)
