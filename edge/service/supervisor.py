"""The loop of a camera that runs for years: what ends, it begins again, until nothing here helps.

    opening -> frames -> (it fails) -> a pause -> opening ... -> exit, for systemd to begin another process

It runs in the main thread, and gives signs of life only where something moves: a new result, a step of a recovery, the
tick of a pause, or of an opening that has not taken too long yet.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from threading import Event as Flag
from typing import Protocol

from edge.errors import CameraError, ConfigError, EdgeError, ModelError, one_line
from edge.pipeline import Pipeline
from edge.recovery import STEADY_S, Backoff
from edge.service.notify import Manager
from edge.service.opening import Opening
from edge.service.pace import Pace
from edge.service.signs import Signs
from edge.settings import Settings
from edge.types import Frame, Result
from edge.vitals import Controls, Vitals

log = logging.getLogger("edge")

TICK_S = 0.25
"""Between two looks, while it waits for something."""

OPENING_S, HUNG = 120.0, 2
"""An opening that says nothing for so long hangs, and leaves a thread behind; after so many of those it all ends."""

PAUSE_S, PAUSE_MOST_S = 1.0, 10.0
"""Before all is opened again: the first time, and at most."""


class Parts(Protocol):
    """What the loop feeds, and whom it asks."""

    def saw(self, frame: Frame, result: Result) -> None:
        """Take a result."""
        ...

    def lapsed(self) -> None:
        """Take notice that there are no frames."""
        ...

    def changed(self) -> bool:
        """Adopt new settings where there are any; whether camera and model are to be opened again."""
        ...

    def fell_back(self, why: str) -> bool:
        """As `refused`, of a device that does not open, where the one before was running when they came."""
        ...

    def refused(self, why: str) -> bool:
        """Go back to the settings before, because of the new ones the camera cannot be opened; False: none."""
        ...


class Supervisor:
    """Runs one camera. work: opens camera and model. signs: are to be told of the ladder.

    settings: gives those that count now. clock: seconds. wait: waits so many seconds; True where all is over. chance:
    gives numbers from 0 to 1.
    """

    def __init__(
        self,
        parts: Parts,
        work: Callable[[], Pipeline],
        settings: Callable[[], Settings],
        vitals: Vitals,
        controls: Controls,
        notify: Manager,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._parts = parts
        self._work = work
        self._settings = settings
        self._vitals = vitals
        self._controls = controls
        self.signs = Signs(vitals, notify, clock)
        self._clock = clock
        self._pauses = Backoff(PAUSE_S, PAUSE_MOST_S, chance)
        self._over = Flag()
        self._wait = wait or self._over.wait
        self._pace = Pace(self._wait, clock)
        self._pipeline: Pipeline | None = None
        self._opening: Opening | None = None
        self._again = False
        self._tries = self._hung = 0
        self._well_at = clock()
        self._dropped = self._skipped = 0

    def run(self) -> None:
        """Until `stop` is called, or a recording has ended.

        Raises ConfigError and ModelError where the settings cannot work, and what failed last where all was tried.
        """
        while not self._over.is_set():
            if self._controls.paused:
                self._pause()
                continue
            try:
                self._again = False
                with self._open() as pipeline:
                    if self._frames(pipeline):
                        return
            except _Stopped:
                continue
            except (ConfigError, ModelError) as error:
                if not self._parts.refused(one_line(error)):
                    raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again, and then by a new process
                if not (self._over.is_set() or self._parts.fell_back(one_line(error))):
                    self._recover(error)

    def stop(self) -> None:
        """End soon; from any thread."""
        self._over.set()
        self._end_run()

    def _end_run(self) -> None:
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.stop()

    def _tick(self) -> bool:
        """While it waits: look at what is asked; whether to wait on."""
        self._parts.lapsed()
        return not self._asked()

    def _asked(self) -> bool:
        """Adopt what is new; whether something else is asked for than what goes on."""
        self._again = self._parts.changed() or self._again
        if self._pipeline is not None:
            self._pipeline.be_patient(self._settings().recovery.patience_s)
        return self._over.is_set() or self._again or self._controls.paused

    def _open(self) -> Pipeline:
        """Open camera and model. Raises what opening them raises, and _Stopped where something else is asked for."""
        self.signs.stands()
        self.signs.at_work("opening camera and model")
        if self._opening is not None:  # it was given up, and may hold the camera yet
            self._await(self._opening)
        self._opening = opening = Opening(self._work)
        self._await(opening)
        return opening.pipeline

    def _await(self, opening: Opening) -> None:
        """Wait until it has ended; one that hangs is left behind."""
        while not opening.await_(TICK_S):
            self.signs.alive()
            if not self._tick():
                opening.abandon()
                raise _Stopped
            if self.signs.quiet_s > OPENING_S:
                opening.abandon()
                self._opening = None
                self._hung += 1
                raise CameraError(f"opening camera and model takes longer than {OPENING_S:g} s; see whether one hangs")
        self._opening = None

    def _recover(self, error: Exception) -> None:
        """Wait before all is opened again. Raises the error where that was tried for long enough."""
        words = in_words(error)
        log.debug("where it was", exc_info=error)
        self._tries += 1
        self.signs.stands()
        self._vitals.problem("camera" if isinstance(error, CameraError) else "interpreter", words)
        patience_s = self._settings().recovery.patience_s
        if self._hung >= HUNG or (self._tries > 1 and self._clock() - self._well_at > patience_s):
            self._vitals.ladder.climb("restart", words)
            log.error("nothing helps here after %d tries; another process may do better", self._tries)
            raise error
        pause_s = self._pauses()
        log.warning("%s; all is opened again in %.1f s, try %d", words, pause_s, self._tries)
        self.signs.say(words)
        self._idle(pause_s)
        if not self._over.is_set():
            self._vitals.ladder.climb("pipeline", words)

    def _idle(self, seconds: float) -> None:
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0 and not self._wait(min(left, TICK_S)):
            self.signs.alive()
            if not self._tick():
                return

    def _pause(self) -> None:
        """Wait while the house wants no pictures; what was seen is forgotten."""
        self._vitals.condition, self._vitals.latest = "paused", None
        self.signs.begun()
        self.signs.say("paused; the camera is off")
        log.info("paused; the camera is off")
        while self._controls.paused and not self._wait(TICK_S):
            self.signs.alive()
            self._controls.snapshot.clear()  # there is nothing to take one of
            self._tick()
        if not self._over.is_set():
            log.info("no longer paused")
        self._well(self._clock())

    def _well(self, now: float) -> None:
        """What fails after this is a new failure."""
        self._well_at, self._tries = now, 0
        self._pauses.reset()

    # --- frames

    def _frames(self, pipeline: Pipeline) -> bool:
        """Feed what there is; True where nothing is to be begun again."""
        self._pipeline = pipeline
        if self._over.is_set():  # `stop` may have come before it was there to be stopped
            return True
        runs_at, results = self._clock(), 0
        self._dropped = self._skipped = 0
        for frame, result in pipeline.pairs(self._attend):
            now = self._clock()
            if self._vitals.condition != "running":
                runs_at = now
            self._vitals.labels = pipeline.engine.task.labels
            self._vitals.seen(frame, result)
            self.signs.runs(result)
            self._parts.saw(frame, result)
            results += 1
            if now - runs_at > STEADY_S:
                self._well(now)
            self._count(pipeline)
            self._pace(self._vitals.rate_limit, self._held)
            if self._asked():
                return self._over.is_set()
        return self._ended(pipeline, results)

    def _attend(self) -> None:
        """While none comes: hear what is asked, and end it where that is something else."""
        if not self._tick():
            self._end_run()

    def _held(self) -> bool:
        """While it waits for the next frame to be due."""
        self.signs.alive()
        return self._tick()

    def _ended(self, pipeline: Pipeline, results: int) -> bool:
        """What the end of a source means; whether it is the end."""
        if self._over.is_set() or self._again or self._controls.paused:
            return self._over.is_set()
        if pipeline.camera.live or not results:
            raise CameraError(f"{pipeline.source}: it gives no more frames; check it")
        log.info("%s has ended", pipeline.source)
        return True

    def _count(self, pipeline: Pipeline) -> None:
        """What was lost since the frame before, by cause."""
        dropped, skipped = pipeline.dropped, pipeline.camera.skipped
        if dropped > self._dropped:
            cause = "heat" if "heat" in self._vitals.problems else "frames"
            self._vitals.lost(cause, dropped - self._dropped)
        if skipped > self._skipped:
            self._vitals.lost("garbled", skipped - self._skipped)
        self._dropped, self._skipped = dropped, skipped


def in_words(error: Exception) -> str:
    """An error in a line; one that nobody foresaw with its kind."""
    known = isinstance(error, EdgeError | OSError) and str(error)
    return one_line(error) if known else one_line(f"{type(error).__name__}: {error}")


class _Stopped(Exception):
    """Opening was given up: something else is asked for."""
