"""What is answered below /api/v1/, and to whoever watches over a camera: the whole application, without a network."""

import asyncio
import json
import logging
import time
from contextlib import closing
from datetime import datetime, timezone

import asking
import cv2
import numpy as np
import pytest
import shots
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from edge import models, settings
from edge.inbox import Inbox
from edge.types import Event
from edge.vitals import Choice, Controls, Vitals
from edge.web import ways
from edge.web.choices import Choices

SENT = {"content-type": "application/json"}
AT = datetime(2026, 11, 23, 14, 5, 9, tzinfo=timezone.utc)
USB = "v4l2:///dev/v4l/by-id/usb-cam"


def event(number, picture=None):
    return Event(id=f"{number:032x}", kind="appeared", label="tabby", score=0.5, at=AT, frame=number, picture=picture)


class Desk(asking.Desk):
    """Of a camera that keeps events, and pictures of some."""

    def __init__(self, found=None, events=(), broken=False):
        super().__init__(found)
        self.events = list(events)
        self.broken = broken

    def recent(self, most, before=None):
        if self.broken:
            raise OSError("the disk fails")
        ids = [each.id for each in self.events]
        if before is not None and before not in ids:
            raise KeyError(before)
        return self.events[ids.index(before) + 1 if before else 0 :][:most]

    def picture(self, event_id):
        if self.broken:
            raise OSError("the disk fails")
        return next((b"\xff\xd8" for each in self.events if each.id == event_id and each.picture), None)


def running(name="door", **more):
    vitals = Vitals(name)
    vitals.seen(*shots.shot(7, **more))
    vitals.condition, vitals.words = "running", "running at 30 FPS"
    vitals.labels = ("tabby", "Egyptian cat")
    return vitals


def camera(name="door", controls=None, **of_desk):
    return asking.watched(running(name), controls or Controls(), Desk(**of_desk))


def page(*cameras, found=((USB, "a camera"), ("sample:", "photographs")), **more):
    return asking.page(*(cameras or [camera()]), choices=Choices(lambda: list(found)), **more)


def told(app, path, status=200, **more):
    answer = asking.ask(app, f"/api/v1{path}", **more)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"
    return json.loads(answer.body)


def change(app, wish, status=200, path="/settings", headers=SENT):
    body = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
    return told(app, path, status, method="PATCH", headers=headers, body=body)


def image(answer):
    assert answer.status == 200 and answer.headers["content-type"] == "image/jpeg", answer
    return cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)


# --- what is read


def test_cameras_their_state_and_their_answers_are_told_by_name_and_the_first_where_none_is_named():
    with page(camera("door"), camera("garden")) as app:
        found = told(app, "/cameras")
        assert [each["name"] for each in found["cameras"]] == ["door", "garden"]
        assert found["browser_camera"] is False and found["session"] is False
        assert told(app, "/status")["name"] == told(app, "/status?camera=door")["name"] == "door"
        assert told(app, "/status?camera=garden")["name"] == "garden"
        answer = told(app, "/result?camera=garden")
        assert (answer["camera"], answer["frame"], answer["size"]) == ("garden", 7, [64, 48])
        assert answer["answer"][0] == {"label": "Egyptian cat", "index": 285, "score": 0.79}
        assert answer["took"] == {"preprocess_ms": 0.3, "inference_ms": 3.6, "postprocess_ms": 0.1, "age_ms": 5.0}
        assert "there are door, garden" in told(app, "/status?camera=shed", 404)["error"]


def test_while_the_camera_is_lost_its_last_answer_does_not_stand_as_if_it_were_live():
    vitals = Vitals("door")
    for number in range(3):
        vitals.seen(*shots.shot(number, time.monotonic() - 1 + number / 30))
    vitals.happened(event(1))
    vitals.condition, vitals.score = "running", 0.9
    with page(asking.watched(vitals)) as app:
        running = told(app, "/status")
        assert running["fps"] > 29 and running["score"] == 0.9 and told(app, "/result")["frame"] == 2
        vitals.condition, vitals.words = "recovering", "the camera is gone; it is opened again"
        lost = told(app, "/status")
        assert lost["fps"] is lost["score"] is None and lost["since_answer_s"] >= 0.9
        for path in ("/result", "/snapshot"):
            assert told(app, path, 409)["error"].endswith(": the camera is gone; it is opened again")
        vitals.condition = "running"
        vitals.seen(*shots.shot(3, time.monotonic()))
        assert told(app, "/result")["frame"] == 3


def test_the_time_of_an_answer_is_when_its_frame_was_captured():
    vitals = Vitals("door")
    vitals.seen(*shots.shot(at_s=time.monotonic() - 3600))
    with page(asking.watched(vitals)) as app:
        at = datetime.fromisoformat(told(app, "/result")["captured_at"].replace("Z", "+00:00"))
    assert 3599 <= (datetime.now(timezone.utc) - at).total_seconds() < 3700


