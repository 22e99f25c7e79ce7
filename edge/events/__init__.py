"""What happened before the camera: from answers to events, and where they are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from edge.types import Event


class Spool(Protocol):
    """Events that wait for the broker. From any thread; neither method raises, whatever the disk does."""

    def waiting(self, most: int) -> list[Event]:
        """The oldest events, at most so many, that nobody has said were delivered; again until somebody does."""
        ...

    def delivered(self, ids: Iterable[str]) -> None:
        """Say that the broker has them. An id that is not known is left alone."""
        ...
