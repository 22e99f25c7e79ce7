import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import preprocess
from edge.errors import CameraError, ConfigError, ModelError
from edge.models.card import Input
from edge.preprocess import Preprocessor, reduction, regions
from edge.types import FITS, Frame, TensorSpec

SIZES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))
TARGETS = st.tuples(st.integers(1, 600), st.integers(1, 600))


def spec_of(dtype=np.uint8, scale=1 / 128, zero_point=128, shape=(1, 8, 8, 3)):
    return TensorSpec(name="x", shape=shape, dtype=np.dtype(dtype), scale=scale, zero_point=zero_point)


def frame_of(pixels, pixel_format="RGB", size=None):
    size = size or (pixels.shape[1], pixels.shape[0])
    return Frame(pixels=pixels, index=7, captured_at_ns=0, size=size, pixel_format=pixel_format)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def inside(box, size):
    x, y, w, h = box
    return x >= 0 and y >= 0 and w >= 1 and h >= 1 and x + w <= size[0] and y + h <= size[1]


@settings(deadline=None, max_examples=300)
@given(fit=st.sampled_from(FITS), source=SIZES, target=TARGETS)
def test_regions_lie_inside_the_picture_and_the_target(fit, source, target):
    there, here = regions(fit, source, target)
    assert inside(there, source)
    assert inside(here, target)


@settings(deadline=None, max_examples=300)
@given(fit=st.sampled_from(["crop", "letterbox"]), source=SIZES, target=TARGETS)
def test_crop_and_letterbox_keep_proportions_to_a_pixel(fit, source, target):
    (_, _, w, h), (_, _, tw, th) = regions(fit, source, target)
    # One of the two sides may have been rounded, by at most half a pixel, and none is below one.
    (rounded_w, rounded_h), (fixed_w, fixed_h) = ((w, h), (tw, th)) if fit == "crop" else ((tw, th), (w, h))
    wide = abs(rounded_h - fixed_h * rounded_w / fixed_w) <= 0.5 + 1e-9 or rounded_h == 1
    high = abs(rounded_w - fixed_w * rounded_h / fixed_h) <= 0.5 + 1e-9 or rounded_w == 1
    assert wide or high


@settings(deadline=None, max_examples=300)
@given(source=SIZES, target=TARGETS)
def test_crop_covers_the_target_with_the_middle_of_the_picture(source, target):
    (x, y, w, h), here = regions("crop", source, target)
    assert here == (0, 0, *target)
    if w != source[0] and h != source[1]:  # then it halves to the target exactly, and leaves out a tenth at most
        factor = w // target[0]
        assert (w, h) == (factor * target[0], factor * target[1])
        assert factor & (factor - 1) == 0
        largest = min(source[0] / target[0], source[1] / target[1])
        assert w >= 0.9 * largest * target[0] - 1 and h >= 0.9 * largest * target[1] - 1
    assert abs((source[0] - w) - 2 * x) <= 1 and abs((source[1] - h) - 2 * y) <= 1  # in the middle


@settings(deadline=None, max_examples=300)
@given(source=SIZES, target=TARGETS)
def test_letterbox_holds_the_whole_picture_and_touches_two_sides_of_the_target(source, target):
    there, (x, y, w, h) = regions("letterbox", source, target)
    assert there == (0, 0, *source)
    assert w == target[0] or h == target[1]
    assert abs((target[0] - w) - 2 * x) <= 1 and abs((target[1] - h) - 2 * y) <= 1


@given(source=SIZES, target=TARGETS)
def test_squash_takes_all_to_all(source, target):
    assert regions("squash", source, target) == ((0, 0, *source), (0, 0, *target))


@settings(deadline=None, max_examples=300)
@given(fit=st.sampled_from(FITS), source=SIZES, target=TARGETS)
def test_a_reduced_jpeg_is_the_smallest_that_still_covers_the_model(fit, source, target):
    n = reduction(fit, source, target)
    (_, _, w, h), (_, _, tw, th) = regions(fit, source, target)
    assert n in (1, 2, 4, 8)
    assert n == 1 or (w // n >= tw and h // n >= th)
    assert n == 8 or w // (2 * n) < tw or h // (2 * n) < th


@pytest.mark.parametrize(
    ("source", "n"), [((640, 480), 2), ((1920, 1080), 4), ((4608, 2592), 8), ((400, 300), 1), ((100, 100), 1)]
)
def test_common_cameras_are_decoded_at_the_expected_size(source, n):
    assert reduction("squash", source, (224, 224)) == n


def test_a_jpeg_is_decoded_small_and_as_the_same_picture():
    picture = cv2.GaussianBlur(noise(480, 640), (0, 0), 12)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].ravel()
    small = preprocess.decode(frame_of(data, "MJPG", (640, 480)), "squash", (224, 224))
    assert small.shape == (240, 320, 3)
    assert preprocess.decode(frame_of(data, "MJPG", (640, 480))).shape == (480, 640, 3)
    spec = spec_of(shape=(1, 224, 224, 3))
    for fit in FITS:
        whole, reduced = (Preprocessor(spec, fit)(f, np.zeros(spec.shape, np.uint8)) for f in (
            frame_of(picture, "BGR"), frame_of(data, "MJPG", (640, 480))
        ))  # fmt: skip
        assert np.abs(whole.astype(int) - reduced).mean() < 3