def test_events_are_told_newest_first_in_pages_and_their_pictures_may_be_kept():
    events = [event(number, picture="x.jpg" if number == 2 else None) for number in (3, 2, 1)]
    with page(camera(events=events)) as app:
        first = told(app, "/events?limit=2")["events"]
        assert [each["frame"] for each in first] == [3, 2] and [each["has_picture"] for each in first] == [False, True]
        rest = told(app, f"/events?before={first[-1]['id']}")["events"]
        assert [each["frame"] for each in rest] == [1] and "picture" not in rest[0], "no name of a file is told"
        told(app, "/events?before=unknown", 404)
        answer = asking.ask(app, f"/api/v1/events/{first[1]['id']}/picture")
        assert answer.body == b"\xff\xd8" and answer.headers["cache-control"] == "private, max-age=86400, immutable"
        told(app, f"/events/{first[0]['id']}/picture", 404)


@pytest.mark.parametrize("number", ["0", "201", "-1", "x", "", "1.0", "+5", "%D9%A3", "9" * 5000, "000000001999",
                                    f"000000001{'9' * 100}", f"000000001{'9' * 5000}"])  # fmt: skip
def test_a_number_that_is_none_or_out_of_range_is_refused(number):
    with page() as app:
        assert "limit: give a whole number from 1 to 200" in told(app, f"/events?limit={number}", 422)["error"]


def test_numbers_are_those_that_the_document_tells_of():
    asked = []
    with page() as app:
        assert told(app, "/events?limit=000000001") == told(app, "/events?limit=200")
    one = camera()
    one.desk.recent = lambda most, before: asked.append(most) or []
    with page(one) as app:
        told(app, "/events")
    assert asked == [ways.LIMIT.schema["default"]]


def test_a_disk_that_fails_is_said():
    with page(camera(broken=True)) as app:
        assert told(app, "/events", 503)["error"] == "the disk fails"
        assert told(app, "/events/1/picture", 503)["error"] == "the disk fails"


def test_labels_are_those_of_the_model_that_runs():
    with page() as app:
        assert told(app, "/labels") == {"labels": ["tabby", "Egyptian cat"]}
    with page(asking.watched()) as app:
        assert told(app, "/labels", 409)["error"] == "no model: starting"


# --- pictures


def test_the_newest_frame_is_a_picture_and_a_snapshot_has_its_answer_drawn_on_it():
    vitals = running(picture=shots.pixels(640, 480))
    with page(asking.watched(vitals)) as app:
        plain, drawn = (image(asking.ask(app, f"/api/v1/{path}")) for path in ("picture.jpg", "snapshot"))
        assert plain.shape == drawn.shape == (480, 640, 3)
        assert np.abs(plain[:400].astype(int) - drawn[:400]).max() <= 8, "only its lower edge is written on"
        assert drawn[-20:].max() > 200 > plain[-20:, 400:].max()
        assert np.array_equal(image(asking.ask(app, "/picture.jpg")), plain)


