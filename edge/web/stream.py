"""Streams: pictures one after another in one answer, and what happens as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from threading import Event as Flag

from edge.web.asgi import Message, Receive, Send, begin, gone, part
from edge.web.exchange import GONE, NO_STORE
from edge.web.news import News
from edge.web.pump import Pump, Shot

BOUNDARY = "edge-frame"

EARLY_S = 0.004
"""What comes by so much before it is due is not kept waiting for the next time."""


OF_A_PAGE = 2
"""Streams: pictures, and what happens."""


class Full(Exception):
    """No more viewers are let in."""


class Viewers:
    """How many there are. most: at one time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._there: dict[asyncio.Event, str] = {}

    @asynccontextmanager
    async def one(self, address: str, receive: Receive) -> AsyncIterator[Receive]:
        """Count one more as long as it looks; where all places are taken, the oldest of the address that has most makes
        room for one that has fewer by more than a page takes. Gives `receive`, which says then that it has gone.

        Raises Full.
        """
        if len(self._there) >= self.most:
            self._make_room(address)
        ends = asyncio.Event()
        self._there[ends] = address
        try:
            yield partial(_received, receive, ends)
        finally:
            self._there.pop(ends, None)

    def _make_room(self, address: str) -> None:
        count = Counter(self._there.values())
        whose, most = count.most_common(1)[0]
        if most - count[address] <= OF_A_PAGE:
            raise Full
        oldest = next(ends for ends, each in self._there.items() if each == whose)
        del self._there[oldest]
        oldest.set()


async def _received(receive: Receive, ends: asyncio.Event) -> Message:
    """What comes, or that it has gone where it ends."""
    coming, ended = asyncio.ensure_future(receive()), asyncio.ensure_future(ends.wait())
    try:
        await asyncio.wait([coming, ended], return_when=asyncio.FIRST_COMPLETED)
        return dict(GONE) if ends.is_set() else await coming
    finally:
        coming.cancel()
        ended.cancel()


async def pictures(pump: Pump, fps: float, over: Flag, receive: Receive, send: Send) -> None:
    """Send the newest picture, again and again, until the viewer goes or all is over: an answer of ASGI.

    fps: at most so many a second. One that takes its time gets fewer of them, and always the newest.
    """
    await _until_gone(receive, _pictures(pump, fps, over, send))


async def _pictures(pump: Pump, fps: float, over: Flag, send: Send) -> None:
    await begin(send, 200, {**NO_STORE, "Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
    # A browser shows a picture when it sees the boundary behind it; so that ends each part.
    await send(part(f"--{BOUNDARY}\r\n".encode()))
    shot: Shot | None = None
    due = time.monotonic()
    with pump.looking(fps):
        while not over.is_set():
            await send(part(b""))  # returns when what was sent is on its way: what is chosen now is the newest
            found = await pump.next(shot)
            now = time.monotonic()
            shot = found or shot
            if found is not None and now >= due - EARLY_S:
                due = max(due, now - 1 / fps) + 1 / fps
                await send(part(_framed(found, pump.age_ms(found.frame))))
    await send({"type": "http.response.body"})


async def _until_gone(receive: Receive, work: Coroutine[object, object, None]) -> None:
    """Do it until whoever asked has gone."""
    doing, left = asyncio.ensure_future(work), asyncio.ensure_future(gone(receive))
    try:
        await asyncio.wait([doing, left], return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_done = doing.done()
        doing.cancel()
        left.cancel()
        await asyncio.wait([doing, left])
    if is_done:
        doing.result()


def _framed(shot: Shot, age_ms: float) -> bytes:
    data = shot.data or b""
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n"
        f"X-Frame: {shot.frame.index}\r\nX-Age-Ms: {age_ms:.1f}\r\n"
        f"X-Sent-Ms: {shot.frame.captured_at_ns / 1e6 + age_ms:.1f}\r\n\r\n"
    )
    return b"".join((head.encode(), data, f"\r\n--{BOUNDARY}\r\n".encode()))


async def events(news: News, rate: float, over: Flag, receive: Receive, send: Send) -> None:
    """Send what happens as server-sent events, until the viewer goes or all is over: an answer of ASGI.

    rate: answers a second at most. https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    await _until_gone(receive, _events(news, rate, over, send))


async def _events(news: News, rate: float, over: Flag, send: Send) -> None:
    await begin(send, 200, {**NO_STORE, "Content-Type": "text/event-stream"})
    with news.heard() as ear:
        await send(part(b"retry: 1000\n\n" + news.now()))
        due = time.monotonic() + 1 / rate
        while not over.is_set():
            await send(part(b""))  # as above
            await news.bell.heard()
            now = time.monotonic()
            ready = now >= due - EARLY_S
            told = ear.take(ready)
            if told:
                due = max(due, now - 1 / rate) + 1 / rate if ready else due
                await send(part(told))
    await send({"type": "http.response.body"})
