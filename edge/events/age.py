"""Whether the wall clock is to be believed when old things are deleted."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec

DAY_S = 86_400.0

PACE_S = 60.0
"""The wall clock has kept pace where it is off by no more, from one look to the next."""


class Look(msgspec.Struct, frozen=True):
    """One look at the clocks. at: UTC. agreed_s: for how long they had kept pace by then."""

    at: datetime
    agreed_s: float = 0.0

    @property
    def believed(self) -> bool:
        """Whether they have kept pace for a day."""
        return self.agreed_s >= DAY_S


def look(before: Look | None, at: datetime, passed_s: float | None) -> Look:
    """Look again.

    passed_s: by the monotonic clock, since the look before; None: that was in an earlier life of the process, which
    counts on where the wall clock says that no more than a day has passed since.
    """
    at = at.astimezone(timezone.utc)
    if before is None:
        return Look(at)
    walked_s = (at - before.at) / timedelta(seconds=1)
    if passed_s is None:
        return Look(at, before.agreed_s if 0 <= walked_s <= DAY_S else 0.0)
    return Look(at, before.agreed_s + passed_s if abs(walked_s - passed_s) <= PACE_S else 0.0)
