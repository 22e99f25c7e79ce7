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

from edge.errors import CameraError, ConfigError, ModelError, one_line
from edge.pipeline import Pipeline
from edge.recovery import Rung, jittered
from edge.service.notify import Notify
from edge.service.opening import Opening
from edge.service.pace import Pace
from edge.settings import Settings
from edge.types import Frame, Result
from edge.vitals import Controls, Vitals

log = logging.getLogger("edge")

TICK_S = 0.25
"""Between two looks, while it waits for something."""

OPENING_S, HUNG = 120.0, 2
"""An opening that says nothing for so long hangs, and leaves a thread behind; after so many of those it all ends."""

START_S = 30.0
"""How much longer systemd is asked to wait for the start, at each sign of it."""

PAUSE_S, PAUSE_MOST_S = 1.0, 30.0
"""Before all is opened again: the first time, and at most."""

STEADY_S = 10.0
"""What ran for so long ran well: a failure after that is a new one."""

PART: dict[Rung, str] = {"camera": "camera", "usb": "camera", "interpreter": "interpreter", "backend": "interpreter"}
"""What does not work while a rung is climbed."""

STATUS_S = 2.0
"""Between two lines of status."""


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

    def refused(self, why: str) -> bool:
        """Go back to the settings before, because of the new ones the camera cannot be opened; False: none."""
        ...


