from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.tasks.classify import Classify
from edge.types import Classification, TensorSpec


def spec_of(classes=4, dtype=np.float32, scale=0.0, zero_point=0, shape=None):
    return TensorSpec(
        name="scores", shape=shape or (1, classes), dtype=np.dtype(dtype), scale=scale, zero_point=zero_point
    )


def task_of(spec, labels=None, top_k=5, threshold=0.0, probabilities=True):
    return Classify(spec, labels, top_k, threshold, lambda: probabilities)


def never():
    raise AssertionError("asked though the quantisation tells")


def test_the_answer_holds_classes_in_falling_order_of_score():
    task = task_of(spec_of(), ("a", "b", "c", "d"))
    answer = task([np.array([[0.1, 0.5, 0.25, 0.15]], np.float32)])
    assert [(c.label, c.index) for c in answer] == [("b", 1), ("c", 2), ("d", 3), ("a", 0)]
    assert isinstance(answer[0], Classification)
    assert answer[0].score == 0.5 and isinstance(answer[0].score, float) and isinstance(answer[0].index, int)


def test_only_the_top_k_are_given():
    task = task_of(spec_of(6), top_k=2)
    assert [c.index for c in task([np.array([[0.1, 0.3, 0.05, 0.05, 0.4, 0.1]], np.float32)])] == [4, 1]


def test_fewer_classes_than_top_k_are_all_given():
    assert len(task_of(spec_of(3), top_k=5)([np.array([[0.1, 0.3, 0.6]], np.float32)])) == 3


def test_a_threshold_leaves_out_lower_scores_and_keeps_equal_ones():
    values = [np.array([[0.25, 0.5, 0.125, 0.125]], np.float32)]
    assert [c.index for c in task_of(spec_of(), threshold=0.25)(values)] == [1, 0]
    assert task_of(spec_of(), threshold=0.75)(values) == ()


def test_classes_without_labels_are_named_by_their_number():
    assert task_of(spec_of(3)).labels == ("class 0", "class 1", "class 2")


def test_logits_become_the_probabilities_of_a_softmax():
    logits = np.array([[1.0, 3.0, -2.0, 60.0]], np.float32)
    task = task_of(spec_of(), probabilities=False)
    answer = task([logits - np.float32(498)])
    powers = np.exp(logits[0].astype(float) - 60)
    assert [c.index for c in answer] == [3, 1, 0, 2]
    np.testing.assert_allclose([c.score for c in answer], (powers / powers.sum())[[3, 1, 0, 2]], atol=1e-6)


def test_the_score_of_a_logit_does_not_hang_on_top_k():
    logits = [np.array([[1.0, 3.0, -2.0, 0.5]], np.float32)]
    best = {k: task_of(spec_of(), top_k=k, probabilities=False)(logits)[0] for k in (1, 2, 4)}
    assert best[1] == best[2] == best[4]


@pytest.mark.parametrize(
    ("values", "best"), [([0.1, 0.7, 0.2, 0.0], 0.7), ([1.0, 3.0, -2.0, 0.5], None), ([0.3, 0.1, 0.2, 0.1], None)]
)
def test_where_the_file_does_not_tell_the_numbers_do(values, best):
    values = np.array([values], np.float32)
    answer = task_of(spec_of(), probabilities=None)([values])
    powers = np.exp(values.astype(float))
    assert answer[0].score == pytest.approx(best or (powers / powers.sum()).max(), abs=1e-6)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "probable"),
    [
        (np.uint8, 1 / 256, 0, True),
        (np.int8, 1 / 256, -128, True),
        (np.uint8, 1 / 255, 0, True),
        (np.uint8, 1 / 256, 1, False),
        (np.uint8, 0.07, 60, False),
        (np.int8, 0.1, -128, False),
        (np.int8, 1 / 256, 0, False),
    ],
)
def test_a_quantised_output_tells_by_its_range_whether_it_holds_probabilities(dtype, scale, zero_point, probable):
    spec = spec_of(3, dtype, scale, zero_point)
    task = Classify(spec, None, 3, 0.0, never if probable else lambda: False)
    values = np.array([[3, 90, 1]]).astype(dtype)
    real = (values.astype(float) - zero_point) * scale
    expected = real if probable else np.exp(real) / np.exp(real).sum()
    answer = task([values])
    assert [c.index for c in answer] == [1, 0, 2]
    np.testing.assert_allclose([c.score for c in answer], expected[0][[1, 0, 2]], rtol=1e-4, atol=1e-6)


