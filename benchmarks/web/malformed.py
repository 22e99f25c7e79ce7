"""What is sent to a web server by those who mean it ill, or by broken programs: bytes, by a random generator.

After RFC 9112 (sections 3, 5, 6 and 11.2, on messages that are cut, too long or told in two lengths), RFC 3986 and what
scanners send.
"""

from __future__ import annotations

import random
from collections.abc import Callable

PATHS = (
    "/",
    "/healthz",
    "/metrics",
    "/login",
    "/picture.jpg",
    "/api/v1/status",
    "/api/v1/settings",
    "/api/v1/events",
    "/api/v1/frame",
    "/api/v1/snapshot",
    "/api/v1/events/x/picture",
    "/nothing",
)

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT")

JUNK = (
    "%00",
    "%ff%fe",
    "%",
    "%zz",
    "..%2f..%2fetc%2fpasswd",
    "../../../../etc/shadow",
    "%c0%ae%c0%ae/",
    "//",
    "\\..\\",
    "%e2%80%ae",
    "?camera=%ff",
    "?limit=1e99",
    "?limit=-1",
    "?before=%27%3b--",
    "?fps=nan",
    "?camera=" + "a" * 5000,
    "?" + "&".join("a=b" for _ in range(500)),
    "%2e" * 2000,
)

HOSTS = (
    "",
    "evil.example",
    "127.0.0.1, evil.example",
    "[::1",
    "[]:80",
    "127.0.0.1:99999999999",
    "a" * 3000,
    "\t",
    "127.0.0.1@evil.example",
    "localhost:x",
    "xn--\x7f",
    "127.0.0.1 ",
)

LENGTHS = ("-1", "+5", "0x10", "1e3", "5, 5", "5, 6", "", "9" * 30, "10 ", "\u0665", "4194305", "1\x00")

CODINGS = (
    "chunked",
    "Chunked",
    "chunked, identity",
    "identity, chunked",
    "gzip",
    "xchunked",
    "chunked\x0b",
    "",
    "chunked,",
)

CHUNKS = (
    b"-1\r\nx\r\n",
    b"ffffffffffffffffffff\r\n",
    b"5\r\nab",
    b"g\r\n",
    b"5;" + b"a=b;" * 3000 + b"\r\nabcde\r\n",
    b"1\r\na\r\n" * 3000 + b"0\r\n\r\n",
    b"0\r\nX: y\r\n" * 50,
    b"5\nabcde\n0\n\n",
    b"\r\n\r\n",
    b"3\r\nabcd\r\n",
)

BODIES = (
    b"",
    b"{",
    b"null",
    b"[" * 3000,
    b'{"token": ' + b"[" * 3000,
    b'{"token": "\xff\xfe"}',
    b'{"token": 1e999}',
    b'{"threshold": "\xed\xa0\x80"}',
    b'{"token": "' + b"a" * 9000 + b'"}',
    b"\xff\xd8\xff" + bytes(400),
    b'{"paused": "yes"}',
    b'{"model": "../../etc/passwd"}',
    b'{"source": "file:///etc/passwd"}',
)

VALUES = (
    "\x00",
    "\xff\xfe",
    "a" * 9000,
    '%%%;;;="',
    "Bearer ",
    "Bearer \xe9",
    "Basic Og==",
    "Bearer " + "x" * 4000,
    "bytes=0-,-1,5-2",
    "100-continue",
    "websocket",
    "h2c",
    "\x1b[2J",
    "=; =; =",
    "{}" * 100,
)

NAMES = (
    "Cookie",
    "Authorization",
    "Origin",
    "Sec-Fetch-Site",
    "Range",
    "Expect",
    "Upgrade",
    "Connection",
    "Accept",
    "Content-Type",
    "X-Forwarded-For",
    "If-None-Match",
    "Bad Name",
    "",
    ":",
    "Ü",
    "a\x00b",
    "Last-Event-ID",
)

OTHER = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"\x15\x03\x01\x00\x02\x02\x28",
    b"\r\n" * 5000,
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET  /  HTTP/1.1\r\n\r\n",
    b" GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\n\r\n",
    b"\x00",
    b"\n",
)

Kind = Callable[[random.Random], bytes]


def request(
    chance: random.Random, *, path: str | None = None, headers: list[tuple[str, str]] | None = None, body: bytes = b""
) -> bytes:
    """One that would be right, but for what is given."""
    told = [("Host", "localhost"), *(headers or [])]
    lines = [
        f"{chance.choice(METHODS)} {path or chance.choice(PATHS)} HTTP/1.1",
        *(f"{n}: {v}" for n, v in told),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def garbage(chance: random.Random) -> bytes:
    """No HTTP at all."""
    return chance.choice((chance.choice(OTHER), chance.randbytes(chance.randrange(1, 2000))))


def target(chance: random.Random) -> bytes:
    """An address that is none, or that leads where nothing is to be had."""
    junk = chance.choice(JUNK) if chance.random() < 0.8 else "a" * chance.choice((1000, 20_000, 70_000))
    return request(chance, path=chance.choice(PATHS) + junk)


def host(chance: random.Random) -> bytes:
    """The name of another machine, of none, or several."""
    name = chance.choice(HOSTS)
    return (
        request(chance).replace(b"Host: localhost", f"Host: {name}".encode(), 1)
        if chance.random() < 0.8
        else (request(chance, headers=[("Host", name)]))
    )


def header(chance: random.Random) -> bytes:
    """Headers that are garbage, very long or very many."""
    many = chance.random() < 0.2
    count = chance.choice((300, 2500, 20_000)) if many else 1
    return request(
        chance, headers=[(chance.choice(NAMES), "x" if many else chance.choice(VALUES)) for _ in range(count)]
    )


def length(chance: random.Random) -> bytes:
    """A length that is none, or two that contradict each other."""
    told = [("Content-Length", chance.choice(LENGTHS)) for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.3:
        told.insert(chance.randrange(2), ("Transfer-Encoding", chance.choice(CODINGS)))
    smuggled = b"0\r\n\r\nGET /api/v1/settings HTTP/1.1\r\nHost: localhost\r\n\r\n"
    return request(chance, headers=told, body=chance.choice((smuggled, chance.choice(BODIES))))


def chunked(chance: random.Random) -> bytes:
    """A body in pieces that do not fit."""
    told = [("Transfer-Encoding", chance.choice(CODINGS))]
    return request(chance, headers=told, body=chance.choice(CHUNKS) * chance.choice((1, 1, 10)))


def body(chance: random.Random) -> bytes:
    """What is brought along is no JSON, no picture, or shorter or longer than it was said to be."""
    sent = chance.choice(BODIES)
    size = max(0, len(sent) + chance.choice((0, 0, 0, -1, 1, 100_000)))
    kind = chance.choice(("application/json", "image/jpeg", "text/plain", "multipart/form-data; boundary="))
    return request(chance, headers=[("Content-Length", str(size)), ("Content-Type", kind)], body=sent)


def many(chance: random.Random) -> bytes:
    """Many in one piece, without waiting for an answer."""
    return request(chance) * chance.choice((2, 10, 100))


def cut(chance: random.Random) -> bytes:
    """The beginning of another one."""
    whole = chance.choice(KINDS[:-1])(chance)
    return whole[: chance.randrange(1, len(whole) + 1)]


KINDS: tuple[Kind, ...] = (garbage, target, host, header, length, chunked, body, many, cut)


def any_of_them(chance: random.Random) -> bytes:
    """One of all kinds; never empty."""
    return chance.choice(KINDS)(chance) or b"\x00"
