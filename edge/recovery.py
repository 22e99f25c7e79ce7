"""What is done to recover, rung by rung: told, counted, and seen as a sign of life.

camera       it is opened again
usb          its USB device, or that of the accelerator, is reset
interpreter  it is opened again
backend      the next interpreter of the profile's order takes its place
pipeline     all of it is opened again
restart      the process ends, for its supervisor to begin another
"""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Lock
from typing import Literal, get_args

Rung = Literal["camera", "usb", "interpreter", "backend", "pipeline", "restart"]

RUNGS: tuple[Rung, ...] = get_args(Rung)

JITTER = 0.25
"""The share of a pause by which it is longer or shorter, so that a thousand cameras do not come back at one moment."""

LOOK_S = 1.0
"""So often whoever waits for a recovery sees how it goes on, and hears what else is asked."""

STEADY_S = 10.0
"""What ran for longer than this ran well: a failure after that is a new one."""


class Ladder:
    """Counts each try.

    told: is called with it. at_work: is called in words while something slow goes on, such as the build of an engine;
    a sign of life, and no try. Both from whatever thread it is; they must return at once and not raise.
    """

    def __init__(
        self, told: Callable[[Rung, str], None] | None = None, at_work: Callable[[str], None] | None = None
    ) -> None:
        self._told = told
        self._at_work = at_work
        self._lock = Lock()
        self._counts: dict[Rung, int] = dict.fromkeys(RUNGS, 0)

    @property
    def counts(self) -> dict[Rung, int]:
        """How often each rung was tried, so far."""
        with self._lock:
            return dict(self._counts)

    def climb(self, rung: Rung, words: str) -> None:
        """Note that a rung is tried now, and on what."""
        with self._lock:
            self._counts[rung] += 1
        if self._told is not None:
            self._told(rung, words)

    def works(self, words: str) -> None:
        """Note that something slow goes on, which is bounded by itself."""
        if self._at_work is not None:
            self._at_work(words)


def jittered(pause_s: float, chance: Callable[[], float] = random.random) -> float:
    """A pause, up to a quarter longer or shorter. chance: gives numbers from 0 to 1."""
    return pause_s * (1 + JITTER * (2 * chance() - 1))


class Backoff:
    """Pauses, each about twice as long as the one before. first_s, most_s: the first, and the longest. chance: gives
    numbers from 0 to 1."""

    def __init__(self, first_s: float, most_s: float, chance: Callable[[], float] = random.random) -> None:
        self._first_s = self._next_s = first_s
        self._most_s = most_s
        self._chance = chance

    def __call__(self) -> float:
        """The next one, in seconds."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._most_s)
        return jittered(pause_s, self._chance)

    def reset(self) -> None:
        """Begin anew with the first."""
        self._next_s = self._first_s
