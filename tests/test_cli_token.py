import io
import os
import re
from socket import gethostname

import pytest

from edge.cli import execute, qr
from edge.demo import Shown
from edge.errors import ConfigError
from edge.service.check import check, files
from edge.settings import load, web_token
from edge.web.token import read


def said(capsys, *argv):
    code = execute(["service", "token", *map(str, argv)], False)
    streams = capsys.readouterr()
    return code, streams.out, streams.err


@pytest.fixture
def camera(tmp_path):
    """Writes the settings of a camera with this section [web]."""

    def write(web, name="door"):
        path = tmp_path / f"{name}.toml"
        path.write_text(f'source = "sample:"\nrepeat = true\n{web}')
        return path

    return write


def fits(path, token):
    return read(path.read_text(), str(path)).fits(token.strip())


def test_a_token_goes_to_stdout_alone_and_only_its_hash_into_a_file_that_nobody_else_reads(capsys, tmp_path):
    before = os.umask(0)
    try:
        code, token, told = said(capsys, "--file", tmp_path / "kept")
    finally:
        os.umask(before)
    assert code == 0 and re.fullmatch(r"[\w-]{32}\n", token) and token.strip() not in told
    assert "shown this once" in told and f"edge demo --token-file {tmp_path}/kept" in told
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o600
    assert fits(tmp_path / "kept", token) and token.strip() not in (tmp_path / "kept").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_another_token_takes_the_place_of_the_one_before(capsys, tmp_path):
    old, new = (said(capsys, "--file", tmp_path / "kept")[1] for _ in range(2))
    assert old != new and fits(tmp_path / "kept", new) and not fits(tmp_path / "kept", old)


def test_for_the_file_of_a_camera_its_token_file_is_written_and_the_page_is_named(capsys, tmp_path, camera):
    path = camera('[web]\nlisten = ":8080"\ntoken_file = "door.web-token"\n')
    code, token, told = said(capsys, path)
    assert code == 0 and fits(tmp_path / "door.web-token", token)
    assert re.search(rf"^open http://[\d.]+:8080/#token={token.strip()}$", told, re.MULTILINE)
    assert "note: it is no https" in told
    assert read(web_token(load(path).web), "it").fits(token.strip())
    assert (tmp_path / "door.web-token") in files(load(path))["web"]


def test_a_page_that_only_this_machine_reaches_is_said_to_be_one(capsys, camera):
    code, token, told = said(capsys, camera('[web]\ntoken_file = "t"\n'))
    assert code == 0 and f"http://127.0.0.1:8080/#token={token.strip()}" in told
    assert "only this machine reaches the page" in told and "https" not in told


def test_no_note_of_https_where_there_is_some(capsys, camera):
    told = said(capsys, camera('[web]\nlisten = ":1"\ntoken_file = "t"\ncertificate = "c.pem"\nkey = "k.pem"\n'))[2]
    assert "open https://" in told and "no https" not in told


@pytest.mark.parametrize("web", ["", "[web]\n"])
def test_a_file_without_a_token_file_is_told_what_to_write(capsys, camera, web):
    code, out, err = said(capsys, camera(web))
    assert (code, out) == (2, "") and 'write `token_file = "door.web-token"` into its section [web]' in err


def test_the_token_of_an_installed_camera_is_a_credential_of_its_unit(capsys, tmp_path, camera):
    root = ("--root", tmp_path)
    assert "say which camera; installed here: none" in said(capsys, *root)[2]
    etc = tmp_path / "etc/edge"
    code, token, told = said(capsys, "door", *root)
    assert (code, token) == (2, "") and "door.toml is not there; installed here: none; run `edge service ins" in told
    assert not etc.exists(), "a wrong name leaves nothing"
    etc.mkdir(parents=True)
    (etc / "door.toml").write_text('source = "sample:"\n')
    code, token, told = said(capsys, *root)
    assert code == 0 and fits(etc / "door.web-token", token) and "its settings need `[web]`" in told
    (etc / "door.toml").write_text("[web]\n")
    assert said(capsys, *root)[0] == 0
    (etc / "door.toml").write_text("web = 3\n")
    code, token, told = said(capsys, "door", *root)
    assert code == 2 and fits(etc / "door.web-token", token), "a camera that is ill needs its token changed, too"
    (etc / "hall.toml").write_text("")
    assert "say which camera; installed here: door, hall" in said(capsys, *root)[2]


