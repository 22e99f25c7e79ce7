"""All parts of one camera's service, put together from its settings."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import one_line
from edge.events.rules import Watch
from edge.events.store import Store
from edge.files import printable
from edge.host import Host
from edge.service import lives
from edge.service.heap import Tidy
from edge.service.heat import Board
from edge.service.memory import CONTROLS, Memory
from edge.service.notify import Notify
from edge.service.outputs import Outputs
from edge.service.places import EVENTS, PICTURES
from edge.service.recorder import Recorder
from edge.service.reload import Reload
from edge.service.rereading import Rereading
from edge.settings import Settings, differs, mqtt_password
from edge.settings.differs import Part
from edge.sinks.output import Output
from edge.types import Clock, Event, Frame, PowerMeter, Result
from edge.vitals import Controls, Vitals

if TYPE_CHECKING:
    from edge.sinks.snapshots import Pictures

log = logging.getLogger("edge")


class Composition:
    """What the loop feeds and asks. folder: where events and pictures are kept. hangup: whether SIGHUP came, once.
    end: has the loop end, to begin again under another name.
    """

    def __init__(
        self,
        reload: Reload,
        folder: Path,
        vitals: Vitals,
        controls: Controls,
        notify: Notify,
        hangup: Callable[[], bool],
        end: Callable[[], None],
        *,
        host: Host,
        meter: Callable[[], PowerMeter | None],
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self.settings = settings = reload.settings
        self._proven, self._ran = settings, False
        self._reload = reload
        self._folder = folder
        self._vitals = vitals
        self._controls = controls
        self._rereading = Rereading(reload, vitals, notify, hangup)
        self._end = end
        self._clock = clock
        self.renamed = False
        self.store = Store(folder / EVENTS, settings.events)
        self.memory = Memory(controls, folder / CONTROLS, vitals)
        self.rules = Watch(settings.rules, left=self._recall())
        self.outputs = Outputs(
            {"snapshots": self._pictures, "metrics": self._metrics, "web": self._web, "mqtt": self._mqtt},
            _key,
            vitals,
            lambda: self.recorder.adopt(self.pictures(), self.outputs.all),
        )
        self.recorder = Recorder(self.store, vitals)
        self.board = Board(settings.recovery, vitals, host, meter)
        self._tidy = Tidy(vitals)

    def start(self) -> None:
        """Begin what runs beside the loop."""
        self.recorder.start()
        self.outputs.adopt(self.settings)
        self.board.start()
        self.memory.start()
        self._tidy.start()
        self._rereading.start()

    def close(self, why: str) -> None:
        """End it, within a few seconds. why: this life ends, in a word or two."""
        with contextlib.suppress(OSError):  # first, for whoever takes too long is cut off
            lives.ending(self.store, why)
        self._rereading.close()
        self.recorder.close()
        self.outputs.close()
        self._tidy.close()
        self.memory.close()
        self.board.close()
        with contextlib.suppress(OSError):
            self.memory.keep()
        self.store.close()

    # --- for the loop

    def saw(self, frame: Frame, result: Result) -> None:
        """Take a result: it makes events happen, or it is what the house wants a picture of."""
        self._proven, self._ran = self.settings, False
        for event in self.rules(result, self._controls.threshold):
            self._happen(event, frame, result)
        self._vitals.score = self.rules.score
        if self._controls.snapshot.is_set():
            self._controls.snapshot.clear()
            pictures = self.pictures()
            if pictures is not None:
                pictures.take(None, frame, result, None)

    def lapsed(self) -> None:
        """Take notice that there are no frames: what was there is gone, after a while."""
        if self._vitals.frames:
            for event in self.rules.lapse(self._clock()):
                self._happen(event, *(self._vitals.latest or (None, None)))

    def changed(self) -> bool:
        """Adopt new settings, where there are any."""
        change = self._rereading.take()
        if change is None:
            return False
        parts = differs(self.settings, change.settings) | change.touched
        self._vitals.reloads += bool(parts)
        again = bool(parts) and self._adopt(change.settings, parts)
        if parts or change.asked:
            told = printable(self._reload.path), ", ".join(sorted(parts)) or "nothing"
            log.info("settings: %s was read again; changed: %s", *told)
        self._rereading.adopted()
        return again

    def fell_back(self, why: str) -> bool:
        """As `refused`, of a device that does not open, where the one before was running when they came."""
        return self._ran and self.refused(why)

    def refused(self, why: str) -> bool:
        """Go back to the settings that last gave a result; False where those are the ones that count."""
        if self._proven is self.settings:
            return False
        log.error("settings: %s; the camera goes on with those it had", why)
        self._vitals.refused += 1
        self._adopt(self._proven, frozenset())
        self._vitals.problem("settings", why)
        return True

    def _adopt(self, settings: Settings, parts: frozenset[Part]) -> bool:
        self.settings = settings
        if "name" in parts:  # all of it begins again
            self.renamed = True
            self._end()
            return False
        self._ran = (self._ran or self._vitals.condition == "running") and "pipeline" in differs(self._proven, settings)
        self.rules.adopt(settings.rules)
        self.store.adopt(settings.events)
        self.board.adopt(settings.recovery)
        self.outputs.adopt(settings, parts)
        return "pipeline" in parts

    def _happen(self, event: Event, frame: Frame | None, result: Result | None) -> None:
        log.info("%s: %s, score %.2f", event.kind, event.label, event.score, extra={"kind": event.kind})
        self.recorder.put(event, frame, result)

    def _recall(self) -> Event | None:
        """What earlier lives have left; nothing where the disk fails."""
        cause, self._vitals.restarts = lives.begun(self._folder, self.store)
        if cause not in (None, "stopped"):
            log.warning("the process before this one ended: %s", cause)
        self.memory.recall()
        try:
            return self.store.last()
        except OSError as error:
            log.warning("what was kept cannot be read: %s", one_line(error))
            return None

    # --- outputs

    def pictures(self) -> Pictures | None:
        """Who takes pictures, where somebody does."""
        found: Pictures | None = self.outputs.one("snapshots")  # type: ignore[assignment]  # it is made below
        return found

    def _last_picture(self) -> bytes | None:
        pictures = self.pictures()
        return None if pictures is None else pictures.last

    def _pictures(self, settings: Settings) -> Output:
        from edge.sinks.snapshots import Pictures

        assert settings.snapshots
        return Pictures(settings.snapshots, self._folder / PICTURES, self._vitals, self._controls)

    def _metrics(self, settings: Settings) -> Output:
        from edge.sinks.metrics import Metrics

        assert settings.metrics
        return Metrics(settings.metrics, self._vitals)

    def _web(self, settings: Settings) -> Output:
        from edge.web import Web

        assert settings.web
        return Web(settings.web, self._vitals, self._controls)

    def _mqtt(self, settings: Settings) -> Output:
        from edge.sinks.mqtt import Mqtt

        assert settings.mqtt
        password = mqtt_password(settings)
        picture = self._last_picture if settings.snapshots else None
        return Mqtt(
            settings.mqtt,
            password,
            settings.name,
            self._vitals,
            self._controls,
            self.recorder,
            picture,
            threshold=lambda: self.settings.rules.threshold_in,
        )


def _key(section: str, settings: Settings) -> Any:
    """What an output depends on."""
    own = getattr(settings, section)
    if own is None or section != "mqtt":
        return own
    return own, settings.snapshots is not None
