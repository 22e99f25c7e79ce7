"""What programs, and the page, may ask of a camera: below /api/v1/."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from threading import Lock
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from edge.annotate import annotate, moment, told
from edge.errors import CameraError, key_and_reason, one_line
from edge.health import Health, health
from edge.inbox import Inbox, Taken
from edge.picture import jpeg, picture
from edge.types import Clock, Frame, Result
from edge.web import shapes, ways
from edge.web.asgi import SESSION, Request, in_thread
from edge.web.choices import Choices
from edge.web.news import News
from edge.web.pump import QUALITY, WIDTH, Pump
from edge.web.share import Share
from edge.web.watched import Watched

DIGITS = re.compile("[0-9]{1,9}")
"""What is read as a number."""


class Jpeg(NamedTuple):
    """A picture, and how long it may be kept by whoever gets it."""

    data: bytes
    kept: str = "no-store"


class Wrong(Exception):
    """What was asked cannot be answered. status: of HTTP."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Api:
    """Answers for cameras, in the order in which they are listed; the first where none is named.

    pumps: their pictures, by their names. inbox: takes the pictures of a browser's camera. share: of the processor, for
    all who listen to news.
    """

    def __init__(
        self,
        cameras: Sequence[Watched],
        pumps: Mapping[str, Pump],
        choices: Choices,
        inbox: Inbox | None,
        share: Share,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self._cameras = {each.vitals.name: each for each in cameras}
        self._first = cameras[0].vitals.name
        self._pumps = pumps
        self._choices = choices
        self._inbox = inbox
        self._clock = clock
        self._one_at_a_time = Lock()
        self._news = {each.vitals.name: News(each, self._chosen, share, clock) for each in cameras}

    # --- what is read

    def cameras(self, request: Request) -> object:
        """All of them."""
        told = tuple(shapes.camera(each.vitals) for each in self._cameras.values())
        return shapes.Cameras(told, self._inbox is not None, bool(request.scope.get(SESSION)))

    def status(self, request: Request) -> object:
        """How a camera fares."""
        return shapes.status(self._one(request))

    def health(self, request: Request) -> Health:
        """How a camera fares, for whoever only asks whether it does."""
        return health(self._one(request).vitals)

    def result(self, request: Request) -> object:
        """The newest answer."""
        watched = self._one(request)
        found = shapes.answer(watched, self._clock())
        if found is None:
            raise Wrong(409, _why("answer", watched))
        return found

    def events(self, request: Request) -> object:
        """What happened, newest first."""
        most = _number(request, ways.LIMIT)
        before = request.query_params.get("before")
        try:
            found = self._one(request).desk.recent(most, before)
        except KeyError as error:
            raise Wrong(404, "there is no such event (any more)") from error
        return shapes.Happenings(tuple(map(shapes.happened, found)))

    def settings(self, request: Request) -> object:
        """What a camera goes by, and what may be chosen."""
        return self._chosen(self._one(request), known=False)

    def labels(self, request: Request) -> object:
        """The labels of the model that runs."""
        watched = self._one(request)
        if not watched.vitals.labels:
            raise Wrong(409, _why("model", watched))
        return shapes.Labels(watched.vitals.labels)

    # --- what is changed

    def change(self, request: Request, body: bytes) -> object:
        """Have a camera go by something else."""
        watched = self._one(request)
        try:
            wish = msgspec.json.decode(body, type=shapes.Wish)
        except msgspec.ValidationError as error:
            key, reason = key_and_reason(error)
            raise Wrong(422, one_line(f"{one_line(key, 100)}: {reason}" if key else reason, 200)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Wrong(400, f"that is no JSON: {one_line(error, 100)}") from error
        with self._one_at_a_time:
            self._obey(watched, wish)
        return self._chosen(watched)

    def _obey(self, watched: Watched, wish: shapes.Wish) -> None:
        """Have the camera do what it is asked: all of it, or, where a part of it cannot be, nothing."""
        controls, before = watched.controls, watched.controls.choice
        choice = before
        if wish.source is not UNSET and wish.source != choice.source:
            self._check_source(watched, wish.source)
            choice = choice._replace(source=wish.source)
        if wish.model is not UNSET and wish.model != choice.model:
            if wish.model is not None and wish.model not in self._choices.models():
                raise Wrong(409, "model: give one of `models`, or null")
            choice = choice._replace(model=wish.model)
        known, stands = watched.vitals.labels, watched.vitals.condition in ("running", "paused")
        if wish.labels and known and stands and choice == before:
            _check_labels(wish.labels, known)
        if wish.threshold is not UNSET:
            controls.threshold = wish.threshold
        if wish.labels is not UNSET:
            controls.labels = wish.labels
        if wish.paused is not UNSET:
            controls.paused = wish.paused
        if wish.source is not UNSET or wish.model is not UNSET:
            controls.choice = choice._replace()  # another value also where it is the same: it is asked for again

    def _check_source(self, watched: Watched, source: str | None) -> None:
        written = watched.desk.written
        for known in (True, False):  # one that was plugged in since is looked for
            if source is None or source in {each for each, _ in self._choices.sources(written, known)}:
                return
        raise Wrong(409, "source: give one of `sources`, or null")

    def _chosen(self, watched: Watched, known: bool = True) -> shapes.Chosen:
        """known: tell of the cameras that were there when it was asked last."""
        controls, settings, written = watched.controls, watched.desk.settings, watched.desk.written
        return shapes.Chosen(
            paused=controls.paused,
            threshold=settings.rules.threshold_in if controls.threshold is None else controls.threshold,
            labels=tuple(settings.rules.labels) if controls.labels is None else controls.labels,
            source=controls.choice.source,
            model=controls.choice.model,
            snapshots=written.snapshots is not None,
            sources=tuple(shapes.Offered(*each) for each in self._choices.sources(written, known)),
            models=tuple(self._choices.models()),
        )

    # --- pictures

    async def picture(self, request: Request) -> Jpeg:
        """The newest frame."""
        watched = self._one(request)
        pump = self._pumps[watched.vitals.name]
        shot = await pump.shot(pump.frame) if pump.frame is not None else None
        return _picture(watched, None if shot is None else shot.data)

    async def event_picture(self, request: Request) -> Jpeg:
        """The picture of an event."""
        watched = self._one(request)
        data = await in_thread(watched.desk.picture, request.path_params["event"])
        if data is None:
            raise Wrong(404, "there is no picture of such an event (any more)")
        return Jpeg(data, "private, max-age=86400, immutable")

    async def snapshot(self, request: Request) -> Jpeg:
        """The newest frame with its answer drawn on it."""
        watched = self._one(request)
        latest = watched.latest
        data = None if latest is None else await in_thread(annotated, *latest)
        return _picture(watched, data)

    def keep(self, request: Request) -> None:
        """Have the next frame kept among the pictures."""
        watched = self._one(request)
        if watched.desk.written.snapshots is None:
            raise Wrong(409, "this camera keeps no pictures; add a section [snapshots] to its settings")
        if watched.controls.paused:
            raise Wrong(409, "the camera is paused")
        watched.controls.snapshot.set()

    async def frame(self, request: Request) -> None:
        """Take a picture of a browser's camera."""
        if self._inbox is None:
            raise Wrong(409, "the camera of a browser is not asked for; begin with --browser-camera")
        try:
            await in_thread(self._inbox.put, await request.body(), request.query_params.get("sender", ""))
        except Taken as error:
            raise Wrong(409, str(error)) from error
        except ValueError as error:
            raise Wrong(422, one_line(error)) from error

    # --- streams

    def pictures(self, request: Request) -> tuple[Pump, float]:
        """The pictures that are streamed, and how many a second at most."""
        return self._pumps[self._one(request).vitals.name], _number(request, ways.FPS)

    def news(self, request: Request) -> tuple[News, float]:
        """What happens from now on, and how many answers a second at most."""
        return self._news[self._one(request).vitals.name], _number(request, ways.RATE)

    def _one(self, request: Request) -> Watched:
        name = request.query_params.get("camera", self._first)
        if name not in self._cameras:
            raise Wrong(404, f"there is no camera of that name; there are {', '.join(self._cameras)}")
        return self._cameras[name]


def _picture(watched: Watched, data: bytes | None) -> Jpeg:
    """One that was made just now, unless a pause was asked for meanwhile."""
    if data is None or watched.controls.paused:
        raise Wrong(409, _why("picture", watched))
    return Jpeg(data)


def _why(what: str, watched: Watched) -> str:
    """In words, why there is none; a pause counts from the moment that it is asked for."""
    return f"no {what}: {'the camera is paused' if watched.controls.paused else watched.vitals.words}"


def _check_labels(labels: Sequence[str], known: Sequence[str]) -> None:
    strange = next((label for label in labels if label not in known), None)
    if strange is not None:
        raise Wrong(409, f"labels: the model knows no {one_line(strange, 60)!r}; /labels lists what it knows")


def annotated(frame: Frame, result: Result) -> bytes | None:
    """A frame with its answer drawn on it, as a JPEG; None: it cannot be one."""
    try:
        pixels = picture(frame, WIDTH)
        annotate(pixels, told(result, None), moment(datetime.now(timezone.utc)))
        return jpeg(pixels, QUALITY)
    except CameraError:
        return None


def _number(request: Request, query: ways.Query) -> int:
    least, most, given = query.schema["minimum"], query.schema["maximum"], request.query_params.get(query.name)
    number = query.schema["default"] if given is None else int(given) if DIGITS.fullmatch(given) else None
    if number is None or not least <= number <= most:
        raise Wrong(422, f"{query.name}: give a whole number from {least} to {most}")
    return int(number)
