import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.scale import plan, scale


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def scaled(picture, out, corner=(0, 0), part=None):
    scale(plan(part or picture.shape[:2], out.shape[:2], corner), picture, out)


def test_halving_is_the_exact_average_of_pairs():
    picture = noise(64, 96)
    out = np.zeros((32, 48, 3), np.uint8)
    scaled(picture, out)
    expected = picture.reshape(32, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(out - expected).max() <= 1


@pytest.mark.parametrize(
    "size", [(1080, 1920), (480, 640), (500, 333), (448, 449), (333, 1999), (359, 360), (719, 255)]
)
def test_scaling_down_does_not_alias(size):
    # A checkerboard of single pixels must become the grey of its average, and no moire pattern.
    height, width = size
    board = ((np.add.outer(np.arange(height), np.arange(width)) % 2) * 255).astype(np.uint8)
    picture = np.repeat(board[:, :, None], 3, 2)
    out = np.zeros((224, 224, 3), np.uint8)
    scaled(picture, out)
    naive = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_LINEAR)
    if height >= 2 * 224 and width >= 2 * 224:
        assert np.abs(out.astype(int) - 127.5).max() <= 1
    assert out.std() <= naive.std() + 1e-9
    assert abs(out.mean() - 127.5) < 3


@pytest.mark.parametrize("size", [(480, 640), (360, 640), (1080, 1920), (299, 299), (600, 450), (300, 1500)])
def test_scaling_down_is_near_to_averaging_areas(size):
    picture = cv2.GaussianBlur(noise(*size), (0, 0), 1.2)
    out = np.zeros((224, 224, 3), np.uint8)
    scaled(picture, out)
    area = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA)
    naive = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_LINEAR)
    assert np.abs(out.astype(float) - area).mean() < max(3, np.abs(naive.astype(float) - area).mean() / 2)


def test_scaling_up_interpolates():
    out = np.zeros((4, 4, 3), np.uint8)
    scaled(np.full((2, 2, 3), 9, np.uint8), out)
    assert (out == 9).all()


@settings(deadline=None, max_examples=150)
@given(
    source=st.tuples(st.integers(1, 90), st.integers(1, 90)), target=st.tuples(st.integers(1, 40), st.integers(1, 40))
)
def test_a_picture_of_one_colour_keeps_it_at_every_size(source, target):
    out = np.zeros((*target, 3), np.uint8)
    scaled(np.full((*source, 3), (10, 100, 200), np.uint8), out)
    assert (out == (10, 100, 200)).all()


@pytest.mark.parametrize("part", [(64, 64), (50, 90), (8, 8), (16, 30)])
def test_a_part_is_scaled_as_it_would_be_alone(part):
    picture, whole, alone = noise(100, 120), np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)
    scaled(picture, whole, (7, 11), part)
    scaled(picture[7 : 7 + part[0], 11 : 11 + part[1]].copy(), alone)
    np.testing.assert_array_equal(whole, alone)


@given(st.tuples(st.integers(1, 900), st.integers(1, 900)), st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_a_plan_ends_in_the_result_and_never_goes_below_it_before(source, target):
    steps = plan(source, target)
    assert steps[-1].buffer is None and steps[-1].size == target[::-1]
    assert all(step.buffer is not None for step in steps[:-1])
    for step in steps:
        assert all(
            have >= min(want, first) for have, want, first in zip(step.size, target[::-1], source[::-1], strict=True)
        )