class Supervisor:
    """Runs one camera. work: opens camera and model. told of the ladder by `climbed` and `at_work`.

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
        notify: Notify,
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
        self._notify = notify
        self._clock = clock
        self._chance = chance
        self._over = Flag()
        self._wait = wait or self._over.wait
        self._pace = Pace(self._wait, clock)
        self._pipeline: Pipeline | None = None
        self._ready = self._again = False
        self._tries = self._hung = 0
        self._well_at = self._sign_at = self._status_at = clock()
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
                self._recover(error)

    def stop(self) -> None:
        """End soon; from any thread."""
        self._over.set()
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.stop()

    # --- signs of life

    def climbed(self, rung: Rung, words: str) -> None:
        """Take notice of a try to recover; from any thread, for `Ladder`."""
        if self._vitals.condition == "running":
            self._vitals.condition = "recovering"
        if rung == "usb":
            log.info("recovery: %s", words)
        if rung in PART:
            self._vitals.problem(PART[rung], words)
        self.at_work(f"{rung}: {words}")

    def at_work(self, words: str) -> None:
        """Take notice of something slow that goes on; from any thread, for `Ladder`.

        While it runs, results alone are signs of life: what goes on beside them is not what anybody waits for.
        """
        if self._vitals.condition != "running":
            self._sign_at = self._clock()
            self._say(words)
            self._alive()

    def _alive(self) -> None:
        self._notify.alive()
        if not self._ready:
            self._notify.extend(START_S)

    def _say(self, words: str) -> None:
        self._vitals.words = words
        self._notify.status(words)

    def _tick(self) -> bool:
        """While it waits: look at what is asked; whether to wait on."""
        self._parts.lapsed()
        self._again = self._parts.changed() or self._again
        return not (self._over.is_set() or self._again)

    # --- opening

    def _open(self) -> Pipeline:
        """Open camera and model. Raises what opening them raises, and _Stopped where something else is asked for."""
        self._vitals.condition = "recovering" if self._ready else "starting"
        self.at_work("opening camera and model")
        opening = Opening(self._work)
        while not opening.await_(TICK_S):
            self._alive()
            if not self._tick() or self._controls.paused:
                opening.abandon()
                raise _Stopped
            if self._clock() - self._sign_at > OPENING_S:
                opening.abandon()
                self._hung += 1
                raise CameraError(f"opening camera and model takes longer than {OPENING_S:g} s; see whether one hangs")
        return opening.pipeline

    def _recover(self, error: Exception) -> None:
        """Wait before all is opened again. Raises the error where that was tried for long enough."""
        words = one_line(error) or type(error).__name__
        self._tries += 1
        self._vitals.condition = "recovering" if self._ready else "starting"
        self._vitals.problem("camera" if isinstance(error, CameraError) else "interpreter", words)
        patience_s = self._settings().recovery.patience_s
        if self._hung >= HUNG or (self._tries > 1 and self._clock() - self._well_at > patience_s):
            self._vitals.ladder.climb("restart", words)
            log.error("nothing helps here after %d tries; another process may do better", self._tries)
            raise error
        pause_s = jittered(min(PAUSE_S * 2 ** (self._tries - 1), PAUSE_MOST_S), self._chance)
        log.warning("%s; all is opened again in %.1f s, try %d", words, pause_s, self._tries)
        self._say(words)
        self._idle(pause_s)
        if not self._over.is_set():
            self._vitals.ladder.climb("pipeline", words)

    def _idle(self, seconds: float) -> None:
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0 and not self._wait(min(left, TICK_S)):
            self._alive()
            if not self._tick() or self._controls.paused:
                return

    def _pause(self) -> None:
        """Wait while the house wants no pictures; what was seen is forgotten."""
        self._vitals.condition, self._vitals.latest = "paused", None
        self._begun()
        self._say("paused; the camera is off")
        log.info("paused; the camera is off")
        while self._controls.paused and not self._wait(TICK_S):
            self._alive()
            self._controls.snapshot.clear()  # there is nothing to take one of
            self._tick()
        log.info("no longer paused")
        self._well_at, self._tries = self._clock(), 0

    # --- frames

    def _frames(self, pipeline: Pipeline) -> bool:
        """Feed what there is; True where nothing is to be begun again."""
        self._pipeline = pipeline
        if self._over.is_set():  # `stop` may have come before it was there to be stopped
            return True
        opened_at, results = self._clock(), 0
        self._dropped = self._skipped = 0
        for frame, result in pipeline.pairs():
            now = self._clock()
            self._vitals.seen(frame, result)
            if not results or self._vitals.condition != "running":
                self._running(result)
            self._notify.alive()
            self._parts.saw(frame, result)
            results += 1
            if now - opened_at > STEADY_S:
                self._well_at, self._tries = now, 0
            if now - self._status_at > STATUS_S:
                self._tell(result)
            self._count(pipeline)
            self._pace(self._vitals.rate_limit, self._held)
            self._again = self._parts.changed() or self._again
            if self._over.is_set() or self._again or self._controls.paused:
                return self._over.is_set()
        return self._ended(pipeline, results)

    def _held(self) -> bool:
        """While it waits for the next frame to be due."""
        self._notify.alive()
        return not self._controls.paused and self._tick()

    def _ended(self, pipeline: Pipeline, results: int) -> bool:
        """What the end of a source means; whether it is the end."""
        if self._over.is_set():
            return True
        if pipeline.camera.live or not results:
            raise CameraError(f"{pipeline.source}: it gives no more frames; check it")
        log.info("%s has ended", pipeline.source)
        return True

    def _running(self, result: Result) -> None:
        """The first result, or the first again."""
        if self._vitals.frames == 1:
            log.info("running: %s on %s", result.model, result.backend)
        elif self._vitals.condition != "running":
            log.info("running again, on %s", result.backend)
        self._vitals.condition = "running"
        for part in ("camera", "interpreter"):
            self._vitals.problem(part, None)
        self._begun()
        self._tell(result)

    def _begun(self) -> None:
        if not self._ready:
            self._ready = True
            self._notify.ready()

    def _tell(self, result: Result) -> None:
        """Say in a line how it goes."""
        self._status_at = self._clock()
        vitals = self._vitals
        subject = vitals.subject.label if vitals.subject else "nothing"
        rate = f", {vitals.fps:.1f} FPS" if vitals.fps else ""
        heat = f", {vitals.temperature_c:.0f} °C" if vitals.temperature_c is not None else ""
        problems = f"; does not work: {', '.join(sorted(vitals.problems))}" if vitals.problems else ""
        self._say(f"running on {result.backend}{rate}{heat}; sees {subject}{problems}")

    def _count(self, pipeline: Pipeline) -> None:
        """What was lost since the frame before, by cause."""
        dropped, skipped = pipeline.dropped, pipeline.camera.skipped
        if dropped > self._dropped:
            cause = "heat" if "heat" in self._vitals.problems else "frames"
            self._vitals.lost(cause, dropped - self._dropped)
        if skipped > self._skipped:
            self._vitals.lost("garbled", skipped - self._skipped)
        self._dropped, self._skipped = dropped, skipped


class _Stopped(Exception):
    """Opening was given up: something else is asked for."""
