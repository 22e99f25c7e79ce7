"""The live demo, with scripted cameras and interpreters: its page, its views, and how it is reached."""

import http.client
import io
import json
import os
import pty
import re
import shutil
import socket
import ssl
import sys
import threading
import webbrowser
from contextlib import closing
from threading import Event as Flag

import cv2
import numpy as np
import pytest
import shots
from rich.console import Console
from rich.text import Text

from edge import demo
from edge.demo import Shown, certificate, reach, terminal, window
from edge.errors import AdapterError, CameraError, ConfigError, DeviceError, ModelError
from edge.listening import listening
from edge.service.signals import Asked
from edge.settings import Camera, Recovery, Settings, Snapshots, Web
from edge.sinks.blocks import UPPER
from edge.vitals import Vitals

GUARD_S = 30.0

JPEG = shots.as_jpeg(shots.pixels()).tobytes()


@pytest.fixture
def settings(profile_file):
    def make(source="scripted:frames 100000", **more):
        extra = '[camera]\nkind = "scripted"\nscript = ["frames 1"]\n'
        return Settings(
            name="demo", profile=str(profile_file(extra=extra)), source=source, repeat=True,
            recovery=Recovery(patience_s=100, fps=50), **more,
        )  # fmt: skip

    return make


def until(true):
    for _ in range(int(GUARD_S / 0.01)):
        if true():
            return
        Flag().wait(0.01)
    raise AssertionError("it never was so")


# --- the whole


def ask(shown, path, method="GET", body=None, context=None, **headers):
    port = int(re.search(r":(\d+)/", shown.url)[1])
    secure = shown.url.startswith("https")
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    with closing(kind("127.0.0.1", port, timeout=GUARD_S, **({"context": context} if secure else {}))) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_it_says_where_the_page_is_once_there_is_something_to_see_and_ends_when_asked(settings):
    asked, seen = Asked(), []

    def told(shown):
        until(lambda: ask(shown, "/healthz")[0] == 200)
        seen.extend([shown, json.loads(ask(shown, "/api/v1/status")[1]), ask(shown, "/picture.jpg")])
        asked.take(2)

    wanted = settings(web=Web(listen="127.0.0.1:0"), snapshots=Snapshots(before_s=0))
    assert demo.run(wanted, asked, told) == 0
    shown, status, (code, picture) = seen
    assert shown.link == shown.url and re.fullmatch(r"http://127\.0\.0\.1:\d+/", shown.url) and shown.is_local
    assert status["condition"] == "running" and status["backend"] == "scripted"
    assert code == 200 and picture.startswith(b"\xff\xd8")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_camera_of_another_machines_browser_is_reached_by_https_with_a_token(settings):
    asked, seen = Asked(), []

    def told(shown):
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        bearer = {"context": trusting, "Authorization": f"Bearer {shown.token}"}
        seen.extend([shown, ask(shown, "/api/v1/status", context=trusting)[0]])
        seen.append(ask(shown, "/api/v1/frame", "POST", JPEG, **{**bearer, "Content-Type": "image/jpeg"})[0])
        until(lambda: json.loads(ask(shown, "/api/v1/status", **bearer)[1])["frames"] == 1)
        asked.take(2)

    assert demo.run(settings("browser:", web=Web(listen=":0")), asked, told) == 0
    shown, without, with_token = seen
    assert shown.url.startswith("https://") and shown.link == f"{shown.url}#token={shown.token}"
    assert re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){31}", shown.fingerprint) and not shown.is_local
    assert without == 401 and with_token in (200, 204)


@pytest.mark.parametrize(
    ("source", "more", "kind", "words"),
    [
        ("scripted:absent 1", {}, ConfigError, "step 'absent 1'"),
        ("/dev/video987", {}, CameraError, "there is no such camera"),
        ("scripted:frames 1", {"model": "/nowhere.tflite"}, ModelError, "no such file"),
    ],
)
def test_what_cannot_be_opened_to_begin_with_ends_it_with_its_reason_alone(settings, source, more, kind, words, caplog):
    told = []
    with pytest.raises(kind, match=words):
        demo.run(settings(source, web=Web(listen="127.0.0.1:0"), **more), Asked(), told.append)
    assert told == [] and not [each for each in caplog.records if each.levelname != "DEBUG"]


def test_one_of_several_cameras_that_cannot_be_opened_ends_all(settings, caplog):
    both = [Camera(name="a", source="scripted:frames 100000"), Camera(name="b", source="/dev/video987")]
    with pytest.raises(CameraError, match="there is no such camera"):
        demo.run(settings(None, camera=both), Asked(), print)


