import http.client
import json
import select
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone

import cv2
import numpy as np
import pytest
import shots

from edge import settings
from edge.errors import ConfigError
from edge.health import health
from edge.listening import listening, place
from edge.types import Event
from edge.vitals import Controls, Vitals
from edge.web import OTHERS, Web
from edge.web.serving import Stalls

GUARD_S = 60.0


def running(at_s=None, **more):
    vitals = Vitals("front-door")
    vitals.seen(*shots.shot(at_s=time.monotonic() if at_s is None else at_s, **more))
    vitals.condition, vitals.words = "running", "running at 30 FPS"
    return vitals


@contextmanager
def open_web(vitals, viewers=2, stall_s=GUARD_S, controls=None):
    asked = settings.Web(listen="127.0.0.1:0", viewers=viewers)
    web = Web(asked, vitals, controls or Controls(), stall_s=stall_s)
    web.start()
    try:
        until(lambda: web.port)
        yield web
    finally:
        web.close()
        assert not [each for each in threading.enumerate() if each.name.startswith("edge-web")]


def until(true):
    """Wait until something is so."""
    waited = threading.Event()
    end = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        waited.wait(0.01)


def ask(web, path, method="GET"):
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=GUARD_S)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def view(web):
    """Begin to look at the stream; returns the answer, whose connection whoever asks closes."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=GUARD_S)
    connection.request("GET", "/stream.mjpg")
    return connection, connection.getresponse()


def part(answer):
    """The next picture of a stream; its boundary has been read before, or is read here."""
    line = answer.readline()
    while line.startswith(b"--") or line == b"\r\n":
        line = answer.readline()
    assert line == b"Content-Type: image/jpeg\r\n", line
    size = int(answer.readline().removeprefix(b"Content-Length: "))
    assert answer.readline() == b"\r\n"
    data = answer.read(size)
    assert answer.readline() == b"\r\n" and answer.readline() == b"--edge-frame\r\n", "the boundary ends each part"
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


# --- what it answers


def test_health_picture_and_what_is_not_there_are_answered():
    vitals = running()
    with open_web(vitals) as web:
        status, headers, body = ask(web, "/health")
        assert status == 200 and headers["Content-Type"] == "application/json"
        assert headers["Cache-Control"] == "no-store"
        assert json.loads(body)["healthy"] is True and json.loads(body)["name"] == "front-door"
        status, headers, body = ask(web, "/picture.jpg")
        assert status == 200 and headers["Content-Type"] == "image/jpeg"
        found = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        assert found.shape == (48, 64, 3) and np.abs(found[:, :20].astype(int) - shots.pixels()[:, :20]).max() <= 4
        assert ask(web, "/picture.jpg")[2] == body, "a frame is encoded once"
        assert ask(web, "/elsewhere")[0] == 404
        assert ask(web, "/health", "POST")[0] == 405
        assert ask(web, "/stream.mjpg", "POST")[0] == 405
        status, headers, body = ask(web, "/stream.mjpg", "HEAD")
        assert status == 200 and headers["Content-Type"].startswith("multipart/x-mixed-replace") and body == b""
        vitals.condition, vitals.words = "recovering", "waits for the camera"
        assert ask(web, "/health")[0] == 503
        assert vitals.problems == {}


def test_there_is_no_picture_before_the_first_frame_of_a_garbled_one_and_while_it_is_paused():
    vitals, controls = Vitals("door"), Controls()
    with open_web(vitals, controls=controls) as web:
        assert ask(web, "/picture.jpg")[0] == 503
        vitals.latest = shots.shot(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")
        assert ask(web, "/picture.jpg")[0] == 503
        vitals.latest = shots.shot()
        assert ask(web, "/picture.jpg")[0] == 200
        vitals.words, controls.paused = "the camera hangs", True
        status, _, body = ask(web, "/picture.jpg")
        assert status == 503 and body == b"no picture: the camera hangs\n", "at once"


def test_a_stream_shows_each_new_frame_to_all_and_no_more_viewers_than_it_may_have():
    vitals = running()
    with open_web(vitals, viewers=2) as web:
        (first, one), (second, two) = view(web), view(web)
        assert one.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=edge-frame"
        assert part(one).shape == part(two).shape == (48, 64, 3)
        status, _, body = ask(web, "/stream.mjpg")
        assert status == 503 and b"all 2 viewers are there" in body
        vitals.seen(*shots.shot(1, time.monotonic(), np.full((20, 30, 3), 9, np.uint8)))
        assert part(one).shape == part(two).shape == (20, 30, 3)
        vitals.latest = shots.shot(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")
        two.close()
        second.close()
        until(lambda: _streams(web))
        vitals.seen(*shots.shot(2, time.monotonic()))
        assert part(one).shape == (48, 64, 3), "one that left, and a garbled frame, are nothing to the other"
        one.close()
        first.close()


def _streams(web):
    connection, answer = view(web)
    answer.close()
    connection.close()
    return answer.status == 200


def test_a_stream_ends_with_the_service():
    with open_web(running()) as web:
        connection, answer = view(web)
        part(answer)
        web.close()
        assert answer.read() == b""
        connection.close()


# --- who takes nothing


def test_a_viewer_that_never_reads_is_cut_off_and_gives_its_place_back():
    vitals = running()
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    with open_web(vitals, viewers=1, stall_s=0.4) as web:
        with closing(socket.create_connection(("127.0.0.1", web.port), timeout=GUARD_S)) as deaf:
            deaf.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: door\r\n\r\n")
            until(lambda: ask(web, "/stream.mjpg", "HEAD")[0] == 200)

            def free():
                vitals.seen(*shots.shot(vitals.frames, time.monotonic(), noise))
                return _streams(web)

            assert not free()
            until(free)
            with pytest.raises(OSError):
                while deaf.recv(1 << 20):
                    pass
                raise ConnectionResetError
        assert ask(web, "/health")[0] == 200


def test_one_who_connects_and_asks_nothing_is_cut_off():
    with (
        open_web(running(), stall_s=0.2) as web,
        closing(socket.create_connection(("127.0.0.1", web.port), timeout=GUARD_S)) as silent,
    ):
        silent.sendall(b"GET /hea")
        with suppress(ConnectionResetError):
            assert silent.recv(100) == b""


def test_more_connections_than_may_be_take_no_more_files_and_do_not_keep_others_out():
    with open_web(running(), viewers=1) as web:
        there = [socket.create_connection(("127.0.0.1", web.port), timeout=GUARD_S) for _ in range(OTHERS + 9)]
        ready = select.poll()
        for each in there:
            ready.register(each, select.POLLIN)
        until(lambda: len(ready.poll(0)) >= 8)
        assert ask(web, "/health")[0] == 200
        connection, answer = view(web)
        part(answer)
        there += [socket.create_connection(("127.0.0.1", web.port), timeout=GUARD_S) for _ in range(9)]
        assert ask(web, "/health")[0] == 200
        web._vitals.seen(*shots.shot(1, time.monotonic()))
        part(answer)
        for each in (*there, answer, connection):
            each.close()


class Connection:
    """A connection as uvicorn has it."""

    def __init__(self):
        self.cycle = None
        self.transport = self
        self.unsent, self.closing = 0, False

    def get_write_buffer_size(self):
        return self.unsent

    def is_closing(self):
        return self.closing


class Request:
    response_complete = False


def test_who_waits_for_an_answer_or_takes_some_of_it_is_not_cut_off():
    stalls, viewer = Stalls(10.0), Connection()
    viewer.cycle = Request()
    assert not any(stalls.stuck([viewer], at) for at in range(100)), "nothing to send"
    for at in range(100, 200):
        viewer.unsent = 5000 - at if at % 8 else 6000
        assert stalls.stuck([viewer], at) == [], "a slow one"


@pytest.mark.parametrize("state", ["asks nothing", "reads nothing", "is closing", "is idle"])
def test_on_whom_nothing_moves_is_cut_off(state):
    stalls, one = Stalls(10.0), Connection()
    if state != "asks nothing":
        one.cycle = Request()
    if state in ("reads nothing", "is closing"):
        one.unsent = 5000
    one.closing = state == "is closing"
    if state == "is idle":
        one.cycle.response_complete = True
    assert stalls.stuck([one], 0.0) == []
    assert stalls.stuck([one], 9.0) == []
    assert stalls.stuck([one], 10.0) == [one]
    assert stalls.stuck([], 11.0) == []
    assert stalls.stuck([one], 12.0) == [], "it is a new one"


def test_who_asks_again_on_the_same_connection_is_not_cut_off():
    stalls, one = Stalls(10.0), Connection()
    for at in range(0, 100, 5):
        one.cycle = Request()
        one.cycle.response_complete = True
        assert stalls.stuck([one], at) == []


# --- where it listens


def test_an_address_is_host_and_port():
    assert place("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert place("[::1]:80") == ("::1", 80)
    assert place(":9464") == ("", 9464)
    for wrong in ("127.0.0.1:65536", "127.0.0.1:", "x", "1:-1"):
        with pytest.raises(ConfigError, match="up to 65535"):
            place(wrong)


@pytest.mark.parametrize("address", ["127.0.0.1:0", ":0", "localhost:0"])
def test_a_socket_listens_where_it_is_asked(address):
    with listening(address) as ours, closing(socket.create_connection(("127.0.0.1", ours.getsockname()[1]), 5)):
        pass


def test_a_port_that_is_taken_is_said():
    vitals = running()
    with listening("127.0.0.1:0") as theirs:
        address = f"127.0.0.1:{theirs.getsockname()[1]}"
        with pytest.raises(OSError, match=r"cannot be listened on \(Address already in use\); choose another one"):
            listening(address)
        web = Web(settings.Web(listen=address), vitals, Controls())
        web.start()
        until(lambda: "web" in vitals.problems)
        web.close()
    assert "choose another one" in vitals.problems["web"] and web.port is None


@pytest.mark.parametrize("address", ["192.0.2.1:0", "a..b:1"])
def test_an_address_of_another_machine_or_of_none_is_said(address):
    with pytest.raises(OSError, match=r"cannot be listened on \(.+\); choose another one"):
        listening(address)


# --- health


def test_health_tells_what_is_known_and_null_for_the_rest():
    vitals = running(1.0, instead_of=("edgetpu: no device",))
    vitals.lost("frames", 3)
    vitals.problem("mqtt", "the broker is away")
    at = datetime(2026, 11, 23, 14, 5, 9, tzinfo=timezone.utc)
    vitals.happened(Event(id="0" * 32, kind="appeared", label="tabby", score=0.5, at=at, frame=1))
    vitals.score = 0.72131
    found = health(vitals, lambda: 2_005_000_000)
    assert (found.backend, found.model, found.instead_of) == ("litert-cpu", "mobilenet", ("edgetpu: no device",))
    assert (found.since_answer_s, found.fps, found.temperature_c, found.watts) == (1.0, None, None, None)
    assert (found.label, found.score, found.since) == ("tabby", 0.7213, at)
    assert found.dropped == {"frames": 3} and found.problems == {"mqtt": "the broker is away"} and found.healthy


def test_a_camera_without_a_fresh_answer_is_not_healthy():
    vitals = running(0.0)
    assert health(vitals, lambda: 29_000_000_000).healthy
    assert not health(vitals, lambda: 31_000_000_000).healthy
    vitals.rate_limit = 0.05
    assert health(vitals, lambda: 59_000_000_000).healthy, "three frames at that rate take a minute"
    vitals.condition = "paused"
    assert not health(vitals, lambda: 1_000_000_000).healthy
    starting = health(Vitals("door"))
    assert not starting.healthy and starting.since_answer_s is None and starting.backend is None
