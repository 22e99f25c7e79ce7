"""Which interpreter of a profile's order runs now, and what happens where it is lost in mid-run.

    lost -> opened again, a few times -> the next of the order -> back to a preferred one when it returns

The frame in hand is answered by whoever comes next, and every result tells what ran it and why it was not the first.
One that was opened again and fails again and again is passed over, so that a model that cannot run ends a run where
the profile has no other. Only what is listed in the profile is ever opened.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import NamedTuple

from edge.engine import CANNOT_RUN, Engine, Opener, Passed, first_of
from edge.errors import EdgeError, InferenceError
from edge.types import Array, Frame, Result

log = logging.getLogger("edge")

AGAIN_S = (0.0, 0.25, 0.5, 1.0)
"""Pauses before each try to open a lost one again."""

AGAIN_MOST_S = 3.0
"""After so long no further try is begun: a hub that comes back needs a second or two, and frames wait meanwhile."""

LOSSES = 3
"""So many losses in a row, and an interpreter is passed over though it can be opened again."""

STEADY_S = 10.0
"""A loss after longer than this is not in a row with the one before."""

RETURN_S, RETURN_MOST_S = 1.0, 60.0
"""Pauses between looks for a preferred one: the first, and the longest."""

JOIN_S = 2.0
"""How long a look that hangs in a driver is waited for at the end."""


class Prepared(NamedTuple):
    """A frame as the input of one engine, and the nanoseconds that preparing it took."""

    engine: Engine
    tensor: Array
    took_ns: int


class Succession:
    """Answers frames with the engine that runs now. `prepare` may run in another thread than `answer`.

    order: what may run, as `openers` makes it. engine: one that is open already, which is not opened again.
    clock: seconds. wait: waits so many seconds; True where all is over.
    """

    def __init__(
        self,
        order: Sequence[Opener] = (),
        engine: Engine | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Open the first of `order` that can run. Raises as `open_engine` does."""
        self._order = order
        self._clock = clock
        self._over = Event()
        self._wait = wait or self._over.wait
        self._preparing, self._handing = Lock(), Lock()
        self._returned: tuple[int, Engine] | None = None
        self._looking = False
        self._look_thread: Thread | None = None
        self._pause = RETURN_S
        self._losses: dict[int, int] = {}
        self._passed: list[Passed] = []
        if engine is None:
            engine, self._passed = first_of(order)
        self.engine = engine
        self._since = self._below_since = clock()
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

        Raises InferenceError where none is left, and after `stop`.
        """
        if self._returned is not None:
            self._go_back()
        while True:
            if prepared.engine is not self.engine:
                prepared = self.prepare(frame)
            try:
                return self.engine.answer(frame, prepared.tensor, prepared.took_ns)
            except InferenceError as error:
                if not self._order or self._over.is_set():
                    raise
                self._recover(error)

    def stop(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self._over.set()

    def close(self) -> None:
        """Free what runs, and look for nothing any more; calling it again is harmless."""
        self.stop()
        with self._handing:
            returned, self._returned = self._returned, None
        if returned is not None:
            returned[1].close()
        if self._look_thread is not None:
            self._look_thread.join(JOIN_S)
        self.engine.close()

    def _recover(self, error: InferenceError) -> None:
        """Put another engine in the place of the one that was lost. Raises InferenceError."""
        self.engine.close()
        if self._returned is not None:
            self._go_back()
            return
        place, steady = len(self._passed), self._clock() - self._since > STEADY_S
        losses = self._losses[place] = 1 if steady else self._losses.get(place, 0) + 1
        if steady:
            self._pause = RETURN_S
        if losses < LOSSES:
            self._open_again(error)
        else:
            self._move_on(error, f"it failed {losses} times in a row, opened anew each time")

    def _open_again(self, error: InferenceError) -> None:
        opener, lost_at, tries = self._order[len(self._passed)], self._clock(), 0
        log.warning("%s; opening %s again", error, opener.kind)
        why = ""
        for pause in AGAIN_S:
            if self._wait(pause):
                raise error
            try:
                self._run(opener.open(), self._passed)
            except CANNOT_RUN as failure:
                tries, why = tries + 1, str(failure)
            else:
                backend = self.engine.interpreter.backend
                log.warning("%s is back after %.1f s", backend, self._clock() - lost_at)
                return
            if self._clock() - lost_at > AGAIN_MOST_S:
                break
        self._move_on(error, f"opening it again failed {tries} times: {why}")

    def _move_on(self, error: InferenceError, how: str) -> None:
        kind = self._order[len(self._passed)].kind
        passed = [*self._passed, Passed(kind, f"{error}; {how}", InferenceError)]
        try:
            engine, passed = first_of(self._order, passed)
        except EdgeError as none:
            raise InferenceError(str(none)) from error
        self._below_since = self._below_since if self._passed else self._clock()
        log.warning("%s runs instead, because %s", engine.interpreter.backend, passed[len(self._passed)].why)
        self._run(engine, passed)

    def _run(self, engine: Engine, passed: list[Passed]) -> None:
        engine.comes_after(passed)
        self.engine, self._passed, self._since = engine, passed, self._clock()
        self._look_for_preferred()

    # --- the way back

    def _look_for_preferred(self) -> None:
        """Begin to look for what may return, unless somebody looks already."""
        with self._handing:
            if self._looking or self._returned is not None or not any(each.may_return for each in self._passed):
                return
            self._looking = True
            self._look_thread = Thread(target=self._look, name="edge-return", daemon=True)
        self._look_thread.start()

    def _look(self) -> None:
        """Until one was found that answers, or all is over; it takes its place between two frames."""
        found = None
        while found is None and not self._wait(self._pause):
            self._pause = min(2 * self._pause, RETURN_MOST_S)
            found = self._found()
        with self._handing:
            self._looking = False
            if not self._over.is_set():
                self._returned, found = found, None
        if found is not None:
            found[1].close()

    def _found(self) -> tuple[int, Engine] | None:
        for place, passed in enumerate(self._passed):
            if passed.may_return and not self._over.is_set():
                try:
                    return place, _proven(self._order[place])
                except Exception as error:  # noqa: BLE001 - whatever it is, the engine that runs goes on
                    log.debug("%s has not returned: %s", passed.kind, error)
        return None

    def _go_back(self) -> None:
        with self._handing:
            returned, self._returned = self._returned, None
        if returned is None:
            return
        place, engine = returned
        former, passed = self.engine, self._passed[:place]
        away = self._clock() - self._below_since
        log.warning("%s has returned after %.0f s, and runs again", engine.interpreter.backend, away)
        self._run(engine, passed)
        former.close()


def _proven(opener: Opener) -> Engine:
    """Open one, and let it answer a tensor of zeros: a device that is there may still fail when it runs."""
    engine = opener.open()
    try:
        tensor = engine.preprocessor.new_tensor()
        tensor.fill(0)
        engine.interpreter.infer(tensor)
    except BaseException:
        engine.close()
        raise
    return engine
