"""The values and protocols of the toolkit: read this page and you know its parts.

A `Camera` yields `Frame`s; an `Interpreter` turns a tensor into tensors, each told by its `TensorSpec`; a task turns
those into an answer; frame, answer and times make a `Result`; a `Sink` takes results. Answers that last make an
`Event`. A `PowerMeter` tells what all of it draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""An array whose shape and dtype the text beside it tells."""

Clock = Callable[[], int]
"""Returns nanoseconds that never run backwards, as `time.monotonic_ns` does."""

PixelFormat = Literal["BGR", "RGB", "MJPG"]
Fit = Literal["squash", "crop", "letterbox"]
EventKind = Literal["appeared", "changed", "gone"]

FITS: tuple[Fit, ...] = ("squash", "crop", "letterbox")


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One picture from a camera.

    pixels: H x W x 3 uint8 in the order that `pixel_format` names; for "MJPG" the bytes of one JPEG, 1-D uint8,
        which are decoded only when the frame is really used.
    index: the number of the frame in its source, from 0; gaps are frames that were dropped.
    captured_at_ns: nanoseconds of `time.monotonic_ns`, from the sensor where it tells.
    size: width and height in pixels.
    file: which file, where the source is made of pictures.
    """

    pixels: Array
    index: int
    captured_at_ns: int
    size: tuple[int, int]
    pixel_format: PixelFormat = "BGR"
    file: str | None = None


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says of one of its tensors: real = scale * (tensor - zero_point); scale 0 means not quantised."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float = 0.0
    zero_point: int = 0

    @property
    def quantised(self) -> bool:
        """Whether the tensor holds integers that stand for real numbers."""
        return self.scale != 0.0

    def quantize(self, real: Array | float) -> Array:
        """Real numbers of any shape to this tensor's dtype, rounded to the nearest and saturated."""
        values = np.asarray(real, np.float64)
        if not self.quantised:
            return values.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        return np.clip(np.rint(values / self.scale + self.zero_point), limits.min, limits.max).astype(self.dtype)

    def dequantize(self, tensor: Array) -> Array:
        """A tensor of any shape, in this tensor's dtype, to real numbers (float32)."""
        if not self.quantised:
            return tensor.astype(np.float32)
        real: Array = (tensor.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)
        return real


class Classification(NamedTuple):
    """One class of an answer; `score` is its probability, 0 to 1."""

    label: str
    index: int  # type: ignore[assignment]  # a class has an index; that tuples can be searched is of no use here
    score: float


class Timing(msgspec.Struct, frozen=True):
    """Nanoseconds that each stage of one frame took, on one monotonic clock."""

    preprocess: int
    inference: int
    postprocess: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one frame: classes in falling order of score, when it was seen and said, and what ran it.

    model: by its name; another interpreter that takes over may have another. instead_of: why each interpreter that
    the profile prefers to this one does not run; empty where the first one does.
    """

    frame: int
    answer: tuple[Classification, ...]
    captured_at_ns: int
    finished_at_ns: int
    timing: Timing
    backend: str
    model: str
    instead_of: tuple[str, ...] = ()

    @property
    def age_ms(self) -> float:
        """Milliseconds from the capture of the frame to its answer."""
        return (self.finished_at_ns - self.captured_at_ns) / 1e6


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that came, changed or went, by answers that lasted.

    id: 32 hexadecimal digits, unique for ever: whoever gets an event twice knows it by that. label, score: of what is
    there, or was there before it went; the smoothed probability, 0 to 1. previous: of a "changed", the label whose
    place it took. at: UTC, by the wall clock, of the frame that confirmed it. lasted_s: of a "gone", how long it was
    there. frame: its number in the source. picture: the name of its file in the folder of snapshots; None: none is
    taken.
    """

    id: str
    kind: EventKind
    label: str
    score: float
    at: datetime
    frame: int
    previous: str | None = None
    lasted_s: float | None = None
    picture: str | None = None


class Camera(Protocol):
    """A source of frames. Iterating yields them until the source ends; waits inside are bounded where they can be."""

    live: bool
    """True: the newest frame wins and old ones may be dropped. False: every frame counts."""
    skipped: int
    """Pictures of the source that could not be decoded, so far."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames; raise CameraError when the source fails."""
        ...

    def close(self) -> None:
        """Give the device back; calling it again is harmless."""
        ...


class Interpreter(Protocol):
    """A loaded model on some hardware."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    backend: str
    """What really runs it, for example "litert-cpu"."""
    threads: int | None
    """Of the processor, that it uses; None where that means nothing."""

    def infer(self, tensor: Array) -> list[Array]:
        """Run on one input tensor of exactly `inputs[0]`; returns the outputs. Raises InferenceError."""
        ...

    def close(self) -> None:
        """Give memory and device back; calling it again is harmless."""
        ...


class Power(NamedTuple):
    """One reading of a power meter, which tells one of the two; None is what it does not tell.

    watts: drawn at this moment. joules: counted since the meter was opened.
    """

    watts: float | None = None
    joules: float | None = None


class PowerMeter(Protocol):
    """A sensor of what the device, or a part of it, draws."""

    name: str
    """Which sensor, for example "hwmon ina3221 VDD_IN"."""
    covers: str
    """In words, what the reading covers: "the whole module"."""
    misses: str
    """In words, what it does not: "what hangs on the 5 V rail, USB devices included"."""
    interval_s: float
    """Seconds between two readings that are worth what they cost."""

    def read(self) -> Power:
        """Raises MeterError where the sensor has gone or gives nonsense."""
        ...

    def close(self) -> None:
        """Give the sensor back; calling it again is harmless."""
        ...


class Sink(Protocol):
    """A place for results. It runs in a thread of its own, so that a slow one never stalls inference."""

    def write(self, frame: Frame, result: Result) -> None:
        """Take one result."""
        ...

    def close(self) -> None:
        """Finish what was begun."""
        ...
