"""What the scenarios share whose model runs in this process."""

from __future__ import annotations

from edge.engine import Engine

from ..parts import Lost


class Loaded:
    """A scenario of one engine. Its frames are in memory, unless it says otherwise."""

    warms_up = True
    peak_bytes = None

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def backend(self) -> str:
        """What really runs the model."""
        return self.engine.interpreter.backend

    @property
    def instead_of(self) -> tuple[str, ...]:
        """Why nothing runs it that the profile prefers."""
        return tuple(self.engine.instead_of)

    @property
    def threads(self) -> int | None:
        """How many the interpreter says that it uses."""
        return getattr(self.engine.interpreter, "threads", None)

    def lost(self) -> list[Lost]:
        """No frame in memory can be lost."""
        return []

    def close(self) -> None:
        """Free the model."""
        self.engine.close()