def test_there_is_no_picture_before_the_first_frame_of_a_garbled_one_and_from_the_moment_of_a_pause():
    vitals, controls = Vitals("door"), Controls()
    with page(asking.watched(vitals, controls)) as app:
        for path in ("/picture.jpg", "/snapshot", "/result"):
            assert told(app, path, 409)["error"].endswith(": starting")
        vitals.latest = shots.shot(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")
        for path in ("/picture.jpg", "/snapshot"):
            told(app, path, 409)
        vitals.latest = shots.shot()
        assert image(asking.ask(app, "/picture.jpg")).shape == (48, 64, 3)
        controls.paused = True
        for path in ("/picture.jpg", "/snapshot", "/result"):
            assert told(app, path, 409)["error"].endswith(": the camera is paused")


@pytest.mark.parametrize("path", ["/picture.jpg", "/snapshot"])
def test_there_is_no_picture_where_a_pause_was_asked_for_while_it_was_made(path):
    vitals, controls = running(), Controls()
    with page(asking.watched(vitals, controls)) as app:

        async def main():
            coming = asyncio.ensure_future(asking.asked(app, f"/api/v1{path}"))
            while not coming.done():
                await asyncio.sleep(0)
                controls.paused = True
            return await coming

        assert asyncio.run(main()).error.endswith(": the camera is paused")


def test_a_frame_is_kept_among_the_pictures_where_pictures_are_kept():
    controls = Controls()
    with page(camera(controls=controls)) as app:
        assert "add a section [snapshots]" in told(app, "/snapshot", 409, method="POST")["error"]
    keeping = settings.Settings(name="door", snapshots=settings.Snapshots())
    with page(camera(controls=controls, found=keeping)) as app:
        assert asking.ask(app, "/api/v1/snapshot", "POST").status == 204 and controls.snapshot.is_set()
        controls.paused = True
        assert told(app, "/snapshot", 409, method="POST")["error"] == "the camera is paused"


def test_pictures_of_a_browsers_camera_are_taken_where_that_is_asked_for():
    data, kind = shots.as_jpeg(shots.pixels()).tobytes(), {"content-type": "image/jpeg"}
    inbox = Inbox()
    with page(inbox=inbox) as app:
        assert told(app, "/cameras")["browser_camera"] is True
        assert asking.ask(app, "/api/v1/frame", "POST", kind, data).status == 204
        assert inbox.take(0)[:2] == (data, (64, 48))
        told(app, "/frame", 422, method="POST", headers=kind, body=b"no picture")
        assert "another" in told(app, "/frame?sender=other", 409, method="POST", headers=kind, body=data)["error"]
        told(app, "/frame", 415, method="POST", headers=SENT, body=data)
    with page() as app:
        assert "--browser-camera" in told(app, "/frame", 409, method="POST", headers=kind, body=data)["error"]


# --- what is changed


def test_what_is_asked_is_obeyed_and_told_and_null_takes_it_back():
    controls = Controls()
    rules = settings.Rules(threshold_in=0.6, labels=["tabby"])
    with page(camera(controls=controls, found=settings.Settings(name="door", rules=rules))) as app:
        before = told(app, "/settings")
        assert (before["paused"], before["threshold"], before["labels"]) == (False, 0.6, ["tabby"])
        assert [each["source"] for each in before["sources"]] == [USB, "sample:"]
        assert before["models"] == [models.DEFAULT] and before["model"] is before["source"] is None
        wish = {"paused": True, "threshold": 0.25, "labels": ["Egyptian cat"], "source": USB, "model": models.DEFAULT}
        after = change(app, wish)
        assert {key: after[key] for key in wish} == wish
        assert (controls.paused, controls.threshold, controls.labels) == (True, 0.25, ("Egyptian cat",))
        assert controls.choice == Choice(USB, models.DEFAULT)
        assert change(app, {"threshold": 1}) == {**after, "threshold": 1.0}, "what is not named stays"
        assert change(app, dict.fromkeys(("threshold", "labels", "source", "model")) | {"paused": False}) == before
        assert controls.choice == Choice() and controls.threshold is None
        before = controls.choice
        change(app, {"source": None})
        assert controls.choice is not before, "what is asked for again, as after it failed, is told from silence"
        before = controls.choice
        change(app, {"threshold": 0.5})
        assert controls.choice is before


def test_labels_are_those_of_the_model_that_ran_last_also_while_it_is_paused():
    door = camera()
    door.vitals.condition = "paused"
    with page(door) as app:
        assert "knows no 'unicorn'" in change(app, {"labels": ["unicorn"]}, 409)["error"]
        door.vitals.labels = ()
        assert change(app, {"labels": ["unicorn"]})["labels"] == ["unicorn"], "none ran: it is told when one does"


@pytest.mark.parametrize(
    "wish, status",
    [
        ({"threshold": 2}, 422), ({"threshold": "x"}, 422), ({"paused": None}, 422), ({"paused": 1}, 422),
        ({"labels": "tabby"}, 422), ({"labels": [""]}, 422), ({"labels": ["x" * 300]}, 422), ({"else": 1}, 422),
        ([], 422), (1, 422), (None, 422), (b"", 400), (b"{", 400), (b"\xff", 400), (b'{"labels":["\xff"]}', 400),
        (b"[" * 100_000, 422),
        (b'{"labels":' + b"[" * 100_000, 422), (b'{"threshold": 1e999}', 422), (b'{"labels": ["\\ud800"]}', 400),
        ({"source": "/etc/passwd"}, 409), ({"source": "http://192.0.2.1/"}, 409), ({"model": "../x"}, 409),
        ({"model": "/etc/passwd"}, 409), ({"labels": ["unicorn"]}, 409),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_reason_and_nothing_of_it_is_done(wish, status):
    controls = Controls()
    with page(camera(controls=controls)) as app:
        if isinstance(wish, dict):
            wish = {"threshold": 0.5, **wish}
        assert change(app, wish, status)["error"]
    assert (controls.paused, controls.threshold, controls.labels, controls.choice) == (False, None, None, Choice())


def test_a_refusal_does_not_give_back_all_that_was_sent():
    key = "\u202ex" * 20_000
    with page() as app:
        for wish in ({key: 1}, {"labels": ["x"] * 9 + [1], key: 1}, {"paused": key}):
            assert len(change(app, wish, 422)["error"]) < 250


def test_a_change_must_say_that_it_is_json():
    with page() as app:
        for headers in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
            assert "application/json" in change(app, {"paused": True}, 415, headers=headers)["error"]
        change(app, {"paused": True}, headers={"content-type": "Application/JSON; charset=utf-8"})


def test_labels_are_not_held_against_a_model_that_is_about_to_go():
    with page() as app:
        assert change(app, {"labels": ["unicorn"], "model": models.DEFAULT})["labels"] == ["unicorn"]


def test_a_choice_that_the_camera_put_back_is_not_put_forward_again():
    controls = Controls()
    with page(camera(controls=controls)) as app:
        change(app, {"source": USB})
        controls.choice = refused = Choice()
        change(app, {"paused": True})
        assert controls.choice is refused


KEYS = st.sampled_from(["paused", "threshold", "labels", "source", "model"]) | st.text(max_size=3)
WISHES = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([USB, "tabby", 0.5]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)


def test_whatever_is_asked_of_the_settings_no_answer_is_a_fault():
    controls = Controls()
    with page(camera(controls=controls)) as app, closing(asyncio.new_event_loop()) as loop:

        @given(WISHES)
        @few(max_examples=60)
        def asked(wish):
            answer = asking.asked(app, "/api/v1/settings", "PATCH", SENT, json.dumps(wish).encode())
            assert loop.run_until_complete(answer).status in (200, 400, 409, 422)

        asked()
        loop.run_until_complete(loop.shutdown_default_executor())
    assert controls.choice.source in (None, USB, "sample:")


# --- who watches over it


def test_health_is_told_of_each_camera_and_of_all_without_their_names():
    door, garden = running("door"), running("garden")
    with page(asking.watched(door), asking.watched(garden)) as app:
        assert asking.ask(app, "/healthz")[::2] == (503, b"silent\n"), "the frames are old"
        for each in (door, garden):
            each.seen(*shots.shot(at_s=time.monotonic()))
        assert asking.ask(app, "/healthz")[::2] == (200, b"ok\n")
        garden.condition, garden.words = "recovering", "waits for the camera"
        assert asking.ask(app, "/healthz")[::2] == (503, b"recovering\n")
        door.condition = "paused"
        assert asking.ask(app, "/healthz")[::2] == (503, b"recovering\n"), "a pause hides nothing"
        garden.condition = "running"
        assert asking.ask(app, "/healthz")[::2] == (200, b"paused\n"), "somebody wants it so: nothing is to be mended"
        door.condition, garden.condition = "running", "recovering"
        answer = asking.ask(app, "/health")
        assert answer.status == 200 and json.loads(answer.body)["name"] == "door"
        answer = asking.ask(app, "/health?camera=garden")
        assert answer.status == 503 and json.loads(answer.body)["words"] == "waits for the camera"
        assert asking.ask(app, "/health?camera=shed").status == 404


def test_metrics_are_told_in_the_form_that_is_asked_for():
    with page() as app:
        answer = asking.ask(app, "/metrics")
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"edge_up 1\n", "text/plain")


# --- what is not there


def test_what_is_not_there_and_what_cannot_be_asked_so_is_said_with_what_can():
    with page() as app:
        assert asking.ask(app, "/elsewhere").error == "there is nothing of that name"
        assert asking.ask(app, "/api/v1/status/").status == 404, "and nobody is sent elsewhere"
        answer = asking.ask(app, "/api/v1/settings", "TRACE")
        assert answer.status == 405 and set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "PATCH"}
        assert asking.ask(app, "/health", "POST").status == asking.ask(app, "/stream.mjpg", "POST").status == 405


def test_a_fault_is_a_line_in_the_log_and_an_answer_without_its_words(caplog):
    watched = asking.watched(running())
    watched.desk.recent = lambda most, before: 1 // 0
    with page(watched) as app, caplog.at_level(logging.ERROR, "edge"), pytest.raises(ZeroDivisionError):
        asking.ask(app, "/api/v1/events")
    assert "web: a fault of edge: /api/v1/events: ZeroDivisionError('integer division" in caplog.text


@pytest.mark.parametrize("pieces", [[], [b'{"paused":']], ids=["at once", "half"])
def test_who_goes_before_all_of_a_request_has_come_is_no_fault(pieces, caplog):
    async def main(app, path, method):
        coming = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]

        async def receive():
            return coming.pop(0) if coming else {"type": "http.disconnect"}

        return await asking.asked(cut(app, receive), path, method, SENT)

    def cut(app, receive):
        return lambda scope, _, send: app(scope, receive, send)

    with page(kept=asking.KEPT) as app:
        asyncio.run(main(app, "/login", "POST"))
    controls = Controls()
    with page(camera(controls=controls)) as app:
        asyncio.run(main(app, "/api/v1/settings", "PATCH"))
    assert not caplog.messages and not controls.paused
