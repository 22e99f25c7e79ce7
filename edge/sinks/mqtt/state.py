"""What a camera tells of itself: one retained JSON object."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import msgspec

from edge.recovery import Rung
from edge.vitals import Condition, Controls, Vitals


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A camera at one moment; null is what is not known, or does not apply.

    at: when this was said (UTC). label, score, since: of what is there. threshold: the score from which on something
    may be there. age_ms: from the capture of the newest frame to its answer. spool: events that wait for the broker.
    limits: what the board throttles for. events, dropped: counted by kind and by cause, in this life of the process;
    restarts: over all. recoveries: tries of each rung. problems: what does not work now, by part. instead_of: why the
    interpreters that are preferred to this backend do not run.
    """

    at: datetime
    condition: Condition
    words: str
    paused: bool
    label: str | None
    score: float | None
    since: datetime | None
    threshold: float
    fps: float | None
    age_ms: float | None
    frames: int
    temperature_c: float | None
    watts: float | None
    limits: tuple[str, ...]
    rate_limit: float | None
    spool: int
    events: dict[str, int]
    dropped: dict[str, int]
    restarts: dict[str, int]
    recoveries: dict[Rung, int]
    problems: dict[str, str]
    backend: str | None
    model: str | None
    instead_of: tuple[str, ...]


def now() -> datetime:
    """The time in UTC, to the millisecond."""
    moment = datetime.now(timezone.utc)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def look(vitals: Vitals, controls: Controls, threshold: float, clock: Callable[[], datetime] = now) -> State:
    """How the camera fares now. threshold: what the settings say, where the house asks for none."""
    there = vitals.subject
    result = vitals.latest[1] if vitals.latest else None
    asked = controls.threshold
    return State(
        at=clock(),
        condition=vitals.condition,
        words=vitals.words,
        paused=controls.paused,
        label=there.label if there else None,
        score=round(there.score, 4) if there else None,
        since=there.at if there else None,
        threshold=round(threshold if asked is None else asked, 4),
        fps=_rounded(vitals.fps, 1),
        age_ms=_rounded(result.age_ms if result else None, 1),
        frames=vitals.frames,
        temperature_c=_rounded(vitals.temperature_c, 1),
        watts=_rounded(vitals.watts, 2),
        limits=vitals.limits,
        rate_limit=vitals.rate_limit,
        spool=vitals.spool,
        events=vitals.events,
        dropped=vitals.dropped,
        restarts=vitals.restarts,
        recoveries=vitals.ladder.counts,
        problems=vitals.problems,
        backend=result.backend if result else None,
        model=result.model if result else None,
        instead_of=result.instead_of if result else (),
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


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
