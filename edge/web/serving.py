"""Serves an ASGI application in the caller's thread, and cuts off who holds a connection and takes nothing.

A web server waits for ever for one who asks and then does not read: its socket, its buffers and a place among the
viewers would be lost to it. It takes as many connections as come, to the last file that the process may open, waits a
minute for each handshake of TLS, and reads whatever is sent as fast as that comes. Here all of that is bounded.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from socket import IPPROTO_TCP, TCP_NOTSENT_LOWAT, socket
from ssl import SSLContext
from threading import Event as Flag
from typing import Any, NamedTuple

from edge.errors import one_line
from edge.web.asgi import App
from edge.web.costs import CONNECTION_S, HANDSHAKE_S, REQUEST_S, Costs
from edge.web.exchange import refuse

log = logging.getLogger("edge")

LOOK_S = 0.1
"""How often connections are looked at."""

HEAD_BYTES = 16 << 10
"""Of a request, without its body."""

READ_BYTES = 32 << 10
"""Taken at once from a connection, so that one that sends much lets others have their turn."""

AHEAD_BYTES = 16 << 10
"""So much waits in the kernel beside what is on its way (tcp(7)), and at most one part of an answer before it: a viewer
that reads slowly sees the newest picture, and not all those of the last seconds one after another."""

HANDSHAKES = 32
"""Of TLS, at one time; where one more begins, the oldest is cut off."""

PASSING = (errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH,
           errno.ENONET, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPERM)  # fmt: skip
"""What befell one connection that was about to come, according to accept(2), and no other one."""

FULL_S = 1.0
"""Where nothing can be opened, mostly for want of files or memory, it is tried again after that."""

LEAVE_S = 0.3
"""How long answers may go on when all is over."""

LEAST_BYTES = 16 << 10
"""Of a request, in the time after which a connection is cut off: with less, nothing moves on it."""


class Movement(NamedTuple):
    """A connection when it was looked at last. since: seconds, when something last moved on it. come: bytes by then."""

    request: object
    unsent: int
    since: float
    come: int


class Stalls:
    """Finds connections on which nothing moves: not all of a request has come, or what was answered is not taken."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._seen: dict[Any, Movement] = {}

    def stuck(self, connections: Iterable[Any], now: float) -> list[Any]:
        """Those that are to be cut off. connections: uvicorn's. now: seconds."""
        self._seen = {each: self._look(each, now) for each in connections}
        return [each for each, seen in self._seen.items() if now - seen.since >= self._stall_s]

    def _look(self, connection: Any, now: float) -> Movement:
        request, unsent = connection.cycle, connection.transport.get_write_buffer_size()
        before = self._seen.get(connection)
        answering = not is_idle(connection) and not connection.transport.is_closing()
        still = before is not None and before.request is request and not 0 < unsent < before.unsent
        brings = before is not None and connection.come - before.come >= LEAST_BYTES
        if before is None or (answering and not unsent) or not still or brings:
            return Movement(request, unsent, now, connection.come)
        return Movement(request, unsent, before.since, before.come)


def is_idle(connection: Any) -> bool:
    """Whether nothing was asked, or not all of it has come, or all was answered. connection: uvicorn's."""
    request = connection.cycle
    return request is None or request.more_body or request.response_complete


def address_of(connection: Any) -> str:
    """From where it comes; "" where it has gone already. connection: uvicorn's."""
    return connection.client[0] if connection.client else ""


def serve(
    app: App,
    ours: socket,
    over: Flag,
    *,
    most: int,
    stall_s: float,
    tls: SSLContext | None = None,
    costs: Costs | None = None,
) -> None:
    """Answer on a socket that listens until all is over. most: connections; where one more comes, one that asks nothing
    is cut off, of the address that has the most of them. costs: of this server alone."""
    asyncio.run(_serve(app, ours, over, most, stall_s, tls, costs or Costs()))


