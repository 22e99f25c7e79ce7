"""Pictures in characters."""

import re

import numpy as np
import pytest
import shots
from rich.text import Text

from edge.errors import CameraError
from edge.sinks.blocks import SHADES, UPPER, blocks, fitted, of_256, shades


def frame(picture):
    return shots.shot(picture=picture)[0]


def halves(columns, lines, colours):
    """A picture that is blue on its left side and light grey on its right one."""
    picture = np.full((48, 64, 3), 200, np.uint8)
    picture[:, :32] = (248, 0, 0)
    return blocks(frame(picture), columns, lines, colours)


def plain(line):
    return Text.from_ansi(line).plain


def test_two_pixels_are_a_character_in_two_colours_of_24_bits():
    lines = halves(16, 6, "truecolor")
    assert [plain(line) for line in lines] == [UPPER * 16] * 6
    assert lines[0] == (
        f"\x1b[38;2;0;0;248;48;2;0;0;248m{UPPER * 8}\x1b[38;2;200;200;200;48;2;200;200;200m{UPPER * 8}\x1b[0m"
    ), "a colour is told where it is another than before"


def test_upper_and_lower_pixels_have_their_own_colour():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[1::2] = 240
    lines = blocks(frame(picture), 8, 4, "truecolor")
    assert len(lines) == 4 and "38;2;0;0;0;48;2;240;240;240" in lines[0]


def test_256_colours_are_those_of_xterm():
    assert re.findall(r"38;5;(\d+)", halves(16, 6, "256")[0]) == ["21", "251"]
    colours = np.array([[0, 0, 0], [255, 255, 255], [0, 0, 255], [128, 128, 128], [0, 135, 95], [3, 3, 3]])
    assert of_256(colours).tolist() == [16, 231, 196, 244, 16 + 36 * 1 + 6 * 2, 16]


@pytest.mark.parametrize("colours", [None, "standard"])
def test_without_colours_it_is_shades_of_characters(colours):
    lines = halves(16, 6, colours)
    assert len(lines) == 6 and len(set(lines)) == 1 and "\x1b" not in lines[0]
    left, right = lines[0][:8], lines[0][8:]
    assert set(left) == {SHADES[29 * 10 // 256]} and set(right) == {SHADES[200 * 10 // 256]}
    assert shades(np.zeros((1, 1, 3), np.uint8)) == [" "] and shades(np.full((1, 1, 3), 255, np.uint8)) == ["@"]


@pytest.mark.parametrize(("columns", "lines"), [(80, 10), (20, 40), (1, 1), (200, 3)])
@pytest.mark.parametrize("colours", ["truecolor", "256", None])
def test_a_picture_fits_and_is_in_the_middle(columns, lines, colours):
    told = [plain(line) for line in blocks(frame(shots.pixels()), columns, lines, colours)]
    assert len(told) <= max(lines, 4)
    assert max(len(line) for line in told) <= max(columns, 4)
    width = len(told[0].lstrip(" ")) if colours else None
    if width:
        assert abs((columns - width) // 2 - (len(told[0]) - width)) <= 2


@pytest.mark.parametrize(("size", "expected"), [((100, 100), (20, 20)), ((50, 100), (10, 20)), ((1, 1000), (2, 80))])
def test_a_picture_keeps_its_shape(size, expected):
    assert fitted(np.zeros((*size, 3), np.uint8), 20 if size[1] < 1000 else 80, 10, 2).shape[:2] == expected


def test_a_frame_that_cannot_be_decoded_is_a_camera_error():
    with pytest.raises(CameraError):
        blocks(shots.shot(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")[0], 20, 20, None)
