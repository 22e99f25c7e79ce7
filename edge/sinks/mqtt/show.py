"""The newest picture, to the broker: one at a time, and none that ends the connection again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edge.sinks.mqtt.link import Link

HEADER = 1024
"""Bytes of a packet beside the picture, at most."""

PATIENCE = 2
"""So many connections may end on one picture."""


class Show:
    """picture: gives the newest JPEG, or None; None in its place: nothing is shown. words: what does not work, or None.

    A broker of MQTT 3.1.1 cannot say how large a packet it takes: it ends the connection. What ended `PATIENCE`
    connections before it was acknowledged is too large, and so is what is larger.
    """

    def __init__(self, picture: Callable[[], bytes | None] | None) -> None:
        self.words: str | None = None
        self._picture = picture
        self._shown: bytes | None = None
        self._flying: tuple[int, int] | None = None
        self._ended: dict[int, int] = {}
        self._most: int | None = None

    @property
    def shows(self) -> bool:
        """Whether there can be a picture."""
        return self._picture is not None

    def begin(self) -> None:
        """A new connection: the broker may have lost what was shown."""
        if self._flying is not None:
            size = self._flying[1]
            self._ended = {size: self._ended.get(size, 0) + 1}
            if self._ended[size] >= PATIENCE:
                self._most = size - 1
        self._flying = self._shown = None

    def acknowledged(self, packets: Iterable[tuple[int, str | None]]) -> None:
        """Take the broker's answers."""
        for packet, refusal in packets:
            if self._flying is not None and packet == self._flying[0]:
                self._flying = None
                self._ended = {}
                self.words = refusal and f"the broker refuses the picture: {refusal}"

    def step(self, link: Link, topic: str) -> None:
        """Show the newest picture, where the one before has arrived."""
        newest = self._picture() if self._picture is not None and self._flying is None else None
        if newest is None or newest is self._shown:
            return
        self._shown = newest
        most = min(size for size in (self._most, link.largest and link.largest - HEADER, len(newest)) if size is not None)
        if len(newest) > most:
            advice = "lower width or quality in [snapshots], or allow more there"
            self.words = f"the broker takes no picture of {len(newest) // 1000} kB; {advice}"
            return
        self._flying = (link.publish(topic, newest, qos=1, retain=True), len(newest))
