"""The parts of a measurement: what is to be measured, what with, and what one sample is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec

from edge.engine import Engine
from edge.errors import EdgeError, InferenceError, one_line
from edge.host import Host
from edge.models import ModelFile
from edge.types import Camera, Clock, Frame, PowerMeter

from .yardstick import Work

log = logging.getLogger("edge")

Every = Callable[[float, Callable[[], None]], AbstractContextManager[object]]
"""Calls a function every so many seconds, beside what runs inside the context."""


def failure(error: BaseException, name: str) -> EdgeError:
    """What an interpreter, a camera or a library raised, as an error of the toolkit that names the model."""
    if isinstance(error, EdgeError):
        return error
    log.debug("%s", name, exc_info=error)
    told = f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
    return InferenceError(f"{name}: {told}; a fault of what runs it, or of its camera: see more with --debug")


def mixed(first: tuple[str, str], then: tuple[str, str], instead_of: Sequence[str]) -> InferenceError:
    """That a (backend, model) came in the place of another, so that a figure would be of both."""
    ran, runs = (f"{model} on {backend}" for backend, model in (first, then))
    because = f", because {'; '.join(instead_of)}" if instead_of else ""
    return InferenceError(
        f"{ran} was measured, and now {runs} would be{because}; a figure is of one of them: try again"
    )


class Sample(NamedTuple):
    """One measurement, nanoseconds. stages_ns: as the scenario names them. age_ns: of the frame at its answer. camera:
    which one, where there are several."""

    end_ns: int
    total_ns: int
    stages_ns: tuple[int, ...] = ()
    age_ns: int | None = None
    camera: int = 0


class Job(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One scenario of one model with one number of threads.

    open: loads the model anew. camera: opens the source of that number, for scenarios that run the loop on it; it is
    told the (width, height) of the model's input. frames: decoded, for those that begin with a frame in memory. source:
    what the user calls either. profile, require: for fresh processes, by name or path, and the kind of interpreter that
    alone may run. streams: cameras at the same time. own: the model is not one that was named, but the interpreter's.
    """

    scenario: str
    model: ModelFile
    open: Callable[[], Engine]
    camera: Callable[[int, tuple[int, int]], Camera]
    frames: Callable[[], list[Frame]]
    source: str
    profile: str
    threads: int | None
    duration_s: float | None
    count: int | None
    streams: int = 1
    require: str | None = None
    own: bool = False


class Lost(NamedTuple):
    """Frames of one camera that were never answered, so far: replaced by a newer one, or garbled."""

    replaced: int
    undecodable: int


class Scenario(Protocol):
    """A thing to measure, opened and ready: iterating yields samples, without end where the source has none."""

    latency_is: str
    """What `total_ns` of a sample spans."""
    stages: tuple[str, ...]
    """The names of `stages_ns`."""
    back_to_back: bool
    """Whether samples follow one another in this thread, so that the rate is that of the samples alone."""
    warms_up: bool
    """Whether it gets faster at first; else one sample goes before, and does not count."""
    engine: Engine | None
    """What runs the model, where that is in this process."""

    @property
    def backend(self) -> str:
        """What really runs the model."""
        ...

    @property
    def instead_of(self) -> tuple[str, ...]:
        """Why nothing runs it that the profile prefers."""
        ...

    @property
    def threads(self) -> int | None:
        """How many of the processor's it uses."""
        ...

    @property
    def peak_bytes(self) -> int | None:
        """The most memory of the process that runs the model, where that is not this one."""
        ...

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples; raise the errors of the toolkit."""
        ...

    def lost(self) -> list[Lost]:
        """What each camera has lost since it was opened; empty where no frame can be lost."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class Bench(NamedTuple):
    """What measures: each a parameter, so that a whole run can be replayed exactly.

    no_meter: why there is none. clock: of all times of samples. wall: seconds since 1970, for the record. busy:
    nanoseconds of processor time of the calling thread. every: runs what watches beside the samples. yardstick: makes
    a fixed piece of work. stop: set by whoever wants the run to end early.
    """

    host: Host
    meter: PowerMeter | None
    no_meter: str | None
    stop: threading.Event
    every: Every
    yardstick: Work
    busy: Clock
    clock: Clock = time.monotonic_ns
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
