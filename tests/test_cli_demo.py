"""`edge demo`, as it is called."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading

import pytest

from edge.cli import demo
from edge.demo import Shown
from edge.listening import listening

GUARD_S = 30.0

FINGERPRINT = ":".join(["AB"] * 32)


@pytest.fixture
def profile(profile_file):
    """A profile with a scripted camera and interpreter; its path."""
    return str(profile_file(extra='[camera]\nkind = "scripted"\nscript = ["frames 100000"]\nfps = 100\n'))


@pytest.fixture
def ended(monkeypatch):
    """Ends a demo by a signal, once its frames come and its address was told."""
    for name in ("SSH_CONNECTION", "SSH_TTY", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def by(number=signal.SIGINT):
        def ends():
            waited, seen = threading.Event(), False
            for _ in range(int(GUARD_S / 0.01)):
                there = {each.name for each in threading.enumerate()}
                seen = seen or any(name.startswith("edge-prepare") for name in there)
                if seen and "edge-demo" not in there:
                    break
                waited.wait(0.01)
            os.kill(os.getpid(), number)

        thread = threading.Thread(target=ends, name="ends")
        thread.start()

    return by


# --- what cannot be


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--window", "--terminal"], "--window and --terminal are two views; give one of them"),
        (["--terminal", "--listen", ":1"], "--listen is for the page, which --terminal takes the place of"),
        (["--terminal", "--host", "a"], "--host is for the page, which --terminal takes the place of"),
        (["--window", "--browser-camera"], "--browser-camera is for the page, which --window takes the place of"),
        (["--terminal"], "--terminal needs a terminal, and this is none"),
        (["--browser-camera", "sample:"], "--browser-camera is a source of its own; leave it out, or sample:"),
        (["--certificate", "c.pem"], "a certificate and its key belong together"),
        (["--listen", "127.0.0.1:99999"], "cannot be listened on; give an address and a port"),
        (["nonsense:"], "nobody here understands it; give camera:0"),
        (["/nowhere.mp4"], "no such file or folder"),
        (["sample:"] * 17, "17 sources are too many; give at most 16"),
        (["--profile", "nothing"], "nothing"),
        (["--require", "coral"], "lists no such interpreter"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_before_anything_opens(cli, profile, arguments, words):
    profile = [] if "--profile" in arguments else ["--profile", profile]
    ran = cli("demo", *profile, *arguments)
    assert ran.code == 2 and ran.out == "" and ran.err.count("\n") == 1
    assert ran.err.startswith("edge: ") and words in ran.err


def test_an_address_that_is_taken_is_told(cli, profile):
    with listening("127.0.0.1:0") as taken:
        port = taken.getsockname()[1]
        ran = cli("demo", "--profile", profile, "--listen", f"127.0.0.1:{port}")
    assert ran.code == 2 and f"127.0.0.1:{port} cannot be listened on (Address already in use); choose" in ran.err


def test_a_camera_that_is_not_there_is_told_with_what_goes_without_one(cli, profile):
    ran = cli("demo", "/dev/video987", "--profile", profile, "--listen", "127.0.0.1:0", "--no-open")
    assert ran.code == 1 and ran.err.count("\n") == 1
    assert re.search(
        r"there is no such camera .*; without a camera: `edge demo sample:` or `--browser-camera`", ran.err
    )


# --- what is seen


def test_it_shows_a_page_until_it_is_ended(cli, profile, ended):
    ended()
    ran = cli("demo", "--profile", profile, "--listen", "127.0.0.1:0", "--no-open")
    assert ran.code == 0 and ran.out == ""
    assert re.match(r"edge: http://127\.0\.0\.1:\d+/  \(open it in a browser; Ctrl-C ends\)\n", ran.err)
    assert "from another machine: `ssh -L " in ran.err


def test_who_closes_the_terminal_ends_it_and_other_views_have_no_page(cli, profile, ended, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdin", None)
    ended(signal.SIGHUP)
    ran = cli("demo", "sample:", "scripted:frames 100000", "--profile", profile, "--terminal")
    assert ran.code == 0 and ran.err == ""
    assert "demo-sample" in ran.out and "demo-scripted" in ran.out


def test_ctrl_c_ends_it_in_a_line_also_while_the_command_itself_is_loaded(tmp_path):
    slow = tmp_path / "click.py"
    slow.write_text("raise KeyboardInterrupt\n")  # whoever began the tests may have had SIGINT ignored
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    line = [sys.executable, "-m", "edge", "demo"]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=GUARD_S)
    assert done.returncode == 130 and done.stderr == "edge: stopped\n"


def test_in_a_terminal_q_ends_it_and_gives_it_back(profile, tmp_path):
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "edge", "demo", "scripted:frames 100000", "--profile", profile, "--terminal"]
    process = subprocess.Popen(line, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said, typed = b"", False
    while select.select([ours], [], [], GUARD_S)[0]:
        try:
            said += os.read(ours, 65536)
        except OSError:  # nobody has its other end any more
            break
        if b"FPS" in said and not typed:
            typed = bool(os.write(ours, b"q"))
    os.close(ours)
    assert process.wait(GUARD_S) == 0
    assert said.endswith(b"\x1b[?25h\x1b[?1049l")


# --- what is asked


def given(**more):
    return {
        "threshold": 0.3, "profile": "auto", "require": None, "model": None, "labels": None, "fit": None,
        "threads": None, "listen": None, "token_file": None, "insecure": False, "certificate": None, "key": None,
        "hosts": (),
        **more,
    }  # fmt: skip


def test_several_sources_are_cameras_with_names():
    settings = demo._settings(["camera:0", "camera:1"], given(), has_page=False)
    assert [(each.name, each.source) for each in settings.camera] == [
        ("camera-0", "camera:0"),
        ("camera-1", "camera:1"),
    ]
    assert settings.source is None and settings.web is None and settings.repeat
    one = demo._settings(["camera:0"], given(listen="127.0.0.1:0", hosts=("cam.example",)), has_page=True)
    assert one.web.hosts == ["cam.example"]
    assert one.source == "camera:0" and one.camera == [] and one.web.listen == "127.0.0.1:0"
    assert demo._settings([], given(), has_page=True).web.listen == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("camera:0", "camera-0"),
        ("picamera:1", "picamera-1"),
        ("/dev/video2", "video2"),
        ("v4l2:///dev/v4l/by-id/usb-A_B-index0", "usb-A_B-index0"),
        ("sample:", "sample"),
        ("rtsp://user:secret@10.0.0.5:554/live", "10.0.0.5"),
        ("https://cam.example/a.mjpg", "cam.example"),
        ("/home/a/Grüße aus dem Garten.mp4", "Gr-e-aus-dem-Garten"),
        ("/data/漢字.mp4", "camera"),
        ("/data/photos/", "photos"),
        ("x" * 99, "x" * 40),
    ],
)
def test_a_camera_is_called_after_its_source_and_no_secret_is_part_of_that(source, name):
    assert demo.names([source]) == [name]


def test_no_two_cameras_have_one_name():
    assert demo.names(["a.mp4", "b/a.mp4", "a-2.mp4", "c/a.avi"]) == ["a", "a-2", "a-2-2", "a-3"]
    assert len(set(demo.names(["sample:"] * 16))) == 16


# --- what is said


@pytest.fixture
def told(capfd, monkeypatch):
    for name in ("SSH_CONNECTION", "SSH_TTY", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def tell(shown, opens=None, chosen="", **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        demo._tell(shown, chosen, opens)
        return capfd.readouterr().err

    return tell


LOCAL = Shown("http://127.0.0.1:8080/", None, True)


def test_what_nobody_named_is_said_first(told):
    assert told(LOCAL, chosen="source sample:").startswith("edge: source sample:\nedge: http://127.0.0.1:8080/  (open")


def test_without_a_desktop_and_by_ssh_it_is_said_how_to_come(told):
    assert "`ssh -L 8080:127.0.0.1:8080 " in told(LOCAL)
    assert "--listen :8080 here, which shows a QR code" in told(LOCAL, SSH_CONNECTION="1", DISPLAY=":10")


def test_a_page_that_others_reach_has_its_token_and_fingerprint_with_it(told):
    shown = Shown("https://192.0.2.7:8080/", "t0ken", False, FINGERPRINT)
    text = told(shown, DISPLAY=":0")
    assert "edge: https://192.0.2.7:8080/#token=t0ken  (open it in a browser" in text
    assert f"SHA-256 {FINGERPRINT}" in text and "ssh" not in text and "no https" not in text
    assert "it is no https" in told(Shown("http://192.0.2.7:8080/", "t0ken", False))


def test_where_there_is_a_desktop_that_has_no_browser_no_tunnel_is_told(told):
    assert "ssh" not in told(LOCAL, opens=False, DISPLAY=":0")
