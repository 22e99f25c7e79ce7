"""The table of what may be asked, the OpenAPI document that is made of it, and the words about it."""

import json
import re
from pathlib import Path

import asking
import pytest

import edge
from edge.web import ways
from edge.web.api import Api

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


def found():
    with asking.page() as app:
        return json.loads(asking.ask(app, "/api/v1/openapi.json").body)


def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for part in ("paths", "x-streams")
        for path, methods in document[part].items()
        for method, operation in methods.items()
    }


def references(value):
    if isinstance(value, dict):
        return {value["$ref"]} if "$ref" in value else set().union(*map(references, value.values()), set())
    return set().union(*map(references, value), set()) if isinstance(value, list) else set()


def test_the_document_tells_every_way_and_nothing_else():
    document = found()
    assert document["openapi"] == "3.1.0" and document["info"]["version"] == edge.__version__
    assert document["servers"] == [{"url": "/api/v1"}]
    assert set(operations(document)) == {f"{way.method} {way.path}" for way in ways.WAYS}
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(names)) == len(names) and all(callable(getattr(Api, name)) for name in names)


def test_what_has_no_end_is_kept_away_from_programs_that_read_every_answer_to_its_end():
    document = found()
    assert set(document["x-streams"]) == {"/stream.mjpg", "/updates"} and not set(document["x-streams"]) & set(
        document["paths"]
    )


def test_every_shape_that_is_named_is_told_and_every_one_that_is_told_is_named():
    document = found()
    parts = document["components"]["schemas"]
    assert references(document) <= {f"#/components/schemas/{name}" for name in parts}
    spoken = {"Happened"}  # by server-sent events
    assert {name for name in parts if f"#/components/schemas/{name}" not in references(document)} <= spoken


def test_cameras_are_told_by_their_names_and_each_way_by_what_it_may_fail_with():
    for name, operation in operations(ways.document(["door", "garden"], None)).items():
        cameras = [each["schema"] for each in operation["parameters"] if each["name"] == "camera"]
        assert all(each == {"type": "string", "enum": ["door", "garden"], "default": "door"} for each in cameras), name
        assert {"400", "401", "403", "413", "421", "429"} <= set(operation["responses"])
        assert {status[0] for status in operation["responses"]} <= {"2", "4", "5"}


@pytest.mark.parametrize("cookie", [None, "__Host-edge_session_443"])
def test_whether_a_token_is_needed_is_told(cookie):
    document = ways.document(["door"], cookie)
    schemes = document["components"]["securitySchemes"]
    if cookie is None:
        assert document["security"] == [] and schemes == {}
    else:
        assert document["security"] == [{"token": []}, {"session": []}]
        assert schemes["session"]["name"] == cookie and schemes["token"]["scheme"] == "bearer"


def test_the_page_about_the_api_tells_every_way_with_its_fields_and_no_other():
    text = DOCS.read_text()
    told = set(re.findall(r"`((?:GET|POST|PATCH) /[^`?]*)`", text))
    beside = {"GET /healthz", "GET /health", "GET /metrics", "POST /login", "POST /logout", "GET /api/v1/openapi.json",
              "GET /picture.jpg", "GET /stream.mjpg"}  # fmt: skip
    assert told - beside == {f"{way.method} /api/v1{way.path}" for way in ways.WAYS}
    assert beside <= told
    document = found()
    for name, shape in document["components"]["schemas"].items():
        assert f"`{name}`" in text or name in ("EventKind",), name
        missing = [field for field in shape["properties"] if f"`{field}`" not in text]
        assert not missing, f"{name}: {missing}"
    for way in ways.WAYS:
        assert all(f"`{query.name}`" in text for query in way.query), way.path
    for status in ways.WORDS:
        assert str(status) in text
