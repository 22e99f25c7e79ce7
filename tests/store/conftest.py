"""A real HTTP server that does to each request what the test says: stalls, cuts, lies, or serves."""

import contextlib
import hashlib
import re
import resource
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from edge.models.catalogue import Entry, File, Wheel

Step = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers with the next step of the path, or with the last one again and again."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        self.close_connection = True
        server.requests.append((self.path, dict(self.headers)))
        steps = server.steps.get(urlsplit(self.path).path, [status(404)])
        (steps.pop(0) if len(steps) > 1 else steps[0])(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def start(self, code: int, length: int | None, **headers: str) -> None:
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    @property
    def offset(self) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0

    def say(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()


def status(code: int, body: bytes = b"no") -> Step:
    def step(handler: Handler) -> None:
        handler.start(code, len(body))
        handler.say(body)

    return step


def serve(data: bytes, *, cut: int | None = None, etag: str | None = None, ranges: bool = True) -> Step:
    """The file, or the part that is asked for; after `cut` bytes of it the connection ends."""

    def step(handler: Handler) -> None:
        tags = {"ETag": etag} if etag else {}
        offset = handler.offset if ranges and handler.headers.get("If-Range") in (None, etag) else 0
        if offset >= len(data):
            return status(416)(handler)
        body = data[offset:]
        if offset:
            tags["Content_Range"] = f"bytes {offset}-{len(data) - 1}/{len(data)}"
        handler.start(206 if offset else 200, len(body), **tags)
        return handler.say(body if cut is None else body[:cut])

    return step


def stall(data: bytes, after: int) -> Step:
    """Sends `after` bytes, and nothing more until the server ends; -1: not even a status."""

    def step(handler: Handler) -> None:
        server: Any = handler.server
        if after >= 0:
            offset = handler.offset
            ranges = {"Content_Range": f"bytes {offset}-{len(data) - 1}/{len(data)}"} if offset else {}
            handler.start(206 if offset else 200, len(data) - offset, **ranges)
            handler.say(data[offset : offset + after])
        server.stalled.set()
        server.over.wait(60)

    return step


def slowly(data: bytes, pieces: int) -> Step:
    """The whole file in so many pieces, with a pause after each."""

    def step(handler: Handler) -> None:
        server: Any = handler.server
        handler.start(200, len(data))
        size = -(-len(data) // pieces)
        for at in range(0, len(data), size):
            handler.say(data[at : at + size])
            server.over.wait(0.05)

    return step


def drip(header: bool) -> Step:
    """One byte at a time, without an end, of the body or already of the header."""

    def step(handler: Handler) -> None:
        server: Any = handler.server
        if header:
            handler.say(b"HTTP/1.1 200 OK\r\nX: ")
        else:
            handler.start(200, None)
        with contextlib.suppress(OSError):
            while not server.over.wait(0.05):
                handler.say(b"x")

    return step


def endless(code: int = 200, **headers: str) -> Step:
    """A body that never ends; counts what was sent before nobody listened any more."""

    def step(handler: Handler) -> None:
        server: Any = handler.server
        handler.start(code, None, **headers)
        with contextlib.suppress(OSError):
            while not server.over.is_set() and server.sent < 1 << 28:
                handler.say(bytes(1 << 16))
                server.sent += 1 << 16

    return step


def raw(code: int, body: bytes, length: int | None = None, **headers: str) -> Step:
    """A status, headers and a body as they are given, true or not."""

    def step(handler: Handler) -> None:
        handler.start(code, len(body) if length is None else length, **headers)
        handler.say(body)

    return step


def redirect(to: str) -> Step:
    return raw(302, b"", Location=to)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.steps: dict[str, list[Step]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stalled, self.over = threading.Event(), threading.Event()
        self.sent = 0

    def address(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def on(self, *steps: Step, path: str = "/file") -> str:
        """What the next requests of a path get; returns its address."""
        self.steps[path] = list(steps)
        return self.address(path)

    def ranges(self) -> list[str | None]:
        """The ranges that were asked for so far, and forgets them."""
        found = [headers.get("Range") for _, headers in self.requests]
        self.requests.clear()
        return found

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def small_files() -> Iterator[int]:
    """The system refuses to let files grow beyond so many bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store, empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "edgekit" / "models"


def pinned(data: bytes, *sources: str | Wheel, suffix: str = ".tflite") -> File:
    return File(suffix=suffix, size=len(data), sha256=hashlib.sha256(data).hexdigest(), sources=list(sources))


def entry(*files: File, name: str = "m", **more: Any) -> Entry:
    fields = {"title": "M", "classes": 12, "license": "Apache-2.0", "source": "made here", "runs_on": "cpu"}
    return Entry(name=name, files=list(files), **{**fields, **more})


class Kit:
    """The steps of a server and the makers of entries, for tests; this folder is no package to import them from."""

    status, serve, stall, drip = staticmethod(status), staticmethod(serve), staticmethod(stall), staticmethod(drip)
    slowly = staticmethod(slowly)
    endless, raw, redirect = staticmethod(endless), staticmethod(raw), staticmethod(redirect)
    pinned, entry = staticmethod(pinned), staticmethod(entry)


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()
