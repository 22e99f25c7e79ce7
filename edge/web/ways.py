"""All that may be asked below /api/v1/: the routes, and the OpenAPI document, are made of this one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

import edge
from edge.web import news, shapes

ROOT = "/api/v1"

JPEG, STREAM, SSE, JSON = "image/jpeg", "multipart/x-mixed-replace", "text/event-stream", "application/json"


class Query(NamedTuple):
    """What may stand behind the question mark. schema: as JSON schema has it."""

    name: str
    words: str
    schema: dict[str, Any]


CAMERA = Query("camera", "which camera, by its name; the first one without", {"type": "string"})
LIMIT = Query("limit", "events at most", {"type": "integer", "minimum": 1, "maximum": 200, "default": 24})
BEFORE = Query("before", "the id of an event: only older ones", {"type": "string"})
SENDER = Query("sender", "who sends it, by a name of its own making", {"type": "string", "default": ""})
FPS = Query("fps", "pictures a second at most", {"type": "integer", "minimum": 1, "maximum": 120, "default": 120})
RATE = Query(
    "answers",
    "answers a second at most",
    {"type": "integer", "minimum": 1, "maximum": int(news.FPS), "default": int(news.FPS)},
)


class Way(NamedTuple):
    """One address. handler: of `edge.web.api.Api`. answers, asks: a shape, a media type, or None for nothing.

    fails: the statuses that it answers with besides those of every address. endless: its answer goes on, so what reads
    an answer to its end must not be sent there.
    """

    method: str
    path: str
    handler: str
    words: str
    answers: Any = None
    asks: Any = None
    query: tuple[Query, ...] = (CAMERA,)
    fails: tuple[int, ...] = (404,)
    endless: bool = False


WAYS = (
    Way("GET", "/cameras", "cameras", "all cameras of this process", shapes.Cameras, query=(), fails=()),
    Way("GET", "/status", "status", "how a camera fares", shapes.Status),
    Way("GET", "/result", "result", "the newest answer", shapes.Answer, fails=(404, 409)),
    Way("GET", "/events", "events", "what happened, newest first", shapes.Happenings, query=(CAMERA, LIMIT, BEFORE),
        fails=(404, 422, 503)),
    Way("GET", "/events/{event}/picture", "event_picture", "the picture of an event", JPEG, fails=(404, 503)),
    Way("GET", "/labels", "labels", "the labels of the model that runs", shapes.Labels, fails=(404, 409)),
    Way("GET", "/settings", "settings", "what a camera goes by, and what may be chosen", shapes.Chosen),
    Way("PATCH", "/settings", "change", "have it go by something else; what is not named stays", shapes.Chosen,
        asks=shapes.Wish, fails=(404, 409, 415, 422)),
    Way("GET", "/picture.jpg", "picture", "the newest frame", JPEG, fails=(404, 409)),
    Way("GET", "/snapshot", "snapshot", "the newest frame with its answer drawn on it", JPEG, fails=(404, 409)),
    Way("POST", "/snapshot", "keep", "have the next frame kept among the pictures", fails=(404, 409)),
    Way("POST", "/frame", "frame", "a picture of a browser's camera", asks=JPEG, query=(SENDER,),
        fails=(409, 415, 422)),
    Way("GET", "/stream.mjpg", "pictures", "the newest frame, again and again; each part tells X-Frame, its number, "
        "X-Age-Ms, its age when it was sent, and X-Sent-Ms, when that was", STREAM, query=(CAMERA, FPS),
        fails=(404, 422, 503), endless=True),
    Way("GET", "/updates", "news", "what happens: `answer` (Answer), `status` (Status, each second), `happened` "
        "(Happened) and `settings` (Chosen)", SSE, query=(CAMERA, RATE), fails=(404, 422, 503), endless=True),
)  # fmt: skip

EVERYWHERE = {
    400: "the request itself is not right",
    401: "a token is needed, or is wrong, or was not looked at because too many wrong ones came before (Retry-After)",
    403: "another page asks",
    413: "too large",
    421: "this machine is not called so",
    429: "too many requests, or, on logging in, wrong tokens (Retry-After)",
}

WORDS = {
    404: "there is no such thing",
    409: "that cannot be had or done now: the camera is paused, is lost, has no picture yet, or has no such choice",
    415: "what is sent is of another media type",
    422: "a value is not right",
    503: "the disk fails, or all viewers are there",
    **EVERYWHERE,
}


def document(cameras: Sequence[str], cookie: str | None) -> dict[str, Any]:
    """The OpenAPI document (3.1). cameras: their names. cookie: that of sessions; None: nobody needs a token.

    Ways without an end stand in `x-streams`, in the form of `paths`: programs that try every path, and read each answer
    to its end, would never come back.
    """
    kinds = {kind for way in WAYS for kind in (way.answers, way.asks) if isinstance(kind, type)}
    _, parts = msgspec.json.schema_components(
        sorted({*kinds, shapes.Failure, shapes.Happened}, key=lambda kind: kind.__name__),
        ref_template="#/components/schemas/{name}",
    )
    schemes = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "edgekit", "version": edge.__version__, "summary": "A camera, and what it sees"},
        "servers": [{"url": ROOT}],
        "security": [] if cookie is None else [{name: []} for name in schemes],
        "paths": _paths([way for way in WAYS if not way.endless], cameras),
        "x-streams": _paths([way for way in WAYS if way.endless], cameras),
        "components": {"schemas": parts, "securitySchemes": {} if cookie is None else schemes},
    }


def _paths(ways: Sequence[Way], cameras: Sequence[str]) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for way in ways:
        paths.setdefault(way.path, {})[way.method.lower()] = _operation(way, cameras)
    return paths


def _operation(way: Way, cameras: Sequence[str]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": query.name, "in": "query", "description": query.words, "schema": query.schema} for query in way.query
    ]
    if CAMERA in way.query:
        parameters[0]["schema"] = {"type": "string", "enum": list(cameras), "default": cameras[0]}
    if "{event}" in way.path:
        parameters.append({"name": "event", "in": "path", "required": True, "schema": {"type": "string"}})
    good = {"description": way.words} | ({"content": _content(way.answers)} if way.answers else {})
    failure = {"content": _content(shapes.Failure)}
    told: dict[str, Any] = {"200" if way.answers else "204": good}
    told |= {str(status): {"description": WORDS[status], **failure} for status in sorted({*way.fails, *EVERYWHERE})}
    body = {"requestBody": {"required": True, "content": _content(way.asks)}} if way.asks else {}
    return {"operationId": way.handler, "summary": way.words, "parameters": parameters, "responses": told, **body}


def _content(kind: Any) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {"schema": {"type": "string"} if kind == SSE else {"type": "string", "format": "binary"}}}
    return {JSON: {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
