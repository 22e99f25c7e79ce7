"""How a camera fares, in one value that programs and people read."""

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


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is there, by the rules. since: UTC, when that was confirmed."""

    label: str
    score: float
    since: datetime


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a camera fares. None: not known, or none.

    healthy: it runs, and its newest answer is fresh. since_answer_s: seconds since that. What else is here is as
    `edge.vitals.Vitals` has it.
    """

    name: str
    healthy: bool
    condition: Condition
    words: str
    version: str
    backend: str | None
    model: str | None
    instead_of: tuple[str, ...]
    frames: int
    fps: float | None
    rate_limit: float | None
    since_answer_s: float | None
    subject: Subject | None
    problems: dict[str, str]
    dropped: dict[str, int]
    events: dict[str, int]
    spool: int
    recoveries: dict[Rung, int]
    restarts: dict[str, int]
    reloads: int
    refused: int
    temperature_c: float | None
    watts: float | None
    limits: tuple[str, ...]


class HealthCheck:
    """Looks at vitals when it is asked."""

    def __init__(self, vitals: Vitals, clock: Clock = time.monotonic_ns) -> None:
        self.vitals = vitals
        self._clock = clock

    def __call__(self) -> Health:
        """How the camera fares now."""
        vitals = self.vitals
        result = vitals.latest[1] if vitals.latest else None
        since_s = (self._clock() - result.finished_at_ns) / 1e9 if result else None
        there = vitals.subject
        return Health(
            name=vitals.name,
            healthy=vitals.condition == "running" and since_s is not None and since_s <= self._fresh_s(),
            condition=vitals.condition,
            words=vitals.words,
            version=edge.__version__,
            backend=result.backend if result else None,
            model=result.model if result else None,
            instead_of=result.instead_of if result else (),
            frames=vitals.frames,
            fps=_rounded(vitals.fps),
            rate_limit=vitals.rate_limit,
            since_answer_s=_rounded(since_s),
            subject=Subject(label=there.label, score=round(there.score, 6), since=there.at) if there else None,
            problems=vitals.problems,
            dropped=vitals.dropped,
            events=vitals.events,
            spool=vitals.spool,
            recoveries=vitals.ladder.counts,
            restarts=vitals.restarts,
            reloads=vitals.reloads,
            refused=vitals.refused,
            temperature_c=vitals.temperature_c,
            watts=vitals.watts,
            limits=vitals.limits,
        )

    def _fresh_s(self) -> float:
        return max(FRESH_S, 3 / self.vitals.rate_limit) if self.vitals.rate_limit else FRESH_S


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
