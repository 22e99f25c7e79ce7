"""A camera over HTTP: how it fares, the newest picture, and a stream of them.

    GET /health       JSON; 200 while it runs, 503 otherwise
    GET /picture.jpg  the newest frame
    GET /stream.mjpg  the newest frame, again and again (multipart/x-mixed-replace)

There is no password: by default it listens to this machine only. While the camera is paused, nobody sees anything.
"""

from __future__ import annotations

from threading import Event as Flag

from edge.listening import listening
from edge.settings import Web as Asked
from edge.tireless import Tireless
from edge.types import Event
from edge.vitals import Vitals
from edge.web.health import HealthCheck
from edge.web.newest import Newest

PART = "web"

OTHERS = 16
"""Connections beside the viewers of a stream."""


class Web:
    """Answers browsers. An `Output`. stall_s: who takes nothing for so long is cut off."""

    def __init__(self, asked: Asked, vitals: Vitals, *, stall_s: float = 10.0) -> None:
        self._asked = asked
        self._vitals = vitals
        self._stall_s = stall_s
        self._tireless = Tireless(PART, self._work, vitals)
        self.port: int | None = None
        """Where it listens; None where it does not."""

    def start(self) -> None:
        """Begin; returns at once."""
        self._tireless.start()

    def told(self, event: Event) -> None:
        """Nothing: who looks sees it."""

    def close(self) -> None:
        """End; viewers are cut off."""
        self._tireless.close()

    def _work(self, over: Flag) -> None:
        from edge.web.answers import application  # loads a web server's worth of modules
        from edge.web.serving import serve

        with listening(self._asked.listen) as ours, Newest(self._vitals) as newest:
            app = application(HealthCheck(self._vitals), newest, self._asked.viewers, over)
            self.port = ours.getsockname()[1]
            self._tireless.well()
            try:
                serve(app, ours, over, most=self._asked.viewers + OTHERS, stall_s=self._stall_s)
            finally:
                self.port = None
