"""A file that changes while the camera runs: what is taken, what is refused, and how often it is looked at."""

import logging
import os

import pytest

from edge.errors import ConfigError
from edge.service.notify import Notify
from edge.service.reload import POLL_S, Reload
from edge.service.rereading import LONG_S, Rereading
from edge.settings import differs
from edge.vitals import Vitals


class Camera:
    """A service's file and its watch, with a clock that is turned by hand."""

    def __init__(self, path):
        self.path = path
        self.now = 0.0
        self.checked = []
        self.vitals = Vitals("a")
        self.write("")
        self.reload = Reload(path, clock=lambda: self.now, check=self.checked.append)
        self.settings = self.reload.settings

    def write(self, text):
        self.path.write_text(text)

    def look(self, times=1, asked=False):
        """Looks that are due; the parts that the last of them that gave anything touched."""
        found = None
        for _ in range(times):
            self.now += POLL_S
            found = self.reload.changed(self.vitals, asked) or found
        if found is None:
            return None
        before, self.settings = self.settings, found.settings
        return differs(before, found.settings) | found.touched


def asked(reload, vitals):
    """What somebody who asks gets."""
    return reload.changed(vitals, asked=True) or reload.changed(vitals)


@pytest.fixture
def camera(tmp_path, caplog):
    caplog.set_level(logging.INFO, "edge")
    return Camera(tmp_path / "a.toml")


def test_a_file_that_does_not_change_is_never_read_again(camera):
    assert camera.look(10) is None
    assert camera.checked == [] and camera.vitals.refused == 0


def test_a_file_that_changed_is_read_when_two_looks_see_the_same(camera, caplog):
    camera.write("[rules]\nthreshold_in = 0.7\n")
    assert camera.look() is None  # it may be half written
    assert camera.look() == {"rules"} and camera.settings.rules.threshold_in == 0.7
    assert camera.reload.settings is camera.settings and camera.checked == [camera.settings]
    assert camera.look(5) is None


def test_between_two_looks_nothing_is_looked_at(camera):
    camera.write("threads = 2\n")
    for part in range(10):
        camera.now = POLL_S * part / 10
        assert camera.reload.changed(camera.vitals) is None
    camera.now = POLL_S
    assert camera.reload.changed(camera.vitals) is None  # seen for the first time
    assert camera.look() == {"pipeline"}


def test_a_file_that_is_still_written_is_waited_for(camera):
    for count in range(1, 6):
        camera.write("#" * count)
        assert camera.look() is None
    camera.write("[web]\n")
    assert camera.look(2) == {"web"}


def test_whoever_asks_gets_it_as_soon_as_two_looks_see_the_same(camera):
    camera.write("[web]\n")
    assert camera.reload.changed(camera.vitals, asked=True) is None  # it may be half written
    camera.now -= POLL_S
    assert camera.reload.asked and camera.look() == {"web"}
    assert not camera.reload.asked and camera.look(asked=True) == set()


def test_a_file_that_became_empty_is_half_written(camera):
    camera.write("[web]\n")
    camera.look(2)
    camera.write("")
    assert camera.look(3) is None and "the file is empty" in camera.vitals.problems["settings"]
    camera.write("# nothing\n")
    assert camera.look(2) == {"web"} and camera.vitals.problems == {}


def test_a_bad_file_keeps_the_settings_and_says_why_once(camera, caplog):
    before = camera.reload.settings
    camera.write("threads = 'two'\n")
    assert camera.look(5) is None
    assert camera.reload.settings is before and camera.vitals.refused == 1
    assert "threads: expected a whole number" in camera.vitals.problems["settings"]
    assert caplog.text.count("the camera goes on with those it has") == 1
    camera.look(asked=True)  # who asks is told again
    assert caplog.text.count("the camera goes on with those it has") == 2


def test_a_file_that_is_mended_is_well_again_also_where_nothing_is_new(camera, caplog):
    camera.write("threads = 'two'\n")
    camera.look(2)
    camera.write("# mended\n")
    assert camera.look(2) == set()
    assert camera.vitals.problems == {}
    assert "is good again" in caplog.text


@pytest.mark.parametrize("how", ["gone", "folder", "garbage"])
def test_a_file_that_goes_is_a_bad_one(camera, how):
    camera.path.unlink()
    if how == "folder":
        camera.path.mkdir()
    if how == "garbage":
        camera.path.write_bytes(os.urandom(64) + b"\xff")
    assert camera.look(3) is None
    assert str(camera.path) in camera.vitals.problems["settings"] and camera.vitals.refused == 1


def test_what_could_not_run_is_refused(tmp_path, caplog):
    path = tmp_path / "a.toml"
    path.write_text("")
    reload, vitals = Reload(path), Vitals("a")
    path.write_text("model = 'nowhere'\n")
    assert asked(reload, vitals) is None
    assert f"{path}: model: nowhere: no such file" in vitals.problems["settings"]
    path.write_text("source = 'sample:'\n")
    assert asked(reload, vitals).settings.source == "sample:"


def test_what_cannot_work_from_the_beginning_is_said_and_counts(tmp_path, caplog):
    path = tmp_path / "a.toml"
    path.write_text("[rules]\nlabels = ['tabbby']\n")
    reload, vitals = Reload(path), Vitals("a")
    reload.judge(vitals)
    assert 'rules.labels[0]: "tabbby" is no label of the model' in vitals.problems["settings"]
    assert 'do you mean "tabby"' in caplog.text and reload.settings.rules.labels == ["tabbby"]
    path.write_text("[rules]\nlabels = ['tabby']\n")
    asked(reload, vitals)
    reload.judge(vitals)
    assert vitals.problems == {}


def test_a_file_that_is_wrong_to_begin_with_is_an_error(tmp_path):
    (tmp_path / "a.toml").write_text("x = 1")
    with pytest.raises(ConfigError, match="x: unknown key"):
        Reload(tmp_path / "a.toml")


def test_a_secret_or_a_model_that_was_replaced_is_news_when_somebody_asks(tmp_path, tiny_file):
    camera = Camera(tmp_path / "b.toml")
    (tmp_path / "pw").write_text("one")
    camera.write("model = 'tiny.tflite'\n[mqtt]\nhost = 'x'\nusername = 'u'\npassword_file = 'pw'\n")
    assert camera.look(2) == {"pipeline", "mqtt"}
    (tmp_path / "pw").write_text("three")
    assert camera.look(3) is None
    assert camera.look(asked=True) == {"mqtt"}
    tiny_file.write_bytes(tiny_file.read_bytes() + b"\0")
    assert camera.look(asked=True) == {"pipeline"}
    assert camera.look(asked=True) == set()


def test_a_disk_that_hangs_while_settings_are_read_is_a_problem_until_it_answers(camera, caplog):
    rereading, told = Rereading(camera.reload, camera.vitals, Notify({}), lambda: True, lambda: camera.now), []

    def hang(settings):
        camera.now += LONG_S + 1
        told.extend([rereading.take(), rereading.take(), dict(camera.vitals.problems)])

    camera.reload._check = hang
    camera.write("[web]\n")
    rereading.look()
    rereading.look()
    assert told[:2] == [None, None] and "the disk of a file that they name hangs" in told[2]["settings"]
    assert caplog.text.count("takes longer than") == 1 and camera.vitals.problems == {}
