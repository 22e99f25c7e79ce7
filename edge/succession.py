"""Which interpreter of a profile's order runs now, and what happens where it is lost in mid-run.

    lost -> opened again, a few times, with a reset of its USB device -> the next of the order
         -> back to a preferred one when it returns

The frame in hand is answered by whoever comes next, and every result tells what ran it and why it was not the first.
One that was opened again and fails again and again is passed over, so that a model that cannot run ends a run where
the profile has no other. Only what is listed in the profile is ever opened, in mid-run always in a thread, since that
may take minutes, or hang. What comes late takes its place between two frames where the profile prefers it to what runs
by then, and is closed where not.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import NamedTuple

from edge import usb
from edge.engine import CANNOT_RUN, Engine, Opener, Passed, first_of, none_runs
from edge.errors import DeviceError, EdgeError, InferenceError
from edge.openings import LEAST_TRIES, Openings
from edge.recovery import STEADY_S, Backoff, Ladder
from edge.types import Array, Frame, Result

log = logging.getLogger("edge")

AGAIN_S = (0.0, 0.25, 0.5, 1.0)
"""Pauses before each try to open a lost one again."""

AGAIN_MOST_S = 3.0
"""After so long no further try is begun, and the next of the order is opened beside it: a hub that comes back needs a
second or two, and frames wait meanwhile."""

RESET_BEFORE = LEAST_TRIES
"""Before this try to open it again, the USB device of a lost one is reset."""

LOSSES = 3
"""So many losses in a row, none after a steady run, and an interpreter is passed over though it can be opened again."""

RETURN_S, RETURN_MOST_S = 1.0, 60.0
"""Pauses between looks for a preferred one: the first, and the longest."""


class Prepared(NamedTuple):
    """A frame as the input of one engine, and the nanoseconds that preparing it took."""

    engine: Engine
    tensor: Array
    took_ns: int


class Lost(NamedTuple):
    """What was lost and has no successor yet. place: in the order. times: in a row, none after a steady run. tried: the
    places of what may run instead, in the order they are opened."""

    place: int
    error: EdgeError
    times: int
    tried: Sequence[int]


class Succession:
    """Answers frames with the engine that runs now. `prepare` may run in another thread than `answer`.

    order: what may run, as `openers` makes it. engine: one that is open already, which is not opened again.
    clock: seconds. wait: waits so many seconds; True where all is over. most_s: so long a frame waits for one that is
    being opened before the next of the order is opened as well. ladder: is told of each try in place of one that was
    lost. reset: of the USB device at a place. chance: gives numbers from 0 to 1. waiting: is called every second while
    a frame waits for an opening; may be replaced, and may raise: the next frame then goes on to wait.
    """

    def __init__(
        self,
        order: Sequence[Opener] = (),
        engine: Engine | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        most_s: float = AGAIN_MOST_S,
        ladder: Ladder | None = None,
        reset: Callable[[str], None] = usb.reset,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Open the first of `order` that can run. Raises as `open_engine` does."""
        passed: list[Passed] = []
        if engine is None:
            engine, passed = first_of(order)
        self.engine = engine
        self.waiting: Callable[[], None] = lambda: None
        self._order = order
        self._clock = clock
        self._most_s = most_s
        self._openings = Openings(order, len(passed), clock, wait, chance)
        self._ladder = ladder or Ladder()
        self._reset = reset
        self._preparing, self._handing = Lock(), Lock()
        self._place = len(passed)
        self._passed = dict(enumerate(passed))
        self._since, self._answered = clock(), False
        self._lost_at = dict.fromkeys(self._passed, self._since)
        self._losses: dict[int, int] = {}
        self._lost: Lost | None = None
        self._looking = False
        self._pauses = Backoff(RETURN_S, RETURN_MOST_S, chance)
        self._look_for_preferred()

    def prepare(self, frame: Frame, used: Prepared | None = None) -> Prepared:
        """Make a frame the input of the engine that runs now; in the tensor of `used` where that fits."""
        with self._preparing:
            engine = self.engine
            fits = used is not None and used.engine is engine
            tensor = used.tensor if used is not None and fits else engine.preprocessor.new_tensor()
            return Prepared(engine, tensor, engine.prepare(frame, tensor))

    def answer(self, frame: Frame, prepared: Prepared) -> Result:
        """Run the model; where it is lost, on what comes next. What another engine prepared is prepared anew.

        Raises InferenceError where none is left; after `stop`, what the engine raises.
        """
        if self._lost is None:
            self._take()
        spent: set[int] = set()
        while True:
            if self._lost is not None:
                self._replace(self._lost)
            if prepared.engine is not self.engine:
                prepared = self.prepare(frame)
            begun = self._clock()  # an inference that hangs is no steady run
            try:
                result = self.engine.answer(frame, prepared.tensor, prepared.took_ns)
            except CANNOT_RUN as error:
                if not self._order or self._openings.over.is_set():
                    raise
                self._lose(error, self._answered and begun - self._since > STEADY_S, spent)
            else:
                self._answered = True
                return result

    def stop(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self._openings.stop()

    def close(self) -> None:
        """Free what runs, and look for nothing any more; calling it again is harmless."""
        self._openings.close()
        self.engine.close()

    # --- lost

    def _lose(self, error: EdgeError, steady: bool, spent: set[int]) -> None:
        """Close what was lost; what lies ready takes its place. spent: those that fail on this frame for good."""
        self.engine.close()
        lost = self._place
        self._lost_at[lost] = self._clock()
        if self._take(lost):
            return
        self._openings.place = len(self._order)
        losses = self._losses[lost] = 1 if steady else self._losses.get(lost, 0) + 1
        if steady:
            self._pauses.reset()
        if losses < LOSSES:
            log.warning("%s; opening %s again", error, self._order[lost].kind)
        else:
            spent.add(lost)
        below = range(lost + 1, len(self._order))
        tried = [place for place in (lost, *below, *self._absent()) if place not in spent]
        self._lost = Lost(lost, error, losses, tried)

    def _replace(self, loss: Lost) -> None:
        """Put another engine in the place of the one that was lost.

        Raises InferenceError where none is left, its error where all is over, and what `waiting` raises.
        """
        lost, error, losses, tried = loss
        self._open_one_of(tried, lost, getattr(self.engine.interpreter, "usb", None))
        if self._openings.over.is_set():
            raise error
        self._lost = None
        for place in (each for each in tried if each > lost):
            self._passed[place] = self._reason(place)
            self._lost_at[place] = self._lost_at[lost]
        how = self._again() if lost in tried else f"it failed {losses} times in a row, opened anew each time"
        self._passed[lost] = Passed(self._order[lost].kind, f"{error}; {how}", InferenceError)
        if not self._take(lost):
            raise InferenceError(str(none_runs([self._passed[place] for place in range(len(self._order))]))) from error

    def _open_one_of(self, places: Sequence[int], lost: int, on_usb: str | None) -> None:
        """Wait until one is there, or none is left to come; each is begun when the one before it failed, or is late."""
        for place in places:
            if self._openings.settled:
                return
            if self._openings.claim(place):
                self._openings.failed.pop(place, None)
                pauses = AGAIN_S if place == lost else (0.0,)
                climb = partial(self._climb, place, lost, on_usb)
                self._openings.begin("edge-open", partial(self._openings.attempt, place, pauses, AGAIN_MOST_S, climb))
            if self._openings.await_one([place], self._most_s, self.waiting):
                return
        self._openings.await_one(places, math.inf, self.waiting)

    def _climb(self, place: int, lost: int, on_usb: str | None, tries: int) -> None:
        """Tell of a try. on_usb: where the device of the lost one is, which is reset, once."""
        kind = self._order[place].kind
        if place != lost:
            self._ladder.climb("backend", f"opening {kind} in place of {self._order[lost].kind}")
            return
        if tries == RESET_BEFORE and on_usb is not None:
            self._ladder.climb("usb", f"resetting the USB device {on_usb} of {kind}")
            try:
                self._reset(on_usb)
            except DeviceError as error:
                log.warning("%s: %s", kind, error)
        self._ladder.climb("interpreter", f"opening {kind} again")

    def _again(self) -> str:
        """What came of opening the lost one again."""
        failed = self._openings.failed.get(self._place)
        if failed is None:
            return f"opening it again takes longer than {self._most_s:g} s"
        return f"opening it again failed {failed.tries} times: {failed.error}"

    def _reason(self, place: int) -> Passed:
        """Why one that was opened in the place of another does not run."""
        kind, failed = self._order[place].kind, self._openings.failed.get(place)
        if failed is None:
            return Passed(kind, f"opening it takes longer than {self._most_s:g} s", InferenceError)
        known = type(failed.error) if isinstance(failed.error, EdgeError) else InferenceError
        return Passed(kind, str(failed.error), known)

    def _take(self, lost: int | None = None) -> bool:
        """Let what was opened run from here on; False where there is nothing. lost: the place of what was lost."""
        taken = self._openings.take()
        if taken is None:
            return False
        former, (self._place, engine) = self.engine, taken
        engine.comes_after([self._passed[place] for place in range(self._place)])
        self.engine, self._since, self._answered = engine, self._clock(), False
        self._tell(engine.interpreter.backend, lost)
        former.close()
        self._look_for_preferred()
        return True

    def _tell(self, backend: str, lost: int | None) -> None:
        away = self._since - self._lost_at.get(self._place, self._since)
        if lost == self._place:
            log.warning("%s is back after %.1f s", backend, away)
        elif lost is None or lost > self._place:
            log.warning("%s has returned after %.0f s, and runs again", backend, away)
        else:
            for place in range(lost, self._place):
                log.warning("%s runs instead, because %s", backend, self._passed[place].why)

    # --- the way back

    def _absent(self) -> list[int]:
        """The places, before that of the present one, of those that may return."""
        known = [(place, self._passed[place], self._openings.failed.get(place)) for place in range(self._place)]
        return [place for place, why, failed in known if why.may_return and (failed is None or failed.may_pass)]

    def _look_for_preferred(self) -> None:
        """Begin to look for what may return, unless somebody looks already."""
        with self._handing:
            if self._looking or not self._absent():
                return
            self._looking = True
        self._openings.begin("edge-return", self._look)

    def _look(self) -> None:
        """Until one was found that answers, none is left to come, or all is over."""
        while not self._openings.wait(self._pauses()):
            for place in self._absent():
                if not self._openings.settled and self._openings.claim(place):
                    self._openings.attempt(place, (0.0,), AGAIN_MOST_S)
            with self._handing:
                if self._openings.settled or not self._absent():
                    self._looking = False
                    return