def test_any_shape_with_one_score_a_class_will_do():
    values = np.array([0.1, 0.2, 0.7], np.float32)
    for shape in ((3,), (1, 3), (1, 1, 1, 3)):
        assert task_of(spec_of(shape=shape))([values.reshape(shape)])[0].index == 2


@pytest.mark.parametrize(
    ("shape", "words"), [((1, 10, 4), "1x10x4"), ((1, 513, 513, 21), "1x513x513x21"), ((1, 1), "1x1"), ((), "a single")]
)
def test_a_model_that_is_no_classifier_is_refused(shape, words):
    spec = TensorSpec(name="y", shape=shape, dtype=np.dtype(np.float32))
    with pytest.raises(ModelError, match=f"no classifier: its output is {words}"):
        task_of(spec)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_labels_that_are_not_one_a_class_are_refused(count):
    with pytest.raises(ModelError, match=rf"{count} labels for 4 classes; give \(--labels\) a file of 4 lines"):
        task_of(spec_of(4), ("x",) * count)


@settings(max_examples=200)
@given(
    numbers=st.lists(st.integers(0, 255), min_size=2, max_size=40),
    top_k=st.integers(1, 10),
    threshold=st.floats(0, 1),
)
def test_the_top_k_are_those_that_sorting_everything_gives(numbers, top_k, threshold):
    task = Classify(spec_of(len(numbers), np.uint8, 1 / 256, 0), None, top_k, threshold, never)
    answer = task([np.array([numbers], np.uint8)])
    best = [n / 256 for n in sorted(numbers, reverse=True)[:top_k] if n / 256 >= threshold]
    assert [c.score for c in answer] == best
    assert all(numbers[c.index] / 256 == c.score for c in answer)
    assert len({c.index for c in answer}) == len(answer)
    for one, other in pairwise(answer):
        assert one.score > other.score or one.index < other.index


def test_labels_with_a_background_that_the_model_does_not_have_are_told_how_to_mend():
    with pytest.raises(ModelError, match="5 labels for 4 classes; this model has no class for 'background': take"):
        task_of(spec_of(4), ("background", "a", "b", "c", "d"))


def test_of_equal_scores_the_first_classes_are_given():
    spec = TensorSpec(name="scores", shape=(1, 8), dtype=np.dtype(np.uint8), scale=1 / 256)
    scores = np.array([[9, 7, 7, 7, 7, 7, 7, 7]], np.uint8)
    answer = Classify(spec, None, 3, 0.0, lambda: True)([scores])
    assert [c.index for c in answer] == [0, 1, 2]


def test_a_softmax_whose_scale_is_one_part_in_255_is_none_the_less_one():
    spec = TensorSpec(name="scores", shape=(1, 3), dtype=np.dtype(np.uint8), scale=float(np.float32(1 / 255)))
    answer = Classify(spec, None, 1, 0.0, never)([np.array([[200, 30, 25]], np.uint8)])
    assert answer[0].score == pytest.approx(200 / 255)


def test_a_quantised_softmax_of_another_range_is_told_by_the_file():
    spec = TensorSpec(name="scores", shape=(1, 3), dtype=np.dtype(np.int16), scale=1 / 32768)
    answer = Classify(spec, None, 1, 0.0, lambda: True)([np.array([[30000, 1000, 1768]], np.int16)])
    assert answer[0].score == pytest.approx(30000 / 32768)