def test_a_camera_that_is_lost_later_is_waited_for(settings, caplog):
    asked = Asked()
    caplog.set_level("WARNING", "edge")

    def beside(life, over):
        until(lambda: "all is opened again" in caplog.text)

    assert demo.run(settings("scripted:frames 20;fail unplugged"), asked, print, beside) == 0
    assert "unplugged" in caplog.text


def test_a_view_in_the_callers_thread_ends_it_and_is_told_of_the_end(settings):
    seen = []

    def looks(life, over):
        until(lambda: life.first.vitals.frames > 2)
        seen.append(threading.current_thread() is threading.main_thread())

    assert demo.run(settings(), Asked(), print, looks) == 0 and seen == [True]
    asked = Asked()

    def waits(life, over):
        until(lambda: life.first.vitals.frames)
        asked.take(15)
        seen.append(over.wait(GUARD_S))

    assert demo.run(settings(), asked, print, waits) == 0 and seen == [True, True]


def test_a_view_that_fails_ends_it_and_leaves_no_thread(settings):
    def fails(life, over):
        raise DeviceError("the window is lost")

    with pytest.raises(DeviceError, match="the window is lost"):
        demo.run(settings(), Asked(), print, fails)
    assert not [each for each in threading.enumerate() if each.name == "edge-camera"]


# --- how it is reached


@pytest.mark.parametrize(
    ("listen", "tls", "url"),
    [
        ("127.0.0.1:1", False, "http://127.0.0.1:8080/"),
        ("[::1]:1", True, "https://[::1]:8080/"),
        ("raspi.local:1", False, "http://raspi.local:8080/"),
    ],
)
def test_a_page_has_an_address_that_a_browser_takes(listen, tls, url):
    assert demo.url_of(listen, 8080, tls) == url


@pytest.mark.parametrize("listen", [":1", "0.0.0.0:1", "[::]:1"])
def test_for_every_address_it_is_the_one_that_others_use(listen):
    own = reach.own_address()
    assert demo.url_of(listen, 80, False) == f"http://{f'[{own}]' if ':' in own else own}:80/"


def test_without_a_route_it_is_the_name_of_this_machine():
    nowhere = [(socket.AF_INET, "255.255.255.255")]  # which no socket may connect to without being asked to broadcast
    assert reach.own_address(nowhere) == f"{socket.gethostname().partition('.')[0]}.local"
    assert reach.own_address([*nowhere, (socket.AF_INET, "127.0.0.1")]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("environment", "there"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "1 2 3 4"}, False),
        ({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/1"}, False),
    ],
)
def test_somebody_is_in_front_of_a_desktop_and_not_behind_ssh(environment, there):
    assert reach.has_desktop(environment) is there


def test_the_browser_of_a_desktop_is_opened_and_none_of_the_terminal():
    class Browser(webbrowser.BaseBrowser):
        def open(self, url, new=0, autoraise=True):
            opened.append(url)
            return True

    def none():
        raise webbrowser.Error("could not locate runnable browser")

    opened = []
    assert reach.open_browser("http://127.0.0.1:8080/", Browser) and opened == ["http://127.0.0.1:8080/"]
    assert not reach.open_browser("http://127.0.0.1:8080/", lambda: webbrowser.GenericBrowser("w3m"))
    assert not reach.open_browser("http://127.0.0.1:8080/", none)


def test_a_port_that_is_taken_is_told_or_the_next_one_is_had():
    with listening("127.0.0.1:0") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be .*; .*without --listen a free one is taken"):
            reach.bound(f"127.0.0.1:{port}")
        with reach.bound(f"127.0.0.1:{port}", 20) as found, reach.bound(f"127.0.0.1:{port}", 20) as other:
            assert port < found.getsockname()[1] < other.getsockname()[1] < port + 20
            with pytest.raises(ConfigError, match="the 1 ports after it are taken; name another one with --listen"):
                reach.bound(f"127.0.0.1:{found.getsockname()[1]}", other.getsockname()[1] - found.getsockname()[1] + 1)


def test_two_that_begin_at_one_moment_have_two_addresses(settings):
    with listening("127.0.0.1:0") as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    urls, both = [], [Asked(), Asked()]

    def told(shown):
        urls.append((shown.url, ask(shown, "/")[0]))
        if len(urls) == 2:
            both[0].take(2)
            both[1].take(2)

    web = Web(listen=listen)
    runs = [threading.Thread(target=demo.run, args=(settings(web=web), each, told, None, 20)) for each in both]
    for each in runs:
        each.start()
    for each in runs:
        each.join(GUARD_S)
    assert len({url for url, _ in urls}) == 2 and {status for _, status in urls} == {200}