def test_what_cannot_be_is_refused_in_one_line(capsys, tmp_path):
    assert "leave one of the two out" in said(capsys, "door", "--file", tmp_path / "x")[2]
    assert "can be no camera's name" in said(capsys, "Front Door", "--root", tmp_path)[2]
    assert "No such file" in said(capsys, tmp_path / "none.toml")[2]
    (tmp_path / "file").touch()
    code, out, err = said(capsys, "--file", tmp_path / "file/below")
    assert (code, out) == (1, "") and "put `sudo` before it" in err
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in said(capsys, "--file", tmp_path / "pipe")[2]


def test_a_camera_that_runs_is_begun_anew_for_that_is_when_systemd_passes_it(capsys, tmp_path, monkeypatch):
    from edge.cli.service.token import begin_anew
    from edge.service.install.system import System

    class Running(System):
        running = True

    tool = tmp_path / "systemctl"
    tool.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n[ "$1" = restart ] || cat {tmp_path}/state\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for state, asked in (("inactive", False), ("active", True)):
        (tmp_path / "state").write_text(f"{state}\n")
        begin_anew("door", Running(tmp_path))
        told = "run systemctl restart --no-block edge@door.service\n"
        assert capsys.readouterr().err == (told if asked else "")
        assert ("restart --no-block edge@door.service" in (tmp_path / "asked").read_text()) == asked


# --- what check says of it


def remarks(path, **more):
    checked = check(path, **more)
    web = [line for line in (*checked.said, *checked.notes) if line.startswith("web")]
    return web, [str(fault) for fault in checked.wrong if fault.key.startswith("web")]


def test_a_page_that_others_reach_needs_a_token(capsys, tmp_path, camera):
    path = camera('[web]\nlisten = ":8080"\n')
    (fault,) = remarks(path)[1]
    assert fault.startswith("web.token_file: :8080 is reached by other machines, and there is no token; make one with")
    unit = remarks(path, etc=tmp_path)
    assert len(unit[1]) == 1
    execute(["service", "token", "--file", str(tmp_path / "door.web-token")], False)
    told, wrong = remarks(path, etc=tmp_path)
    assert wrong == [] and f"web: http://{gethostname()}:8080/, for whoever has the token" in told
    assert f"web.token_file: {tmp_path}/door.web-token, as a credential of the service" in told
    assert "web.certificate: without one, who is on the way can read token and pictures" in told
    (tmp_path / "door.web-token").chmod(0o644)
    assert "others may read it" in remarks(path, etc=tmp_path)[1][0]


def test_who_may_see_the_page_is_said(camera):
    assert remarks(camera("[web]\n")) == (["web: http://127.0.0.1:8080/, for whoever uses this machine"], [])
    told, wrong = remarks(camera('[web]\nlisten = ":1"\ninsecure = true\n'))
    assert wrong == [] and told[0] == f"web: http://{gethostname()}:1/, for everybody"
    assert told[1] == "web.insecure: whoever reaches this machine sees what the camera sees, and steers it"


def test_a_token_file_or_certificate_that_is_none_is_said(tmp_path, camera):
    path = camera('[web]\ntoken_file = "t"\ncertificate = "c"\nkey = "k"\n')
    told, wrong = remarks(path)
    assert told == ["web: https://127.0.0.1:8080/, for whoever has the token"]
    assert "No such file or directory; have `edge service token` write it" in wrong[0]
    assert "No such file" in wrong[1] and wrong[1].startswith("web.certificate: ")
    (tmp_path / "t").write_text("hunter2")
    (tmp_path / "t").chmod(0o600)
    assert "is not what `edge service token` writes; run that again" in remarks(path)[1][0]
    with pytest.raises(ConfigError):
        read("hunter2", "t")


def test_what_homes_hide_of_a_page_is_said(tmp_path, camera):
    path = camera('[web]\ncertificate = "/home/me/c.pem"\nkey = "/home/me/k.pem"\n')
    assert any("web.key: /home/me/k.pem is hidden from the service" in each for each in remarks(path, etc=tmp_path)[1])


# --- QR codes


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


def test_a_code_is_drawn_where_there_is_a_terminal_that_has_its_blocks(monkeypatch):
    link = Shown("http://192.168.1.7:8080/", "x" * 32, False).link
    for stream, drawn in (
        (Terminal(io.BytesIO(), "utf-8"), True),
        (Terminal(io.BytesIO(), "latin-1"), False),
        (io.StringIO(), False),
        (None, False),
    ):
        monkeypatch.setattr("sys.stderr", stream)
        assert qr.show(link) is drawn
        if drawn:
            lines = stream.buffer.getvalue().decode().splitlines()
            assert set("".join(lines)) == set("█▄▀ ") and len({len(line) for line in lines}) == 1
