"""What happens at a camera, for all who listen: made once, however many they are, and only while there are some."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from edge.errors import one_line
from edge.types import Clock, Event
from edge.vitals import NEWEST
from edge.web import shapes
from edge.web.asgi import in_thread
from edge.web.share import Bell, Share
from edge.web.watched import Watched

FPS = 15.0
"""Answers a second and at most."""

STATUS_S = 1.0

KEPT = 32
"""Of what is no answer: who falls behind by more misses some of it."""

OWED_S = 1.0
"""An event that is not stored so long after it was counted is looked for with the status from then on."""


class News:
    """Of one camera, as server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html

    Its methods are of one event loop. chosen: tells what the camera goes by. share: of the processor.
    """

    def __init__(
        self,
        watched: Watched,
        chosen: Callable[[Watched], object],
        share: Share,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self.bell = Bell()
        self.answer = b""
        self.others: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        """What is no answer, by numbers that go on."""
        self.count = 0
        self._watched = watched
        self._chosen = chosen
        self._share = share
        self._clock = clock
        self._ears = 0
        self._owed = Owed()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def heard(self) -> Iterator[Ear]:
        """As long as somebody listens: to what comes from now on."""
        self._ears += 1
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        try:
            yield Ear(self)
        finally:
            self._ears -= 1

    def now(self) -> bytes:
        """How it fares, and the newest answer."""
        return _event("status", shapes.status(self._watched)) + self._answer()

    @property
    def is_paused(self) -> bool:
        """Whether the camera is to be off."""
        return self._watched.controls.paused

    def _answer(self) -> bytes:
        found = shapes.answer(self._watched, self._clock())
        return b"" if found is None else _event("answer", found)

    def _tell(self, name: str, value: object) -> None:
        self.count += 1
        self.others.append((self.count, _event(name, value)))

    async def _work(self) -> None:
        """Look at the camera while somebody listens."""
        told, self._owed = Moment(self._watched, self._clock() / 1e9), Owed()
        try:
            while self._ears:
                now, used_s, least_s = self._clock() / 1e9, self._share.used_s, 1 / FPS
                try:
                    await self._look(told, Moment(self._watched, now))
                except Exception as error:  # noqa: BLE001 - whatever cannot be told, all who listen hear the rest
                    least_s = STATUS_S
                    words = f"a fault of edge: news: {one_line(repr(error))}"
                    asyncio.get_running_loop().call_exception_handler({"message": words})
                self.bell.ring()
                await self._share.rest(now, used_s, least_s)
        finally:
            self._task = None

    async def _look(self, told: Moment, now: Moment) -> None:
        """Tell what is another thing than what was told; what fails is tried again."""
        is_due = now.at >= told.at + STATUS_S
        if is_due:
            told.at = now.at
            self._tell("status", shapes.status(self._watched))
        if now.latest is not told.latest:
            told.latest = now.latest
            self.answer = self._answer()
        self._owed.count(now.newest, told.newest, now.at)
        told.newest = now.newest
        if self._owed.ids and (is_due or now.at < self._owed.since + OWED_S):
            for event in self._owed.paid(await in_thread(_recent, self._watched, len(self._owed.ids))):
                self._tell("happened", shapes.happened(event))
        if now.asked != told.asked:
            self._tell("settings", await in_thread(self._chosen, self._watched))
            told.asked = now.asked


class Moment:
    """A camera at one moment: what is news where it is another thing. at: seconds."""

    def __init__(self, watched: Watched, at: float) -> None:
        vitals, controls = watched.vitals, watched.controls
        self.at = at
        self.latest = watched.latest
        self.newest = vitals.newest
        self.asked = (controls.paused, controls.threshold, controls.labels, controls.choice)


class Owed:
    """Events that are to be told: they are counted at once, and stored when the disk has the time. since: seconds, when
    the last of them was counted."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.since = 0.0

    def count(self, newest: Sequence[str], before: Sequence[str], now: float) -> None:
        """Owe those that are among the newest, and were not before."""
        new = [each for each in newest if each not in before]
        if new:
            self.ids, self.since = [*self.ids, *new][-NEWEST:], now

    def paid(self, stored: Sequence[Event]) -> list[Event]:
        """Those that are stored by now, as they happened. stored: newest first."""
        found = [event for event in reversed(stored) if event.id in self.ids]
        if found:  # they are stored one after another: what is not there before the newest one never will be
            del self.ids[: self.ids.index(found[-1].id) + 1]
        return found


class Ear:
    """Of one who listens."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._answer = news.answer
        self._count = news.count

    def take(self, answers: bool) -> bytes:
        """What was not heard yet. answers: also the newest answer, unless a pause is asked for."""
        news, told = self._news, b""
        if self._count != news.count:
            told = b"".join(data for number, data in news.others if number > self._count)
            self._count = news.count
        if answers and self._answer is not news.answer and not news.is_paused:
            self._answer = news.answer
            told += news.answer
        return told


def _event(name: str, value: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


def _recent(watched: Watched, most: int) -> list[Event]:
    try:
        return watched.desk.recent(most)
    except OSError:  # a disk that fails is told among the problems
        return []
