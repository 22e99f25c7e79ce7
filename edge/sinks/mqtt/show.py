"""The newest picture, to the broker: one at a time, and none that ends the connection again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from edge.sinks.mqtt.link import Link

HEADER = 1024
"""Bytes of a packet beside the picture, at most."""

PATIENCE = 3
"""So many connections, one after the other, may end with a picture under way."""

FORGIVE_S = 3600.0
"""After so long, a picture that was too large is tried again: the network may have been at fault."""


class Show:
    """picture: gives the newest JPEG, or None; None in its place: nothing is shown. words: what does not work, or None.

    A broker of MQTT 3.1.1 cannot say how large a packet it takes: it ends the connection. What `PATIENCE` connections
    ended with is too large, and so is what is larger.
    """

    def __init__(self, picture: Callable[[], bytes | None] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.words: str | None = None
        self._picture = picture
        self._shown: bytes | None = None
        self._flying: tuple[int, int] | None = None
        self._clock = clock
        self._ended: list[int] = []
        self._most: int | None = None
        self._forgiven_at = clock()

    @property
    def shows(self) -> bool:
        """Whether there can be a picture."""
        return self._picture is not None

    def begin(self) -> None:
        """A new connection: the broker may have lost what was shown."""
        if self._flying is not None:
            self._ended.append(self._flying[1])
        if len(self._ended) >= PATIENCE:
            self._most = min(self._ended) - 1
            self._forgiven_at = self._clock() + FORGIVE_S
            self._ended = []
        elif self._clock() >= self._forgiven_at:
            self._most = None
        self._flying = self._shown = None

    def acknowledged(self, packets: Iterable[tuple[int, str | None]]) -> None:
        """Take the broker's answers."""
        for packet, refusal in packets:
            if self._flying is not None and packet == self._flying[0]:
                self._flying = None
                self._ended = []
                self.words = refusal and f"the broker refuses the picture: {refusal}"

    def step(self, link: Link, topic: str) -> None:
        """Show the newest picture, where the one before has arrived."""
        newest = self._picture() if self._picture is not None and self._flying is None else None
        if newest is None or newest is self._shown:
            return
        self._shown = newest
        if not self._fits(len(newest), link.largest):
            advice = "lower width or quality in [snapshots], or allow more there"
            self.words = f"the broker takes no picture of {len(newest) // 1000} kB; {advice}"
            return
        self._flying = (link.publish(topic, newest, qos=1, retain=True), len(newest))

    def _fits(self, size: int, largest: int | None) -> bool:
        return (largest is None or size + HEADER <= largest) and (self._most is None or size <= self._most)
