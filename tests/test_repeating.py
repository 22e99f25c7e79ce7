"""A recording that begins anew when it ends."""

from itertools import islice

import pytest

from edge import adapters
from edge.errors import CameraError
from edge.repeating import Repeating


def recording(*script):
    return adapters.open("cameras", "scripted", script=list(script))


def test_frames_go_round_and_round_and_their_numbers_go_on():
    opened = []

    def again():
        opened.append(recording("frames 3"))
        return opened[-1]

    first = recording("frames 3")
    camera = Repeating(first, again, "video.mp4")
    assert [frame.index for frame in islice(camera, 8)] == list(range(8))
    assert first.closed and opened[0].closed and not opened[1].closed
    camera.close()
    assert opened[1].closed and not camera.live


def test_it_ends_between_two_rounds_where_it_was_closed():
    camera = Repeating(recording("frames 2"), lambda: recording("frames 2"), "video.mp4")
    seen = []
    for frame in camera:
        seen.append(frame.index)
        if len(seen) == 2:
            camera.close()
    assert seen == [0, 1]


def test_what_could_not_be_decoded_is_counted_over_all_rounds():
    opened = []

    def again():
        opened.append(recording("frames 1"))
        return opened[-1]

    camera = Repeating(again(), again, "video.mp4")
    frames = iter(camera)
    next(frames)
    camera.skipped += 1
    opened[0].skipped = 2
    next(frames)
    opened[1].skipped = 4
    assert camera.skipped == 7


def test_a_recording_without_frames_is_no_busy_loop():
    with pytest.raises(CameraError, match=r"video\.mp4: it has no frames"):
        list(Repeating(recording("frames 0"), lambda: recording("frames 0"), "video.mp4"))
