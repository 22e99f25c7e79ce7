"""Pictures that come from outside, and the camera that they are."""

from threading import Thread

import cv2
import numpy as np
import pytest
import shots
from hypothesis import given
from hypothesis import strategies as st

from edge import adapters
from edge.cameras.browser import LOOK_S, SILENT_S
from edge.errors import CameraError
from edge.inbox import HELD_S, MOST_BYTES, Inbox, Taken, size_of

JPEG = shots.as_jpeg(shots.pixels()).tobytes()


def of_size(width, height):
    """A JPEG whose header says that it is so large."""
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + JPEG[at + 9 :]


def test_the_newest_picture_waits_and_those_before_it_are_dropped():
    inbox = Inbox(clock=iter((5, 7)).__next__)
    inbox.put(of_size(320, 240))
    inbox.put(JPEG)
    assert inbox.dropped == 1
    assert inbox.take(0) == (JPEG, (64, 48), 7)
    assert inbox.take(0) is None and inbox.dropped == 1


def test_one_sender_at_a_time_is_looked_through_until_it_is_silent():
    now = [0]
    inbox = Inbox(clock=lambda: now[0])
    inbox.put(JPEG, "laptop")
    now[0] = int(0.9 * HELD_S * 1e9)
    with pytest.raises(Taken, match="another browser's camera"):
        inbox.put(JPEG, "phone")
    inbox.put(JPEG, "laptop")
    now[0] += int(0.9 * HELD_S * 1e9)
    with pytest.raises(Taken):
        inbox.put(JPEG, "phone")
    now[0] += int(0.2 * HELD_S * 1e9)
    inbox.put(JPEG, "phone")
    with pytest.raises(Taken):
        inbox.put(JPEG, "laptop")
    assert inbox.dropped == 2, "what was refused took no other's place"


def test_who_waits_gets_what_comes():
    inbox = Inbox()
    thread = Thread(target=inbox.put, args=(JPEG,))
    thread.start()
    assert inbox.take(20)[0] == JPEG
    thread.join()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "that is no JPEG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "that is no JPEG"),
        (JPEG[:20], "that is no JPEG"),
        (b"\xff\xd8\xff\xd9" + bytes(20), "that is no JPEG"),
        (b"\xff\xd8" + bytes(20), "that is no JPEG"),
        (JPEG + bytes(MOST_BYTES), "bytes are too many"),
        (of_size(65_535, 65_535), "65535 x 65535 pixels are too many"),
        (of_size(0, 48), "pixels are too many"),
    ],
)
def test_what_is_no_picture_or_a_huge_one_is_refused(data, words):
    inbox = Inbox()
    with pytest.raises(ValueError, match=words):
        inbox.put(data)
    assert inbox.take(0) is None


@pytest.mark.parametrize("option", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]])
def test_the_size_is_read_from_any_kind_of_jpeg(option):
    data = cv2.imencode(".jpg", np.zeros((30, 50, 3), np.uint8), option)[1].tobytes()
    assert size_of(data) == (50, 30)
    assert size_of(data[:2] + b"\xff\xff\xff" + data[3:]) == (50, 30), "fill bytes may stand before a marker"


class Counted(bytes):
    """Counts how often something is looked for in it, or taken of it."""

    looks = 0

    def __getitem__(self, which):
        self.looks += 1
        return super().__getitem__(which)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xe1\0\2", b"\xff\xe1\0\0", b"\xff\xd0"])
def test_the_size_is_looked_for_in_few_steps_whatever_comes_before_it(filler):
    data = Counted(JPEG[:2] + filler * ((MOST_BYTES - len(JPEG)) // len(filler)) + JPEG[2:])
    assert size_of(data) is None and data.looks < 10_000
    with pytest.raises(ValueError, match="that is no JPEG"):
        Inbox().put(bytes(data))
    assert size_of(JPEG[:2] + filler * 9 + JPEG[2:]) == (64, 48) or filler == b"\xff\xd0"


def test_a_picture_that_is_painted_over_and_over_is_refused():
    """A few bytes for each scan of a progressive JPEG have all of its pixels gone through once more."""
    data = cv2.imencode(".jpg", np.zeros((30, 50, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    Inbox().put(data)
    begin, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    with pytest.raises(ValueError, match="1009 scans are too many"):
        Inbox().put(data[:end] + data[begin:end] * 999 + data[end:])


@given(st.binary(max_size=200), st.integers(0, 40))
def test_no_bytes_whatever_do_more_than_be_refused(noise, keep):
    found = size_of(JPEG[:keep] + noise)
    assert found is None or all(0 <= side <= 65_535 for side in found)


# --- the camera


class Played(Inbox):
    """Gives what a script says: pictures, or none in the time that is waited. None of it is real time."""

    def __init__(self, script):
        super().__init__()
        self.script, self.waited_s = list(script), 0.0

    def take(self, most_s):
        there = self.script.pop(0) if self.script else False
        self.waited_s += 0 if there else most_s
        if there:
            self.put(JPEG)
        return super().take(0)


def test_frames_are_the_jpegs_that_come():
    camera = adapters.open("cameras", "browser", inbox=Played([False, True, False, True]))
    frames = iter(camera)
    first, second = next(frames), next(frames)
    assert (first.index, second.index) == (0, 1) and first.pixel_format == "MJPG"
    assert first.pixels.tobytes() == JPEG and first.size == (64, 48) and camera.live
    assert first.captured_at_ns <= second.captured_at_ns


def test_the_first_picture_is_waited_for_and_later_silence_is_a_loss():
    silence = round(SILENT_S / LOOK_S)
    inbox = Played([False] * (10 * silence) + [True])
    with pytest.raises(CameraError, match="the page sends no more pictures; open it again"):
        for frame in adapters.open("cameras", "browser", inbox=inbox):
            assert frame.index == 0
    assert inbox.waited_s > 11 * SILENT_S


def test_it_ends_when_it_is_closed():
    camera = adapters.open("cameras", "browser", inbox=Inbox())
    camera.close()
    assert list(camera) == []


def test_without_a_page_there_is_no_such_camera():
    with pytest.raises(CameraError, match="begin with `edge demo --browser-camera`"):
        adapters.open("cameras", "browser")