async def _serve(
    app: App, ours: socket, over: Flag, most: int, stall_s: float, tls: SSLContext | None, costs: Costs
) -> None:
    server, begin = _server(app, most, costs)
    asyncio.get_running_loop().set_exception_handler(Teller())
    serving = asyncio.ensure_future(server.serve(sockets=[ours]))
    coming = asyncio.ensure_future(Acceptor(ours, begin, costs, stall_s, tls).take())
    stalls = Stalls(stall_s)
    connections = server.server_state.connections
    while not serving.done() and not coming.done() and not over.is_set():
        for stuck in stalls.stuck(list(connections), time.monotonic()):
            stuck.transport.abort()
        await asyncio.wait([serving, coming], timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
    coming.cancel()
    server.should_exit = True
    await asyncio.wait([serving, coming], timeout=LEAVE_S)
    for left in list(connections):
        left.transport.abort()
    await serving
    with suppress(asyncio.CancelledError):
        await coming  # raises what ended it, where that was another thing


class Teller:
    """Logs what befalls the sockets, such as that no file is left to open; each thing once, until it is another one."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, loop: object, what: dict[str, Any]) -> None:
        """As asyncio calls it."""
        words = one_line(what.get("exception") or what["message"])
        log.log(logging.DEBUG if words == self._said else logging.WARNING, "web: %s", words)
        self._said = words


class Acceptor:
    """Takes connections. begin: makes what answers one. stall_s: a handshake may take so long. full_s: where nothing
    more can be opened, it is tried again after that."""

    def __init__(
        self,
        ours: socket,
        begin: Callable[[], Any],
        costs: Costs,
        stall_s: float,
        tls: SSLContext | None,
        full_s: float = FULL_S,
    ) -> None:
        self._ours = ours
        self._begin = begin
        self._costs = costs
        self._tls = tls
        self._full_s = full_s
        self._limits = {"ssl_handshake_timeout": stall_s} if tls else {}
        self._coming: OrderedDict[asyncio.Task[None], socket] = OrderedDict()

    async def take(self) -> None:
        """Take them until it is cancelled."""
        loop = asyncio.get_running_loop()
        self._ours.setblocking(False)
        try:
            while True:
                try:
                    one, address = await loop.sock_accept(self._ours)
                except OSError as error:
                    passes = error.errno in PASSING
                    if not passes:
                        loop.call_exception_handler({"message": one_line(error), "exception": error})
                    await asyncio.sleep(0 if passes else self._full_s)  # asyncio may not have waited for anything
                    continue
                self._let_in(one, address[0])
                await asyncio.sleep(self._costs.all_wait_s)
        finally:
            for task in self._coming:
                task.cancel()

    def _let_in(self, one: socket, address: str) -> None:
        if self._costs.wait_s(address):
            self._costs.spend(address, CONNECTION_S / 2)
            one.close()
            return
        self._costs.spend(address, HANDSHAKE_S if self._tls else CONNECTION_S)
        task = asyncio.ensure_future(self._greet(one))
        self._coming[task] = one
        task.add_done_callback(self._coming.pop)
        if len(self._coming) > HANDSHAKES:
            next(iter(self._coming)).cancel()

    async def _greet(self, one: socket) -> None:
        try:
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(self._begin, one, ssl=self._tls, **self._limits)
        except Exception:  # noqa: BLE001 - whatever is sent in place of a handshake, it costs one connection
            one.close()


def _server(app: App, most: int, costs: Costs) -> tuple[Any, Callable[[], Any]]:
    """A server that takes no connections by itself, and what makes what answers one."""
    from uvicorn import Config, Server

    protocol = _bounded(most, costs)

    class Waiting(Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            self.servers = []
            self.started = True

    config = Config(
        app,
        loop="asyncio",
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    config.load()
    server = Waiting(config)
    return server, lambda: protocol(config, server.server_state, {})


def _bounded(most: int, costs: Costs) -> Any:
    """The class of what answers one connection. most: connections."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Bounded(H11Protocol):
        come = 0  # bytes

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # so is uvicorn's
            super().connection_made(transport)
            transport.max_size = READ_BYTES  # type: ignore[attr-defined]
            transport.set_write_buffer_limits(1, 0)  # with 0, TLS would wait for ever
            with suppress(OSError):  # it went as it came
                transport.get_extra_info("socket").setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, AHEAD_BYTES)
            _make_room(self, self.connections, most)

        def data_received(self, data: bytes) -> None:
            begun, before = time.thread_time(), self.cycle
            self.come += len(data)
            try:
                super().data_received(data)
            except Exception:  # noqa: BLE001 - whatever was sent, it costs one connection
                self.transport.abort()
            address = address_of(self)
            costs.spend(address, time.thread_time() - begun, 0 if self.cycle is before else REQUEST_S)
            wait_s = max(costs.wait_s(address), costs.all_wait_s)
            if wait_s and not self.transport.is_closing():
                self.transport.pause_reading()
                self.loop.call_later(wait_s, self._read_on)

        def send_400_response(self, msg: str) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self.cycle.disconnected = True  # this is the answer, and whoever works on another one hears so
                self.cycle.message_event.set()
            refuse(self, msg)

        def _read_on(self) -> None:
            if not self.flow.read_paused and not self.transport.is_closing():
                self.transport.resume_reading()

    return Bounded


def _make_room(new: Any, connections: Iterable[Any], most: int) -> None:
    there = [each for each in connections if not each.transport.is_closing()]
    if len(there) > most:
        count = Counter(map(address_of, there))
        idle = (each for each in there if each is not new and is_idle(each))
        max(idle, key=lambda each: count[address_of(each)], default=new).transport.abort()