def test_a_broken_jpeg_is_told_as_the_cameras_fault():
    data = np.frombuffer(b"\xff\xd8 this is no picture", np.uint8)
    with pytest.raises(CameraError, match="frame 7: the camera sent a JPEG that cannot be decoded"):
        preprocess.decode(frame_of(data, "MJPG", (640, 480)), "squash", (224, 224))


def test_pixels_that_are_no_jpeg_are_not_copied():
    picture = noise(4, 4)
    assert preprocess.decode(frame_of(picture), "squash", (2, 2)) is picture


def test_buffers_are_kept_and_do_not_grow_without_end():
    spec = spec_of(shape=(1, 8, 8, 3))
    prepare = Preprocessor(spec)
    for n in range(60):
        prepare(frame_of(noise(100 + n, 120)), prepare.new_tensor())
    first = frame_of(noise(100, 120, seed=5))
    again, fresh = prepare(first, prepare.new_tensor()), Preprocessor(spec)(first, prepare.new_tensor())
    np.testing.assert_array_equal(again, fresh)
    assert len(prepare._recipes) <= preprocess.MOST_RECIPES


def formula(values, spec, normalisation=None):
    """What the tensor must be, by the plain formula: real = (pixel - mean) / std, then quantised."""
    chosen = normalisation or preprocess.assumed(spec)
    return spec.quantize((values.astype(np.float64) - np.asarray(chosen.mean)) / np.asarray(chosen.std))


@settings(deadline=None, max_examples=120)
@given(
    dtype=st.sampled_from([np.uint8, np.int8, np.float32]),
    scale=st.sampled_from([1 / 255, 1 / 128, 1 / 127.5, 0.0186, 1.0]),
    zero_point=st.integers(-128, 127),
    mean=st.none() | st.tuples(*[st.floats(0, 255, allow_subnormal=False)] * 3),
    std=st.tuples(*[st.floats(1, 255)] * 3),
    planar=st.booleans(),
)
def test_every_way_to_the_tensor_equals_the_plain_formula(dtype, scale, zero_point, mean, std, planar):
    scale, zero_point = (0.0, 0) if dtype == np.float32 else (scale, zero_point + 128 * (dtype == np.uint8))
    shape = (1, 3, 16, 16) if planar else (1, 16, 16, 3)
    spec = spec_of(dtype, scale, zero_point, shape)
    normalisation = None if mean is None else Input(mean=list(mean), std=list(std))
    picture = np.arange(768, dtype=np.int64).astype(np.uint8).reshape(16, 16, 3)  # every byte in every channel
    fill = Preprocessor(spec, "squash", normalisation)
    out = fill(frame_of(picture), fill.new_tensor())
    expected = formula(picture, spec, normalisation)
    np.testing.assert_array_equal(out[0], expected.transpose(2, 0, 1) if planar else expected)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "flip"),
    [
        (np.uint8, 1 / 128, 128, 0),
        (np.uint8, 1 / 127.5, 127, 0),
        (np.int8, 1 / 127.5, -1, 128),
        (np.int8, 1.0, -128, 128),
    ],
)
def test_a_shifted_pair_costs_an_xor_at_most(dtype, scale, zero_point, flip):
    spec = spec_of(dtype, scale, zero_point, (1, 16, 16, 3))
    picture = np.arange(768, dtype=np.int64).astype(np.uint8).reshape(16, 16, 3)
    fill = Preprocessor(spec)
    out = fill(frame_of(picture), fill.new_tensor())
    np.testing.assert_array_equal(out.view(np.uint8)[0], picture ^ flip)


def test_a_cards_normalisation_holds_where_it_is_not_the_identity():
    spec = spec_of(np.int8, 1 / 127.5, 0, (1, 2, 2, 3))
    out = Preprocessor(spec, "squash", Input(mean=[127.5] * 3, std=[127.5] * 3))(
        frame_of(np.full((2, 2, 3), 255, np.uint8)), np.zeros((1, 2, 2, 3), np.int8)
    )
    assert (out == 127).all()


