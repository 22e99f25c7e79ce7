"""What those who connect cost the processor, and how long each has to wait for more: the camera's loop comes first.

Reading a request is dearer than sending one, and what is garbage is known as such only when it was read. So each
address has a share of the processor for what it sends, saved up for a while for a page that loads, and all have one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.cores import usable
from edge.web.remembered import Remembered

ONE, ALL = 0.03, 0.04
"""Of the processor time that this process may have: for each address, and for all together."""

SAVED_S = 1.0
"""So many seconds of the processor are saved up."""

REQUEST_S, CONNECTION_S, HANDSHAKE_S = 1e-3, 6e-4, 3e-3
"""What is reckoned for what cannot be told apart from the work of others: finding the answer to a request, a
connection with what the kernel does for it, and a handshake of TLS."""

ONE_MOST_S, ALL_MOST_S = 5.0, 0.5
"""Nobody waits any longer for what one address, or all together, have sent."""


class Costs:
    """clock: seconds. cores: that this process may have. aside: is told all that is counted, in seconds, but what will
    be: it is shared out here, and no part of what viewers may take."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cores: int | None = None,
        aside: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._aside = aside
        cores = cores or len(usable())
        self._one_share, self._all_share = ONE * cores, ALL * cores
        self._all = SAVED_S, clock()
        self._left = Remembered[tuple[float, float]]()

    def spend(self, address: str, seconds: float, later_s: float = 0.0) -> None:
        """Count processor time for what came from there. later_s: what it will cost beside that."""
        self._aside(seconds)
        seconds += later_s
        now, one, all_ = self._clock(), self._one_share, self._all_share
        self._all = max(_saved(self._all, all_, now) - seconds, -ALL_MOST_S * all_), now
        left = _saved(self._left.get(address, (SAVED_S, now)), one, now) - seconds
        self._left.put(address, (max(left, -ONE_MOST_S * one), now))

    def wait_s(self, address: str) -> float:
        """So long nothing more is taken from there, for what came from there."""
        now = self._clock()
        left = _saved(self._left.get(address, (SAVED_S, now)), self._one_share, now)
        return max(0.0, -left / self._one_share)

    @property
    def all_wait_s(self) -> float:
        """So long nothing more is taken from anywhere, for what came from everywhere."""
        return max(0.0, -_saved(self._all, self._all_share, self._clock()) / self._all_share)


def _saved(before: tuple[float, float], share: float, now: float) -> float:
    left, at = before
    return min(SAVED_S, left + (now - at) * share)
