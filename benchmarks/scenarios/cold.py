"""From nothing to the first answer, in fresh processes: start of the process, import, load, first answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec

from edge.errors import InferenceError, one_line
from edge.types import Clock

from ..parts import Bench, Job, Lost, Sample, mixed

STAGES = ("process", "import", "load", "first_answer")

LIMIT_S = 120.0
"""A process that says nothing for so long hangs."""

CHILD = (  # garbage is not looked for, as in the command line until all is loaded
    "import time; begun = time.monotonic_ns(); import gc, sys; gc.disable(); sys.path[:] = {path!r}; "
    "from edge.benchmarks.fresh import answer; print(answer(begun, {arguments}))"
)


class Told(msgspec.Struct, frozen=True):
    """What `fresh.answer` says."""

    times_ns: tuple[int, int, int, int]
    backend: str
    model: str
    threads: int | None
    peak_bytes: int | None
    instead_of: tuple[str, ...] = ()


class Cold:
    """Starts a process a sample. The files are in the system's cache, as on the second start of a service.

    backend, instead_of, threads, peak_bytes: of these processes; "unknown", () and None before the first. The most of
    all peaks counts.
    """

    latency_is = (
        "from the start of a fresh process to its first answer (files in the system's cache, labels and fit as the "
        "profile and the model's card say)"
    )
    stages = STAGES
    back_to_back = True
    warms_up = False
    engine = None

    def __init__(self, job: Job, clock: Clock, limit_s: float = LIMIT_S) -> None:
        model = None if job.own else str(job.model.path)
        arguments = f"{model!r}, {job.profile!r}, {job.threads!r}, {job.require!r}"
        code = CHILD.format(path=sys.path, arguments=arguments)
        self._command = [sys.executable, "-c", code]
        self._name, self._own = job.model.name, job.own
        self._clock = clock
        self._limit_s = limit_s
        self.backend = "unknown"
        self.instead_of: tuple[str, ...] = ()
        self.threads: int | None = None
        self.peak_bytes: int | None = None

    def __iter__(self) -> Iterator[Sample]:
        """Yield a sample a process. Raises InferenceError where one fails."""
        while True:
            started = self._clock()
            told = self._child()
            self._check(told)
            self.backend, self.threads, self.instead_of = told.backend, told.threads, told.instead_of
            self.peak_bytes = max(self.peak_bytes or 0, told.peak_bytes or 0) or None
            begun, imported, loaded, answered = told.times_ns
            stages = (begun - started, imported - begun, loaded - imported, answered - loaded)
            yield Sample(self._clock(), answered - started, stages)

    def _check(self, told: Told) -> None:
        """Raise InferenceError where it ran on another backend than the one before, or not the model that was asked."""
        backend = told.backend if self.backend == "unknown" else self.backend
        model = self._name if self._own else told.model
        if (told.backend, told.model) != (backend, model):
            raise mixed((backend, model), (told.backend, told.model), told.instead_of)

    def _child(self) -> Told:
        try:
            code, out, err = _ran(self._command, self._limit_s)
        except subprocess.TimeoutExpired as error:
            raise InferenceError(f"{self._name}: a fresh process gave no answer within {self._limit_s:g} s") from error
        if code != 0:
            said = one_line("".join(err.decode("utf-8", "replace").strip().splitlines()[-1:]) or "nothing")
            raise InferenceError(f"{self._name}: a fresh process ended with code {code} and said: {said}")
        try:
            return msgspec.json.decode(b"".join(out.splitlines()[-1:]), type=Told)  # libraries may print before it
        except msgspec.DecodeError as error:
            raise InferenceError(f"{self._name}: a fresh process gave no answer: {one_line(error)}") from error

    def lost(self) -> list[Lost]:
        """No frame can be lost."""
        return []

    def close(self) -> None:
        """No process outlives its sample."""


def _ran(command: list[str], limit_s: float) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a process in a session of its own: Ctrl-C in a terminal is for its parent alone.

    Where it is not waited for to the end, it is killed, with those that it has started. Raises TimeoutExpired.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=limit_s)
        except BaseException:
            if process.returncode is None:  # else its number may be another one's by now
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return process.returncode, out, err


def open(job: Job, bench: Bench) -> Cold:
    """Nothing is loaded here."""
    return Cold(job, bench.clock)