@pytest.mark.parametrize(("pixel_format", "first"), [("RGB", 200), ("BGR", 10)])
def test_the_tensor_is_rgb_whatever_the_camera_gives(pixel_format, first):
    picture = np.full((8, 8, 3), (200, 100, 10), np.uint8)
    fill = Preprocessor(spec_of())
    out = fill(frame_of(picture, pixel_format), fill.new_tensor())
    assert out[0, 0, 0].tolist() == [first, 100, 210 - first]


def test_the_picture_of_a_frame_is_left_as_it_was():
    picture = noise(8, 8)
    before = picture.copy()
    fill = Preprocessor(spec_of(np.int8, 1 / 127.5, -1))
    fill(frame_of(picture, "BGR"), fill.new_tensor())
    np.testing.assert_array_equal(picture, before)


def test_a_letterboxed_picture_has_grey_above_and_below_each_time():
    fill = Preprocessor(spec_of(shape=(1, 8, 8, 3)), "letterbox")
    tensor = fill.new_tensor()
    for _ in range(2):
        tensor[...] = 77
        out = fill(frame_of(np.full((4, 8, 3), 255, np.uint8)), tensor)[0]
        assert (out[:2] == 128).all() and (out[6:] == 128).all() and (out[2:6] == 255).all()


def test_a_crop_is_made_a_little_smaller_where_it_then_halves_exactly():
    assert regions("crop", (640, 480), (224, 224))[0] == (96, 16, 448, 448)
    assert regions("crop", (640, 400), (224, 224))[0] == (120, 0, 400, 400)


def test_a_crop_takes_the_middle():
    picture = np.zeros((8, 24, 3), np.uint8)
    picture[:, 8:16] = 255
    fill = Preprocessor(spec_of(), "crop")
    assert (fill(frame_of(picture), fill.new_tensor()) == 255).all()


def test_a_tensor_matches_its_spec():
    fill = Preprocessor(spec_of(np.float32, 0.0, 0, (1, 6, 4, 3)))
    assert fill.size == (4, 6)
    assert fill.new_tensor().shape == (1, 6, 4, 3)
    assert fill.new_tensor().dtype == np.float32
    black = fill(frame_of(np.zeros((6, 4, 3), np.uint8)), fill.new_tensor())
    assert (black == -1).all()


@pytest.mark.parametrize(
    ("shape", "words"),
    [((1, 9, 9), "1x9x9"), ((1, 9, 9, 1), "1x9x9x1"), ((2, 8, 8, 3), "2x8x8x3"), ((1, 0, 8, 3), "1x0x8x3"), ((), "")],
)
def test_a_model_that_takes_no_picture_is_refused(shape, words):
    with pytest.raises(ModelError, match=f"input is {words}, not one RGB picture"):
        Preprocessor(spec_of(shape=shape))


def test_a_model_with_another_dtype_is_refused():
    with pytest.raises(ModelError, match="input is int16, not uint8, int8 or float32"):
        Preprocessor(spec_of(np.int16))


@pytest.mark.parametrize(
    "card", [Input(mean=[0.0], std=[1.0] * 3), Input(mean=[0.0] * 3, std=[1.0]), Input(mean=[0.0] * 3, std=[1, 0, 1])]
)
def test_a_card_with_a_normalisation_that_cannot_be_is_refused(card):
    with pytest.raises(ModelError, match=r"card: input.mean and input.std"):
        Preprocessor(spec_of(), "squash", card)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("cat.jpg", "not str"),
        (None, "not NoneType"),
        (np.zeros((4, 4, 3), np.float32), r"not float32 \(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), r"not uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"not uint8 \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), "must not be empty"),
    ],
)
def test_what_is_no_image_is_refused(image, words):
    with pytest.raises(ConfigError, match=words):
        preprocess.frame_of(image, 0)


def test_an_image_in_memory_becomes_a_frame_without_a_copy():
    image = noise(3, 5)
    frame = preprocess.frame_of(image, 42)
    assert frame.pixels is image
    assert (frame.size, frame.captured_at_ns, frame.pixel_format) == ((5, 3), 42, "RGB")


def test_an_image_with_strides_of_its_own_is_the_same_image():
    image = noise(40, 60)
    views = (image[::2, ::-1], np.asfortranarray(image), image[:, :, ::-1], image[5:21, 7:23])
    for view in views:
        fill = Preprocessor(spec_of())
        expected = fill(frame_of(np.ascontiguousarray(view)), fill.new_tensor())
        np.testing.assert_array_equal(fill(frame_of(view), fill.new_tensor()), expected)
