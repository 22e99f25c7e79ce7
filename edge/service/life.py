"""One life of a camera's service: from its settings file to an exit code."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import cv2
import msgspec

from edge import adapters
from edge import profile as profiles
from edge.errors import CameraError, ConfigError, EdgeError, ModelError
from edge.events.store import Store
from edge.host import Host
from edge.host.linux import Linux
from edge.meter import detect
from edge.pipeline import Pipeline
from edge.recovery import Ladder
from edge.service import heap, lives, logs
from edge.service.composition import Composition
from edge.service.notify import Notify
from edge.service.opening import opened
from edge.service.places import EVENTS, settings_file, state_folder
from edge.service.reload import Reload
from edge.service.signals import Asked
from edge.service.supervisor import Supervisor, in_words
from edge.settings import Events, Settings
from edge.types import PowerMeter
from edge.vitals import Controls, Vitals

log = logging.getLogger("edge")

LATE = (
    "edge.cameras.picamera.listing",
    "edge.interpreters.tensorrt.engines",
    "edge.interpreters.tensorrt.shown",
    "edge.models.catalogue",
)
"""Modules that read values in whatever thread needs them first."""

END_S = 4.5
"""So long the end may take; what hangs then is left to the kernel."""


def run(path: str | Path, asked: Asked) -> int:
    """As `edge.service.run`; asked: by signals."""
    logs.begin(sys.stderr)
    heap.settle()
    with contextlib.suppress(AttributeError, OSError, RuntimeError):  # stderr is closed, or no file
        faulthandler.enable()  # systemd's watchdog aborts: the journal then tells where it hung
    cv2.setNumThreads(1)  # frames overlap with inference as it is
    gc.freeze()  # all that was loaded stays
    gc.enable()
    try:
        reload = _read(settings_file(path))
        code, again = Life(reload, asked).run()
        while again:
            code, again = Life(reload, asked).run()
        return code
    except (EdgeError, OSError) as error:
        return _failed(error)


def _read(path: Path) -> Reload:
    """Read the settings. Where that fails, how the life before ended is counted all the same: nobody tells it again."""
    try:
        return Reload(path)
    except ConfigError:
        if os.environ.get("STATE_DIRECTORY"):
            folder = state_folder(path.stem)
            with contextlib.closing(Store(folder / EVENTS, Events())) as store:
                lives.begun(folder, store)
        raise


def know(kind: type[msgspec.Struct] = msgspec.Struct) -> None:
    """Work out what a kind of value holds, and those below it, before there are threads.

    msgspec (0.22) does so at the first use, and the process crashes where two threads come first at one moment.
    """
    for module in LATE:
        import_module(module)
    for each in kind.__subclasses__():
        with contextlib.suppress(TypeError):  # one that is never read
            msgspec.json.Decoder(each)
        know(each)


def _failed(error: Exception) -> int:
    log.error("%s", in_words(error))
    log.debug("where it was", exc_info=error)
    return error.exit_code if isinstance(error, EdgeError) else 1


def _meter(settings: Settings) -> PowerMeter | None:
    """The meter that the profile names, else the first that gives a reading."""
    named = profiles.load(settings.profile).power
    if named is None:
        return detect()[0]
    meter: PowerMeter = adapters.open("power", named.kind, **named.options)
    return meter


class Life:
    """Puts all parts together, runs them, and takes them apart. asked: by signals. work: opens camera and model. host,
    meter: tell of the board. end_s: so long the end may take before `leave` ends the process.

    Raises ConfigError for a user without a home.
    """

    def __init__(
        self,
        reload: Reload,
        asked: Asked,
        *,
        work: Callable[[Settings, Ladder], Pipeline] = opened,
        notify: Notify | None = None,
        host: Host | None = None,
        meter: Callable[[Settings], PowerMeter | None] = _meter,
        end_s: float = END_S,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        know()
        settings = reload.settings
        self._asked = asked
        self._done = Flag()
        self._end_s = end_s
        self._leave = leave
        self.notify = notify or Notify()
        self.controls = Controls()
        ladder = Ladder(
            lambda *told: self.supervisor.signs.climbed(*told), lambda words: self.supervisor.signs.at_work(words)
        )
        self.vitals = vitals = Vitals(settings.name, ladder)
        folder = state_folder(settings.name)
        with contextlib.suppress(OSError):  # events are kept in memory then, which is said with the first
            folder.mkdir(parents=True, exist_ok=True)
        self.parts = parts = Composition(
            reload,
            folder,
            vitals,
            self.controls,
            self.notify,
            asked.reloads,
            lambda: self.supervisor.stop(),
            host=host or Linux(),
            meter=lambda: meter(settings),
        )
        self.supervisor = Supervisor(
            parts, lambda: work(parts.settings, ladder), lambda: parts.settings, vitals, self.controls, self.notify
        )

    def run(self) -> tuple[int, bool]:
        """Returns the exit code, and whether it ends only to begin again under another name."""
        code, why = 0, "stopped"
        self.parts.start()
        self._asked.at_end(self._end)
        try:
            self.supervisor.run()
            why = lives.RENAMED if self.parts.renamed else why
        except Exception as error:  # noqa: BLE001 - the end of this life; the next one may do better
            code, why = _failed(error), _why(error)
        finally:
            self._close(why)
        return code, self.parts.renamed and not code and not self._asked.ends

    def _close(self, why: str) -> None:
        self.vitals.condition, self.vitals.words = "stopping", "stopping"
        if not self.parts.renamed:
            self.notify.stopping()
        self.parts.close(why)
        self.notify.close()
        self._done.set()

    def _end(self) -> None:
        """The answer to SIGTERM: a clean end, or a quick one."""
        self.supervisor.stop()
        Thread(target=self._guard, name="edge-guard", daemon=True).start()

    def _guard(self) -> None:
        if not self._done.wait(self._end_s):
            log.warning("the end takes longer than %g s; what hangs is left behind", self._end_s)
            self._leave(0)


def _why(error: Exception) -> str:
    if isinstance(error, ConfigError | ModelError):
        return "settings"
    return "camera" if isinstance(error, CameraError) else "interpreter"
