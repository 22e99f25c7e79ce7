"""What each address answers."""

from __future__ import annotations

import gzip
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from threading import Event as Flag
from typing import Any

import msgspec

from edge.errors import one_line
from edge.health import health
from edge.web import shapes, stream, ways
from edge.web.api import Api, Jpeg, Wrong
from edge.web.asgi import App, Message, Receive, Request, Send, in_thread
from edge.web.exchange import NO_STORE
from edge.web.guard import cookies, read
from edge.web.sessions import Locked, Sessions
from edge.web.watched import Exposed, Watched

log = logging.getLogger("edge")

Response = Any
"""One of starlette's, which is loaded where it is needed; or an application of ASGI."""

Answering = Callable[[Request], Awaitable[Response]]

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
       for name in ("answers", "api", "app", "draw", "events", "login", "mosaic", "own", "plots", "settings",
                    "stream", "vitals", "words")},
}  # fmt: skip
"""The page's own files: these, and no others of the file system."""

GZIP = re.compile(r"(?:^|,)[ \t]*gzip[ \t]*(?:,|$|;[ \t]*q=(?:1|0\.\d*[1-9]))", re.IGNORECASE)
"""Where `Accept-Encoding` has it (RFC 9110, 12.5.3)."""

OPEN = frozenset((*PAGE, "/login", "/logout", "/healthz"))
"""What needs no token: there is nothing of the camera in it."""


def application(
    api: Api,
    cameras: Sequence[Watched],
    viewers: stream.Viewers,
    fps: float,
    over: Flag,
    *,
    sessions: Sessions | None,
    cookie: str,
    secure: bool,
    exposed: Exposed | None,
) -> App:
    """All addresses. fps: of streams, at most. secure: they are asked for by TLS."""
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect

    entrance = Entrance(sessions, cookie, secure)
    streams = Streams(api, viewers, fps, over)
    own: dict[str, Answering] = {"pictures": streams.pictures, "news": streams.news}
    told = {way.handler: own.get(way.handler) or answering(api, way) for way in ways.WAYS}
    names = [each.vitals.name for each in cameras]
    document = ways.document(names, None if sessions is None else cookie)
    addresses: list[tuple[str, str, Answering]] = [
        *((way.method, f"{ways.ROOT}{way.path}", told[way.handler]) for way in ways.WAYS),
        *(("GET", path, _file(*file)) for path, file in PAGE.items()),
        ("GET", f"{ways.ROOT}/openapi.json", _always(msgspec.json.encode(document), ways.JSON, NO_STORE)),
        ("POST", "/login", entrance.begin),
        ("POST", "/logout", entrance.end),
        ("GET", "/healthz", _alive(cameras)),
        ("GET", "/health", _health(api)),
        ("GET", "/picture.jpg", told["picture"]),
        ("GET", "/stream.mjpg", told["pictures"]),
        *([("GET", "/metrics", _metrics(exposed))] if exposed else []),
    ]
    told_of: dict[Any, Any] = {404: _nothing, 405: _nothing, ClientDisconnect: _gone, Exception: _fault}
    app = Starlette(routes=routes(addresses), exception_handlers=told_of)
    app.router.redirect_slashes = False  # to an address that is made of the Host header
    return app


def routes(addresses: Sequence[tuple[str, str, Answering]]) -> list[Any]:
    """One for each path, whatever the methods, so that who asks with another one is told all of them."""
    from starlette.routing import Route

    by_path: dict[str, dict[str, Answering]] = {}
    for method, path, answer in addresses:
        by_path.setdefault(path, {})[method] = answer
    return [Route(path, _by_method(methods), methods=list(methods)) for path, methods in by_path.items()]


def _by_method(methods: dict[str, Answering]) -> Answering:
    async def answer(request: Request) -> Response:
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return answer


def answering(api: Api, way: ways.Way) -> Answering:
    """Answers one address of the API."""
    handler = getattr(api, way.handler)
    kind = {shapes.Wish: ways.JSON}.get(way.asks, way.asks)

    async def answer(request: Request) -> Response:
        try:
            if kind and request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
                raise Wrong(415, f"send that as Content-Type: {kind}")
            if inspect.iscoroutinefunction(handler):
                made = await handler(request)
            else:
                made = await in_thread(handler, request, *([await request.body()] if kind else []))
        except Wrong as error:
            return failed(error.status, str(error))
        except OSError as error:
            return failed(503, one_line(error))
        return _told(made)

    return answer


def _told(made: Any, status: int = 200) -> Response:
    from starlette.responses import Response

    if made is None:
        return Response(status_code=204, headers=NO_STORE)
    if isinstance(made, Jpeg):
        return Response(made.data, status, {"Cache-Control": made.kept}, media_type=ways.JPEG)
    return Response(msgspec.json.encode(made), status, NO_STORE, media_type=ways.JSON)


def failed(status: int, words: str) -> Response:
    """An answer that tells why there is none."""
    return _told(shapes.Failure(words), status)


