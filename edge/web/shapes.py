"""What programs and the page are told, and what they may ask: the schemas of the OpenAPI document."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from edge.health import Health, health
from edge.types import Event, EventKind
from edge.vitals import Vitals
from edge.web.watched import Watched

Label = Annotated[str, Meta(min_length=1, max_length=256)]
Score = Annotated[float, Meta(ge=0, le=1)]


class Failure(msgspec.Struct, frozen=True):
    """Why something could not be answered."""

    error: str


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """One camera of this process. condition: as in Status."""

    name: str
    condition: str
    healthy: bool


class Class(msgspec.Struct, frozen=True):
    """One class of an answer."""

    label: str
    index: int
    score: float


class Stages(msgspec.Struct, frozen=True):
    """Milliseconds that each stage of one frame took; age_ms: from its capture to its answer."""

    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float
    age_ms: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one frame. frame: its number in the source. captured_at: UTC. size: of the frame, in pixels.

    instead_of: why each interpreter that the profile prefers does not run.
    """

    camera: str
    frame: int
    captured_at: datetime
    size: tuple[int, int]
    answer: tuple[Class, ...]
    took: Stages
    backend: str
    model: str
    instead_of: tuple[str, ...]


class Status(Health, frozen=True, kw_only=True):
    """How a camera fares. at: when this was said (UTC). clocks_mhz: of each core. paused: the camera is off."""

    at: datetime
    paused: bool
    clocks_mhz: tuple[float, ...] | None


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event; has_picture: whether one was taken of it."""

    id: str
    kind: EventKind
    label: str
    score: float
    at: datetime
    frame: int
    previous: str | None
    lasted_s: float | None
    has_picture: bool


class Happenings(msgspec.Struct, frozen=True):
    """Events, newest first."""

    events: tuple[Happened, ...]


class Cameras(msgspec.Struct, frozen=True):
    """All cameras of this process. browser_camera: one of them is that of whoever looks at the page. session: whether
    whoever asks has logged in, and may log out."""

    cameras: tuple[Camera, ...]
    browser_camera: bool
    session: bool


class Labels(msgspec.Struct, frozen=True):
    """The names of the classes of a model, in their order; none where it has none."""

    labels: tuple[str, ...]


class Offered(msgspec.Struct, frozen=True):
    """A camera that may be chosen. words: what it is, and why it cannot be had where it cannot."""

    source: str
    words: str


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What a camera goes by, and what may be chosen instead.

    threshold: the score from which on something may be there. labels: those that count; none: all. source, model: null
    where the settings' own run. snapshots: whether pictures are kept. sources, models: what may be chosen.
    """

    paused: bool
    threshold: Score
    labels: tuple[str, ...]
    source: str | None
    model: str | None
    snapshots: bool
    sources: tuple[Offered, ...]
    models: tuple[str, ...]


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is not named stays. null: as the settings say."""

    paused: bool | UnsetType = UNSET
    threshold: Score | UnsetType | None = UNSET
    labels: Annotated[tuple[Label, ...], Meta(max_length=1000)] | UnsetType | None = UNSET
    source: Annotated[str, Meta(max_length=4096)] | UnsetType | None = UNSET
    model: Annotated[str, Meta(max_length=4096)] | UnsetType | None = UNSET


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What opens a page to a browser."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


def camera(vitals: Vitals) -> Camera:
    """One camera."""
    now = health(vitals)
    return Camera(name=now.name, condition=now.condition, healthy=now.healthy)


def status(watched: Watched) -> Status:
    """How it fares now."""
    vitals = watched.vitals
    whole = asdict(health(vitals))
    return Status(**whole, at=_now(), paused=watched.controls.paused, clocks_mhz=vitals.clocks_mhz)


def answer(watched: Watched, clock_ns: int) -> Answer | None:
    """The newest answer; None: there is none that is of now. clock_ns: now, of the clock of frames."""
    newest = watched.latest
    if newest is None:
        return None
    frame, result = newest
    timing = result.timing
    return Answer(
        camera=watched.vitals.name,
        frame=result.frame,
        captured_at=_now() - timedelta(microseconds=(clock_ns - result.captured_at_ns) / 1e3),
        size=frame.size,
        answer=tuple(Class(each.label, each.index, round(each.score, 5)) for each in result.answer),
        took=Stages(_ms(timing.preprocess), _ms(timing.inference), _ms(timing.postprocess), round(result.age_ms, 2)),
        backend=result.backend,
        model=result.model,
        instead_of=result.instead_of,
    )


def happened(event: Event) -> Happened:
    """An event as it is told."""
    return Happened(
        id=event.id,
        kind=event.kind,
        label=event.label,
        score=round(event.score, 5),
        at=event.at,
        frame=event.frame,
        previous=event.previous,
        lasted_s=None if event.lasted_s is None else round(event.lasted_s, 3),
        has_picture=event.picture is not None,
    )


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _ms(ns: int) -> float:
    return round(ns / 1e6, 2)
