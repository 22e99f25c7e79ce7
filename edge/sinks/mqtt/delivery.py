"""Events, from the spool to the broker: oldest first, and done with where the broker has said that it has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from edge.events import Spool
from edge.types import Event

LOOK_S = 10.0
"""The spool is looked into so often, also where nobody says that there is something new."""

HOLD_S = 30.0
"""So long nothing is sent after the broker refused an event."""


class Delivery:
    """Used by one thread, but for `hurry`.

    words: why the broker refuses events, or None. An event goes out again where its connection ended before the broker
    acknowledged it, or the process before that was noted: whoever gets it twice knows it by its id.
    """

    def __init__(self, spool: Spool, clock: Callable[[], float] = time.monotonic) -> None:
        self.words: str | None = None
        self._spool = spool
        self._clock = clock
        self._flying: dict[int, str] = {}
        self._look_at = self._held_until = clock()

    @property
    def resting(self) -> bool:
        """Whether nothing is under way."""
        return not self._flying

    def hurry(self) -> None:
        """Say that there is something new in the spool; from any thread."""
        self._look_at = self._clock()

    def begin(self) -> None:
        """A new connection: what was under way is not any more."""
        self._flying.clear()
        self._look_at = self._held_until = self._clock()

    def acknowledged(self, packets: Iterable[tuple[int, str | None]]) -> None:
        """Take the broker's answers: the number of a packet, and why it was refused or None."""
        ours = [(self._flying.pop(packet), refusal) for packet, refusal in packets if packet in self._flying]
        there = [event for event, refusal in ours if refusal is None]
        refusals = [refusal for _, refusal in ours if refusal is not None]
        if there:
            self._spool.delivered(there)
            self.words = None
        if refusals:
            self.words = f"the broker refuses events: {refusals[0]}"
            self._held_until = self._clock() + HOLD_S

    def step(self, send: Callable[[Event], int], most: int) -> None:
        """Send what waits, at most so many, where nothing is under way. send: returns the number of the packet."""
        now = self._clock()
        if self._flying or now < max(self._held_until, self._look_at):
            return
        self._look_at = now + LOOK_S  # before looking: whoever hurries meanwhile is heard
        for event in self._spool.waiting(most):
            self._flying[send(event)] = event.id
            self._look_at = now  # there may be more
