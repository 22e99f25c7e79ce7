"""One camera of the process: its parts, and the loop that runs it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag

from edge import whose
from edge.errors import CameraError
from edge.pipeline import Pipeline
from edge.recovery import Ladder
from edge.service.composition import Composition
from edge.service.house import House
from edge.service.notify import Manager
from edge.service.reload import Reload
from edge.service.supervisor import TICK_S, Supervisor, in_words
from edge.settings import Settings
from edge.vitals import Controls, Vitals
from edge.web.watched import Watched

log = logging.getLogger("edge")

AGAIN_S = 60.0
"""Before a camera for which nothing helps is begun again, while others run."""


class Post:
    """A camera at its post. work: opens camera and model. end: has all of the process end. house: of the first.

    beside: whether there are others, so that its lines in the log say whose they are. waits: nothing helps it for now.
    ended: it has, for good; whoever runs it says so.
    """

    def __init__(
        self,
        reload: Reload,
        folder: Path,
        manager: Manager,
        hangup: Callable[[], bool],
        end: Callable[[], None],
        house: House | None,
        work: Callable[[Settings, Ladder], Pipeline],
        beside: bool = False,
    ) -> None:
        self.name = reload.settings.name
        self._called = self.name if beside else ""
        self.controls = Controls()
        ladder = Ladder(
            lambda *told: self.supervisor.signs.climbed(*told), lambda words: self.supervisor.signs.at_work(words)
        )
        self.vitals = vitals = Vitals(self.name, ladder)
        self._manager = manager
        self._over = Flag()
        with contextlib.suppress(OSError):  # events are kept in memory then, which is said with the first
            folder.mkdir(parents=True, exist_ok=True)
        with whose.of(self._called):
            self.parts = parts = Composition(reload, folder, vitals, self.controls, manager, hangup, end, house)
        self._work = lambda: work(parts.settings, ladder)
        self.supervisor = self._loop()
        self.waits = self.ended = False

    @property
    def watched(self) -> Watched:
        """What a page has of it."""
        return Watched(self.vitals, self.controls, self.parts)

    def start(self) -> None:
        """Begin what runs beside the loop."""
        with whose.of(self._called):
            self.parts.start()

    def run(self) -> None:
        """As `Supervisor.run`."""
        self.supervisor.run()

    def run_beside(self, alone: Callable[[], bool]) -> None:
        """Run it beside others: what would end the process is tried again later. alone: whether no other one runs.

        Raises as `Supervisor.run` does, where no other one runs.
        """
        with whose.of(self._called):
            while not self._over.is_set():
                try:
                    self.supervisor.run()
                    break
                except Exception as error:
                    self.waits = True
                    if alone():
                        raise
                    self._say(error)
                    self._wait()
                    self.supervisor, self.waits = self._loop(), False

    def stop(self) -> None:
        """End soon; from any thread."""
        self._over.set()
        self.supervisor.stop()

    def close(self, why: str) -> None:
        """End its parts. why: this life ends, in a word or two."""
        self.vitals.condition, self.vitals.words = "stopping", "stopping"
        with whose.of(self._called):
            self.parts.close(why)

    def _loop(self) -> Supervisor:
        parts = self.parts
        return Supervisor(parts, self._work, lambda: parts.settings, self.vitals, self.controls, self._manager)

    def _say(self, error: Exception) -> None:
        """Say why it does not run, until it does again."""
        words = in_words(error)
        self.vitals.problem("camera" if isinstance(error, CameraError) else "interpreter", words)
        self.vitals.condition = "recovering"
        self.supervisor.signs.say(words)
        log.error("%s; tried again in %g s, and the others go on", words, AGAIN_S)
        log.debug("where it was", exc_info=error)

    def _wait(self) -> None:
        """Until it is tried again: after a while, or at once where something else is asked for."""
        for _ in range(int(AGAIN_S / TICK_S)):
            self._manager.alive()
            self.parts.lapsed()
            if self._over.wait(TICK_S) or self.parts.changed() or self.controls.paused:
                return
