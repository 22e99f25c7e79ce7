"""Stands before all addresses: who calls this machine by a name that is not its own, comes from another page, asks for
too much, or has no token, gets no further. docs/security.md tells what each of these is against.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Container, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from edge.web.asgi import SESSION, App, Message, Receive, Send, answer
from edge.web.costs import REQUEST_S
from edge.web.exchange import HEADERS, MOST_BYTES, NO_STORE, Exchange
from edge.web.remembered import Remembered
from edge.web.sessions import Locked, Sessions

RATE, BURST = 100.0, 300.0
"""Requests a second of one address, and how many at once; a page asks for a few, and sends a picture each frame."""

ONCE = {"host", "origin", "content-length", "transfer-encoding", "authorization"}

SAFE = ("GET", "HEAD")

BAD = 400
"""Of an answer, from which on its request came to nothing."""


class Asked(NamedTuple):
    """What a request says of itself. headers: by their names, in lower case; twice: those that stand there again."""

    method: str
    path: str
    origin: str
    """What pages of this very address have as theirs."""
    headers: dict[str, str]
    twice: frozenset[str]
    address: str


class Refusal(NamedTuple):
    """Why somebody gets no further."""

    status: int
    words: str
    headers: Mapping[str, str] = MappingProxyType({})


class Guard:
    """An ASGI application before another one.

    names: by which this machine is called, in lower case; addresses always are its own. open_to_all: paths that need
    no token. sessions: None: nobody needs one. cookie: the name of the one that holds a session. most: how
    many bytes may come, by path, where that is not `MOST_BYTES`. refused: is told what each request took of the
    processor that came to nothing, in seconds. clock: seconds.
    """

    def __init__(
        self,
        app: App,
        names: Container[str],
        open_to_all: Container[str],
        sessions: Sessions | None,
        cookie: str,
        *,
        most: Mapping[str, int] = MappingProxyType({}),
        refused: Callable[[float], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._bytes = most
        self._names = names
        self._open_to_all = open_to_all
        self._sessions = sessions
        self._cookie = cookie
        self._refused = refused
        self._rates = Rates(clock)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer, or have it answered."""
        if scope["type"] != "http":
            return
        begun, asked = time.thread_time(), read(scope)
        exchange = Exchange(receive, send, self._most(asked))
        found = self._refusal(asked) or await self._pass(asked, scope)
        if not isinstance(found, Refusal):
            exchange.holds = found
            found = await self._let_in(exchange, scope)
        if found is not None:
            body = msgspec.json.encode({"error": found.words})
            headers = {
                **HEADERS,
                **NO_STORE,
                "Content-Type": "application/json",
                "Connection": "close",
                **found.headers,
            }
            await answer(send, found.status, headers, body)
        if found is not None or exchange.status >= BAD:
            self._refused(min(time.thread_time() - begun, REQUEST_S))  # others may have had their turn meanwhile

    async def _let_in(self, exchange: Exchange, scope: Message) -> Refusal | None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            if not exchange.over:  # else it could not know what to do with what came by half
                raise
        finally:
            exchange.close()
        return TOO_LARGE if exchange.is_large and not exchange.status else None

    def _refusal(self, asked: Asked) -> Refusal | None:
        headers = asked.headers
        if not self._rates.allows(asked.address):
            return Refusal(429, "too many requests; ask less often", {"Retry-After": "1"})
        if asked.twice & ONCE or "host" not in headers:
            return Refusal(400, "one Host is needed, and nothing of that kind twice")
        name = host_of(headers["host"])
        if name is None or not (is_address(name) or name in self._names):
            return Refusal(421, "this machine is not called that; its owner can add the name to [web] hosts")
        if is_foreign(asked):
            return Refusal(403, "another page may not ask for that")
        size = headers.get("content-length", "0")
        if ("transfer-encoding" in headers and "content-length" in headers) or not (size.isascii() and size.isdigit()):
            return Refusal(400, "one length is needed, or none where it comes in pieces")
        return TOO_LARGE if int(size[:20]) > self._most(asked) else None

    def _most(self, asked: Asked) -> int:
        return self._bytes.get(asked.path, MOST_BYTES)

    async def _pass(self, asked: Asked, scope: Message) -> Refusal | Callable[[], bool] | None:
        """Why somebody who has no token gets no further; for who has one, whether it still holds."""
        sessions = self._sessions
        if sessions is None or asked.path in self._open_to_all:
            return None
        sessions.look()  # so that a file that is bad, or good again, is said, whoever asks
        for session in cookies(asked, self._cookie):
            if sessions.goes_on(session):
                scope[SESSION] = True
                return partial(sessions.goes_on, session)
        scheme, _, token = (part.strip() for part in asked.headers.get("authorization", "").partition(" "))
        if scheme.lower() != "bearer" or not token:
            return Refusal(401, "a token is needed: log in on the page, or send it as Bearer", _ASK)
        try:
            right = await sessions.opens(token, asked.address)
        except Locked as error:
            return Refusal(401, str(error), {**_ASK, "Retry-After": str(error.seconds)})
        return partial(sessions.knows, token) if right else Refusal(401, "that is not the token", _ASK)


