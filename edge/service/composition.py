"""All parts of one camera's service, put together from its settings."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import one_line
from edge.events.rules import Watch
from edge.events.store import Store
from edge.files import printable, read_small
from edge.service import lives
from edge.service.chosen import InForce, chosen
from edge.service.house import House
from edge.service.memory import CONTROLS, Memory
from edge.service.notify import Manager
from edge.service.outputs import Outputs
from edge.service.places import EVENTS, PICTURES
from edge.service.recorder import Recorder
from edge.service.reload import Reload
from edge.service.rereading import Rereading
from edge.settings import Settings, differs, mqtt_password
from edge.settings.differs import Part
from edge.sinks.output import Output
from edge.types import Clock, Event, Frame, Result
from edge.vitals import Choice, Controls, Vitals

if TYPE_CHECKING:
    from edge.sinks.snapshots import Pictures

log = logging.getLogger("edge")

MOST_BYTES = 64 << 20
"""Of a picture."""


class Composition:
    """What the loop feeds and asks. folder: where events and pictures are kept. hangup: whether SIGHUP came, once.
    end: has the loop end, to begin again under another name. house: None for a camera beside the first of the process.
    """

    def __init__(
        self,
        reload: Reload,
        folder: Path,
        vitals: Vitals,
        controls: Controls,
        notify: Manager,
        hangup: Callable[[], bool],
        end: Callable[[], None],
        house: House | None,
        *,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        settings = reload.settings
        self._proven = self._now = InForce(settings, settings)
        self._chosen = controls.choice
        self._judged: tuple[Sequence[str] | None, Sequence[str]] = None, ()
        self._ran = False
        self._reload = reload
        self._folder = folder
        self._house = house
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
            {
                "snapshots": self._pictures,
                "mqtt": self._mqtt,
                **(house.make if house else {}),
            },
            _key,
            vitals,
            lambda: self.recorder.adopt(self.pictures(), self.outputs.all),
        )
        self.recorder = Recorder(self.store, vitals)

    def start(self) -> None:
        """Begin what runs beside the loop."""
        self.recorder.start()
        self.outputs.adopt(self.settings)
        self.memory.start()
        if self._house:
            self._house.start(self.settings.recovery)
        self._rereading.start()

    def close(self, why: str) -> None:
        """End it, within a few seconds. why: this life ends, in a word or two."""
        if self._house:
            with contextlib.suppress(OSError):  # first, for whoever takes too long is cut off
                lives.ending(self.store, why)
        self._rereading.close()
        self.recorder.close()
        self.outputs.close()
        if self._house:
            self._house.close()
        self.memory.close()
        with contextlib.suppress(OSError):
            self.memory.keep()
        self.store.close()

    @property
    def settings(self) -> Settings:
        """Those that count now, with what was chosen."""
        return self._now.settings

    # --- for a page

    @property
    def written(self) -> Settings:
        """Those of the file."""
        return self._now.written

    def recent(self, most: int, before: str | None = None) -> list[Event]:
        """As `edge.web.watched.Desk`."""
        return self.store.recent(most, before)

    def picture(self, event_id: str) -> bytes | None:
        """As `edge.web.watched.Desk`."""
        event = self.store.one(event_id)
        if event is None or event.picture is None:
            return None
        try:
            return read_small(self._folder / PICTURES / event.picture, MOST_BYTES)
        except FileNotFoundError:  # it made room for newer ones
            return None

    # --- for the loop

    def saw(self, frame: Frame, result: Result) -> None:
        """Take a result: it makes events happen, or it is what the house wants a picture of."""
        self._proven, self._ran = self._now, False
        self._judge(self._controls.labels, self._vitals.labels)
        for event in self.rules(result, self._controls.threshold, self._controls.labels):
            self._happen(event, frame, result)
        self._vitals.score = self.rules.score
        if self._controls.snapshot.is_set():
            self._controls.snapshot.clear()
            pictures = self.pictures()
            if pictures is not None:
                pictures.take(None, frame, result, None)

    def _judge(self, labels: Sequence[str] | None, known: Sequence[str]) -> None:
        """Say which of the labels that were chosen the model does not know: they may be older than it."""
        if (labels, known) == self._judged:
            return
        self._judged = labels, known
        strange = [one_line(label, 60) for label in labels or () if label not in known]
        words = f"the model knows no {', '.join(map(repr, strange[:3]))}; choose others" if strange else None
        self._vitals.problem("labels", words)
        if words:
            log.warning("labels: %s", words)

    def lapsed(self) -> None:
        """Take notice that there are no frames: what was there is gone, after a while."""
        if self._vitals.frames:
            for event in self.rules.lapse(self._clock()):
                self._happen(event, *(self._vitals.latest or (None, None)))

    def changed(self) -> bool:
        """Adopt new settings and what is chosen, where there is any."""
        choice = self._controls.choice
        if choice is not self._chosen:  # also where somebody asks for the same again
            self._chosen = choice
            self._vitals.problem("choice", None)
        again = choice != self._now.choice
        if again:
            self._put(self._now.written, choice)
        change = self._rereading.take()
        if change is None:
            return again
        parts = differs(self._now.written, change.settings) | change.touched
        self._vitals.reloads += bool(parts)
        again = (bool(parts) and self._adopt(change.settings, parts)) or again
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
        now, proven = self._now, self._proven
        if proven is now:
            return False
        self._now = proven
        if now.choice != proven.choice and "pipeline" not in differs(proven.written, now.written):
            log.error("choice: %s; the camera goes on as before", why)
            self._vitals.problem("choice", why)
            if now.written is not proven.written:
                self._put(now.written, proven.choice)
        else:
            log.error("settings: %s; the camera goes on with those it had", why)
            self._vitals.refused += 1
            self._vitals.problem("settings", why)
        if self._controls.choice is self._chosen:  # else another one has come meanwhile, which is next
            self._controls.choice = self._chosen = self._now.choice
        self._tell(frozenset())
        return True

    def _adopt(self, written: Settings, parts: frozenset[Part]) -> bool:
        self._put(written, self._now.choice)
        if "name" in parts:  # all of it begins again
            self.renamed = True
            self._end()
            return False
        self._tell(parts)
        return "pipeline" in parts

    def _put(self, written: Settings, choice: Choice) -> None:
        """Have settings count, with what is chosen in place of their words."""
        self._now = InForce(chosen(written, choice), written, choice)
        other = "pipeline" in differs(self._proven.settings, self.settings)
        self._ran = (self._ran or self._vitals.condition == "running") and other

    def _tell(self, parts: frozenset[Part]) -> None:
        """Have all go by the settings that count."""
        settings = self.settings
        self.rules.adopt(settings.rules)
        self.store.adopt(settings.events)
        if self._house:
            self._house.adopt(settings.recovery)
        self.outputs.adopt(settings, parts)

    def _happen(self, event: Event, frame: Frame | None, result: Result | None) -> None:
        log.info("%s: %s, score %.2f", event.kind, event.label, event.score, extra={"kind": event.kind})
        self.recorder.put(event, frame, result)

    def _recall(self) -> Event | None:
        """What earlier lives have left; nothing where the disk fails."""
        if self._house:
            cause, self._vitals.restarts = lives.begun(self._house.folder, self.store)
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
