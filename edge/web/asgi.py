"""The little of ASGI 3.0 that is used without a library: https://asgi.readthedocs.io/en/latest/specs/www.html"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol, TypeVar

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Made = TypeVar("Made")


SESSION = "edge.session"
"""Stands in the scope of a request whose browser has logged in."""


class Request(Protocol):
    """What is asked, as the library that finds the way to whoever answers it has it."""

    @property
    def method(self) -> str:
        """GET, and so on."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By their names, whatever their case."""
        ...

    @property
    def cookies(self) -> Mapping[str, str]:
        """By their names."""
        ...

    @property
    def client(self) -> Any:
        """Who asks: an address with a `host`; None: it is not known."""
        ...

    @property
    def query_params(self) -> Mapping[str, str]:
        """What stands behind the question mark."""
        ...

    @property
    def path_params(self) -> Mapping[str, str]:
        """What stands for a name in the path."""
        ...

    @property
    def scope(self) -> Message:
        """The request as ASGI has it."""
        ...

    async def body(self) -> bytes:
        """What was brought along."""
        ...


async def begin(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Begin an answer."""
    told = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": told})


async def answer(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Answer, whole."""
    await begin(send, status, {**headers, "Content-Length": str(len(body))})
    await send({"type": "http.response.body", "body": body})


def part(data: bytes) -> Message:
    """A part of an answer that goes on."""
    return {"type": "http.response.body", "body": data, "more_body": True}


async def gone(receive: Receive) -> None:
    """Return when whoever asked has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def in_thread(work: Callable[..., Made], *given: Any) -> Made:
    """What may wait for a disk or a processor, so that nobody else waits."""
    return await asyncio.get_running_loop().run_in_executor(None, lambda: work(*given))
