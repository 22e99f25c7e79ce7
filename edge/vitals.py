"""How a service fares: written by its loop, looked at by whoever tells others, at their own pace.

The loop never waits for a reader: what is newest is one reference that is replaced, and a count is one number.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from threading import Event as Flag
from threading import Lock
from typing import Literal, NamedTuple

from edge.recovery import Ladder
from edge.types import Clock, Event, Frame, Result

Condition = Literal["starting", "running", "recovering", "paused", "stopping"]

Stage = Literal["preprocess", "inference", "postprocess", "age"]

BOUNDS_S = (0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.016, 0.024, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Upper bounds of the histograms' buckets."""

WINDOW_S = 10.0
"""The frame rate is over so long."""

NEWEST = 24
"""Events whose ids are known."""


class Histogram:
    """Seconds, counted by bucket. counts: one more than bounds; the last one is of what is above all."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0

    def add(self, ns: int) -> None:
        """Count one duration."""
        seconds = ns / 1e9
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds


class Vitals:
    """Of one camera's service. Attributes are replaced whole, and may be read from any thread.

    latest: the newest frame and its result. labels: of the model that runs; none where none ran yet. subject: what is
    there now, by the rules, and since when (UTC). score: of that now, smoothed.
    condition, words: what it does, and that in a sentence. dropped: frames and events that were lost, by cause.
    restarts: of the process, by cause, over all its lives. problems: what does not work now, in words, by part.
    newest: the ids of the last events, as they happened; the disk may not have them yet.
    spool: events that wait for the broker. temperature_c, watts, limits, clocks_mhz: as the board tells. rate_limit:
    frames a second that heat or a setting allows; None: all. slowed: how often heat lowered it. reloads, refused: of
    the settings' file.
    """

    def __init__(self, name: str, ladder: Ladder | None = None, clock: Clock = time.monotonic_ns) -> None:
        self.name = name
        self.ladder = ladder or Ladder()
        self.latest: tuple[Frame, Result] | None = None
        self.labels: tuple[str, ...] = ()
        self.subject: Event | None = None
        self.score: float | None = None
        self.condition: Condition = "starting"
        self.words = "starting"
        self.frames = 0
        self.stages: dict[Stage, Histogram] = {
            stage: Histogram() for stage in ("preprocess", "inference", "postprocess", "age")
        }
        self.dropped: dict[str, int] = {}
        self.events: dict[str, int] = {}
        self.newest: tuple[str, ...] = ()
        self.restarts: dict[str, int] = {}
        self.problems: dict[str, str] = {}
        self.spool = 0
        self.temperature_c: float | None = None
        self.watts: float | None = None
        self.limits: tuple[str, ...] = ()
        self.clocks_mhz: tuple[float, ...] | None = None
        self.rate_limit: float | None = None
        self.slowed = self.reloads = self.refused = 0
        self._clock = clock
        self._times: deque[int] = deque()
        self._lock = Lock()

    def seen(self, frame: Frame, result: Result) -> None:
        """Take one result; from the loop's thread."""
        self.latest = (frame, result)
        self.frames += 1
        timing = result.timing
        stages = self.stages
        stages["preprocess"].add(timing.preprocess)
        stages["inference"].add(timing.inference)
        stages["postprocess"].add(timing.postprocess)
        stages["age"].add(result.finished_at_ns - result.captured_at_ns)
        times = self._times
        times.append(result.finished_at_ns)
        while times[0] < result.finished_at_ns - WINDOW_S * 1e9:
            times.popleft()

    @property
    def fps(self) -> float | None:
        """Results a second over the last ten seconds; None where there are not two."""
        times = list(self._times)
        recent = [at for at in times if at >= self._clock() - WINDOW_S * 1e9]
        return (
            (len(recent) - 1) * 1e9 / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else None
        )

    def lost(self, cause: str, count: int = 1) -> None:
        """Count what was dropped; from any thread."""
        with self._lock:
            self.dropped = {**self.dropped, cause: self.dropped.get(cause, 0) + count}

    def happened(self, event: Event) -> None:
        """Count an event, and note what is there now."""
        with self._lock:
            self.events = {**self.events, event.kind: self.events.get(event.kind, 0) + 1}
            self.newest = (*self.newest, event.id)[-NEWEST:]
            self.subject = None if event.kind == "gone" else event

    def problem(self, part: str, words: str | None) -> None:
        """Note what does not work, or None where it works again; from any thread."""
        with self._lock:
            others = {name: text for name, text in self.problems.items() if name != part}
            self.problems = others if words is None else {**others, part: words}


class Choice(NamedTuple):
    """The camera and the model in place of what the settings say; None: as they say. Neither outlasts the process."""

    source: str | None = None
    model: str | None = None


class Controls:
    """What the house asks of a camera; any thread sets it, and the loop looks at it between two frames.

    paused: no frame is taken. threshold, labels: in place of the rules' `threshold_in` and `labels`; None: as the file
    says. choice: replaced whole; where it cannot be opened, it is put back. snapshot: set where a picture is wanted
    now; who takes it clears it.
    """

    def __init__(self) -> None:
        self.paused = False
        self.threshold: float | None = None
        self.labels: tuple[str, ...] | None = None
        self.choice = Choice()
        self.snapshot = Flag()