# --- the certificate


def shake_hands(made, name):
    """TLS between two ends in memory, of which one trusts the certificate alone and looks at its names."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(made.certificate, made.key)
    client.load_verify_locations(made.certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True)]
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].version()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "raspi.example"])
def test_a_certificate_is_of_this_machine_and_its_key_is_nobodys_elses(tmp_path, address):
    made = certificate.make(tmp_path, address)
    for name in (address, "localhost", "127.0.0.1"):
        assert shake_hands(made, name).startswith("TLSv1")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(made, "192.0.2.8")
    assert made.key.stat().st_mode & 0o777 == 0o600


def test_without_openssl_it_says_what_else_there_is(tmp_path):
    with pytest.raises(ConfigError, match=r"is not installed; give a certificate .*, or .* `ssh -L"):
        certificate.make(tmp_path, "192.0.2.7", "no-such-openssl")


@pytest.mark.parametrize("does", ["echo no such curve >&2; exit 1", "exit 0", "exec /nowhere"])
def test_an_openssl_that_fails_is_told(tmp_path, does):
    program = tmp_path / "openssl"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    with pytest.raises(ConfigError, match="makes no certificate"):
        certificate.make(tmp_path, "192.0.2.7", str(program))


def test_nothing_is_made_where_one_is_given_or_none_is_needed(settings, tmp_path):
    for web in (Web(listen="127.0.0.1:0"), Web(listen=":0", certificate="c.pem", key="k.pem")):
        given = settings("browser:", web=web)
        assert demo._secure(given, tmp_path) == (given, None)
    assert demo._secure(settings(web=Web(listen=":0")), tmp_path)[1] is None


# --- a terminal


def running(name="demo", picture=None, **more):
    vitals = Vitals(name)
    vitals.seen(*shots.shot(picture=picture, **more))
    vitals.condition = "running"
    return vitals


def screen_of(text):
    """What stands on a screen after that: the lines, by their row and column."""
    return {(int(y), int(x)): Text.from_ansi(line).plain for y, x, line in re.findall(
        r"\x1b\[(\d+);(\d+)H((?:(?!\x1b\[\d+;\d+H|\x1b\[\?2026l).)*)", text, re.DOTALL)}  # fmt: skip


def console(width=60, height=24, colours="truecolor"):
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=colours)


def test_a_screen_has_the_picture_and_below_it_the_answer_with_the_rate_of_the_camera():
    vitals = running()
    for index in range(1, 200):
        vitals.seen(*shots.shot(index, 1 + index / 50))
    vitals._clock = lambda: int(5e9)
    vitals.lost("frames", 3)
    lines = screen_of(terminal.View(console()).drawn([vitals]))
    assert UPPER * 10 in lines[1, 1] and max(y for y, _ in lines) == 24
    told = "\n".join(lines.values())
    assert "Egyptian cat" in told and "79.0%" in told and "litert-cpu" in told
    assert "50.0 FPS" in told and "dropped 3" in told, "not the rate at which the screen is drawn"


def test_cameras_are_side_by_side_and_one_that_does_not_run_says_why():
    view = terminal.View(console(80, 40))
    lost = running("yard")
    lost.condition, lost.words = "recovering", "the camera is away"
    cameras = [running("door"), lost, running("gate")]
    first = view.drawn(cameras)
    lines = screen_of(first)
    assert {x for _, x in lines} == {1, 41} and lines[1, 41].rstrip() == "yard: the camera is away"
    assert lines[21, 1].strip(" ") and terminal.CLEAR in first
    assert terminal.CLEAR not in view.drawn(cameras)
    lost.words = "still"
    assert terminal.CLEAR in view.drawn(cameras), "nothing is left of longer words"


@pytest.mark.parametrize("vitals", [running(picture=np.full(9, 7, np.uint8), pixel_format="MJPG"), running(answer=())])
@pytest.mark.parametrize("height", [24, 9])
def test_without_room_or_a_picture_the_answer_stands_alone(vitals, height):
    lines = screen_of(terminal.View(console(height=height)).drawn([vitals]))
    assert max(y for y, _ in lines) <= height
    assert any("FPS" in line for line in lines.values())


@pytest.mark.parametrize(
    ("environment", "colours", "encoding", "expected"),
    [({}, "truecolor", "utf-8", "38;2;"), ({}, "256", "utf-8", "38;5;"), ({}, "truecolor", "ascii", None),
     ({"NO_COLOR": "1"}, "truecolor", "utf-8", None), ({}, None, "utf-8", None)],
)  # fmt: skip
def test_colours_are_those_that_the_terminal_has(environment, colours, encoding, expected):
    file = io.TextIOWrapper(io.BytesIO(), encoding)
    asked = Console(
        file=file, force_terminal=True, width=60, height=24, color_system=colours, _environ=environment
    )  # fmt: skip
    drawn = terminal.View(asked).drawn([running()])
    assert (UPPER in drawn) == (expected is not None) and (not expected or expected in drawn)


def test_a_size_is_split_into_equal_parts():
    assert terminal.tiles(1, 80, 24) == [(0, 0, 80, 24)]
    assert terminal.tiles(3, 80, 24) == [(0, 0, 40, 12), (40, 0, 40, 12), (0, 12, 40, 12)]


@pytest.fixture
def keyboard(monkeypatch):
    """A terminal of which the other end is given back: what is written there is what is typed."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


