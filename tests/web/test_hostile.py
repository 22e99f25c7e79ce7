"""Malformed requests, by raw sockets: some of those that `edge.benchmarks.web.hostile` sends by the ten thousand."""

import asyncio
import http.client
import random
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import shots
from asking import KEPT, TOKEN, watched
from certificates import ONE
from edge.benchmarks.web.attackers import Wave, attack
from edge.benchmarks.web.malformed import KINDS, any_of_them

from edge import settings
from edge.vitals import Vitals
from edge.web import Web
from edge.web.choices import Choices

GUARD_S = 60.0

REQUESTS = 250


@contextmanager
def served(kept=None, stall_s=1.0, **asked):
    """A page on some port, and its camera's vitals."""
    vitals = Vitals("door")
    vitals.seen(*shots.shot(at_s=time.monotonic()))
    vitals.condition = "running"
    web = Web(settings.Web(listen="127.0.0.1:0", **asked), [watched(vitals)], Choices(list), kept=kept, stall_s=stall_s)
    web.start()
    try:
        until(lambda: web.port)
        yield web, vitals
    finally:
        web.close()


def until(true):
    waited, end = threading.Event(), time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        waited.wait(0.02)


def status(port, path="/healthz", **headers):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=GUARD_S)) as connection:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status


def see(viewer, frame):
    """Look at a stream until a frame is there."""
    found = b""
    while b"X-Frame: %d\r" % frame not in found:
        found += viewer.read1(1 << 16)


def files():
    return len(list(Path("/proc/self/fd").iterdir()))


def thrown(port, **more):
    """Throw some; returns how they were answered."""
    wave = Wave(port, REQUESTS, one=False, tls=False, seed=7)._replace(**more)
    return asyncio.run(attack(wave, answer_s=0.3))


def test_malformed_requests_are_refused_and_keep_no_thread_no_file_and_no_viewer():
    with served() as (web, vitals), closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=GUARD_S)) as eye:
        eye.request("GET", "/stream.mjpg")
        viewer = eye.getresponse()
        see(viewer, 0)
        before, threads = files(), threading.active_count()
        answers = thrown(web.port)
        assert sum(answers.values()) == REQUESTS
        assert not {each for each in answers if each.startswith("5") and each != "503"}, answers
        assert answers["400"] > 30 and answers["404"] > 5, "they were read"
        assert status(web.port) == 200
        vitals.seen(*shots.shot(1, time.monotonic()))
        see(viewer, 1)
        until(lambda: files() <= before)
        assert threading.active_count() <= threads + 6, "those that wait for disks, made once"
        viewer.close()
        with suppress(OSError):
            eye.close()
    assert vitals.problems == {}


def test_a_viewer_that_never_reads_gives_its_place_back():
    picture = np.random.default_rng(1).integers(0, 256, (400, 400, 3), np.uint8)
    with served(stall_s=0.2, viewers=1) as (web, vitals), closing(socket.socket()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", web.port))
        deaf.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: status(web.port, "/stream.mjpg") == 503)

        def free():
            vitals.seen(*shots.shot(vitals.frames, time.monotonic(), picture))
            return status(web.port, "/stream.mjpg") == 200

        until(free)


def test_who_has_no_token_gets_nothing_by_malformed_requests():
    with served(kept=KEPT) as (web, _):
        answers = thrown(web.port, requests=120, seed=8)
        allowed = {"200", "204", "304", "400", "401", "403", "404", "405", "413", "415", "421", "422", "429", "501",
                   "cut", "left", "silent", "refused"}  # fmt: skip
        assert set(answers) <= allowed and answers["401"] > 5
        assert status(web.port, "/health", Authorization=f"Bearer {TOKEN}") == 200
        assert status(web.port, "/health") == 401


def test_garbage_where_tls_is_spoken_costs_its_connections_alone(tmp_path):
    certificate, key = ONE.put(tmp_path)
    with served(certificate=str(certificate), key=str(key)) as (web, vitals):
        answers = thrown(web.port, requests=60, tls=True, seed=9)
        assert answers["cut"] + answers.get("silent", 0) > 10 and answers.get("400", 0) > 0, "outside of TLS, and in it"
        assert not {each for each in answers if each.startswith("5") and each != "503"}, answers
    assert vitals.problems == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_is_many_and_the_same_for_the_same_seed(kind):
    made = [kind(random.Random(seed)) for seed in range(40)]
    assert len(set(made)) > 10 and made == [kind(random.Random(seed)) for seed in range(40)]
    assert any_of_them(random.Random(1)) == any_of_them(random.Random(1)) != b""
