import hashlib
import os
from pathlib import Path

import pytest

from edge import models
from edge.errors import ModelError
from edge.models import card as cards


def test_a_model_is_read_once_with_its_hash_and_its_labels(tiny_file):
    file = models.load(tiny_file)
    assert file.name == "tiny"
    assert file.path == tiny_file
    assert file.data == tiny_file.read_bytes()
    assert file.sha256 == hashlib.sha256(file.data).hexdigest()
    assert file.labels[:2] == ("class a", "class b")
    assert file.card is None
    assert file.trusted is False


def test_labels_that_are_given_come_before_those_beside_and_those_inside(tiny, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny.zipped(tiny(), {"l.txt": b"inside\n" * 12}))
    assert models.load(path).labels == ("inside",) * 12
    path.with_suffix(".txt").write_text("beside\n" * 12)
    assert models.load(path).labels == ("beside",) * 12
    given = tmp_path / "given.txt"
    given.write_text("given\n" * 12)
    assert models.load(str(path), str(given)).labels == ("given",) * 12


def test_a_model_without_labels_has_none(tiny, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny())
    assert models.load(path).labels is None


def test_a_card_beside_a_model_is_read(tiny_file):
    sha256 = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    tiny_file.with_suffix(".toml").write_text(
        f'name = "tiny"\nsha256 = "{sha256}"\nfit = "crop"\n[input]\nmean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n'
    )
    card = models.load(tiny_file).card
    assert (card.name, card.fit, card.input.std, card.accuracy) == ("tiny", "crop", [1.0, 1.0, 1.0], None)


def test_a_model_that_its_card_does_not_describe_is_refused(tiny_file):
    tiny_file.with_suffix(".toml").write_text('name = "tiny"\nsha256 = "00"\n')
    with pytest.raises(ModelError, match=r"the file is not the one that its card tiny\.toml describes"):
        models.load(tiny_file)


def test_a_card_of_a_strangers_model_does_not_make_it_trusted(tiny_file):
    sha256 = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    tiny_file.with_suffix(".toml").write_text(f'name = "tiny"\nsha256 = "{sha256}"\n')
    assert models.load(tiny_file).trusted is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "Invalid value"),
        ('nom = "x"', "unknown field `nom`"),
        ('name = "x"\nfit = "stretch"', r"Invalid enum value 'stretch' - at `\$.fit`"),
        ('name = "x"\n[input]\nmean = [0]', "missing required field `std`"),
        ("", "missing required field `name`"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_and_the_key_is_named(tiny_file, text, words):
    tiny_file.with_suffix(".toml").write_text(text)
    with pytest.raises(ModelError, match=rf"tiny.toml: not a model card: .*{words}.*mend it"):
        models.load(tiny_file)


def test_a_card_that_is_no_text_is_refused(tiny_file):
    tiny_file.with_suffix(".toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="not a model card"):
        models.load(tiny_file)


def test_a_card_that_is_saved_can_be_read_and_leaves_nothing_beside_it(tmp_path):
    card = cards.Card(
        name="x",
        fit="squash",
        input=cards.Input(mean=[127.5] * 3, std=[127.5] * 3),
        accuracy=cards.Accuracy(
            data="d", images=3, top1=0.5, top5=1.0, float_top1=0.6, float_top5=1.0, date="2026-01-01"
        ),
    )
    cards.save(card, tmp_path / "x.toml")
    assert cards.read(tmp_path / "x.toml") == card
    assert [path.name for path in tmp_path.iterdir()] == ["x.toml"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty; copy it again"),
        (b"\0" * 100, "no TensorFlow Lite model, or a damaged one; fetch or export it again"),
        (b"PK\x03\x04 a zip", "no TensorFlow Lite model"),
        (b"TFL3", "no TensorFlow Lite model"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, data, words):
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"model {path}: {words}"):
        models.load(path)


def test_a_model_that_is_not_there_is_refused_and_those_that_ship_are_named():
    with pytest.raises(ModelError, match=f"model nowhere.tflite: no such file; .*one of: .*{models.DEFAULT}"):
        models.load("nowhere.tflite")


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\0b"], ids=["empty", "long", "zero"])
def test_a_name_that_can_be_no_file_is_refused(name):
    with pytest.raises(ModelError, match="model "):
        models.load(name)


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"Is a directory; give a \.tflite, an ONNX or"):
        models.load(tmp_path)


def test_a_file_larger_than_any_model_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate(models.MOST_BYTES + 1)
    with pytest.raises(ModelError, match="larger than 1 GiB"):
        models.load(path)


def test_the_default_model_ships_with_card_and_labels_and_is_trusted():
    assert models.DEFAULT in models.shipped()
    file = models.load()
    assert file.name == models.DEFAULT
    assert file.trusted
    assert file.card.sha256 == file.sha256
    assert file.card.classes == len(file.labels) == 1000
    assert file.card.fit in ("squash", "crop", "letterbox")
    assert file.card.license and file.card.source and file.card.made_by
    assert file.card.accuracy.images > 0
    assert 3_000_000 < len(file.data) < 5_000_000
    assert file.labels[285] == "Egyptian cat"


def test_every_model_that_ships_has_a_card_that_describes_it():
    for name, path in models.shipped().items():
        file = models.load(name)
        assert file.path == path
        assert file.trusted


def test_other_labels_leave_a_shipped_model_trusted(tmp_path):
    labels = tmp_path / "l.txt"
    labels.write_text("x\n" * 1000)
    assert models.load(None, labels).trusted


def test_the_default_model_is_the_one_that_ships_whatever_lies_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / models.DEFAULT).mkdir()
    monkeypatch.chdir(tmp_path)
    assert models.load().trusted


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_give_bytes_for_ever_is_no_model_and_no_labels(tmp_path, kind):
    path = tmp_path / "pipe" if kind == "pipe" else Path("/dev/zero")
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(ModelError, match=r"no regular file; give"):
        models.load(path)
    with pytest.raises(ModelError, match=r"no regular file; give"):
        models.load(None, path)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"PK\x03\x04 archive/data.pkl", "torch"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19. and so on", "torch"),
    ],
)
def test_the_format_of_a_file_is_told_by_what_it_holds(tmp_path, tiny, tiny_onnx, data, found):
    for name, content, format_ in (("a.tflite", data, found), ("b.pth", tiny_onnx(), "onnx"), ("c", tiny(), "tflite")):
        path = tmp_path / name
        path.write_bytes(content)
        assert models.load(path).format == format_


