"""From answers to events: a score is smoothed, must last to count, and must be gone for a while to be gone.

One subject is there at a time:

    nothing    -> A has lasted                           appeared A
    A is there -> A is low, and B has lasted             changed to B, previously A
    A is there -> A has been low for long, or no frames  gone A

Durations are by the frames' monotonic times; the wall clock only dates what happened, and tells the active hours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from heapq import nlargest
from operator import itemgetter
from uuid import uuid4

import msgspec

from edge.settings import Rules
from edge.types import Classification, Event, EventKind, Result

GAP_S, GAP_INTERVALS = 1.0, 4.0
"""No frames for so long, and for so many times as long as usual between two, is a gap, if it is longer than `clear_s`:
a camera that is slowed down to a frame in ten seconds has none."""

FORGOTTEN, TRACKED = 1e-6, 32
"""Of smoothed scores, those above the first are kept, and where they are more than twice the second, so many of the
highest: what was seen once is not remembered for ever."""


class _Lasting(msgspec.Struct):
    """For how many frames something has been so, and since when."""

    since_ns: int
    frames: int = 0

    def so(self, now_ns: int, frames: int, seconds: float) -> bool:
        return self.frames >= frames and now_ns - self.since_ns >= seconds * 1e9


class _Subject(msgspec.Struct):
    """What is there. since_ns: None where an earlier life of the process saw it come. lost: in a gap."""

    label: str
    score: float
    since_ns: int | None
    low: _Lasting | None = None
    lost: bool = False


class Watch:
    """Turns results into events, in the thread of whoever calls it.

    wall: the time, aware of its zone. new_id: makes 32 hexadecimal digits. left: the last event of an earlier life of
    the process; what was there then is gone with the first frame, as after any gap.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        new_id: Callable[[], str] = lambda: uuid4().hex,
        left: Event | None = None,
    ) -> None:
        self._rules = rules
        self._wall = wall
        self._new_id = new_id
        self._scores: dict[str, float] = {}
        self._high: dict[str, _Lasting] = {}
        self._told_ns: dict[str, int] = {}
        self._last_ns: int | None = None
        self._usual_ns = 0.0
        self._frame = 0
        self._subject: _Subject | None = None
        if left is not None and left.kind != "gone":
            self._frame = left.frame
            self._subject = _Subject(left.label, left.score, None, _Lasting(0), lost=True)

    def adopt(self, rules: Rules) -> None:
        """Go by other rules from now on. What is there, and what has lasted so far, is kept."""
        self._rules = rules

    def __call__(
        self, result: Result, threshold: float | None = None, labels: Sequence[str] | None = None
    ) -> list[Event]:
        """What the answer to a new frame makes happen: mostly nothing.

        A label that is not in the answer counts 0: of scores that are probabilities, the k largest hold every one that
        is above 1/k. threshold: in place of the rules' `threshold_in`; where it is lower than `threshold_out`, it is
        that as well. labels: in place of the rules' `labels`.
        """
        now_ns = result.captured_at_ns
        high = self._rules.threshold_in if threshold is None else threshold
        low = min(high, self._rules.threshold_out)
        self._frame = result.frame
        passed_s = self._passed_s(now_ns)
        self._smooth(result.answer, passed_s, self._rules.labels if labels is None else labels)
        self._count(now_ns, high, low)
        return list(self._steps(now_ns))

    @property
    def score(self) -> float | None:
        """The smoothed score of what is there, with the newest frame; None: nothing is there."""
        return self._scores.get(self._subject.label, 0.0) if self._subject else None

    def lapse(self, now_ns: int) -> list[Event]:
        """Say that there is no frame at this monotonic time; what was there is gone where that is a gap."""
        if self._last_ns is not None and self._is_gap(now_ns - self._last_ns):
            self._lose(self._last_ns)
        return list(self._steps(now_ns)) if self._subject and self._subject.lost else []

    def _passed_s(self, now_ns: int) -> float:
        """Seconds since the frame before; infinite where nothing is known of before."""
        before_ns, self._last_ns = self._last_ns, now_ns
        if before_ns is None:
            return math.inf
        passed_ns = max(now_ns - before_ns, 0)
        back = now_ns < before_ns  # by another clock than before
        if back:
            self._told_ns.clear()
        gap = back or self._is_gap(passed_ns)
        self._usual_ns = min(passed_ns, self._usual_ns + (passed_ns - self._usual_ns) / 4)
        if gap:
            self._lose(before_ns)
            return math.inf
        return passed_ns / 1e9

    def _is_gap(self, passed_ns: int) -> bool:
        return passed_ns > max(self._rules.clear_s * 1e9, GAP_S * 1e9, GAP_INTERVALS * self._usual_ns)

    def _lose(self, last_ns: int) -> None:
        self._scores.clear()
        self._high.clear()
        if self._subject and not self._subject.lost:
            self._subject.low = self._subject.low or _Lasting(last_ns)
            self._subject.lost = True

    def _smooth(self, answer: tuple[Classification, ...], passed_s: float, counted: Sequence[str]) -> None:
        before = self._scores
        seen: dict[str, float] = {}
        for label, _, score in answer:
            if not counted or label in counted:
                seen[label] = max(seen.get(label, 0.0), min(score, 1.0) if score > 0 else 0.0)  # not a number: 0
        tau_s = self._rules.smooth_s
        kept = 0.0 if tau_s == 0 or math.isinf(passed_s) else math.exp(-passed_s / tau_s)
        scores = {label: kept * score for label, score in before.items() if kept * score >= FORGOTTEN}
        for label, score in seen.items():
            scores[label] = kept * before.get(label, 0.0) + (1 - kept) * score
        if len(scores) > 2 * TRACKED:
            scores = dict(nlargest(TRACKED, scores.items(), key=itemgetter(1)))
        self._scores = scores

    def _count(self, now_ns: int, high: float, low: float) -> None:
        """For how long each label has been high, and the subject low."""
        labels = [label for label, score in self._scores.items() if score >= high]
        self._high = {label: self._high.get(label) or _Lasting(now_ns) for label in labels}
        for each in self._high.values():
            each.frames += 1
        subject = self._subject
        if subject is None or subject.lost:
            return
        score = self._scores.get(subject.label, 0.0)
        if score >= low and score > 0:
            subject.score, subject.low = score, None
            return
        subject.low = subject.low or _Lasting(now_ns)
        subject.low.frames += 1

    def _steps(self, now_ns: int) -> Iterator[Event]:
        while step := self._step(now_ns):
            at = self._wall()
            if not _active(at, self._rules.active):
                return
            yield self._happen(now_ns, at.astimezone(timezone.utc), *step)

    def _step(self, now_ns: int) -> tuple[EventKind, str | None] | None:
        """What happens next, and what is there then."""
        subject = self._subject
        if subject is not None and subject.lost:
            return "gone", None
        newcomer = self._newcomer(now_ns)
        if subject is None:
            return ("appeared", newcomer) if newcomer else None
        if subject.low is None:
            return None
        if newcomer:
            return "changed", newcomer
        rules = self._rules
        return ("gone", None) if subject.low.so(now_ns, rules.clear_frames, rules.clear_s) else None

    def _newcomer(self, now_ns: int) -> str | None:
        """The label, other than the subject's, that has lasted and is the highest of those."""
        rules, subject = self._rules, self._subject
        if not self._high:
            return None
        cool_ns = rules.cooldown_s * 1e9
        self._told_ns = {label: at for label, at in self._told_ns.items() if now_ns - at < cool_ns}
        lasted = [
            label
            for label, each in self._high.items()
            if each.so(now_ns, rules.confirm_frames, rules.confirm_s)
            and label not in self._told_ns
            and (subject is None or label != subject.label)
        ]
        return max(lasted, key=self._scores.__getitem__, default=None)

    def _happen(self, now_ns: int, at: datetime, kind: EventKind, label: str | None) -> Event:
        before, self._subject = self._subject, None
        told = [each for each in (label, before and before.label) if each]
        self._told_ns.update(dict.fromkeys(told, now_ns))
        score = before.score if before else 0.0
        if label:
            score = self._scores[label]
            self._subject = _Subject(label, score, self._high[label].since_ns)
        return Event(
            id=self._new_id(),
            kind=kind,
            label=told[0],
            score=score,
            at=at,
            frame=self._frame,
            previous=before.label if before and kind == "changed" else None,
            lasted_s=_lasted_s(before) if before and kind == "gone" else None,
        )


def _lasted_s(subject: _Subject) -> float | None:
    """From the first frame that was high to the first that was low."""
    if subject.since_ns is None or subject.low is None:
        return None
    return max(subject.low.since_ns - subject.since_ns, 0) / 1e9


def _active(at: datetime, hours: list[str]) -> bool:
    """Whether it is within any of the hours, by local time; "22:00-06:00" is over midnight."""
    now = f"{at.astimezone():%H:%M}"
    return not hours or any(_within(now, *each.split("-")) for each in hours)


def _within(now: str, first: str, last: str) -> bool:
    return first <= now < last if first < last else now >= first or now < last
