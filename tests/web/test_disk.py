"""Nothing of the file system is reached from outside: whatever is asked, no file is opened but those that are named."""

import asyncio
import json
import sys
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, unquote

import pytest
from asking import asked, page, watched
from hypothesis import given
from hypothesis import settings as how_many
from hypothesis import strategies as st

import edge
from edge.events.store import Store
from edge.service.composition import Composition
from edge.service.notify import Notify
from edge.service.reload import Still
from edge.settings import Settings
from edge.types import Event
from edge.vitals import Controls, Vitals
from edge.web.choices import Choices
from edge.web.ways import ROOT, WAYS

CANARY = b"what nobody may read"
PICTURE = b"\xff\xd8 a picture"
ID = "0123456789abcdef0123456789abcdef"
EVENT = Event(id=ID, kind="appeared", label="tabby", score=0.5, at=datetime(2026, 1, 1, tzinfo=timezone.utc), frame=1,
              picture="2026/a.jpg")  # fmt: skip

BEFORE = ["", "/", "file://", "v4l2://", "rtsp://evil.example/", "http://169.254.169.254/", "../", "acme."]

seen = SimpleNamespace(files=None)


def watch(event, given):
    """A hook of Python's audit: it cannot be taken off again, so it is told when to note."""
    if seen.files is not None and event in ("open", "os.listdir", "os.scandir", "subprocess.Popen", "socket.connect"):
        seen.files.append(str(given[0]))


sys.addaudithook(watch)


@contextmanager
def noting():
    seen.files = []
    try:
        yield seen.files
    finally:
        seen.files = None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("camera")
    (folder / "secret.jpg").write_bytes(CANARY)
    (folder / "state").mkdir()
    (folder / "state" / "secret.jpg").write_bytes(CANARY)
    (folder / "state" / "snapshots" / "2026").mkdir(parents=True)
    (folder / "state" / "snapshots" / "2026" / "a.jpg").write_bytes(PICTURE)
    (folder / "state" / "snapshots" / "2026" / "other.jpg").write_bytes(CANARY)
    store = Store(folder / "state" / "events.sqlite", Settings(name="door").events)
    store.add(EVENT)
    store.close()
    return folder


@pytest.fixture(scope="module")
def camera(folder):
    """A page of a camera with the service's own desk; and what was chosen on it."""
    vitals, controls = Vitals("door"), Controls()
    parts = Composition(
        Still(Settings(name="door", source="sample:")), folder / "state", vitals, controls, Notify({}),
        lambda: False, lambda: None, None,
    )  # fmt: skip
    choices = Choices(lambda: [("camera:0", "a webcam")])
    with closing(asyncio.new_event_loop()) as loop, page(watched(vitals, controls, parts), choices=choices) as app:
        yield SimpleNamespace(app=app, controls=controls, run=loop.run_until_complete)
        loop.run_until_complete(loop.shutdown_default_executor())
    parts.close("stopped")


def steps(folder):
    """What a path may be made of by somebody who wants out."""
    known = ["..", ".", "", "%2e%2e", "..%2f", "%2e%2e%2f%2e%2e", "..\\", "%5c..", "..;", "%00", "~", "etc", "passwd",
             "proc", "self", "environ", "state", "snapshots", "2026", "a.jpg", "other.jpg", "secret.jpg", ID,
             "events.sqlite", "file:", "..%c0%af..", "%252e%252e", "index.html", "page", "app.js", "__init__.py",
             "api", "v1", "events", "picture", quote(str(folder / "secret.jpg"), ""), str(folder)[1:]]  # fmt: skip
    return st.lists(st.one_of(st.sampled_from(known), st.text(max_size=5).map(quote)), max_size=9).map("/".join)


def ways_in(folder):
    path = steps(folder)
    name = path.map(lambda found: quote(unquote(found), safe=""))
    return st.one_of(
        path.map("/{}".format),
        path.map(f"{ROOT}/{{}}".format),
        path.map(f"{ROOT}/events/{{}}/picture".format),
        name.map(f"{ROOT}/events/{{}}/picture".format),
        name.map(f"{ROOT}/events?before={{}}".format),
        name.map(f"{ROOT}/status?camera={{}}".format),
        name.map(f"{ROOT}/picture.jpg?camera={{}}".format),
        name.map("/metrics?name[]={}".format),
    )


def as_a_server_has_it(target):
    """The path as uvicorn gives it on: with its escapes undone."""
    path, mark, query = target.partition("?")
    return f"{unquote(path).replace('?', '')}{mark}{query}"


def test_whatever_is_asked_no_file_is_opened_but_the_picture_that_is_named(folder, camera):
    known = str(folder / "state" / "snapshots" / "2026" / "a.jpg")

    async def get(target):
        return await asyncio.wait_for(asked(camera.app, as_a_server_has_it(target)), 60)

    async def main():
        for way in WAYS:  # what is imported at the first request is imported now
            await get(f"{ROOT}{way.path}".replace("{event}", ID))
        with noting() as files:
            answer = await get(f"{ROOT}/events/{ID}/picture")
            assert answer.body == PICTURE and files == [known], "this is how it looks when one is opened"

    camera.run(main())

    @how_many(max_examples=150)
    @given(ways_in(folder))
    def holds(target):
        with noting() as files:
            answer = camera.run(get(target))
        assert {*files} <= {known} and CANARY not in answer.body, target
        assert answer.status < 500 and answer.status not in range(300, 400)
        assert files == [] or answer.body == PICTURE

    holds()


def test_no_source_and_no_model_is_opened_that_is_not_listed(folder, camera):
    async def patch(wish):
        headers = {"Content-Type": "application/json"}
        return await asked(camera.app, f"{ROOT}/settings", "PATCH", headers, json.dumps(wish).encode())

    camera.run(patch({"source": "camera:0"}))

    @how_many(max_examples=60)
    @given(
        st.sampled_from(["source", "model"]), st.one_of(steps(folder), st.text(max_size=40)), st.sampled_from(BEFORE)
    )
    def holds(key, found, before):
        with noting() as files:
            answer = camera.run(patch({key: f"{before}{found}"}))
        if answer.status == 200:
            assert f"{before}{found}" in ("camera:0", *Choices().models())
        else:
            assert answer.status in (409, 422) and f"{key}: give one of" in answer.error
        models = Path(edge.__file__).parent / "models"
        assert all(Path(file).is_relative_to(models) for file in files), files
        assert camera.controls.choice.source == "camera:0" and camera.controls.choice.model is None

    holds()
