"""One life of a camera's service: from its settings file to an exit code."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import cv2

from edge.errors import CameraError, EdgeError, one_line
from edge.recovery import Ladder
from edge.service import logs
from edge.service.composition import Composition
from edge.service.notify import Notify
from edge.service.opening import opened
from edge.service.places import settings_file, state_folder
from edge.service.reload import Reload
from edge.service.signals import heard
from edge.service.supervisor import Supervisor
from edge.vitals import Controls, Vitals

log = logging.getLogger("edge")

END_S = 4.5
"""So long the end may take; what hangs then is left to the kernel."""


def run(path: str | Path) -> int:
    """As `edge.service.run`."""
    logs.begin(sys.stderr)
    if sys.stderr is not None:
        faulthandler.enable()  # systemd's watchdog aborts: the journal then tells where it hung
    cv2.setNumThreads(1)  # frames overlap with inference as it is
    try:
        reload = Reload(settings_file(path))
        while True:
            code, renamed = Life(reload).run()
            if not renamed:
                return code
    except EdgeError as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    log.error("%s", one_line(error))
    log.debug("where it was", exc_info=error)
    return error.exit_code if isinstance(error, EdgeError) else 1


class Life:
    """Puts all parts together, runs them, and takes them apart."""

    def __init__(self, reload: Reload) -> None:
        settings = reload.settings
        self._hung_up = Flag()
        self._done = Flag()
        self.notify = Notify()
        self.controls = Controls()
        ladder = Ladder(lambda *told: self.supervisor.climbed(*told), lambda words: self.supervisor.at_work(words))
        self.vitals = vitals = Vitals(settings.name, ladder)
        folder = state_folder(settings.name)
        folder.mkdir(parents=True, exist_ok=True)
        self.parts = parts = Composition(reload, folder, vitals, self.controls, self.notify, self._asked)
        self.supervisor = Supervisor(
            parts, lambda: opened(parts.settings, ladder), lambda: parts.settings, vitals, self.controls, self.notify
        )

    def run(self) -> tuple[int, bool]:
        """Returns the exit code, and whether it ends only to begin under another name."""
        answers = {signal.SIGTERM: self._end, signal.SIGINT: self._end, signal.SIGHUP: self._hung_up.set}
        code, why = 0, "stopped"
        with heard(answers):
            self.parts.start()
            try:
                self.supervisor.run()
            except Exception as error:  # noqa: BLE001 - the end of this life; the next one may do better
                code, why = _failed(error), "camera" if isinstance(error, CameraError) else "interpreter"
            finally:
                self._close(why)
        return code, self.parts.renamed and not code

    def _close(self, why: str) -> None:
        self.vitals.condition = "stopping"
        if not self.parts.renamed:
            self.notify.stopping()
        self.parts.close(why)
        self._done.set()

    def _asked(self) -> bool:
        """Whether SIGHUP came since it was asked last."""
        asked = self._hung_up.is_set()
        self._hung_up.clear()
        return asked

    def _end(self) -> None:
        """The answer to SIGTERM: a clean end, or a quick one."""
        self.supervisor.stop()
        Thread(target=self._guard, name="edge-guard", daemon=True).start()

    def _guard(self) -> None:
        if not self._done.wait(END_S):
            log.warning("the end takes longer than %g s; what hangs is left behind", END_S)
            os._exit(0)
