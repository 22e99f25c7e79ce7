import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from edge import models
from edge.errors import ConfigError, ModelError
from edge.models import card as cards
from edge.models import catalogue
from edge.models import labels as label_files


def test_the_catalogue_that_ships_can_be_read_and_pins_every_file():
    entries = catalogue.shipped()
    compiled = entries["mobilenet_v2_1.0_224_quant_edgetpu"]
    assert compiled.model.sha256.startswith("a20b5112542b") and compiled.model.size == 4_067_888
    assert compiled.runs_on == "edgetpu"
    for name, entry in entries.items():
        assert name == entry.name and entry.license and entry.source
        assert all(
            source.startswith("https://") for f in entry.files for source in f.sources if isinstance(source, str)
        )
        assert name not in models.shipped()


def test_what_the_catalogue_pins_are_the_real_files(shared):
    for name, entry in catalogue.shipped().items():
        path = shared / "models" / f"{name}{entry.model.suffix}"
        if path.is_file() and entry.runs_on == "cpu":
            assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.model.sha256
            assert path.stat().st_size == entry.model.size
            labels = shared / "labels" / str(entry.labels.sources[0]).rpartition("/")[2]
            assert hashlib.sha256(labels.read_bytes()).hexdigest() == entry.labels.sha256
            assert len(label_files.read(labels)) == entry.classes


@pytest.mark.parametrize("name", catalogue.shipped())
def test_the_card_of_every_entry_is_read_back_as_it_was_written(tmp_path, name):
    card = catalogue.shipped()[name].card()
    cards.save(card, tmp_path / "c.toml")
    assert cards.read(tmp_path / "c.toml") == card


GOOD = """
[[model]]
name = "m"
title = "M"
classes = 2
license = "MIT"
source = "here"
runs_on = "cpu"
files = [{ suffix = ".tflite", size = 9, sha256 = "%s", sources = ["http://localhost/m"] }]
""" % ("0" * 64)


def test_a_catalogue_of_ones_own_may_have_http_sources(tmp_path):
    (tmp_path / "c.toml").write_text(GOOD)
    entry = catalogue.read(tmp_path / "c.toml")["m"]
    assert (entry.model.sources, entry.labels, entry.task, entry.card().fit) == (
        ["http://localhost/m"],
        None,
        "classify",
        None,
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title = "M"', "", r"model\[0\].title: this key is needed"),
        ("size = 9", "size = 0", r"model\[0\].files\[0\].size: Expected `int` >= 1"),
        ('"' + "0" * 64, '"' + "0" * 63, r"files\[0\].sha256: "),
        ("http://localhost/m", "ftp://localhost/m", "'ftp://localhost/m' is no http:// or https:// address"),
        ("http://localhost/m", "/etc/passwd", "is no http:// or https:// address"),
        ('["http://localhost/m"]', "[]", r"sources: Expected `array` of length >= 1"),
        ('["http://localhost/m"]', '[{ wheel = "x", member = "y" }]', r"sources\[0\].wheel: "),
        ('["http://localhost/m"]', '[{ wheel = "--pre==1", member = "y" }]', r"sources\[0\].wheel: "),
        ('suffix = ".tflite"', 'suffix = ".txt"', "needs one model"),
        ('name = "m"', 'name = "../m"', r"model\[0\].name: "),
        ('runs_on = "cpu"', 'runs_on = "gpu"', r"model\[0\].runs_on: Invalid enum value 'gpu'"),
        ("classes", "clases", r"model\[0\].clases: unknown key"),
        ("[[model]]", GOOD + "[[model]]", "a name stands in it twice"),
        ("[[model]]", "[[model", "not TOML"),
    ],
)  # fmt: skip
def test_a_catalogue_that_is_wrong_is_refused_and_the_key_is_named(tmp_path, old, new, words):
    assert old in GOOD
    (tmp_path / "c.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError, match=words):
        catalogue.read(tmp_path / "c.toml")


def test_a_catalogue_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: No such file or directory; give a TOML file"):
        catalogue.read(tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["model = " + "[" * 100_000, "# much\n" * 200_000])
def test_a_catalogue_that_is_too_deep_or_too_long_is_refused(tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.toml: (not TOML: .*recursion.*|larger than 1024 KiB); "):
        catalogue.read(tmp_path / "c.toml")


def test_what_may_give_bytes_for_ever_is_no_catalogue(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="no regular file; give a TOML file"):
            catalogue.read(path)


# --- cards


def test_a_card_is_written_without_what_is_not_known_and_read_back(tmp_path):
    card = cards.Card(
        name='a "quoted"\\ \x7f\x00\n\t name, Äffchen 🐒',
        made_by="x",
        accuracy=cards.Accuracy(data="d", images=3, top1=1e-7, top5=1.0, date="2026-01-01"),
    )
    assert "None" not in cards.text(card) and "null" not in cards.text(card)
    cards.save(card, tmp_path / "x.toml")
    assert cards.read(tmp_path / "x.toml") == card
    assert [path.name for path in tmp_path.iterdir()] == ["x.toml"]


def test_every_key_of_a_card_is_written_and_read_back(tmp_path):
    card = msgspec.structs.replace(models.load().card, name="b")
    cards.save(card, tmp_path / "x.toml")
    assert cards.read(tmp_path / "x.toml") == card


# --- labels with numbers, as Coral's older lists have them


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"   0  background\n   1  tench, Tinca tinca\n", ("background", "tench, Tinca tinca")),
        (b"0: a\n1: b 2\n2:c\n", ("a", "b 2", "c")),
        (b"0 a\n2 b\n", ("0 a", "2 b")),
        (b"0\n1\n2\n", ("0", "1", "2")),
        (b"0 a\n", ("0 a",)),
        (b"zero\n1 b\n", ("zero", "1 b")),
        (b"0 a\nb\n", ("0 a", "b")),
    ],
)
def test_numbers_before_the_labels_are_no_part_of_them_where_every_line_has_its_own(text, found):
    assert label_files.split(text) == found


# --- names


def test_a_model_that_was_pulled_is_found_by_name(home, tiny):
    home.mkdir(parents=True)
    (home / "mine.tflite").write_bytes(tiny())
    (home / ".parts").mkdir()
    (home / "mine.txt").write_text("x\n")
    assert models.pulled() == {"mine": home / "mine.tflite"}
    assert models.load("mine").path == home / "mine.tflite"
    assert models.load("mine").trusted is False


def test_what_ships_is_not_hidden_by_what_was_pulled(home, tiny):
    home.mkdir(parents=True)
    (home / f"{models.DEFAULT}.tflite").write_bytes(tiny())
    assert models.find(models.DEFAULT) == models.shipped()[models.DEFAULT]


def test_an_unknown_name_is_answered_with_what_there_is(home, tiny):
    home.mkdir(parents=True)
    (home / "mine.tflite").write_bytes(tiny())
    with pytest.raises(
        ModelError, match=rf"model nano: no such file; .*one of: {models.DEFAULT}, mine; `edge models list`"
    ):
        models.load("nano")
    name = "tf2_mobilenet_v2_1.0_224_ptq"
    with pytest.raises(ModelError, match=rf"model {name}: not fetched yet; fetch it with `edge models pull {name}`"):
        models.load(name)


def test_a_user_without_a_home_has_no_pulled_models(monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987654)
    assert models.pulled() == {}
