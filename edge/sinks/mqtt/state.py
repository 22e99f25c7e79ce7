"""What a camera tells of itself: one retained JSON object."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from msgspec.structs import asdict

from edge.health import Health, health
from edge.vitals import Controls, Vitals


class State(Health, frozen=True, kw_only=True):
    """How a camera fares, and what the house has asked of it.

    at: when this was said (UTC). threshold: the score from which on something may be there.
    """

    at: datetime
    paused: bool
    threshold: float


def now() -> datetime:
    """The time in UTC, to the millisecond."""
    moment = datetime.now(timezone.utc)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def look(vitals: Vitals, controls: Controls, threshold: float, clock: Callable[[], datetime] = now) -> State:
    """How the camera fares now. threshold: what the settings say, where the house asks for none."""
    asked = controls.threshold
    return State(
        **asdict(health(vitals)),
        at=clock(),
        paused=controls.paused,
        threshold=round(threshold if asked is None else asked, 4),
    )


def gist(state: State) -> tuple[object, ...]:
    """What of a state is told at once when it changes; the rest waits for its turn."""
    return (
        state.condition,
        state.paused,
        state.label,
        state.since,
        state.threshold,
        state.limits,
        state.rate_limit,
        state.problems,
        state.backend,
    )
