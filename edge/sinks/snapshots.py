"""Pictures of events on the disk, with what was seen in the seconds before."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from typing import NamedTuple
from uuid import uuid4

from edge.annotate import annotate, moment, told
from edge.errors import CameraError, ConfigError, one_line
from edge.picture import jpeg, picture, shown
from edge.recovery import Backoff
from edge.settings import Snapshots
from edge.sinks.album import Album
from edge.sinks.ring import Ring
from edge.tireless import PAUSE_MOST_S, PAUSE_S, Tireless
from edge.types import Clock, Event, Frame, Result
from edge.vitals import Controls, Vitals

log = logging.getLogger("edge")

PART = "snapshots"

LOST = "pictures"
"""What a picture that was given up is counted as."""

MOST_TAKEN = 4
"""Frames that wait to be made into JPEGs; one of 4K takes 25 MB."""

MOST_WAITING = 32 << 20
"""Bytes of JPEGs that wait for a disk that is full or gone."""

LOOK_S = 0.5
"""How often the thread looks around where nothing else wakes it."""


class Taken(NamedTuple):
    """A picture that somebody wants, and what was seen before it."""

    name: str | None
    frame: Frame
    result: Result
    event: Event | None
    before: list[tuple[float, bytes]]


class Pictures:
    """Takes pictures, and keeps those of the last seconds at hand. An `Output`.

    A disk that is full, read-only or gone is tried again after pauses; so long 32 MiB of pictures wait, and what does
    not fit is counted. clock: monotonic. wall: UTC, now.
    """

    def __init__(
        self,
        asked: Snapshots,
        folder: Path,
        vitals: Vitals,
        controls: Controls,
        *,
        clock: Clock = time.monotonic_ns,
        wall: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._asked = asked
        self._vitals = vitals
        self._controls = controls
        self._clock = clock
        self._wall = wall
        self._album = Album(folder, asked.quota_mb * 1e6, self._seconds)
        self._ring = Ring(asked.before_s, asked.per_s)
        self._taken: deque[Taken] = deque()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._last: bytes | None = None
        self._lock = Lock()
        self._wake = Flag()
        self._again_at, self._backoff = 0.0, Backoff(PAUSE_S, PAUSE_MOST_S)
        self._tireless = Tireless(PART, self._work, vitals)

    @property
    def last(self) -> bytes | None:
        """The newest picture of an event that was written, a JPEG; None before the first one."""
        return self._last

    def name(self, event_id: str, at: datetime) -> str:
        """The name that the picture of an event shall have; no other has it. event_id: hexadecimal.

        The first call looks into the folder: not from the loop.
        """
        return self._album.name(event_id, at)

    def take(self, name: str | None, frame: Frame, result: Result, event: Event | None) -> None:
        """Have a picture written, later; returns at once. From any thread.

        name: as `name` gave it; None: a new one. event: None where it is the house that wants a picture.
        """
        wanted = Taken(name, frame, result, event, self._ring.before(frame.captured_at_ns))
        with self._lock:
            self._taken.append(wanted)
            lost = len(self._taken) > MOST_TAKEN
            if lost:
                self._taken.popleft()
        if lost:
            self._vitals.lost(LOST)
        self._wake.set()

    def start(self) -> None:
        """Begin; returns at once."""
        self._tireless.start()

    def told(self, event: Event) -> None:
        """Nothing: whoever stored the event has its picture taken."""

    def close(self) -> None:
        """Write what waits, where the disk takes it, and end within a few seconds."""
        self._tireless.close(0)
        self._wake.set()
        self._tireless.close()

    def _work(self, over: Flag) -> None:
        while not over.is_set():
            self._wake.wait(min(LOOK_S, 0.5 / self._asked.per_s))
            self._wake.clear()
            self.step()
        self._develop()
        self._again_at = 0.0
        self._write()

    def step(self) -> None:
        """Do what there is to do now; the thread calls it again and again."""
        self._sample()
        self._develop()
        if self._seconds() >= self._again_at:
            self._write()

    def _sample(self) -> None:
        """Keep the newest frame at hand. While the house wants no pictures, there are none."""
        if self._controls.paused:
            self._ring.clear()
            return
        newest = self._vitals.latest
        if newest is None or not self._ring.wants(newest[0].captured_at_ns):
            return
        try:
            self._ring.add(newest[0].captured_at_ns, self._drawn(*newest, None))
        except CameraError as error:
            log.info("%s: %s", PART, error)

    def _develop(self) -> None:
        """Make JPEGs of the frames that wait, which take far less memory."""
        while self._taken:
            with self._lock:
                wanted = self._taken.popleft()
            try:
                whole = self._drawn(wanted.frame, wanted.result, wanted.event)
            except CameraError as error:
                self._give_up(one_line(error))
                continue
            name = wanted.name or self._album.name(uuid4().hex, self._wall())
            self._waiting.append((name, whole))
            for seconds, data in wanted.before:
                self._waiting.append((self._album.before(name, seconds), data))
        while sum(len(data) for _, data in self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._vitals.lost(LOST)

    def _drawn(self, frame: Frame, result: Result, event: Event | None) -> bytes:
        asked = self._asked
        if not asked.annotated:
            return shown(frame, asked.width, asked.quality)
        pixels = picture(frame, asked.width)
        annotate(pixels, told(result, event), moment(event.at if event else self._seen_at(frame)))
        return jpeg(pixels, asked.quality)

    def _seen_at(self, frame: Frame) -> datetime:
        return self._wall() - timedelta(seconds=(self._clock() - frame.captured_at_ns) / 1e9)

    def _write(self) -> None:
        """Write all that waits. What the disk refuses waits on."""
        while self._waiting:
            name, data = self._waiting[0]
            try:
                self._album.write(name, data)
            except ConfigError as error:
                self._give_up(one_line(error))
            except OSError as error:
                self._later(one_line(error))
                return
            else:
                self._well(name, data)
            self._waiting.popleft()
            self._sample()  # a slow card takes seconds for all of them

    def _well(self, name: str, data: bytes) -> None:
        self._backoff.reset()
        self._tireless.well()
        if "-before-" not in name:
            self._last = data

    def _give_up(self, words: str) -> None:
        self._vitals.lost(LOST)
        log.warning("%s: %s", PART, words)

    def _later(self, words: str) -> None:
        self._album.forget()
        self._tireless.ill(words)
        self._again_at = self._seconds() + self._backoff()

    def _seconds(self) -> float:
        return self._clock() / 1e9
