"""A camera over HTTP: a page that shows what it sees, and what programs ask.

    GET /             the page
    GET /api/v1/…     what it asks; /api/v1/openapi.json tells all of it
    GET /healthz      200 while the camera runs or is paused, 503 otherwise; /health tells more, as JSON
    GET /metrics      for Prometheus
    GET /picture.jpg  the newest frame; /stream.mjpg again and again (multipart/x-mixed-replace)

On an address that other machines reach it needs a token, unless `insecure` is said. From the moment that a pause is
asked for, nobody sees anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from socket import gethostname, socket
from threading import Event as Flag
from typing import TYPE_CHECKING

from edge.errors import ConfigError
from edge.inbox import Inbox
from edge.listener import Listener
from edge.listening import is_local, listening
from edge.picture import Encode, jpeg
from edge.settings import Web as Asked
from edge.settings import web_token
from edge.types import Array
from edge.web.choices import Choices
from edge.web.token import Kept, read
from edge.web.watched import Exposed, Watched

if TYPE_CHECKING:
    from edge.web.asgi import App
    from edge.web.share import Share
    from edge.web.tls import Certificate

log = logging.getLogger("edge")

OTHERS = 32
"""Connections beside the viewers of streams."""

COOKIE = "edge_session"

FRAME = "/api/v1/frame"
"""Where pictures of a browser's camera come in."""


class Web(Listener):
    """Answers browsers. An `Output`.

    choices: what may be chosen. exposed: gives metrics, and their media type, for an Accept header. kept: of a
    token that no file holds. inbox: takes the pictures of a browser's camera. stall_s: who takes nothing for so long is
    cut off. hardware_jpeg: tells, for each picture of a camera, whether the board's own encoder makes it, where it has
    one that works. opens: as `Listener` has it.

    What is wrong with token or certificate is a problem like a port that is taken: it is said, and tried again.
    """

    def __init__(
        self,
        asked: Asked,
        cameras: Sequence[Watched],
        choices: Choices,
        *,
        exposed: Exposed | None = None,
        kept: Kept | None = None,
        inbox: Inbox | None = None,
        stall_s: float = 10.0,
        hardware_jpeg: Callable[[Watched], bool] = lambda camera: False,
        opens: Callable[[str], socket] = listening,
    ) -> None:
        super().__init__("web", asked.listen, self._serve, cameras[0].vitals, opens)
        self._asked = asked
        self._cameras = cameras
        self._choices = choices
        self._exposed = exposed
        self._kept = kept
        self._inbox = inbox
        self._stall_s = stall_s
        self._hardware_jpeg = hardware_jpeg
        self._vitals = cameras[0].vitals

    def share(self) -> Share:
        """Of the processor, for one event loop: it is to be called in its thread."""
        from edge.web.share import Share

        return Share([each.vitals for each in self._cameras])

    def application(
        self, over: Flag, port: int, stack: ExitStack, secure: bool = False, share: Share | None = None
    ) -> App:
        """All that is answered, without a server. over: says that all is over. port: where it listens. stack: gets
        what is to be ended then. secure: whether it is asked for by TLS. share: as `share` gives it. Raises ConfigError
        as `kept_of` does.
        """
        from edge.web.answers import OPEN, application  # loads a web server's worth of modules
        from edge.web.api import Api
        from edge.web.exchange import LOGIN_BYTES, PICTURE_BYTES
        from edge.web.guard import Guard
        from edge.web.pump import Pump
        from edge.web.sessions import Sessions
        from edge.web.stream import Viewers

        asked = self._asked
        needs_token = kept_of(asked, self._kept) is not None
        sessions = stack.enter_context(closing(Sessions(self._kept_now))) if needs_token else None
        share = share or self.share()
        pumps = {
            each.vitals.name: stack.enter_context(
                Pump(each.vitals, each.controls, asked.fps, share, encode=self._encode(each, stack))
            )
            for each in self._cameras
        }
        api = Api(self._cameras, pumps, self._choices, self._inbox, share)
        cookie = f"{'__Host-' if secure else ''}{COOKIE}_{port}"
        app = application(
            api, self._cameras, Viewers(asked.viewers), asked.fps, over,
            sessions=sessions, cookie=cookie, secure=secure, exposed=self._exposed,
        )  # fmt: skip
        most = {**dict.fromkeys(OPEN, LOGIN_BYTES), **({FRAME: PICTURE_BYTES} if self._inbox else {})}
        return Guard(app, names_of(asked), OPEN, sessions, cookie, most=most, refused=share.leave_out)

    def _encode(self, camera: Watched, stack: ExitStack) -> Encode:
        """What makes the JPEGs of a camera."""
        from edge.encoder import Encoder

        encoder = stack.enter_context(closing(Encoder(camera.vitals.name if len(self._cameras) > 1 else "")))

        def encode(pixels: Array, quality: int) -> bytes:
            if self._hardware_jpeg(camera):
                return encoder.encode(pixels, quality)
            encoder.close()  # other settings may have come
            return jpeg(pixels, quality)

        return encode

    def _serve(self, ours: socket, over: Flag) -> None:
        from edge.web.costs import Costs
        from edge.web.serving import serve

        most = 2 * self._asked.viewers + OTHERS
        with ExitStack() as stack:
            stack.callback(self._forget)
            tls = tls_of(self._asked, partial(self._tell, "certificate"))
            share = self.share()
            app = self.application(over, self.port or 0, stack, tls is not None, share)
            costs = Costs(aside=share.leave_out)
            serve(app, ours, over, most=most, stall_s=self._stall_s, tls=tls.context if tls else None, costs=costs)

    def _kept_now(self) -> Kept | None:
        kept, words = None, None
        try:
            kept = kept_of(self._asked, self._kept)
        except ConfigError as error:
            words = str(error)
        self._tell("token", words)
        return kept

    def _tell(self, part: str, words: str | None) -> None:
        """Say what does not work of a file that was right when all began, or that it does again."""
        if self._vitals.problems.get(part) != words:
            self._vitals.problem(part, words)
            log.warning("%s: %s", part, words or "works again")

    def _forget(self) -> None:
        for part in ("token", "certificate"):
            self._vitals.problem(part, None)


def kept_of(asked: Asked, kept: Kept | None = None) -> Kept | None:
    """What is kept of the token; None: whoever reaches the address may come in. kept: of a token that no file holds.

    Raises ConfigError where other machines reach it and there is no token, or it cannot be read.
    """
    line = web_token(asked)
    if line is not None or kept is not None:
        return kept or read(line or "", "the token's file")
    if asked.insecure or is_local(asked.listen):
        return None
    raise ConfigError(
        f"{asked.listen} is reached by other machines, and there is no token; "
        "make one with `edge service token`, or say `insecure = true`"
    )


def tls_of(asked: Asked, told: Callable[[str | None], None] = lambda _: None) -> Certificate | None:
    """How connections are encrypted; None: they are not. told: as `Certificate` has it.

    Raises ConfigError where the certificate does not serve.
    """
    from edge.web.tls import Certificate

    if asked.certificate is None:
        return None
    return Certificate(Path(asked.certificate), Path(asked.key or asked.certificate), told)


def names_of(asked: Asked) -> frozenset[str]:
    """What this machine is called, in lower case."""
    from edge.web.guard import host_of

    own = gethostname().lower()
    short = own.partition(".")[0]
    given = (host_of(each) or "" for each in (asked.listen, *asked.hosts))
    return frozenset({"localhost", own, short, f"{short}.local", *given} - {""})
