"""The live demo: a camera, its answers, and the page that shows both, for as long as somebody looks.

It is the service in small: the same loop, the same page, the same events and pictures, of settings that no file holds
and in a folder that goes when it ends.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from socket import socket
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edge.demo.reach import bound, url_of
from edge.errors import CameraError
from edge.inbox import Inbox
from edge.listening import is_local, listening
from edge.service.house import Page
from edge.service.notify import Notify
from edge.service.opening import opened
from edge.service.reload import Still
from edge.settings import Settings, Web
from edge.web.choices import Choices
from edge.web.token import make

if TYPE_CHECKING:
    from edge.pipeline import Pipeline
    from edge.recovery import Ladder
    from edge.service.life import Life
    from edge.service.signals import Asked
    from edge.turns import Shares

__all__ = ["Shown", "run", "url_of"]

LOOK_S = 0.02

BROWSER = "browser:"
"""The source of a camera that is on the page."""

READY_S = 60.0
"""The address is not waited for any longer; why there is none has been said by then."""

FAILS_WITHIN_S = 0.5
"""What cannot be opened has mostly failed by then, and no browser is opened for it."""


class Shown(NamedTuple):
    """Where the page is. token: whoever has it may come in; None: nobody needs one. fingerprint: of a certificate that
    was made for it just now."""

    url: str
    token: str | None
    is_local: bool
    fingerprint: str | None = None

    @property
    def link(self) -> str:
        """The address with the token behind it, where no server ever sees it as part of an address."""
        return f"{self.url}#token={self.token}" if self.token else self.url


def run(
    settings: Settings,
    asked: Asked,
    told: Callable[[Shown], None],
    beside: Callable[[Life, Flag], None] | None = None,
    ports: int = 1,
) -> int:
    """Run it until it is asked to end; returns the exit code.

    settings: with the source "browser:", the page's own camera is looked through. A token is made where other machines
    reach the page, unless it is insecure. told: is called when the page is there. beside: runs in the caller's thread,
    until it ends or the flag says that all is over; what is shown in a window or a terminal. ports: of so many, from
    that of the page's address on, the first that is free is taken.

    Raises what opening a camera or a model raised, where that never succeeded; ConfigError where the address cannot be
    had, or a certificate is needed and cannot be made.
    """
    from edge.service.life import Life

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-demo-")))
        settings, opens = _listening(settings, ports, stack)
        settings, fingerprint = _secure(settings, folder)
        web = settings.web
        token, kept = None, None
        if web is not None and not (web.token_file or web.insecure or is_local(web.listen)):
            token, kept = make()
        inbox = Inbox() if web is not None and settings.source == BROWSER else None
        openings = _Openings(inbox, lambda: life.stop())
        over = Flag()
        life = Life(
            Still(settings),
            asked,
            work=openings,
            notify=Notify({}),
            folder=folder / "state",
            page=Page(Choices(), kept, inbox, opens),
        )
        if web is not None:
            tells = partial(_tell, web, token, fingerprint, told)
            Thread(target=tells, args=(life, openings, over), name="edge-demo", daemon=True).start()
        try:
            code = life.run()[0] if beside is None else _beside(life, beside, over)
        finally:
            over.set()
    if openings.failed is not None:
        raise openings.failed
    return code


def _listening(settings: Settings, ports: int, stack: ExitStack) -> tuple[Settings, Callable[[str], socket]]:
    """The settings with the port that is had, and what gives its socket, once; from then on, others for its address."""
    web = settings.web
    if web is None:
        return settings, listening
    held = [stack.enter_context(bound(web.listen, ports))]
    there = f"{web.listen.rpartition(':')[0]}:{held[0].getsockname()[1]}"
    web = msgspec.structs.replace(web, listen=there)
    return msgspec.structs.replace(settings, web=web), lambda listen: held.pop() if held else listening(listen)


class _Openings:
    """Opens cameras and models; one that cannot be from the beginning ends all. end: has it end."""

    def __init__(self, inbox: Inbox | None, end: Callable[[], None]) -> None:
        self.failed: Exception | None = None
        self.settled = Flag()
        self._inbox = inbox
        self._end = end
        self._succeeded: set[str] = set()

    def __call__(self, settings: Settings, ladder: Ladder, shares: Shares) -> Pipeline:
        """As `edge.service.opening.opened`."""
        try:
            pipeline = opened(settings, ladder, shares, isolated=False, paced=True, inbox=self._inbox)
        except Exception as error:
            if settings.name in self._succeeded:
                raise
            self.failed = self.failed or error
            self._end()
            raise CameraError("it could not be opened to begin with") from error
        self._succeeded.add(settings.name)
        self.settled.set()
        return pipeline


def _tell(
    web: Web,
    token: str | None,
    fingerprint: str | None,
    told: Callable[[Shown], None],
    life: Life,
    openings: _Openings,
    over: Flag,
) -> None:
    """Wait for the page, and tell where it is; nothing where no camera can be opened."""
    openings.settled.wait(FAILS_WITHIN_S)
    end = time.monotonic() + READY_S
    while not over.is_set() and openings.failed is None and time.monotonic() < end:
        port = life.port
        if port is not None:
            url = url_of(web.listen, port, web.certificate is not None)
            told(Shown(url, token, is_local(web.listen), fingerprint))
            return
        over.wait(LOOK_S)


def _beside(life: Life, beside: Callable[[Life, Flag], None], over: Flag) -> int:
    codes: list[int] = []

    def runs() -> None:
        try:
            codes.append(life.run()[0])
        finally:
            over.set()

    thread = Thread(target=runs, name="edge-camera")
    thread.start()
    try:
        beside(life, over)
    finally:
        life.stop()
        thread.join()
    return codes[0] if codes else 1


def _secure(settings: Settings, folder: Path) -> tuple[Settings, str | None]:
    """The settings, with a certificate where the camera of another machine's browser needs one; and its fingerprint."""
    web = settings.web
    if web is None or settings.source != BROWSER or web.certificate or is_local(web.listen):
        return settings, None
    from urllib.parse import urlsplit

    from edge.demo import certificate

    made = certificate.make(folder, urlsplit(url_of(web.listen, 0, True)).hostname or "")
    secured = msgspec.structs.replace(web, certificate=str(made.certificate), key=str(made.key))
    return msgspec.structs.replace(settings, web=secured), made.fingerprint