TOO_LARGE = Refusal(413, "so many bytes are not taken here")

_ASK = {"WWW-Authenticate": 'Bearer realm="edge"'}


def read(scope: Message) -> Asked:
    """What a request says."""
    headers: dict[str, str] = {}
    twice = set()
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        told = value.decode("latin-1")
        if key in headers:
            twice.add(key)
            told = f"{headers[key]}; {told}" if key == "cookie" else told  # RFC 9113, 8.2.3
        headers[key] = told
    client = scope.get("client") or ("", 0)
    origin = f"{scope.get('scheme', 'http')}://{headers.get('host', '').lower()}"
    return Asked(scope["method"], scope["path"], origin, headers, frozenset(twice), client[0])


def is_foreign(asked: Asked) -> bool:
    """Whether the page of another address asks: browsers say so themselves, and no script can have them say otherwise.

    https://www.w3.org/TR/fetch-metadata/ and RFC 6454, section 7. Who follows a link to the page is let in.
    """
    headers = asked.headers
    origin = headers.get("origin")
    # Where somebody stands before us who speaks TLS, pages have https, and we do not know.
    if origin is not None and origin.lower() not in (asked.origin, asked.origin.replace("http://", "https://", 1)):
        return True
    site = headers.get("sec-fetch-site", "none")
    if site in ("same-origin", "none"):
        return False
    visit = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (visit and asked.method in SAFE and asked.path == "/")


def host_of(header: str) -> str | None:
    """The name or address in a Host header, in lower case and without brackets; None where it is no such header."""
    name, colon, port = header.strip().lower().rpartition(":")
    if not colon or header.endswith("]"):
        name, port = header.strip().lower(), ""
    if colon and port and not (port.isascii() and port.isdigit()):
        return None
    if name.startswith("["):
        return name[1:-1] if name.endswith("]") and ":" in name else None
    return name.removesuffix(".") if name and not set(name) & set("/@?#[]: ") else None


def is_address(name: str) -> bool:
    """Whether that is an IP address: no other machine's page can be reached by one and have its name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def cookies(asked: Asked, name: str) -> list[str]:
    """The values of a cookie. A page on another port of this machine may have set some of that name beside ours; the
    size of a request's head bounds how many."""
    pairs = (part.strip().partition("=") for part in asked.headers.get("cookie", "").split(";"))
    return [value for key, _, value in pairs if key == name]


class Rates:
    """How many requests each address may make. clock: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = Remembered[tuple[float, float]]()

    def allows(self, address: str) -> bool:
        """Count one more; whether it may be."""
        now = self._clock()
        left, at = self._left.get(address, (BURST, now))
        left = min(BURST, left + (now - at) * RATE)
        self._left.put(address, (max(left - 1, 0.0), now))
        return left >= 1
