"""Asks an ASGI application, without a network."""

import asyncio
import json
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import NamedTuple

from edge import settings
from edge.vitals import Controls, Vitals
from edge.web import Web
from edge.web.choices import Choices
from edge.web.token import Kept, _hash
from edge.web.watched import Watched

HOME = "192.0.2.10:8080"
"""The address that is asked, where nothing else is said."""

TOKEN = "the-token-of-this-camera"
SALT = bytes(range(16))
KEPT = Kept(16, 8, 1, SALT, _hash(TOKEN, 16, 8, 1, SALT, 32))
"""Of that token, at a low cost."""


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def error(self):
        return json.loads(self.body)["error"]


async def asked(app, path="/", method="GET", headers=(), body=b"", *, client="192.0.2.7", scheme="http", pieces=None):
    """An answer that ends. headers: a dict, or pairs; Host is added where it is missing. pieces: the body in parts."""
    pairs = [(name.lower(), value) for name, value in (headers.items() if isinstance(headers, dict) else headers)]
    if "host" not in [name for name, _ in pairs]:
        pairs.insert(0, ("host", HOME))
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": scheme, "path": path, "root_path": "",
        "raw_path": path.encode(), "query_string": query.encode(), "client": (client, 50_000), "server": ("x", 80),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
    }  # fmt: skip
    coming = list(pieces if pieces is not None else [body])
    told = []

    async def receive():
        if not coming:
            return {"type": "http.disconnect"}
        part = coming.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(coming)}

    async def send(message):
        told.append(message)

    await app(scope, receive, send)
    begun = told[0]
    found = {name.decode(): value.decode("latin-1") for name, value in begun["headers"]}
    return Answer(begun["status"], found, b"".join(part.get("body", b"") for part in told[1:]))


def ask(app, *given, **more):
    """As `asked`, where no loop runs."""
    return asyncio.run(asked(app, *given, **more))


class Desk:
    """Of a camera that keeps nothing."""

    def __init__(self, found=None):
        self.settings = self.written = found or settings.Settings(name="door")

    def recent(self, most, before=None):
        if before is not None:
            raise KeyError(before)
        return []

    def picture(self, event_id):
        return None


def watched(vitals=None, controls=None, desk=None):
    return Watched(vitals or Vitals("door"), controls or Controls(), desk or Desk())


@contextmanager
def page(*cameras, kept=None, choices=None, inbox=None, secure=False, over=None, **asked):
    """The guarded application of a page, for one event loop."""
    web = Web(
        settings.Web(**asked), cameras or [watched()], choices or Choices(), kept=kept, inbox=inbox,
        exposed=lambda accept: (b"edge_up 1\n", "text/plain"),
    )  # fmt: skip
    over = over or Event()
    with ExitStack() as stack:
        yield web.application(over, 8080, stack, secure)
        over.set()
