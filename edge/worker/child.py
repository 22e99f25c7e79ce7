"""The child's end of a worker: it loads, tries and serves, and does not outlive its parent."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import resource
import select
import signal
import socket
import sys
from importlib import import_module
from mmap import mmap
from pathlib import Path

import msgspec
import numpy as np

from edge.types import Interpreter
from edge.worker.messages import BAD, OK, Doing, Failed, Phase, Ready, Tensor, size_of, views


def main(target: str, argument: str, line: int, alive: int, model: int) -> None:
    """What the process does; the numbers are open files."""
    die_with_the_parent(alive)
    keep_to_itself()
    with os.fdopen(model, "rb") as file, socket.socket(fileno=line) as talk:
        file.seek(0)
        serve(target, file.read(), argument, talk)


def die_with_the_parent(alive: int) -> None:
    """Have the kernel end this process when the other end of the pipe `alive` is closed.

    It does so by SIGIO, whatever this process is busy with. (PR_SET_PDEATHSIG would do it when the thread ends that
    started the process.)
    """
    fcntl.fcntl(alive, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(alive, fcntl.F_SETFL, fcntl.fcntl(alive, fcntl.F_GETFL) | os.O_ASYNC)
    ended = select.poll()
    ended.register(alive, 0)
    if ended.poll(0):  # closed before it was asked for
        os._exit(0)


def keep_to_itself() -> None:
    """Leave signals from outside to the parent, write no core dumps, and be the first to go where memory runs out."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
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
    except ConnectionError:
        raise
    except Exception as error:  # noqa: BLE001 - the parent raises it
        line.send(msgspec.json.encode(Failed.because(error)))
        return None
    ins, outs = (list(map(Tensor.of, each)) for each in (served.inputs, served.outputs))
    ready = Ready(ins, outs, served.backend, list(getattr(served, "instead_of", ())))
    line.send(msgspec.json.encode(ready))
    return served


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
