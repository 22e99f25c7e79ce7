"""What a service tells others through: MQTT, metrics, pictures, a page."""

from __future__ import annotations

from typing import Protocol

from edge.types import Event


class Output(Protocol):
    """Has a thread of its own and bounded memory; nothing that happens to it reaches the loop.

    It looks at `Vitals` at its own pace, and what is wrong with it stands in `Vitals.problems`.
    """

    def start(self) -> None:
        """Begin; returns at once, and never raises for what a network or a disk does."""
        ...

    def told(self, event: Event) -> None:
        """Take notice of an event that is stored; returns at once. From any thread."""
        ...

    def close(self) -> None:
        """End within a few seconds, whatever hangs; calling it again is harmless."""
        ...
