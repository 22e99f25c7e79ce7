"""Fetch one file over HTTP, go on where it was cut, and believe nothing that the server says.

Waits are bounded, retries too. Ranges and `If-Range` are in sections 13 to 15 of RFC 9110; a server that ignores them
sends the whole (200), which begins again.
"""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage, HTTPResponse
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO
from urllib.parse import urlsplit

from edge.errors import FetchError, one_line
from edge.models.store.part import Part

MOST_SAID = 200
"""Characters of what a server says that go into a message."""

TRIES = 5
"""Connections in a row that bring the file no further, or hardly."""

WORTH = 20
"""A connection that brings at least this fraction of the file, one part in twenty, does not count as a failed try."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries, at most; they double from one second."""

SLOWEST = 256
"""Bytes a second below which a server counts as silent."""

CHUNK = 1 << 16

PASSING = {408, 425, 429}
"""Statuses under 500 that may be gone the next time (RFC 9110, 15.5; RFC 6585)."""


class Download:
    """One file from one address. stall: seconds without a byte that end a connection."""

    def __init__(self, address: str, size: int, stall: float, arrived: Callable[[], None]) -> None:
        self.address = address
        self.size = size
        self.stall = stall
        self.arrived = arrived
        self.etag: str | None = None

    def into(self, part: Part, sleep: Callable[[float], None]) -> bool:
        """Fill `part` to its size; True where all came in one answer. Raises FetchError, and keeps what arrived."""
        tries, best, at_first = 0, part.size, part.size
        answers = 0
        while part.size < self.size:
            answers += 1
            try:
                self._once(part)
                continue
            except FetchError:
                raise
            except (OSError, HTTPException, ValueError) as error:
                reason = self._words(error)
            tries = 1 if part.size > best + self.size // WORTH else tries + 1
            best = max(best, part.size)
            if tries >= TRIES:
                raise FetchError(f"{reason} (tried {TRIES} times)")
            sleep(min(2.0 ** (tries - 1), LONGEST_PAUSE))
        return answers == 1 and at_first == 0

    def _once(self, part: Part) -> None:
        """One connection; raises where it ends before the file does."""
        headers = {"User-Agent": "edgekit"}
        if part.size:
            headers["Range"] = f"bytes={part.size}-"
            if self.etag:
                headers["If-Range"] = self.etag
        try:
            answer = opened(urllib.request.Request(self.address, headers=headers), self.stall)
        except urllib.error.HTTPError as error:
            error.close()
            self._refused(error, part)
        with answer:
            self._begin(answer, part)
            self._read(answer, part)

    def _refused(self, error: urllib.error.HTTPError, part: Part) -> None:
        reason = f"HTTP {error.code} {one_line(error.reason, MOST_SAID)}".strip()
        if error.code == 416:  # the server's file ends before our part does
            part.restart()
            raise ConnectionError(reason)
        if error.code >= 500 or error.code in PASSING:
            raise ConnectionError(reason)
        if 300 <= error.code < 400:
            raise FetchError(f"{reason.split(' The last')[0]}: it leads on without an end, or nowhere")
        raise FetchError(reason)

    def _begin(self, answer: HTTPResponse, part: Part) -> None:
        """See that what comes belongs at the end of the part; else the part begins again."""
        if answer.status == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if not found or int(found[1]) != part.size or found[2] not in ("*", str(self.size)):
                part.restart()
                raise ConnectionError(f"it sends another range than {part.size} to {self.size}")
        elif answer.status == 200:
            part.restart()
            if answer.length not in (None, self.size):
                raise FetchError(f"it offers {answer.length:,} bytes, where {self.size:,} are pinned: another file")
        else:
            raise FetchError(f"HTTP {answer.status}: no file")
        etag = answer.headers.get("ETag")
        self.etag = etag if etag and not etag.startswith("W/") else None

    def _read(self, answer: HTTPResponse, part: Part) -> None:
        began, before = time.monotonic(), part.size
        while missing := self.size - part.size:
            chunk = answer.read1(min(missing, CHUNK))
            if not chunk:
                raise ConnectionError(f"it ended after {part.size:,} of {self.size:,} bytes")
            part.write(chunk)
            self.arrived()
            if time.monotonic() - began > self.stall:
                if part.size - before < SLOWEST * self.stall:
                    raise TimeoutError
                began, before = time.monotonic(), part.size

    def _words(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return f"silent, or nearly so, for {self.stall:g} s"
        return one_line(reason, MOST_SAID) or type(reason).__name__


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Follow to https, and from http to http. Raises FetchError."""
        fp.close()  # else the body of a redirect, which may be endless, would be read to its end
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme, req.type) != ("http", "http"):
            raise FetchError(f"it leads on to {one_line(newurl, MOST_SAID)}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opened(request: urllib.request.Request, stall: float) -> HTTPResponse:
    """Open an address, within three times `stall` as a whole.

    In a thread that can be left behind: neither a name server nor a header that comes byte by byte has a time-out.
    Raises OSError, HTTPException or FetchError.
    """
    box: SimpleQueue[HTTPResponse | Exception] = SimpleQueue()

    def work() -> None:
        try:
            box.put(urllib.request.build_opener(_Redirects).open(request, timeout=stall))
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            box.put(error)

    Thread(target=work, daemon=True).start()
    try:
        found = box.get(timeout=3 * stall)
    except Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found
