"""What each address answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from threading import Event as Flag
from typing import Any

import msgspec

from edge.health import health
from edge.vitals import Vitals
from edge.web.newest import Newest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
"""ASGI 3.0."""

STREAM_FPS = 10.0
"""Pictures of a stream, a second and at most."""

BOUNDARY = "edge-frame"

PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of all answers: the next one is another one."""


def application(vitals: Vitals, newest: Newest, viewers: int, over: Flag) -> App:
    """All addresses. viewers: of the stream, at one time."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def how_it_fares(request: Request) -> Response:
        now = health(vitals)
        body = msgspec.json.encode(now)
        return Response(body, 200 if now.healthy else 503, PLAIN, media_type="application/json")

    async def one(request: Request) -> Response:
        frame = newest.frame
        data = await newest.jpeg(frame) if frame is not None else None
        if data is None:
            return PlainTextResponse(f"no picture: {vitals.words}\n", 503, PLAIN)
        return Response(data, 200, PLAIN, media_type="image/jpeg")

    def refuse(status: int, words: str) -> App:
        return PlainTextResponse(words, status, PLAIN)

    stream = Stream(newest, viewers, over, refuse)
    routes = [Route("/health", how_it_fares), Route("/picture.jpg", one), Route("/stream.mjpg", stream)]
    app: App = Starlette(routes=routes)
    return app


class Stream:
    """Sends the newest frame to each viewer, as fast as that one takes it; an ASGI application."""

    def __init__(self, newest: Newest, viewers: int, over: Flag, refuse: Callable[[int, str], App]) -> None:
        self._newest = newest
        self._most = viewers
        self._over = over
        self._refuse = refuse
        self._now = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send pictures until the viewer goes, or all is over."""
        if scope["method"] == "HEAD":
            await self._begin(send)
            await send({"type": "http.response.body"})
        elif scope["method"] != "GET":
            await self._refuse(405, "this can only be looked at\n")(scope, receive, send)
        elif self._now >= self._most:
            words = f"all {self._most} viewers are there; [web] viewers in the camera's file lets more in\n"
            await self._refuse(503, words)(scope, receive, send)
        else:
            self._now += 1
            try:
                await self._show(receive, send)
            finally:
                self._now -= 1

    async def _begin(self, send: Send) -> None:
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        headers = [(name.lower().encode(), value.encode()) for name, value in {**PLAIN, "Content-Type": kind}.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _show(self, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await self._begin(send)
            # A browser shows a picture when it sees the boundary behind it; so that ends each part.
            await send(_part(f"--{BOUNDARY}\r\n".encode()))
            shown = None
            while not gone.done() and not self._over.is_set():
                frame = self._newest.frame
                if frame is not None and frame is not shown:
                    shown, data = frame, await self._newest.jpeg(frame)
                    if data is not None:
                        await send(_part(_framed(data)))
                await asyncio.wait([gone], timeout=1 / STREAM_FPS)
            if not gone.done():
                await send({"type": "http.response.body"})
        finally:
            gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _part(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


def _framed(data: bytes) -> bytes:
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + f"\r\n--{BOUNDARY}\r\n".encode()