class Streams:
    """Answers that go on, for as many viewers as there may be."""

    def __init__(self, api: Api, viewers: stream.Viewers, fps: float, over: Flag) -> None:
        self._api = api
        self._viewers = viewers
        self._fps = fps
        self._over = over

    async def pictures(self, request: Request) -> Response:
        """Pictures, one after another."""
        try:
            pump, fps = self._api.pictures(request)
        except Wrong as error:
            return failed(error.status, str(error))
        rate = min(fps, self._fps)
        return await self._going(
            request, ways.STREAM, lambda receive, send: stream.pictures(pump, rate, self._over, receive, send)
        )

    async def news(self, request: Request) -> Response:
        """What happens."""
        try:
            told, rate = self._api.news(request)
        except Wrong as error:
            return failed(error.status, str(error))
        return await self._going(
            request, ways.SSE, lambda receive, send: stream.events(told, rate, self._over, receive, send)
        )

    async def _going(self, request: Request, kind: str, work: Callable[[Receive, Send], Awaitable[None]]) -> Response:
        viewers = self._viewers
        if request.method == "HEAD":  # it would go on, for nobody
            return await _always(b"", kind, NO_STORE)(request)

        async def going(scope: Message, receive: Receive, send: Send) -> None:
            try:
                async with viewers.one(request.client.host if request.client else "", receive) as heard:
                    await work(heard, send)
            except stream.Full:
                words = f"all {viewers.most} viewers are there; [web] viewers in the camera's file lets more in"
                answer = failed(503, words)
                answer.headers["Retry-After"] = "1"
                await answer(scope, receive, send)

        return going


class Entrance:
    """Where the token is shown, and a session begins and ends."""

    def __init__(self, sessions: Sessions | None, cookie: str, secure: bool) -> None:
        self._sessions = sessions
        self._cookie = cookie
        self._secure = secure

    async def begin(self, request: Request) -> Response:
        """Let somebody in who has the token."""
        if self._sessions is None:
            return _told(None)
        try:
            token = msgspec.json.decode(await request.body(), type=shapes.Login).token
            session = await self._sessions.begin(token, request.client.host if request.client else "")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return failed(422, 'send {"token": "…"}')
        except Locked as error:
            answer = failed(429, str(error))
            answer.headers["Retry-After"] = str(error.seconds)
            return answer
        if session is None:
            return failed(401, "that is not the token")
        answer = _told(None)
        answer.set_cookie(self._cookie, session, httponly=True, samesite="strict", secure=self._secure)
        return answer

    async def end(self, request: Request) -> Response:
        """Let somebody out."""
        answer = _told(None)
        if self._sessions is not None:
            for session in cookies(read(request.scope), self._cookie):  # which one is ours, only we know
                self._sessions.end(session)
        answer.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=self._secure)
        return answer


def _file(name: str, kind: str) -> Answering:
    """One of the page's own, made smaller once. Nothing else is: of what holds a secret, the size would tell of it."""
    data = (files("edge.web") / "page" / name).read_bytes()
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    whole = _always(data, kind, headers)
    small = _always(gzip.compress(data, mtime=0), kind, {**headers, "Content-Encoding": "gzip"})

    async def answer(request: Request) -> Response:
        return await (small if GZIP.search(request.headers.get("accept-encoding", "")) else whole)(request)

    return answer


def _always(data: bytes, kind: str, headers: dict[str, str]) -> Answering:
    async def answer(request: Request) -> Response:
        from starlette.responses import Response

        return Response(data, 200, headers, media_type=kind)

    return answer


def _alive(cameras: Sequence[Watched]) -> Answering:
    """Of all, without their names: who has no token may ask."""

    async def answer(request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        unwell = [each.condition for each in map(health, (each.vitals for each in cameras)) if not each.healthy]
        lost = next((each for each in unwell if each != "paused"), None)  # a pause is what somebody wants
        words = {None: "paused" if unwell else "ok", "running": "silent"}.get(lost, lost)
        return PlainTextResponse(f"{words}\n", 503 if lost else 200, NO_STORE)

    return answer


def _health(api: Api) -> Answering:
    async def answer(request: Request) -> Response:
        try:
            now = api.health(request)
        except Wrong as error:
            return failed(error.status, str(error))
        return _told(now, 200 if now.healthy else 503)

    return answer


def _metrics(exposed: Exposed) -> Answering:
    async def answer(request: Request) -> Response:
        from starlette.responses import Response

        body, kind = await in_thread(exposed, request.headers.get("accept", ""))
        return Response(body, 200, {**NO_STORE, "Content-Type": kind})

    return answer


async def _nothing(request: Request, error: Any) -> Response:
    answer = failed(error.status_code, "there is nothing of that name" if error.status_code == 404 else "not that way")
    answer.headers.update(error.headers or {})
    return answer


async def _gone(request: Request, error: Exception) -> Response:
    """Whoever asked went before all of the request had come: nobody is told anything."""
    return _told(None)


async def _fault(request: Request, error: Exception) -> Response:
    log.error("web: a fault of edge: %s: %s", one_line(request.scope["path"], 100), one_line(repr(error)))
    return failed(500, f"{type(error).__name__}: a fault of edge")
