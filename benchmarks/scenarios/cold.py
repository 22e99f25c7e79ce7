"""From nothing to the first answer, in fresh processes: start of the process, import, load, first answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import msgspec

from edge.errors import InferenceError, one_line
from edge.types import Clock

from ..parts import Bench, Counted, Job, Sample

STAGES = ("process", "import", "load", "first_answer")

LIMIT_S = 120.0
"""A process that says nothing for so long hangs."""

CHILD = (  # garbage is not looked for, as in the command line until all is loaded
    "import time; begun = time.monotonic_ns(); import gc, sys; gc.disable(); sys.path[:] = {path!r}; "
    "from edge.benchmarks.fresh import answer; print(answer(begun, {model!r}, {profile!r}, {threads!r}))"
)


class Cold:
    """Starts a process a sample. The files are in the system's cache, as on the second start of a service."""

    latency_is = "from the start of a fresh process to its first answer (files in the system's cache)"
    stages = STAGES
    back_to_back = True
    warms_up = False
    engine = None

    def __init__(self, job: Job, clock: Clock) -> None:
        code = CHILD.format(path=sys.path, model=str(job.model.path), profile=job.profile, threads=job.threads)
        self._command = [sys.executable, "-c", code]
        self._name = job.model.name
        self._clock = clock
        self.backend = "unknown"

    def __iter__(self) -> Iterator[Sample]:
        """Yield a sample a process. Raises InferenceError where one fails."""
        while True:
            started = self._clock()
            times, self.backend = self._child()
            begun, imported, loaded, answered = times
            stages = (begun - started, imported - begun, loaded - imported, answered - loaded)
            yield Sample(self._clock(), answered - started, stages)

    def _child(self) -> tuple[list[int], str]:
        try:
            done = subprocess.run(self._command, capture_output=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise InferenceError(f"{self._name}: a fresh process gave no answer within {LIMIT_S:g} s") from error
        if done.returncode != 0:
            said = one_line(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or "nothing")
            raise InferenceError(f"{self._name}: a fresh process ended with code {done.returncode} and said: {said}")
        return msgspec.json.decode(done.stdout, type=tuple[list[int], str])

    def begin(self) -> None:
        """Nothing is counted."""

    def counted(self, seconds: float) -> Counted:
        """No frame can be lost."""
        return Counted()

    def close(self) -> None:
        """No process outlives its sample."""


def open(job: Job, bench: Bench) -> Cold:
    """Nothing is loaded here."""
    return Cold(job, bench.clock)
