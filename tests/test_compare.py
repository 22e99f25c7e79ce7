"""Several models on the same pictures: which classes they share, and how far they are from each other."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import evaluate, profile
from edge.engine import open_engine
from edge.errors import ConfigError
from edge.evaluate import Labelled
from edge.evaluate.compare import Gap, Rows

LETTERS = "abcdefghijkl"
THOUSAND = tuple(f"thing {n}" for n in range(1000))


@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        (("a", "b"), ("a", "b"), [(0, 0), (1, 1)]),
        (("a", "b"), ("b", "a"), [(0, 1), (1, 0)]),
        (("a", "b"), ("background", "b", "a"), [(0, 2), (1, 1)]),
        (("background", "a", "b"), ("a", "b"), [(1, 0), (2, 1)]),
        (("background", "a"), ("Background", "b"), [(0, 0), (1, 1)]),
        (("a", "b"), ("alpha", "beta"), [(0, 0), (1, 1)]),
        (("a", "b", "same"), ("alpha", "beta", "same"), [(0, 0), (1, 1), (2, 2)]),
        (("crane", "b", "crane"), ("crane bird", "b", "crane"), [(0, 0), (1, 1), (2, 2)]),
        (("b", "a"), ("class 0", "class 1"), [(0, 0), (1, 1)]),
    ],
)
def test_classes_are_matched_by_name_or_else_by_number(one, other, pairs):
    assert list(zip(*evaluate.shared_classes(one, other), strict=True)) == pairs


def test_a_thousand_classes_and_a_thousand_with_the_background_are_the_same_thousand():
    here, there = evaluate.shared_classes(THOUSAND, tuple(f"class {n}" for n in range(1001)))
    assert (here, there) == (list(range(1000)), list(range(1, 1001)))


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (("a", "b"), ("a", "b", "c"), "3 classes cannot be compared with 2; give models of the same classes"),
        (("a", "b", "c"), ("b", "a", "x"), r"another order or other names \(see 'a'\); give models of the same"),
        (("a", "b", "x"), ("background", "a", "y", "b"), r"another order or other names \(see 'b'\)"),
    ],
)
def test_classes_that_do_not_match_are_refused(one, other, words):
    with pytest.raises(ConfigError, match=words):
        evaluate.shared_classes(one, other)


def test_a_model_without_labels_is_lent_those_of_another():
    assert evaluate.lent(("a", "b"), ("class 0", "class 1")) == ("a", "b")
    unnamed = tuple(f"class {n}" for n in range(1001))
    assert evaluate.lent(THOUSAND, unnamed) == ("background", *THOUSAND)
    assert evaluate.lent(("a", "b"), unnamed) == unnamed


def test_score_vectors_are_kept_by_the_number_of_their_picture():
    with Rows(3) as rows:
        for number in (4, 2):
            rows.put(number, np.full(3, number, np.float32))
        assert [rows.get(number).tolist() for number in (2, 4)] == [[2, 2, 2], [4, 4, 4]]
        assert rows.get(3) is None


def test_a_score_that_is_no_number_is_no_small_difference():
    with Rows(2) as rows:
        rows.put(0, np.array([0.5, 0.5], np.float32))
        rows.put(1, np.array([0.5, 0.5], np.float32))
        gap = Gap(rows, [0, 1], [0, 1])
        gap.see(0, np.array([np.nan, 0.5], np.float32))
        gap.see(1, np.array([0.5, 0.5], np.float32))
        gap.see(9, np.array([0.0, 1.0], np.float32))
        scored = evaluate.Scored(model="m", backend="b", score=None, answers={0: evaluate.Answer("a", 0, 0.5, True)})
        assert np.isnan(gap.difference(scored, scored).largest_difference)


@pytest.fixture
def rows(tiny, tmp_path):
    """Four pictures; the bytes of each are the scores of the twelve classes."""
    found = []
    for number, (best, second, truth) in enumerate(((5, 6, 5), (5, 6, 6), (1, 2, 1), (7, 8, 7))):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), cv2.cvtColor(tiny.picture({best: 255, second: 245}), cv2.COLOR_RGB2BGR))
        found.append(Labelled(path, truth))
    return found


@pytest.fixture
def engine(tiny, tmp_path):
    """Opens a tiny model of a kind, with labels."""

    def opened(kind, name, labels=LETTERS):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(tiny(kind))
        path.with_suffix(".txt").write_text("\n".join(labels))
        path.with_suffix(".toml").write_text(
            f'name = "{name}"\n[input]\nmean = [0.0, 0.0, 0.0]\nstd = [16.0, 16.0, 16.0]\n'
        )
        return open_engine(profile.load(), model=path, threads=1, top_k=evaluate.TOP)

    return opened


def softmax(best, second):
    powers = np.exp(np.array([best / 16, second / 16, *[0] * 10]))
    return powers / powers.sum()


def test_each_model_is_scored_and_held_against_the_first(engine, rows):
    ticks = []
    found = evaluate.compare([engine("float32", "f"), engine("uint8", "q")], rows, ticks.append)
    assert ticks == ["f"] * 4 + ["q"] * 4
    assert [(m.model, m.backend, m.score.top1, m.score.images) for m in found.models] == [
        ("f", "litert-cpu", 0.75, 4),
        ("q", "litert-cpu", 0.75, 4),
    ]
    (gap,) = found.against
    assert (gap.model, gap.agreement) == ("q", 1.0)
    exact = softmax(255, 245)
    rounded = np.rint(exact * 256) / 256
    assert gap.largest_difference == pytest.approx(np.abs(exact - rounded).max(), abs=1 / 256)
    assert 0 < gap.mean_difference <= gap.largest_difference
    assert (found.truths, found.labels) == ({0: 5, 1: 6, 2: 1, 3: 7}, tuple(LETTERS))
    assert found.models[0].answers[1] == evaluate.Answer("f", 5, pytest.approx(exact[0]), False)


def test_a_model_that_numbers_its_classes_otherwise_agrees_by_their_names(engine, rows):
    found = evaluate.compare([engine("uint8", "one"), engine("uint8", "two", LETTERS[::-1])], rows[:1])
    gap = softmax(255, 245)[0] - softmax(255, 245)[1]  # what the one gives to f and g, the other gives to g and f
    assert found.against[0].agreement == 0.0
    assert found.against[0].largest_difference == pytest.approx(gap, abs=1 / 128)


def test_the_same_network_with_its_classes_under_other_names_is_not_compared(engine, rows):
    others = [*"klabcdefghij"[:11], "x"]
    with pytest.raises(ConfigError, match="two against one: its classes have another order or other names"):
        evaluate.compare([engine("uint8", "one"), engine("uint8", "two", others)], rows)


def test_only_the_first_pictures_of_a_limit_are_compared(engine, rows):
    found = evaluate.compare([engine("uint8", "one"), engine("uint8", "two")], rows, limit=2)
    assert [model.score.images for model in found.models] == [2, 2]
    assert (found.against[0].agreement, found.against[0].largest_difference) == (1.0, 0.0)


def test_classes_are_counted_apart(engine, rows):
    found = evaluate.compare([engine("uint8", "one")], rows)
    assert found.against == []
    assert [(c.label, c.index, c.images, c.top1) for c in evaluate.by_class(found)] == [
        ("b", 1, 1, (1.0,)),
        ("f", 5, 1, (1.0,)),
        ("g", 6, 1, (0.0,)),
        ("h", 7, 1, (1.0,)),
    ]


def test_real_models_of_one_network_agree(shared):
    models = shared / "models"
    engines = [
        open_engine(profile.load(), model=models / f"{name}.tflite", fit="squash", top_k=evaluate.TOP, threads=2)
        for name in ("mobilenet_v2_1.0_224_quant", "mobilenet_v2_1.0_224_quant_logits")
    ]
    pictures = evaluate.read(Path(shared) / "imagenet300")
    found = evaluate.compare(engines, pictures, limit=20)
    assert found.against[0].agreement >= 0.9
    assert found.against[0].mean_difference < 0.1
