"""A camera over HTTP: how it fares, the newest picture, and a stream of them.

    GET /health       JSON; 200 while it runs, 503 otherwise
    GET /picture.jpg  the newest frame
    GET /stream.mjpg  the newest frame, again and again (multipart/x-mixed-replace)

There is no password: by default it listens to this machine only. From the moment that a pause is asked for, nobody
sees anything.
"""

from __future__ import annotations

from socket import socket
from threading import Event as Flag

from edge.listener import Listener
from edge.settings import Web as Asked
from edge.vitals import Controls, Vitals
from edge.web.newest import Newest

OTHERS = 16
"""Connections beside the viewers of a stream."""


class Web(Listener):
    """Answers browsers. An `Output`. stall_s: who takes nothing for so long is cut off."""

    def __init__(self, asked: Asked, vitals: Vitals, controls: Controls, *, stall_s: float = 10.0) -> None:
        super().__init__("web", asked.listen, self._serve, vitals)
        self._viewers = asked.viewers
        self._vitals = vitals
        self._controls = controls
        self._stall_s = stall_s

    def _serve(self, ours: socket, over: Flag) -> None:
        from edge.web.answers import application  # loads a web server's worth of modules
        from edge.web.serving import serve

        with Newest(self._vitals, self._controls) as newest:
            app = application(self._vitals, newest, self._viewers, over)
            serve(app, ours, over, most=self._viewers + OTHERS, stall_s=self._stall_s)