@pytest.mark.parametrize("typed", [b"q", b"xQ"])
def test_q_ends_it_and_the_terminal_is_as_it_was(keyboard, typed):
    import termios

    def cameras():
        os.write(keyboard, typed)
        return [running()]

    before = termios.tcgetattr(sys.stdin)
    to = console()
    terminal.show(cameras, Flag(), to)
    text = to.file.getvalue()
    assert text.startswith(terminal.BEGIN) and text.endswith(terminal.END)
    assert termios.tcgetattr(sys.stdin) == before


def test_other_keys_are_nothing_and_the_end_of_all_ends_it(keyboard):
    over, looked = Flag(), []

    def cameras():
        os.write(keyboard, b"x")
        looked.append(1)
        if len(looked) == 2:
            over.set()
        return [running()]

    to = console()
    terminal.show(cameras, over, to)
    assert len(looked) == 2 and to.file.getvalue().endswith(terminal.END)


def test_what_is_said_meanwhile_is_said_afterwards(monkeypatch, keyboard):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with terminal.lines_kept(2):
        print("one\ntwo\nthree", file=sys.stderr)
        assert stderr.getvalue() == ""
    assert stderr.getvalue() == "two\nthree\n"
    stderr.truncate(stderr.seek(0))
    with pytest.raises(DeviceError), terminal.lines_kept(3):
        for _ in range(1000):
            print("on", "and", file=sys.stderr)
        sys.stderr.write("one\ntw")
        sys.stderr.write("o")
        assert sum(map(len, sys.stderr._lines)) < 100, "of all that is said in a long time, no more is kept"
        raise DeviceError("it is over")
    assert stderr.getvalue() == "on and\none\ntwo"
    monkeypatch.setattr(sys, "stderr", None)
    with terminal.lines_kept():
        pass


def test_a_terminal_that_was_closed_ends_it(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", None)
    terminal.show(lambda: [running()], Flag(), Console(file=Closed(), force_terminal=True, width=60, height=24))


@pytest.mark.parametrize(
    "asked", [Console(file=io.StringIO()), Console(force_terminal=True, _environ={"TERM": "dumb"})]
)
def test_what_is_no_terminal_is_refused(asked):
    with pytest.raises(ConfigError, match="--terminal needs a terminal, and this is none; look in a browser"):
        terminal.must_be_terminal(asked)


# --- a window


def test_an_opencv_without_windows_is_told_with_what_brings_them():
    with pytest.raises(AdapterError, match="pip install opencv-python"):
        window.must_have_windows("General\n  GUI:                           NONE\n    GTK+: NO\n")
    with pytest.raises(AdapterError):
        window.must_have_windows("General\n")


def test_where_there_is_no_desktop_no_window_is_opened(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeviceError, match=r"no window can be opened here \(.*\); look in a browser, without --window"):
        window.must_have_windows("  GUI:                           QT5\n")


def test_a_window_says_why_no_picture_comes():
    vitals = running(picture=shots.pixels(320, 240))
    there = window.seen(vitals, 320)
    vitals.condition, vitals.words = "recovering", "the camera is away"
    gone = window.seen(vitals, 320)
    assert there.shape == gone.shape == (240, 320, 3)
    assert gone[:100].max() < there[:100].max() / 2, "it is not taken for what the camera sees"
    vitals.latest = None
    black = window.seen(vitals, 320)
    assert black.shape == (240, 320, 3) and black[:100].max() == 0 < black[200:].max()
    broken = running(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")
    assert window.seen(broken, 320) is None


def test_the_link_of_a_page_without_a_token_is_its_address():
    assert Shown("http://127.0.0.1:1/", None, True).link == "http://127.0.0.1:1/"


def test_this_opencv_is_asked_itself():
    if "GUI:                           NONE" in cv2.getBuildInformation():
        with pytest.raises(AdapterError, match="this OpenCV has no windows"):
            window.must_have_windows()
