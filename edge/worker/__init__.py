"""A model that a child process serves: a library that crashes or hangs there is an error here, and no more than that.

    parent --one byte--> child     the input lies in memory that both see
    parent <--one byte-- child     and so do the outputs

The child loads the model, tries it once and tells its tensors before it serves: trial and service are one process,
loaded once. Every wait has a limit. The child ends with its parent, however that ends, and leaves Ctrl-C and SIGTERM to
it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import time
import weakref
from collections.abc import Callable, Sequence
from mmap import mmap
from typing import Any, NamedTuple

import msgspec

from edge.children import Child, death
from edge.errors import DeviceError, EdgeError, InferenceError, ModelError, one_line
from edge.types import Array, TensorSpec
from edge.worker.loss import Explain, Loss, explained
from edge.worker.messages import MOST_MESSAGE, OK, Failed, Message, Phase, Ready, size_of, views

__all__ = ["Explain", "Loss", "Phase", "Worker", "start"]

log = logging.getLogger("edge")

START_S, LOAD_S, ANSWER_S, CLOSE_S = 60.0, 60.0, 10.0, 2.0
"""Seconds that the start of Python, loading, an inference and taking leave may last."""


class Limits(NamedTuple):
    """Seconds that each phase may last: the start of Python, the load and the trial each, an inference, the close."""

    load: float
    run: float
    close: float

    def of(self, phase: Phase) -> float:
        """The limit of a phase."""
        return {"start": START_S, "run": self.run}.get(phase, self.load)


MOST_SAID, LAST_WORDS = 1 << 16, 300
"""Bytes of stderr that its pipe holds (more is dropped), and the characters of it that go into a message."""

DRAINED_EVERY = 64
"""Inferences between two looks at stderr, so that there is room for last words."""

TELL_EVERY_S = 5.0
"""So often it is told that a child still loads."""

MOST_MEMORY = 1 << 30

SLICE_S = 0.25
"""A wait is in pieces of so long, between which it is seen whether the child is there at all."""

CHILD = "import os; from edge.worker.child import main; main({target!r}, {argument!r}, *handles); os._exit(0)"
"""At its end a broken library could still crash in its destructors."""


Told = Callable[[str], None]

Data = bytes | Sequence[bytes]
"""Of a model: in one piece, or in several that are put together."""


class Worker:
    """A child that serves a model, as an `Interpreter`. Not for use by several threads at once.

    backend, instead_of, threads: what the interpreter in the child says of itself. usb: the place on the bus of the
    device that it drives, "1-2", where whoever starts it sets that.
    """

    usb: str | None = None

    def __init__(
        self,
        target: str,
        data: Data,
        argument: str,
        limits: Limits,
        explain: Explain,
        told: Told | None = None,
    ) -> None:
        """See `start`."""
        self._explain = explain
        self._told = told
        self._limits = limits
        self._asked = 0
        self._views: list[Array] = []
        self._line, self._child, self._stderr = _begin(target, data, argument)
        self._end = weakref.finalize(self, _end, self._line, self._child, self._stderr, limits.close)
        self._enter("start")
        try:
            ready = self._ready()
            self.inputs: Sequence[TensorSpec] = [each.spec() for each in ready.inputs]
            self.outputs: Sequence[TensorSpec] = [each.spec() for each in ready.outputs]
            self.backend, self.instead_of, self.threads = ready.backend, tuple(ready.instead_of), ready.threads
            self._views = self._shared()
        except BaseException:
            self.close()
            raise
        self._enter("run")

    def infer(self, tensor: Array) -> list[Array]:
        """Run on one input tensor; the outputs are copies. Raises InferenceError, whatever happens in the child."""
        if not self._end.alive:
            raise InferenceError("the process that runs the model was closed, or lost; open it again")
        place = self._views[0]
        if tensor.shape != place.shape or tensor.dtype != place.dtype:
            given, wanted = (f"{'x'.join(map(str, each.shape))} {each.dtype}" for each in (tensor, place))
            raise InferenceError(f"the input is {given}, where the model takes {wanted}; prepare it for this model")
        place[...] = tensor
        if self._ask() != OK:
            raise self._failure()
        return [each.copy() for each in self._views[1:]]

    def close(self) -> None:
        """Let the child go, within a few seconds; calling it again is harmless."""
        self._views = []
        self._end()

    def _ask(self) -> bytes:
        self._asked += 1
        if not self._asked % DRAINED_EVERY:
            self._drained()
        try:
            self._line.send(OK)
            return self._receive(1)
        except TimeoutError as error:
            raise self._lost("") from error
        except ConnectionError:
            return b""
        except BaseException:  # Ctrl-C between question and answer: they would never match again
            self.close()
            raise

    def _failure(self) -> EdgeError:
        """Why the answer was none."""
        message: Failed = self._message(Failed)
        return self._fitting(message.error())

    def _ready(self) -> Ready:
        """Wait for the child to be so. Raises what it says, or what became of it."""
        while True:
            message: Message = self._message(Message)
            if isinstance(message, Ready):
                self._drained()
                return message
            if isinstance(message, Failed):
                raise message.error()
            self._enter(message.phase)

    def _enter(self, phase: Phase) -> None:
        self._phase: Phase = phase
        self._line.settimeout(min(SLICE_S, self._limits.of(phase)))

    def _message(self, kind: Any) -> Any:
        """The next message. Raises what became of the child where there is none."""
        try:
            packet = self._receive(MOST_MESSAGE)
        except TimeoutError as error:
            raise self._lost("") from error
        if not packet:
            raise self._lost()
        try:
            return msgspec.json.decode(packet, type=kind)
        except msgspec.MsgspecError as error:
            raise self._lost(f"it says what cannot be understood ({one_line(error, LAST_WORDS)})") from error

    def _receive(self, size: int) -> bytes:
        """What the child sends; nothing where it is no more, even if what it started still holds the line."""
        begun, ended = time.monotonic(), False
        limit_s = self._limits.of(self._phase)
        until, tell_s = begun + limit_s, min(TELL_EVERY_S, limit_s / 2)
        tell_at = begun + tell_s
        while True:
            try:
                return self._line.recv(size)
            except ConnectionError:
                return b""
            except TimeoutError:
                if ended:
                    return b""
                ended = self._child.process.poll() is not None  # its last words may just have come
                now = time.monotonic()
                if not ended and now >= until:
                    raise
                if self._told is not None and self._phase != "run" and now >= tell_at:
                    tell_at = now + tell_s
                    self._told(f"the model is being loaded ({now - begun:.0f} s)")

    def _shared(self) -> list[Array]:
        """The input and the outputs in memory that the child gets to see as well."""
        specs = [self.inputs[0], *self.outputs]
        size = size_of(specs)
        if size > MOST_MEMORY:
            raise ModelError(f"its tensors take {size:,} bytes; give a model of smaller ones")
        memory = os.memfd_create("tensors")
        try:
            os.ftruncate(memory, size)
            socket.send_fds(self._line, [OK], [memory])
            return views(mmap(memory, size), specs)
        finally:
            os.close(memory)

    def _lost(self, how: str | None = None) -> EdgeError:
        """End what is left of the child, and tell how it came to that; `how` as `Loss` has it, None: by its end."""
        limit_s = self._limits.of(self._phase)
        if how is None:
            try:
                how = death(self._child.process.wait(self._limits.close))
            except subprocess.TimeoutExpired:  # it has closed its line, and a driver holds it
                how, limit_s = "", self._limits.close
        self._child.kill()
        loss = Loss(phase=self._phase, how=how, limit_s=limit_s, said=self._drained())
        self.close()
        return self._fitting(self._explain(loss))

    def _fitting(self, error: EdgeError) -> EdgeError:
        """An error as the phase has it: whatever fails in a run is an InferenceError, after which others may run."""
        return error if self._phase != "run" or isinstance(error, InferenceError) else InferenceError(str(error))

    def _drained(self) -> str:
        """The last words that the child wrote to stderr since it was looked at."""
        try:
            lines = os.read(self._stderr, MOST_SAID).decode("utf-8", "replace").splitlines()
        except BlockingIOError:
            return ""
        for line in lines:
            log.debug("the process that runs the model says: %s", one_line(line, LAST_WORDS))
        return one_line(" ".join(lines[-3:]), LAST_WORDS)


def start(
    target: str,
    data: Data,
    argument: str = "",
    *,
    load_s: float = LOAD_S,
    answer_s: float = ANSWER_S,
    close_s: float = CLOSE_S,
    explain: Explain = explained,
    told: Told | None = None,
) -> Worker:
    """Have `target` ("module:function") load a model in a child: it gets (data, argument), and gives an Interpreter.

    load_s: seconds for loading, and for the first inference. answer_s: for each inference. close_s: for closing, after
    which the child is killed. explain: makes an error of the loss of the child. told: is called every few seconds, in
    words, while it is waited for before it serves. What `target` raises of `edge.errors` is raised here; anything else
    is an InferenceError.
    """
    return Worker(target, data, argument, Limits(load_s, answer_s, close_s), explain, told)


def _begin(target: str, data: Data, argument: str) -> tuple[socket.socket, Child, int]:
    """Start the child: returns the line to it, itself, and what it says. Raises DeviceError."""
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as given:
        try:
            line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.enter_context(line)
            given.enter_context(theirs)
            said, saying = os.pipe()
            ours.callback(os.close, said)
            given.callback(os.close, saying)
            for end in (said, saying):  # where it is full, words are lost; the child never waits for it
                os.set_blocking(end, False)
            model = given.enter_context(os.fdopen(os.memfd_create("model"), "wb"))
            model.writelines([data] if isinstance(data, bytes) else data)
            model.flush()
        except OSError as error:
            raise DeviceError(f"no process can be started ({one_line(error)}); free some memory") from error
        code = CHILD.format(target=target, argument=argument)
        handles = (theirs.fileno(), model.fileno())
        child = Child(code, stdin=subprocess.DEVNULL, stdout=saying, stderr=saying, handles=handles)
        ours.pop_all()
    return line, child, said


def _end(line: socket.socket, child: Child, stderr: int, limit_s: float) -> None:
    """Take leave of a child: it closes its device where it can, and is killed where it cannot."""
    line.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.process.wait(limit_s)
    child.end(limit_s)
    os.close(stderr)
