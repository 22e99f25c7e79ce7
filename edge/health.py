"""How a camera fares, in one value that programs and people read: over HTTP, and by MQTT."""

from __future__ import annotations

import time
from datetime import datetime

import msgspec

import edge
from edge.recovery import Rung
from edge.types import Clock
from edge.vitals import Condition, Vitals

FRESH_S = 30.0
"""A camera that runs has an answer not older than this, or than three frames at the rate that it is held to."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A camera at one moment; null is what is not known, or does not apply.

    healthy: it runs, and its newest answer is fresh. label, since: of what is there, by the rules, and when that was
    confirmed (UTC). score: of that now, smoothed; as fps, only of one that runs. instead_of: why the interpreters that
    are preferred to this backend do not run. age_ms: from the capture of the newest frame to its answer.
    since_answer_s: since that. events, dropped, reloads, refused: in this life of the process; restarts: over all.
    recoveries: tries of each rung. What else is here is as `edge.vitals.Vitals` has it.
    """

    name: str
    healthy: bool
    condition: Condition
    words: str
    version: str
    label: str | None
    score: float | None
    since: datetime | None
    backend: str | None
    model: str | None
    instead_of: tuple[str, ...]
    frames: int
    fps: float | None
    rate_limit: float | None
    age_ms: float | None
    since_answer_s: float | None
    temperature_c: float | None
    watts: float | None
    limits: tuple[str, ...]
    problems: dict[str, str]
    spool: int
    events: dict[str, int]
    dropped: dict[str, int]
    restarts: dict[str, int]
    recoveries: dict[Rung, int]
    reloads: int
    refused: int


def health(vitals: Vitals, clock: Clock = time.monotonic_ns) -> Health:
    """How the camera fares now."""
    result = vitals.latest[1] if vitals.latest else None
    since_s = (clock() - result.finished_at_ns) / 1e9 if result else None
    there, runs = vitals.subject, vitals.condition == "running"
    fresh_s = max(FRESH_S, 3 / vitals.rate_limit) if vitals.rate_limit else FRESH_S
    return Health(
        name=vitals.name,
        healthy=runs and since_s is not None and since_s <= fresh_s,
        condition=vitals.condition,
        words=vitals.words,
        version=edge.__version__,
        label=there.label if there else None,
        score=_rounded(vitals.score if there and runs else None, 4),
        since=there.at if there else None,
        backend=result.backend if result else None,
        model=result.model if result else None,
        instead_of=result.instead_of if result else (),
        frames=vitals.frames,
        fps=_rounded(vitals.fps if runs else None, 1),
        rate_limit=vitals.rate_limit,
        age_ms=_rounded(result.age_ms if result else None, 1),
        since_answer_s=_rounded(since_s, 1),
        temperature_c=_rounded(vitals.temperature_c, 1),
        watts=_rounded(vitals.watts, 2),
        limits=vitals.limits,
        problems=vitals.problems,
        spool=vitals.spool,
        events=vitals.events,
        dropped=vitals.dropped,
        restarts=vitals.restarts,
        recoveries=vitals.ladder.counts,
        reloads=vitals.reloads,
        refused=vitals.refused,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
