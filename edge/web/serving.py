"""Serves an ASGI application in the caller's thread, and cuts off who holds a connection and takes nothing.

A web server waits for ever for one who asks and then does not read: its socket, its buffers and a place among the
viewers would be lost to it. And it takes as many connections as come, to the last file that the process may open.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from socket import socket
from threading import Event as Flag
from typing import Any, NamedTuple

from edge.errors import one_line
from edge.web.answers import App

log = logging.getLogger("edge")

LOOK_S = 0.25
"""How often connections are looked at."""

LEAVE_S = 1.0
"""How long answers may go on when all is over."""


class Seen(NamedTuple):
    """A connection when it was looked at last. since: seconds, when something last moved on it."""

    request: object
    unsent: int
    since: float


class Stalls:
    """Finds connections on which nothing moves: nothing was asked, or what was answered is not taken."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._seen: dict[Any, Seen] = {}

    def stuck(self, connections: Iterable[Any], now: float) -> list[Any]:
        """Those that are to be cut off. connections: uvicorn's. now: seconds."""
        self._seen = {each: self._look(each, now) for each in connections}
        return [each for each, seen in self._seen.items() if now - seen.since >= self._stall_s]

    def _look(self, connection: Any, now: float) -> Seen:
        request, unsent = connection.cycle, connection.transport.get_write_buffer_size()
        before = self._seen.get(connection)
        answering = request is not None and not request.response_complete and not connection.transport.is_closing()
        still = before is not None and before.request is request and not 0 < unsent < before.unsent
        if before is None or (answering and not unsent) or not still:
            return Seen(request, unsent, now)
        return Seen(request, unsent, before.since)


def serve(app: App, ours: socket, over: Flag, *, most: int, stall_s: float) -> None:
    """Answer on a socket that listens until all is over. most: connections; where
    one more comes, one that asks nothing is cut off."""
    asyncio.run(_serve(app, ours, over, most, stall_s))


async def _serve(app: App, ours: socket, over: Flag, most: int, stall_s: float) -> None:
    server = _server(app, most)
    serving = asyncio.ensure_future(server.serve(sockets=[ours]))
    asyncio.get_running_loop().set_exception_handler(lambda _, what: _tell(what))
    stalls = Stalls(stall_s)
    connections = server.server_state.connections
    while not serving.done() and not over.is_set():
        for stuck in stalls.stuck(list(connections), time.monotonic()):
            stuck.transport.abort()
        await asyncio.wait([serving], timeout=LOOK_S)
    server.should_exit = True
    await asyncio.wait([serving], timeout=LEAVE_S)
    for left in list(connections):
        left.transport.abort()
    await serving


def _tell(what: dict[str, Any]) -> None:
    """Of what befalls the sockets, such as that no file is left to open."""
    log.warning("web: %s", one_line(what.get("exception") or what["message"]))


def _server(app: App, most: int) -> Any:
    from uvicorn import Config, Server
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Bounded(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # so is uvicorn's
            super().connection_made(transport)
            _make_room(self, self.connections, most)

    config = Config(
        app,
        loop="asyncio",
        http=Bounded,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=most,  # so many are taken before the first is looked at
        timeout_graceful_shutdown=1,
    )
    return Server(config)


def _make_room(new: Any, connections: Iterable[Any], most: int) -> None:
    there = [each for each in connections if not each.transport.is_closing()]
    if len(there) > most:
        idle = (each for each in there if each is not new and (each.cycle is None or each.cycle.response_complete))
        next(idle, new).transport.abort()
