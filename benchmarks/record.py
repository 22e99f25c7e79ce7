"""What a run leaves behind: one JSON file, whose schema is published, with every raw sample and the host that made it.

Times are milliseconds, or seconds where the name ends in `_s`; `None` is what was not measured, or what the samples
cannot bear.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from edge.errors import ConfigError, key_and_reason, one_line
from edge.files import printable, read_small, write_whole
from edge.host import Facts, State

VERSION = 1
"""Of the format of records; another one is refused."""

MOST_BYTES = 1 << 30

Verdict = Literal["valid", "suspect", "invalid"]

VERDICTS: tuple[Verdict, ...] = ("valid", "suspect", "invalid")

Interval = tuple[float, float]


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename={"p99_9": "p99.9"}):
    """Figures of one series of samples.

    A percentile is there only if the samples bear it. spread: between the quartiles. confidence: intervals at 99 % of
    what they are named after. samples: all of them, in the order they were taken.
    """

    count: int
    median: float | None
    mean: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p99_9: float | None
    min: float | None
    max: float | None
    spread: float | None
    confidence: dict[str, Interval]
    samples: list[float]


class Warmup(msgspec.Struct, frozen=True, kw_only=True):
    """What was run before the samples, and is in none of the figures. settled: whether its rule ended it."""

    rule: str
    settled: bool
    seconds: float
    samples_ms: list[float]


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Resident, of the whole process, the harness included: the most there was, and at the end of the run."""

    peak_bytes: int | None
    steady_bytes: int | None


class Frames(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the frames of a source. replaced: by a newer one, before anybody looked. undecodable: garbled."""

    answered: int
    replaced: int
    undecodable: int


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One of several cameras on one device."""

    fps: float
    answered: int
    replaced: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time: when it began by the wall clock (ISO 8601, UTC), and how long it was."""

    started_at: str
    seconds: float


class PowerUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter told of the timed window.

    watts: mean over the window; idle_watts: before it, with nothing to do. joules_per_inference is gross,
    joules_per_inference_net without what idling would have drawn. readings: [seconds since the window began, watts].
    """

    meter: str
    covers: str
    misses: str
    watts: float
    idle_watts: float | None
    peak_watts: float | None
    joules: float
    joules_per_inference: float | None
    joules_per_inference_net: float | None
    inferences_per_joule: float | None
    readings: list[Interval]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The host during the run. clock_mhz: of the fastest core. other_load: cores that other programs kept busy.
    accelerator_c: of the Edge TPU, where it tells."""

    at_s: float
    clock_mhz: float | None
    temperature_c: float | None
    limits: tuple[str, ...] | None
    other_load: float | None
    memory_bytes: int | None
    accelerator_c: float | None = None


class Yardstick(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed piece of work, timed now and then between samples: how fast the machine itself was at that moment.

    at_s: as in `Result`. Neighbours on a shared machine, clocks and heat slow it as they slow the model.
    """

    what: str
    ms: list[float]
    at_s: list[float]


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """How like the reference the answers are.

    agreement: share (0 to 1) of the pictures with the same first class. largest_difference: of any score of any class.
    """

    reference: str
    pictures: int
    agreement: float
    largest_difference: float


class Caution(msgspec.Struct, frozen=True, kw_only=True):
    """A reason not to believe a figure. verdict: what it makes of the result; text: what was seen, and the value."""

    code: str
    verdict: Verdict
    text: str
    advice: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario of one model on one backend with one number of threads.

    backend: what really ran; backend_reasons: why it was nothing that the profile prefers. latency_is: what one sample
    of `latency_ms` spans. at_s: when each sample ended, from the beginning of the timed window. idle: the time before
    with nothing to do, in which a meter was read. harness_us: what the harness itself costs, microseconds a sample;
    watching_share: of one core, that reading host and meter meanwhile took. error: what ended the run early.
    """

    scenario: str
    model: str
    model_sha256: str
    model_bytes: int
    backend: str
    backend_reasons: list[str]
    threads: int | None
    source: str | None
    streams: list[Stream] | None
    latency_is: str
    fps: float | None
    verdict: Verdict
    warnings: list[Caution]
    latency_ms: Summary
    stages_ms: dict[str, Summary]
    age_ms: Summary | None
    frames: Frames | None
    idle: Window | None
    started_at: str
    seconds: float
    at_s: list[float]
    warmup: Warmup | None
    init_ms: float | None
    first_inference_ms: float | None
    memory: Memory
    power: PowerUse | None
    power_not_measured: str | None
    fidelity: Fidelity | None
    fidelity_not_measured: str | None
    host_before: State
    host_after: State
    watch: list[Moment]
    yardstick: Yardstick | None
    harness_us: float | None
    watching_share: float | None
    error: str | None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. warmup: the rule's bounds are in each result."""

    duration_s: float | None
    count: int | None
    source: str | None
    command: list[str]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A job that gave not one sample, and why."""

    scenario: str
    model: str
    threads: int | None
    error: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One call of edge-bench. profile_text: the device profile as it was read. complete: neither interrupted, nor did
    any job fail to give a result."""

    version: int
    tool: str
    started_at: str
    complete: bool
    settings: Settings
    profile: str
    profile_text: str
    host: Facts
    results: list[Result]
    failed: list[Failure]


def schema() -> dict[str, Any]:
    """The JSON schema of a record (draft 2020-12)."""
    return msgspec.json.schema(Record)


def save(record: Record, path: Path) -> None:
    """Write a record whole, or not at all. Raises ConfigError where nothing can be written there."""
    try:
        write_whole(path, msgspec.json.encode(record) + b"\n")
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ConfigError(f"--output {printable(path)}: cannot be written: {reason}; name another file") from error


def read(path: Path) -> Record:
    """Read a record. Raises ConfigError where it is none, or of another version."""
    name = printable(path)
    try:
        data = read_small(path, MOST_BYTES)
        version = msgspec.json.decode(data, type=_Version).version
        if version != VERSION:
            known = f"this edge-bench reads version {VERSION}"
            raise ConfigError(
                f"{name}: a record of version {version}, and {known}; measure again, or use the other one"
            )
        return msgspec.json.decode(data, type=Record)
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror or one_line(error)}; check the name") from error
    except msgspec.ValidationError as error:
        key, reason = key_and_reason(error)
        raise ConfigError(f"{name}: no record of edge-bench: {key}: {reason}; give what --output wrote") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: not JSON: {one_line(error)}; give what --output wrote") from error


class _Version(msgspec.Struct):
    version: int
