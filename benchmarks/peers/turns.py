"""Ask the peers in turn: one process each, a few calls at a time."""

from __future__ import annotations

import contextlib
import os
import random
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from edge.errors import EdgeError, one_line

from .environments import complaint
from .known import Peer

WORKER = Path(__file__).with_name("worker.py")

START_S = 300.0
ANSWER_S = 120.0
"""How long to wait for an answer."""

END_S = 5.0
"""How long to wait for the end of a process that has closed its output."""

SEED = 1
"""Of the order in which the peers have their turns, another one each round."""


class Ready(msgspec.Struct, frozen=True):
    """What a worker says first: the version of its package, and the first class of each frame."""

    version: str
    first: list[int]


class Turn(msgspec.Struct, frozen=True):
    """Nanoseconds of each call: of the inference alone (None: it cannot be told apart), and of the whole path."""

    inference: list[int] | None
    whole: list[int]


class Measured(msgspec.Struct, kw_only=True):
    """A peer and what was measured of it; `turns` by the number of the round. why_not: what ended or prevented it."""

    peer: Peer
    version: str | None = None
    first: list[int] = []
    turns: dict[int, Turn] = {}
    why_not: str | None = None


class Worker:
    """The process of a peer. `ask` raises EdgeError where it dies or is silent; then it is to be closed."""

    def __init__(self, line: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._left = b""
        self._process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            cwd=tempfile.gettempdir(),
            start_new_session=True,  # Ctrl-C is for us alone
        )

    def ask(self, line: str, limit_s: float = ANSWER_S) -> bytes:
        """Send a line (none where it is empty), and wait for the line that answers."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
            return self._answer(limit_s)
        except (OSError, EOFError) as error:
            raise EdgeError(self._last_words(min(limit_s, END_S))) from error

    def _last_words(self, limit_s: float) -> str:
        """Why a process that says no more has ended; one that goes on without a word is killed."""
        try:
            self._process.wait(limit_s)
            ended = f"it ended with exit code {self._process.returncode}"
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            ended = "it closed its output and went on"
        self._said.seek(0)
        return complaint(self._said.read().decode("utf-8", "replace")) or ended

    def _answer(self, limit_s: float) -> bytes:
        assert self._process.stdout is not None
        pipe, until = self._process.stdout.fileno(), time.monotonic() + limit_s
        while b"\n" not in self._left:
            if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                raise EdgeError(f"no answer within {limit_s:.0f} s")
            found = os.read(pipe, 1 << 16)
            if not found:
                raise EOFError
            self._left += found
        answer, _, self._left = self._left.partition(b"\n")
        return answer

    def close(self) -> None:
        """End the process; calling it again is harmless."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent to a dead process
                    pipe.close()
        self._process.wait()


def opened(measured: Measured, line: Sequence[str]) -> Worker | None:
    """Start the process of a peer and note what it says of itself; None where it cannot run, and why is noted."""
    worker = Worker(line)
    try:
        ready = msgspec.json.decode(worker.ask("", START_S), type=Ready)
    except (EdgeError, msgspec.DecodeError) as error:
        worker.close()
        measured.why_not = str(error)
        return None
    measured.version, measured.first = ready.version, ready.first
    return worker


def rounds(
    workers: Sequence[tuple[Measured, Worker]],
    numbers: Sequence[int],
    calls: int,
    watch: Callable[..., Iterable[int]],
    limit_s: float = ANSWER_S,
) -> None:
    """In each round let every peer have one turn of `calls` calls; one that fails is ended, and keeps its turns.

    watch: shows how far it is, as `edge.cli.progress` has it.
    """
    order = random.Random(SEED)
    running = list(workers)
    for number in watch(numbers, "rounds"):
        order.shuffle(running)
        for measured, worker in list(running):
            try:
                measured.turns[number] = msgspec.json.decode(worker.ask(f"run {calls}\n", limit_s), type=Turn)
            except (EdgeError, msgspec.DecodeError) as error:
                worker.close()  # what is silent may still compute, in the turns of the others
                measured.why_not = f"it ended after {len(measured.turns)} turns: {one_line(error)}"
                running.remove((measured, worker))
