"""What the two ends of a worker tell each other, and how tensors lie in the memory that both see."""

from __future__ import annotations

from collections.abc import Sequence
from mmap import mmap
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from edge.errors import AdapterError, ConfigError, DeviceError, EdgeError, InferenceError, ModelError
from edge.types import Array, TensorSpec

Phase = Literal["start", "load", "trial", "run"]

OK, BAD = b"+", b"-"
"""The one byte that goes each way for an inference; after the second kind comes a `Failed`."""

KINDS: dict[str, type[EdgeError]] = {
    kind.__name__: kind for kind in (AdapterError, ConfigError, DeviceError, InferenceError, ModelError)
}
"""The errors that a child may raise here."""

MOST_MESSAGE, MOST_TEXT = 1 << 17, 2000
"""Bytes of a message, and characters of a text in it."""

A_LINE = 64
"""Tensors begin where lines of a processor's cache do."""


class Doing(msgspec.Struct, frozen=True, tag=True):
    """The child begins a phase."""

    phase: Phase


class Tensor(msgspec.Struct, frozen=True):
    """A `TensorSpec` in plain values; dtype as NumPy writes it ("|u1")."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    @classmethod
    def of(cls, spec: TensorSpec) -> Tensor:
        """The plain values of a spec."""
        return cls(spec.name[:200], spec.shape, spec.dtype.str, spec.scale, spec.zero_point)

    def spec(self) -> TensorSpec:
        """The spec of the plain values."""
        return TensorSpec(
            name=self.name,
            shape=self.shape,
            dtype=np.dtype(self.dtype),
            scale=self.scale,
            zero_point=self.zero_point,
        )


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child has loaded and tried the model."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    backend: str
    instead_of: list[str]
    threads: int | None = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The child could not do it; `kind` is a name of `KINDS`, or of what is no error of ours."""

    kind: str
    text: str

    @classmethod
    def because(cls, error: BaseException) -> Failed:
        """What an error says."""
        kind = type(error).__name__
        return cls(kind, (str(error) if kind in KINDS else f"{kind}: {error}")[:MOST_TEXT])

    def error(self) -> EdgeError:
        """The error, raised anew on this side."""
        if self.kind in KINDS:
            return KINDS[self.kind](self.text)
        return InferenceError(f"the process that runs the model failed: {self.text}; `pip check` tells what is broken")


Message: TypeAlias = Doing | Ready | Failed


def size_of(specs: Sequence[TensorSpec]) -> int:
    """Bytes of shared memory that the tensors take."""
    return _places(specs)[-1]


def views(memory: mmap, specs: Sequence[TensorSpec]) -> list[Array]:
    """The tensors, one after the other, as arrays that lie in `memory`."""
    return [
        np.frombuffer(memory, spec.dtype, int(np.prod(spec.shape)), at).reshape(spec.shape)
        for spec, at in zip(specs, _places(specs), strict=False)
    ]


def _places(specs: Sequence[TensorSpec]) -> list[int]:
    """Where each tensor begins, and where the last one ends."""
    places = [0]
    for spec in specs:
        size = int(np.prod(spec.shape)) * spec.dtype.itemsize
        places.append(places[-1] + max(1, -(-size // A_LINE)) * A_LINE)
    return places
