"""Connections that are encrypted by a certificate that is given."""

import http.client
import json
import os
import ssl
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import shots
from asking import KEPT, TOKEN, Desk
from certificates import LOCKED, ONE, TWO

from edge import settings
from edge.errors import ConfigError
from edge.vitals import Controls, Vitals
from edge.web import Web, tls_of
from edge.web.choices import Choices
from edge.web.tls import Certificate
from edge.web.watched import Watched

GUARD_S = 60.0


def trusting(pair):
    """A client that trusts one certificate, and that it has the name asked for."""
    return ssl.create_default_context(cadata=pair.certificate)


def shake(certificate, client, name):
    """A handshake in memory; the name of the certificate that the client got."""
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificate.context.wrap_bio(ours, theirs, server_side=True)
    asks = client.wrap_bio(theirs, ours, server_hostname=name)
    for _ in range(4):
        for side in (asks, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(part[0] for part in asks.getpeercert()["subject"])["commonName"]


@pytest.fixture
def files(tmp_path):
    return ONE.put(tmp_path)


@pytest.mark.parametrize("name", ["by its name", "by an address, which is told to nobody"])
def test_a_certificate_that_is_renewed_is_used_from_the_next_connection_on(files, tmp_path, name):
    told = []
    certificate = Certificate(*files, told.append)
    names = (ONE.name, TWO.name) if name == "by its name" else ("127.0.0.1", "127.0.0.1")
    assert shake(certificate, trusting(ONE), names[0]) == ONE.name
    TWO.put(tmp_path)
    assert shake(certificate, trusting(TWO), names[1]) == TWO.name
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(certificate, trusting(ONE), names[0])
    assert told == [None]


def test_files_that_do_not_belong_together_are_told_once_and_those_before_serve(files, tmp_path):
    told = []
    certificate = Certificate(*files, told.append)
    files[0].write_text(TWO.certificate)
    for _ in range(3):
        assert shake(certificate, trusting(ONE), "127.0.0.1") == ONE.name
    assert len(told) == 1 and "give a certificate and its private key" in told[0]
    files[0].unlink()
    assert shake(certificate, trusting(ONE), "127.0.0.1") == ONE.name and len(told) == 2
    TWO.put(tmp_path)
    assert shake(certificate, trusting(TWO), "127.0.0.1") == TWO.name and told[2:] == [None]


def test_a_pipe_in_the_place_of_a_certificate_holds_up_no_connection(files, tmp_path):
    told = []
    certificate = Certificate(*files, told.append)
    files[0].unlink()
    os.mkfifo(files[0])
    assert shake(certificate, trusting(ONE), "127.0.0.1") == ONE.name and "no regular file" in told[0]
    files[0].unlink()
    TWO.put(tmp_path)
    assert shake(certificate, trusting(TWO), "127.0.0.1") == TWO.name


def test_a_key_that_everybody_might_read_serves_as_soon_as_it_is_closed(files, tmp_path):
    told = []
    certificate = Certificate(*files, told.append)
    _, key = TWO.put(tmp_path)
    key.chmod(0o644)
    assert shake(certificate, trusting(ONE), "127.0.0.1") == ONE.name and "run `chmod o= " in told[0]
    key.chmod(0o600)
    assert shake(certificate, trusting(TWO), "127.0.0.1") == TWO.name and told[1:] == [None]


def test_old_versions_of_tls_are_not_spoken(files):
    assert Certificate(*files, print).context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda pem, key: pem.unlink(), "No such file"),
        (lambda pem, key: key.unlink(), "No such file"),
        (lambda pem, key: (pem.unlink(), os.mkfifo(pem)), "no regular file"),
        (lambda pem, key: (key.unlink(), os.mkfifo(key)), "no regular file"),
        (lambda pem, key: pem.write_bytes(b"-" * (2 << 20)), "larger than 1024 KiB"),
        (lambda pem, key: pem.write_text("no certificate"), "give a certificate and its private key, as PEM"),
        (lambda pem, key: key.write_text(TWO.key), "give a certificate and its private key"),
        (lambda pem, key: key.write_text(LOCKED), "without a passphrase"),
        (lambda pem, key: key.chmod(0o644), r"web\.key: everybody may read it; run `chmod o= "),
    ],
)
def test_files_that_do_not_serve_are_said_in_one_line(files, spoil, why):
    spoil(*files)
    asked = settings.Web(certificate=str(files[0]), key=str(files[1]))
    with pytest.raises(ConfigError, match=why) as caught:
        tls_of(asked)
    assert "\n" not in str(caught.value)