def test_a_file_of_no_known_format_is_refused(tmp_path, tiny_onnx):
    path = tmp_path / "notes.md"
    path.write_text("hello")
    with pytest.raises(ModelError, match="not a TensorFlow Lite, ONNX or PyTorch model; give one of these"):
        models.load(path)
    path = tmp_path / "cut.onnx"
    path.write_bytes(tiny_onnx()[:-1])
    with pytest.raises(ModelError, match=r"cut\.onnx: no ONNX model, or a damaged one; fetch or export it again"):
        models.load(path)


def test_an_onnx_file_says_its_labels_and_its_input_itself_and_a_card_comes_before_it(tmp_path, tiny_onnx):
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_onnx(labels="x\ny", mean="1,2,3", std="4,5,6", fit="crop"))
    file = models.load(path)
    assert (file.labels, file.card.name, file.card.fit, file.card.input.std) == (("x", "y"), "m", "crop", [4, 5, 6])
    path.with_suffix(".toml").write_text('name = "card"\nfit = "letterbox"\n')
    path.with_suffix(".txt").write_text("beside\n")
    file = models.load(path)
    assert (file.labels, file.card.name, file.card.fit) == (("beside",), "card", "letterbox")
    assert file.card.input.mean == [1, 2, 3]


def test_whether_a_file_gives_probabilities_is_read_in_its_own_format(tmp_path, tiny, tiny_onnx):
    said = []
    for data in (tiny(), tiny(softmax=False), tiny_onnx(), tiny_onnx(softmax=False), b"PK\x03\x04 data.pkl"):
        path = tmp_path / "m"
        path.write_bytes(data)
        said.append(models.load(path).gives_probabilities())
    assert said == [True, False, True, None, None]


@pytest.fixture
def same_name(tmp_path, tiny, tiny_onnx):
    """m.tflite with its card, and an ONNX file and a checkpoint of the same name beside it."""
    (tmp_path / "m.tflite").write_bytes(tiny())
    (tmp_path / "m.onnx").write_bytes(tiny_onnx())
    (tmp_path / "m.pth").write_bytes(b"PK\x03\x04 data.pkl")
    cards.save(cards.Card(name="M", sha256=hashlib.sha256(tiny()).hexdigest()), tmp_path / "m.toml")
    return tmp_path


def test_a_card_belongs_to_the_file_whose_hash_it_has_and_not_to_others_of_its_name(same_name, tiny_onnx):
    found = {suffix: models.load(same_name / f"m{suffix}").card for suffix in (".tflite", ".onnx", ".pth")}
    assert found[".tflite"].name == "M" and found[".onnx"] is found[".pth"] is None
    (same_name / "m.onnx").write_bytes(tiny_onnx(fit="crop"))
    assert models.load(same_name / "m.onnx").card == cards.Card(name="m", fit="crop")
    (same_name / "m.toml").write_text(f'name = "N"\nsha256 = "{models.load(same_name / "m.onnx").sha256}"\n')
    (same_name / "m.onnx").rename(same_name / "m.pt")
    assert models.load(same_name / "m.tflite").card is None


@pytest.mark.parametrize("suffix", [".onnx", ".pth"])
def test_a_card_whose_file_is_nowhere_beside_is_refused_in_any_format(same_name, suffix):
    (same_name / "m.tflite").unlink()
    with pytest.raises(ModelError, match=rf"m{suffix}: the file is not the one that its card m.toml describes"):
        models.load(same_name / f"m{suffix}")


def test_a_file_of_the_same_name_that_cannot_be_read_is_named(plain_user, tiny):
    (plain_user / "m.tflite").write_bytes(tiny())
    (plain_user / "m.toml").write_text('name = "m"\nsha256 = "00"\n')
    (plain_user / "m.pth").touch(0o000)
    with pytest.raises(ModelError, match=r"m\.pth: Permission denied; make it readable, or move it away"):
        models.load(plain_user / "m.tflite")


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = 1\n" * 200_000])
def test_a_card_that_is_too_deep_or_too_long_is_refused(tiny_file, text):
    tiny_file.with_suffix(".toml").write_text(text)
    with pytest.raises(ModelError, match=r"tiny\.toml: not a model card: .*(recursion|larger than 1024 KiB)"):
        models.load(tiny_file)


def test_the_form_for_tensorrt_of_a_known_model_says_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    name = f"{models.DEFAULT}{models.QDQ}"
    made = f"edge export {models.DEFAULT} --for tensorrt --store"
    with pytest.raises(
        ModelError, match=rf"model {name}: not made yet; make it with `{made}` \(needs `pip install onnx`"
    ):
        models.find(name)
    (tmp_path / "edgekit/models").mkdir(parents=True)
    (tmp_path / f"edgekit/models/{name}.onnx").touch()
    assert models.find(name) == tmp_path / f"edgekit/models/{name}.onnx"
    with pytest.raises(ModelError, match="no such file"):
        models.find(f"nothing{models.QDQ}")
