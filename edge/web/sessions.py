"""Who may come in: the token, and the sessions of browsers that once showed it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from edge.web.remembered import Remembered
from edge.web.token import Kept

log = logging.getLogger("edge")

IDLE_S, LAST_S = 30 * 86_400.0, 90 * 86_400.0
"""A session ends so long after it was used last, and in any case so long after it began."""

MOST = 256
"""Sessions at one time; where one more begins, the one that was used least lately ends."""

TRIES, TRIES_S = 10, 60.0
"""So many wrong tokens of one address are looked at in so many seconds. Others are not kept out by them."""

WAITING = 8
"""Tokens that wait to be looked at, of one address one. One at a time is: each takes 16 MiB."""

REST = 4.0
"""After a wrong token nothing is looked at for so many times as long as that one took, so that whoever sends them has a
fifth of one processor at most."""

LOOK_S = 1.0
"""How often it is looked whether there is another token."""


class Locked(Exception):
    """Too many wrong tokens came; seconds until the next is looked at."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(
            f"too many wrong tokens; this one was not looked at, the next is looked at in {self.seconds} s"
        )


class Session(NamedTuple):
    """Of one browser; seconds."""

    begun: float
    used: float


class Sessions:
    """Of one event loop. kept: what is kept of the token; None where it cannot be read: then nobody comes in. Where it
    is another one than before, all sessions end.

    clock: seconds. rest: waits so long.
    """

    def __init__(
        self,
        kept: Callable[[], Kept | None],
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], object] = time.sleep,
    ) -> None:
        self._source = kept
        self._kept = kept()
        self._clock = clock
        self._rest = rest
        self._looked_at = clock()
        self._used: OrderedDict[bytes, Session] = OrderedDict()
        self._right: bytes | None = None  # known again without the cost of finding out, as its SHA-256
        self._wrong = WrongTokens(clock)
        self._weighing: dict[bytes, tuple[str, asyncio.Future[bool]]] = {}
        self._thread = ThreadPoolExecutor(1, "edge-web-token")

    async def opens(self, token: str, address: str) -> bool:
        """Whether that is the token. address: whose. Raises Locked."""
        which = _digest(token)
        kept = self.look()
        if which == self._right or kept is None:
            return kept is not None
        if not await self._weigh(kept, token, which, address):
            self._wrong.one_more(address)
            return False
        if kept is not self.look():  # there is another one meanwhile
            return False
        self._right = which
        return True

    async def begin(self, token: str, address: str) -> str | None:
        """A session for whoever has the token, as the value of a cookie; None: it is wrong. Raises Locked."""
        if not await self.opens(token, address):
            return None
        session, now = secrets.token_urlsafe(32), self._clock()
        self._used[_digest(session)] = Session(now, now)
        while len(self._used) > MOST:
            self._used.popitem(last=False)
        return session

    def goes_on(self, session: str) -> bool:
        """Whether that session was begun and has not ended; it is used now."""
        which, now = _digest(session), self._clock()
        self.look()
        found = self._used.pop(which, None)
        if found is None or now - found.used > IDLE_S or now - found.begun > LAST_S:
            return False
        self._used[which] = Session(found.begun, now)
        return True

    def end(self, session: str) -> None:
        """End one; harmless where there is none."""
        self._used.pop(_digest(session), None)

    def knows(self, token: str) -> bool:
        """Whether a token that was right still is."""
        self.look()
        return _digest(token) == self._right

    def close(self) -> None:
        """End the thread; a token that is being looked at is waited for."""
        self._thread.shutdown(cancel_futures=True)

    def look(self) -> Kept | None:
        """What is kept of the token by now."""
        now = self._clock()
        if now - self._looked_at >= LOOK_S:
            self._looked_at, kept = now, self._source()
            if kept != self._kept:
                self._kept = kept
                self._used.clear()
                self._right = None
        return self._kept

    async def _weigh(self, kept: Kept, token: str, which: bytes, address: str) -> bool:
        if which not in self._weighing:
            self._wrong.refuse(address)
            if len(self._weighing) >= WAITING or address in {whose for whose, _ in self._weighing.values()}:
                raise Locked(1.0)
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._fits, kept, token)
            self._weighing[which] = address, work
            work.add_done_callback(lambda _: self._weighing.pop(which))
        return await asyncio.shield(self._weighing[which][1])

    def _fits(self, kept: Kept, token: str) -> bool:
        began = time.thread_time()
        right = kept.fits(token)
        if not right:
            self._rest(REST * (time.thread_time() - began))
        return right


class WrongTokens:
    """When wrong tokens came, by the address that they came from. clock: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = Remembered[Sequence[float]]()

    def refuse(self, address: str) -> None:
        """Raise Locked where too many came from there."""
        at = self._at.get(address, ())
        left = TRIES_S - (self._clock() - at[0]) if len(at) == TRIES else 0
        if left > 0:
            raise Locked(left)

    def one_more(self, address: str) -> None:
        """Count one."""
        at = (*self._at.get(address, ()), self._clock())[-TRIES:]
        self._at.put(address, at)
        if len(at) == TRIES and at[-1] - at[0] < TRIES_S:
            log.warning("web: %d wrong tokens came from %s, which is not listened to for a while", TRIES, address)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