def test_a_key_may_be_in_the_certificates_file_and_a_group_may_read_it(files):
    files[0].write_text(ONE.certificate + ONE.key)
    files[0].chmod(0o640)
    assert tls_of(settings.Web(certificate=str(files[0]))) and tls_of(settings.Web()) is None


# --- a real server


def until(true):
    waited, end = threading.Event(), time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        waited.wait(0.01)


@contextmanager
def open_web(vitals, **asked):
    asked = settings.Web(listen="127.0.0.1:0", **asked)
    web = Web(asked, [Watched(vitals, Controls(), Desk())], Choices(), kept=None if asked.token_file else KEPT)
    web.start()
    try:
        until(lambda: web.port)
        yield web
    finally:
        web.close()


def ask(web, trusted, path, method="GET", body=None, **headers):
    with closing(connect(web, trusted)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def connect(web, trusted):
    return http.client.HTTPSConnection("127.0.0.1", web.port, timeout=GUARD_S, context=trusting(trusted))


def test_a_page_over_tls_outlives_its_certificate(files, tmp_path):
    vitals = Vitals("door")
    vitals.seen(*shots.shot(at_s=time.monotonic()))
    with open_web(vitals, certificate=str(files[0]), key=str(files[1])) as web:
        status, headers, _ = ask(web, ONE, "/login", "POST", json.dumps({"token": TOKEN}))
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert status == 204 and cookie.startswith("__Host-edge_session_") and "Secure" in headers["Set-Cookie"]
        with closing(connect(web, ONE)) as viewer:
            viewer.request("GET", "/stream.mjpg", headers={"Cookie": cookie})
            stream = viewer.getresponse()
            assert stream.readline() == b"--edge-frame\r\n"
            files[0].write_text("half of it")
            assert ask(web, ONE, "/healthz")[0] == 503
            assert "give a certificate" in vitals.problems["certificate"]
            TWO.put(tmp_path)
            with pytest.raises(ssl.SSLCertVerificationError):
                ask(web, ONE, "/healthz")
            assert ask(web, TWO, "/api/v1/cameras", Cookie=cookie)[0] == 200, "the session goes on"
            assert "certificate" not in vitals.problems
            vitals.seen(*shots.shot(1, time.monotonic()))
            until(lambda: stream.readline().startswith(b"X-Frame: 1"))
            stream.close()


def test_a_certificate_that_does_not_serve_is_a_problem_and_nothing_is_served_without(files):
    vitals = Vitals("door")
    files[1].unlink()
    asked = settings.Web(listen="127.0.0.1:0", certificate=str(files[0]), key=str(files[1]))
    web = Web(asked, [Watched(vitals, Controls(), Desk())], Choices())
    web.start()
    until(lambda: "web" in vitals.problems)
    assert "web.key" in vitals.problems["web"]
    web.close()
    assert web.port is None


def write(path: Path, line: str) -> None:
    path.write_text(line)
    path.chmod(0o600)


def test_another_token_in_the_file_ends_all_sessions_without_a_restart(tmp_path):
    vitals, path = Vitals("door"), tmp_path / "door.web-token"
    write(path, KEPT.line)
    plain = {"Content-Type": "application/json"}

    def asked(web, method, where, body=None, cookie=""):
        with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=GUARD_S)) as connection:
            connection.request(method, where, body, {**plain, "Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            return answer

    with open_web(vitals, token_file=str(path)) as web:
        login = json.dumps({"token": TOKEN})
        cookie = asked(web, "POST", "/login", login).headers["Set-Cookie"].partition(";")[0]
        assert asked(web, "GET", "/api/v1/cameras", cookie=cookie).status == 200
        path.write_text("spoilt")
        until(lambda: asked(web, "GET", "/api/v1/cameras", cookie=cookie).status == 401)
        assert "run that again" in vitals.problems["token"]
        assert asked(web, "POST", "/login", login).status == 401
        write(path, KEPT.line)
        until(lambda: asked(web, "GET", "/health").status == 401 and "token" not in vitals.problems)
        assert asked(web, "GET", "/api/v1/cameras", cookie=cookie).status == 401, "it ended"
        assert asked(web, "POST", "/login", login).status == 204
    assert vitals.problems == {}
