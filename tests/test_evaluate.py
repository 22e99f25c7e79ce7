from pathlib import Path

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import evaluate, profile
from edge.engine import open_engine
from edge.errors import CameraError, ConfigError
from edge.evaluate import Labelled

LETTERS = tuple(f"class {letter}" for letter in "abcdefghijkl")


def table(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_table_names_pictures_and_their_classes(tmp_path):
    path = table(tmp_path, "\ufefffile,class_index,author\nimages/a.jpg,3,me\nb.jpg, 0 ,you\n")
    expected = [Labelled(tmp_path / "images/a.jpg", 3), Labelled(tmp_path / "b.jpg", 0)]
    assert evaluate.read(path) == evaluate.read(tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\na.jpg,1\n", "the first line must name the columns file and class_index"),
        ("", "the first line must name"),
        ("file,class_index\n", "no line below the first"),
        ("file,class_index\na.jpg,1\nb.jpg\n", "line 3: needs a file and a class_index"),
        ("file,class_index\na.jpg,-1\n", "line 2: needs a file"),
        ("file,class_index\na.jpg,cat\n", "line 2: needs a file"),
        ("file,class_index\n,4\n", "line 2: needs a file"),
        (b"file,class_index\n\xff\xfe,4\n", "cannot be read: .*; give a CSV file in UTF-8"),
        ("file,class_index\na.jpg,²\n", "line 2: needs a file"),
        ("file,class_index\na.jpg," + "9" * 5000 + "\n", "line 2: needs a file"),
    ],
)
def test_a_table_that_is_wrong_is_refused_and_the_line_named(tmp_path, text, words):
    with pytest.raises(ConfigError, match=f"{tmp_path / 'labels.csv'}: {words}"):
        evaluate.read(table(tmp_path, text))


@settings(max_examples=200)
@given(
    text=st.text(max_size=60) | st.text(alphabet='a,1\n"\r\0', max_size=40).map(lambda t: "file,class_index\n" + t),
)
def test_any_table_is_read_or_refused_in_words(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        rows = evaluate.read(path)
    except ConfigError as error:
        assert str(path) in str(error)
    else:
        assert rows and all(isinstance(row.truth, int) and row.truth >= 0 for row in rows)


def test_class_folders_are_read_in_turn_so_that_the_first_few_pictures_are_of_all_classes(tmp_path):
    for name in ("dog/b.jpg", "cat/deep/a.PNG", "cat/c.jpg", "cat/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "stray.jpg").touch()
    assert [(row.path.name, row.truth) for row in evaluate.read(tmp_path)] == [
        ("c.jpg", "cat"),
        ("b.jpg", "dog"),
        ("a.PNG", "cat"),
    ]


@pytest.mark.parametrize("closed", ["cat", "cat/deep", "."])
def test_a_folder_that_cannot_be_read_is_not_left_out_but_named(plain_user, closed):
    (plain_user / "cat/deep").mkdir(parents=True)
    (plain_user / "dog").mkdir()
    (plain_user / "dog" / "a.jpg").touch()
    (plain_user / closed).chmod(0o300)
    with pytest.raises(ConfigError, match=rf"{plain_user / closed}: cannot be read: Permission denied; make it"):
        evaluate.read(plain_user)
    (plain_user / closed).chmod(0o700)
    assert len(evaluate.read(plain_user)) == 1


def test_data_that_is_not_there_or_empty_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no such folder; give a labels\.csv"):
        evaluate.read(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"no labels\.csv and no class folders with pictures"):
        evaluate.read(tmp_path)


def pictures(*truths):
    return [Labelled(Path(f"{n}.jpg"), truth) for n, truth in enumerate(truths)]


@pytest.mark.parametrize(
    ("truths", "labels", "numbers"),
    [
        ((0, 2), ("a", "b", "c"), [0, 2]),
        ((0, 1), ("background", "a", "b"), [1, 2]),
        ((0, 1), ("Background", "a", "b"), [1, 2]),
        ((0, 999), ("x",) * 1001, [1, 1000]),
        ((999,), ("x",) * 1000, [999]),
        (("b", "a"), ("a", "b", "c"), [1, 0]),
        (("a",), ("a", "b", "a"), [0]),
        (("1", "0"), ("a", "b", "c"), [1, 0]),
        (("0007", "0002"), ("background", *"abcdefghi"), [8, 3]),
        (("dogs", "cats"), ("x", "y"), [1, 0]),
        (("dogs", "cats"), ("background", "x", "y"), [2, 1]),
    ],
)
def test_classes_are_numbered_as_the_model_numbers_them(truths, labels, numbers):
    assert evaluate.truths(pictures(*truths), labels) == numbers


@pytest.mark.parametrize(
    ("truths", "labels", "words"),
    [
        ((3,), ("a", "b", "c"), r"0\.jpg: class 3, but the model has 3"),
        ((2,), ("background", "a", "b"), r"0\.jpg: class 2, but the model has 3"),
        (("a", "wolf"), ("a", "b", "c"), "class folder 'wolf': not among the model's labels"),
        (("a", "wolf"), ("b", "a"), "class folder 'wolf': not among the model's labels"),
    ],
)
def test_a_class_that_the_model_does_not_know_is_refused(truths, labels, words):
    with pytest.raises(ConfigError, match=words):
        evaluate.truths(pictures(*truths), labels)


@pytest.fixture
def scored(tiny, tiny_file, tmp_path):
    """Writes pictures whose bytes are the scores of the tiny model's classes, and scores it on them."""

    def run(*rows, extra=()):
        data = []
        for number, (best, truth) in enumerate(rows):
            path = tmp_path / f"{number}.png"
            values = {place: 255 - 10 * rank for rank, place in enumerate(best)}
            assert cv2.imwrite(str(path), cv2.cvtColor(tiny.picture(values), cv2.COLOR_RGB2BGR))
            data.append(Labelled(path, truth))
        engine = open_engine(profile.load(), model=tiny_file, threads=1, top_k=evaluate.TOP)
        ticks = []
        found = evaluate.score(engine, [*data, *extra], lambda: ticks.append(1))
        assert len(ticks) == found.images
        return found

    return run


def test_top1_and_top5_are_shares_of_the_pictures(scored):
    score = scored(([5, 6], 5), ([5, 6], 6), ([1, 2, 3, 4, 5, 6], 6), ([7], 7))
    assert (score.top1, score.top5, score.images, score.skipped) == (0.5, 0.75, 4, 0)
    assert score.ms_per_image > 0


def test_class_folders_are_scored_by_their_labels(scored):
    assert scored(([0], "class a"), ([1], "class a"), ([11], "class l")).top1 == pytest.approx(2 / 3)


def test_a_picture_that_cannot_be_decoded_is_left_out_and_counted(scored, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    score = scored(([5], 5), ([7], 7), extra=[Labelled(tmp_path / "broken.png", 1)])
    assert (score.top1, score.images, score.skipped) == (1.0, 2, 1)


def test_where_no_picture_can_be_decoded_there_is_no_score(scored, tmp_path):
    with pytest.raises(CameraError, match="cannot be read or decoded"):
        scored(extra=[Labelled(tmp_path / "none.png", 1), Labelled(tmp_path / "none2.png", 1)])


def test_the_default_model_scores_as_its_card_says(shared):
    rows = evaluate.read(shared / "imagenet300")
    assert len(rows) == 300
    engine = open_engine(profile.load(), threads=2, top_k=evaluate.TOP)
    score = evaluate.score(engine, rows[100:160])
    assert score.images == 60
    assert score.top1 >= 0.75
    assert score.top5 >= 0.9
