"""How a child was lost, and what that means."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edge.errors import EdgeError, InferenceError, ModelError
from edge.worker.messages import Phase

WHILE: dict[Phase, str] = {
    "start": "while it started",
    "load": "while it loaded",
    "trial": "at its first inference",
    "run": "while it ran",
}


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """How a child was lost.

    phase: what it was at. how: "SIGSEGV", "exit code 1", or "" where it was ended, because it did neither answer nor
    end within `limit_s` seconds. said: the last that it wrote to stderr, on one line.
    """

    phase: Phase
    how: str
    limit_s: float
    said: str

    def __str__(self) -> str:
        """In words."""
        what = self.how or f"no answer within {self.limit_s:g} s"
        return f"{what} {WHILE[self.phase]}" + (f": {self.said}" if self.said else "")


Explain = Callable[[Loss], EdgeError]


def explained(loss: Loss) -> EdgeError:
    """A loss in general words; an adapter that knows more explains it itself."""
    kind = InferenceError if loss.phase == "run" else ModelError
    return kind(f"the process that runs the model was lost: {loss}; the model or its runtime is broken")
