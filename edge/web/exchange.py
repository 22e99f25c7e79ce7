"""A request and its answer, as the application behind the guard has them: it gets no more than may come, its answers
have the headers of all, and what goes on ends where whoever asks may not look any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from edge.web.asgi import Message, Receive, Send

MOST_BYTES, PICTURE_BYTES, LOGIN_BYTES = 256 << 10, 4 << 20, 4 << 10
"""Of what a request brings along: any, one with a picture of a browser's camera, one that needs no token."""

LOOK_S = 1.0
"""How often it is looked whether whoever takes an answer that goes on still may."""

POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "connect-src 'self'",
    "media-src 'self' blob:", "manifest-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types 'none'",  # no text ever becomes markup
))  # fmt: skip

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer."""

NO_STORE = {"Cache-Control": "no-store"}

OWN = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

GONE = {"type": "http.disconnect"}


class Exchange:
    """`receive` and `send` are those of ASGI. most: bytes. holds: whether whoever asks still may; None: everybody may.

    is_large: more than `most` came. over: nothing is told any more. status: of what was told; 0: nothing was.
    """

    def __init__(
        self, receive: Receive, send: Send, most: int, holds: Callable[[], bool] | None = None, look_s: float = LOOK_S
    ) -> None:
        self._receive = receive
        self._send = send
        self.holds = holds
        self._most = most
        self._look_s = look_s
        self._come = 0
        self._coming: asyncio.Future[Message] | None = None
        self.is_large = self.over = False
        self.status = 0

    async def receive(self) -> Message:
        """What comes; that whoever asks has gone, where all is over."""
        message = await (self._receive() if self.holds is None else self._next(self.holds))
        self._come += len(message.get("body", b""))
        self.is_large = self._come > self._most
        self.over |= self.is_large
        return dict(GONE) if self.over else message

    async def send(self, message: Message) -> None:
        """Tell it, with the headers of every answer, unless all is over."""
        if self.over:
            return
        if message["type"] == "http.response.start":
            told = list(message.get("headers", ()))
            names = {name for name, _ in told}
            message["headers"] = told + [each for each in OWN if each[0] not in names]
            self.status = message["status"]
        await self._send(message)

    def close(self) -> None:
        """End it: nothing is waited for."""
        if self._coming is not None:
            self._coming.cancel()

    async def _next(self, holds: Callable[[], bool]) -> Message:
        if self._coming is None:
            self._coming = asyncio.ensure_future(self._receive())
        coming = self._coming
        while not (await asyncio.wait([coming], timeout=self._look_s))[0]:
            if not holds():
                self.over = True
                return dict(GONE)
        self._coming = None
        return coming.result()


def refuse(connection: Any, words: str) -> None:
    """Answer what is no request, and close. connection: uvicorn's."""
    import h11  # that uvicorn reads with

    told = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *OWN]
    begin = h11.Response(status_code=400, headers=told, reason=b"Bad Request")
    for event in (begin, h11.Data(data=words.encode()), h11.EndOfMessage()):
        connection.transport.write(connection.conn.send(event))
    connection.transport.close()
