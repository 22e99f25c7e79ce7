"""Whom a camera tells: made from the settings, swapped where those change, and never waited for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock
from typing import Any

from edge.errors import one_line
from edge.settings import Settings
from edge.sinks.output import Output
from edge.vitals import Vitals
from edge.whose import thread

log = logging.getLogger("edge")

AGAIN_S = 60.0
"""Before an output that could not be made is tried again."""

CLOSE_S = 3.5
"""All together have so long to end."""

Wanted = tuple[Settings, frozenset[str]]
Make = Callable[[Settings], Output]


class Outputs:
    """Keeps one output a section, in a thread of its own. make: makes each from settings; may raise whatever it likes.

    key: what an output depends on, by section; where that changes, it is closed and made anew; None: it is off.
    changed: is called whenever others are there than before. again_s: seconds until what could not be made is tried
    again.
    """

    def __init__(
        self,
        make: Mapping[str, Make],
        key: Callable[[str, Settings], Any],
        vitals: Vitals,
        changed: Callable[[], None] = lambda: None,
        again_s: float = AGAIN_S,
    ) -> None:
        self._make = make
        self._key = key
        self._vitals = vitals
        self._changed = changed
        self._again_s = again_s
        self._made: dict[str, tuple[Any, Output]] = {}
        self._wanted: SimpleQueue[Wanted | None] = SimpleQueue()
        self._lock = Lock()
        self._over = Flag()
        self._thread = thread(self._work, "edge-outputs")
        self._thread.start()

    def adopt(self, settings: Settings, anew: Collection[str] = ()) -> None:
        """Have what the settings ask for; returns at once. anew: sections that are made again in any case."""
        self._wanted.put((settings, frozenset(anew)))

    @property
    def all(self) -> list[Output]:
        """Those there are now."""
        with self._lock:
            return [output for _, output in self._made.values()]

    def one(self, section: str) -> Output | None:
        """The output of a section, where it is there."""
        with self._lock:
            made = self._made.get(section)
            return None if made is None else made[1]

    def close(self, limit_s: float = CLOSE_S) -> None:
        """End all of them side by side; what takes longer stays behind."""
        until = time.monotonic() + limit_s
        self._over.set()
        self._wanted.put(None)
        self._thread.join(limit_s / 2)  # it may be ending or beginning one
        ends = [thread(output.close, "edge-end") for output in self.all]
        for end in ends:
            end.start()
        for end in ends:
            end.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        wanted: Wanted | None = None
        while not self._over.is_set():
            try:
                wanted = self._wanted.get(timeout=self._again_s if wanted and self._missing(wanted[0]) else None)
            except Empty:
                wanted = wanted and (wanted[0], frozenset())
            if wanted is not None:
                self._swap(*wanted)

    def _missing(self, settings: Settings) -> bool:
        """Whether one could not be made."""
        return any(self._key(section, settings) is not None and self.one(section) is None for section in self._make)

    def _swap(self, settings: Settings, anew: frozenset[str]) -> None:
        for section in self._make:
            key = self._key(section, settings)
            try:
                replaced = self._end(section, key, section in anew)
                if key is not None and self.one(section) is None and not self._over.is_set():
                    self._begin(section, key, settings, replaced)
            except Exception as error:  # noqa: BLE001 - whatever it is, the camera goes on, and this is tried again
                self._fail(section, one_line(error))

    def _end(self, section: str, key: Any, anew: bool) -> bool:
        """End the output of a section where it is to be another, or none; whether it was ended."""
        before = self._made.get(section)
        if before is None or (before[0] == key and not anew):
            if key is None:
                self._vitals.problem(section, None)
            return False
        with self._lock:
            del self._made[section]
        self._changed()
        before[1].close()
        if key is None:
            self._vitals.problem(section, None)
        log.info("%s: %s", section, "off now" if key is None else "begins again with other settings")
        return True

    def _begin(self, section: str, key: Any, settings: Settings, replaced: bool) -> None:
        output = self._make[section](settings)
        if not replaced:  # else it says itself that it works again
            self._vitals.problem(section, None)
        output.start()
        with self._lock:
            self._made[section] = (key, output)
        self._changed()

    def _fail(self, section: str, words: str) -> None:
        if self._vitals.problems.get(section) != words:
            self._vitals.problem(section, words)
            log.warning("%s: %s", section, words)
