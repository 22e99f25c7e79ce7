"""One call of edge-bench: all its jobs, one after the other, into one record that is saved after each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

import edge
from edge.errors import ConfigError, EdgeError, MeterError
from edge.profile import DeviceProfile

from . import energy
from .measure import INTERRUPTED, Check, Progress, idle, measured
from .parts import Bench, Job, failure
from .record import VERSION, Failure, Record, Result, Settings, Window, save
from .seen import Idle, iso
from .verdict import judged


class Plan(NamedTuple):
    """What is to be done. idle_s: how long a meter is read before. log: the CSV of an outside meter."""

    jobs: list[Job]
    settings: Settings
    profile: DeviceProfile
    profile_text: str
    idle_s: float
    log: Path | None


class Shown(Protocol):
    """Who is told what."""

    def progress(self, job: Job) -> Progress:
        """Who is told how far a job is."""
        ...

    def result(self, result: Result, record: Record) -> None:
        """A job has ended, and all that it told is saved."""
        ...

    def error(self, job: Job, error: EdgeError) -> None:
        """A job has ended early, or could not begin."""
        ...


class Session:
    """Runs a plan. errors: what ended jobs early, or kept a record from being saved."""

    def __init__(self, plan: Plan, bench: Bench, check: Callable[[Job], Check], shown: Shown, out: Path | None) -> None:
        self._plan = plan
        self._bench = bench
        self._check = check
        self._shown = shown
        self._out = out
        self.errors: list[EdgeError] = []
        self.record = Record(
            version=VERSION,
            tool=f"edge-bench {edge.__version__}",
            started_at=iso(bench.wall()),
            complete=False,
            settings=plan.settings,
            profile=plan.profile.name,
            profile_text=plan.profile_text,
            host=bench.host.facts(),
            results=[],
            failed=[],
        )

    def run(self) -> Record:
        """Do all jobs; what fails is told, and the next one is done. An interrupt ends it, and loses nothing."""
        before = idle(self._bench, self._plan.idle_s, self._shown.progress(self._plan.jobs[0]))
        for job in self._plan.jobs:
            if self._bench.stop.is_set():
                return self.record
            try:
                self._one(job, before)
            except (Exception, SystemExit) as raised:  # noqa: BLE001 - of somebody else's code; the others are run
                error = failure(raised, job.model.name)
                self.errors.append(error)
                self._failed(job, error)
                self._shown.error(job, error)
        if not self._bench.stop.is_set():
            self.record = msgspec.structs.replace(self.record, complete=not self.record.failed)
            self._save(self._plan.jobs[-1])
        return self.record

    def _one(self, job: Job, before: Idle) -> None:
        found = measured(job, self._bench, before, self._check(job), self._shown.progress(job))
        if found is None:  # stopped before the first sample
            return
        result = judged(self._with_log(found), self.record.host)
        self.record = msgspec.structs.replace(self.record, results=[*self.record.results, result])
        self._save(job)
        self._shown.result(result, self.record)
        if result.error and result.error != INTERRUPTED:
            raise EdgeError(result.error)

    def _failed(self, job: Job, error: EdgeError) -> None:
        if not any(result.error == str(error) for result in self.record.results):
            lost = Failure(scenario=job.scenario, model=job.model.name, threads=job.threads, error=str(error))
            self.record = msgspec.structs.replace(self.record, failed=[*self.record.failed, lost])

    def _with_log(self, result: Result) -> Result:
        """The result, with what an outside meter wrote into its file meanwhile."""
        if self._plan.log is None:
            return result
        count = len(result.latency_ms.samples)
        try:
            window = Window(started_at=result.started_at, seconds=result.seconds)
            use = energy.from_csv(self._plan.log, result.idle, window, count)
        except (MeterError, ConfigError) as error:
            return msgspec.structs.replace(result, power=None, power_not_measured=str(error))
        return msgspec.structs.replace(result, power=use, power_not_measured=None)

    def _save(self, job: Job) -> None:
        """Write the record; where that has become impossible, into the system's temporary folder, and say so once."""
        if self._out is None:
            return
        try:
            save(self.record, self._out)
        except ConfigError as error:
            self._out = self._elsewhere(self._out)
            told = f"the record lies at {self._out} instead" if self._out else "it could be saved nowhere else either"
            self.errors.append(ConfigError(f"{error}; {told}"))
            self._shown.error(job, self.errors[-1])

    def _elsewhere(self, lost: Path) -> Path | None:
        import tempfile

        try:
            folder = Path(tempfile.mkdtemp(prefix="edge-bench-"))
            save(self.record, folder / lost.name)
        except (ConfigError, OSError):
            return None
        return folder / lost.name
