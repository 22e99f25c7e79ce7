"""The fake machine: it is what is written, and fares as is written. Never chosen unless it is named."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge.errors import ConfigError
from edge.host import Facts, State
from edge.types import Clock


class Scripted:
    """Plays states one after the other; the last one stays. clock: tells `at_ns` in place of what is written.

    forgot: how often the peak of memory was to begin anew. Raises ConfigError for no state at all.
    """

    def __init__(self, facts: Facts, states: Sequence[State], clock: Clock | None = None) -> None:
        if not states:
            raise ConfigError("scripted host: no state to play; give at least one")
        self.forgot = 0
        self._facts = facts
        self._states = list(states)
        self._clock = clock

    def facts(self) -> Facts:
        """What was given."""
        return self._facts

    def state(self) -> State:
        """The next state."""
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return state if self._clock is None else msgspec.structs.replace(state, at_ns=self._clock())

    def forget_peak(self) -> None:
        """Count it."""
        self.forgot += 1
