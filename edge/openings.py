"""Interpreters that are opened in threads, while others run: that may take minutes, or hang in a driver."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Event, Thread
from typing import NamedTuple

from edge.engine import Engine, Opener
from edge.errors import AdapterError, ModelError
from edge.recovery import LOOK_S, jittered
from edge.whose import thread

log = logging.getLogger("edge")

LEAST_TRIES = 3
"""So many are made however long each takes: a USB device is reset before the third."""

JOIN_S = 2.0
"""How long threads that hang in a driver are waited for at the end, all together."""


class Failure(NamedTuple):
    """How often opening was tried, and the last error."""

    tries: int
    error: Exception

    @property
    def may_pass(self) -> bool:
        """Whether it may by itself: a device comes back, a library or a model does not mend itself."""
        return not isinstance(self.error, AdapterError | ModelError)


class Openings:
    """Opens the interpreters of an order, each by one thread at a time; the most preferred one waits to be taken.

    place: of what runs, in the order; what comes after it is closed when it comes late. len(order): nothing runs.
    failed: why the last opening of a place failed. clock: seconds. wait: waits so many seconds; True where all is over.
    chance: gives numbers from 0 to 1.
    """

    def __init__(
        self,
        order: Sequence[Opener],
        place: int,
        clock: Callable[[], float],
        wait: Callable[[float], bool] | None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.place = place
        self.failed: dict[int, Failure] = {}
        self.over = Event()
        self.wait = wait or self.over.wait
        self.chance = chance
        self._order = order
        self._clock = clock
        self._news = Condition()
        self._busy: set[int] = set()
        self._ready: tuple[int, Engine] | None = None
        self._threads: list[Thread] = []

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for: one can be taken, or all is over."""
        return self._ready is not None or self.over.is_set()

    def begin(self, name: str, work: Callable[[], None]) -> None:
        """Do something in a thread, which is ended with the others."""
        made = thread(work, name)
        self._threads = [*(each for each in self._threads if each.is_alive()), made]
        made.start()

    def claim(self, place: int) -> bool:
        """Whether nobody else opens it at this moment; who claims it calls `attempt`."""
        with self._news:
            free = place not in self._busy
            self._busy.add(place)
            return free

    def attempt(
        self, place: int, pauses: Sequence[float], most_s: float, tried: Callable[[int], None] = lambda tries: None
    ) -> None:
        """Open one that was claimed, and lay it ready: after each pause, until that can be or has lasted too long.

        tried: is called before each try, with its number.
        """
        engine, failed, begun = None, None, self._clock()
        for tries, pause in enumerate(pauses, 1):
            if pause and self.wait(jittered(pause, self.chance)):
                self.stop()
                break
            try:
                tried(tries)
                engine = self._opened(place)
                break
            except Exception as error:  # noqa: BLE001 - whatever it is, what else there is goes on
                failed = Failure(tries, error.with_traceback(None))  # which would keep the model that was read
            if tries >= LEAST_TRIES and self._clock() - begun > most_s:
                break
        self._lay_ready(place, engine, failed)

    def await_one(self, places: Iterable[int], most_s: float, waiting: Callable[[], None]) -> bool:
        """Wait until `settled`, which is returned, or until none of `places` is being opened, or so many seconds.

        waiting: is called every second meanwhile.
        """
        asked = set(places)
        while most_s > 0:
            with self._news:
                if self._news.wait_for(lambda: self.settled or not asked & self._busy, min(most_s, LOOK_S)):
                    break
            most_s -= LOOK_S
            waiting()
        return self.settled

    def take(self) -> tuple[int, Engine] | None:
        """What was opened, and its place, which from here on is that of what runs."""
        with self._news:
            taken, self._ready = self._ready, None
            if taken is not None:
                self.place = taken[0]
            return taken

    def stop(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self.over.set()
        with self._news:
            self._news.notify_all()

    def close(self) -> None:
        """Stop, and free what nobody took."""
        self.stop()
        taken = self.take()
        if taken is not None:
            taken[1].close()
        end = time.monotonic() + JOIN_S
        for each in self._threads:
            each.join(max(0.0, end - time.monotonic()))

    def _opened(self, place: int) -> Engine:
        """Open one. Where another runs, it answers zeros first: a device that is there may still fail when it runs."""
        engine = self._order[place].open()
        try:
            if self.place < len(self._order):
                tensor = engine.preprocessor.new_tensor()
                tensor.fill(0)
                engine.interpreter.infer(tensor)
        except BaseException:
            engine.close()
            raise
        return engine

    def _lay_ready(self, place: int, engine: Engine | None, failed: Failure | None) -> None:
        unwanted = engine
        with self._news:
            self._busy.discard(place)
            before = self.failed.pop(place, None)
            if failed is not None and engine is None:
                self.failed[place] = failed
            best = self.place if self._ready is None else self._ready[0]
            if engine is not None and place < best and not self.over.is_set():
                unwanted, self._ready = None if self._ready is None else self._ready[1], (place, engine)
            self._news.notify_all()
        if unwanted is not None:
            unwanted.close()
        if engine is None and failed is not None and str(failed.error) != str(before and before.error):
            self._tell(self._order[place].kind, failed)

    def _tell(self, kind: str, failed: Failure) -> None:
        if failed.may_pass or self.place == len(self._order):
            log.debug("%s cannot be opened: %s", kind, failed.error)
        else:
            log.warning("%s is not looked for any more: %s", kind, failed.error)
