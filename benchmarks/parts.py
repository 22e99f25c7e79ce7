"""The parts of a measurement: what is to be measured, what with, and what one sample is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec

from edge.engine import Engine
from edge.host import Host
from edge.models import ModelFile
from edge.types import Camera, Clock, Frame, PowerMeter

from .record import Frames, Stream

Every = Callable[[float, Callable[[], None]], AbstractContextManager[object]]
"""Calls a function every so many seconds, beside what runs inside the context."""


class Sample(NamedTuple):
    """One measurement, nanoseconds. stages_ns: as the scenario names them. age_ns: of the frame at its answer."""

    end_ns: int
    total_ns: int
    stages_ns: tuple[int, ...] = ()
    age_ns: int | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One scenario of one model with one number of threads.

    open: loads the model anew. camera: opens the source, for scenarios that run the loop on it. frames: decoded, for
    those that begin with a frame in memory. source: what the user calls either. profile: by name or path, for fresh
    processes. streams: cameras at the same time.
    """

    scenario: str
    model: ModelFile
    open: Callable[[], Engine]
    camera: Callable[[], Camera]
    frames: Callable[[], list[Frame]]
    source: str
    profile: str
    threads: int | None
    duration_s: float | None
    count: int | None
    streams: int = 1


class Counted(NamedTuple):
    """frames: None where none can be lost. streams: of each camera; None where there is one."""

    frames: Frames | None = None
    streams: list[Stream] | None = None


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

    def __iter__(self) -> Iterator[Sample]:
        """Yield samples; raise the errors of the toolkit."""
        ...

    def begin(self) -> None:
        """The warm-up is over: forget what was counted."""
        ...

    def counted(self, seconds: float) -> Counted:
        """What became of the frames since `begin`, `seconds` ago."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class Bench(NamedTuple):
    """What measures: each a parameter, so that a whole run can be replayed exactly.

    no_meter: why there is none. clock: of all times of samples. wall: seconds since 1970, for the record. busy:
    nanoseconds of processor time of the calling thread. every: runs what watches beside the samples. yardstick: a fixed
    piece of work; None: none is timed. stop: set by whoever wants the run to end early.
    """

    host: Host
    meter: PowerMeter | None
    no_meter: str | None
    stop: threading.Event
    every: Every
    yardstick: Callable[[], object] | None
    clock: Clock = time.monotonic_ns
    wall: Callable[[], float] = time.time
    busy: Clock = time.thread_time_ns
    sleep: Callable[[float], None] = time.sleep
