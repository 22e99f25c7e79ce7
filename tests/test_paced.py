"""A recording that is shown at its own rate."""

import cv2
import numpy as np
import pytest

from edge import adapters
from edge.paced import STILL_FPS, STILL_S, Paced, paced
from edge.pipeline import open_pipeline


class Time:
    """A clock that goes on when somebody waits."""

    def __init__(self, ends_ns=None):
        self.now, self.waits, self.ends_ns = 0, [], ends_ns

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += round(seconds * 1e9)
        return self.ends_ns is not None and self.now >= self.ends_ns


def recording(*script):
    return adapters.open("cameras", "scripted", script=list(script))


def test_frames_come_at_their_rate_and_are_captured_when_they_are_due():
    time = Time()
    camera = Paced(recording("frames 4"), 20.0, clock=time, wait=time.wait)
    frames = list(camera)
    assert [frame.captured_at_ns for frame in frames] == [0, 50_000_000, 100_000_000, 150_000_000]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert camera.live, "who comes late has missed some"


def test_no_more_than_one_frame_that_was_late_is_made_up_for():
    time = Time()
    captured = []
    for frame in Paced(recording("frames 6"), 20.0, clock=time, wait=time.wait):
        captured.append(frame.captured_at_ns)
        time.now += 300_000_000 if frame.index == 1 else 0
    assert captured == [0, 50_000_000, 350_000_000, 350_000_000, 400_000_000, 450_000_000]


def test_a_recording_without_a_rate_is_shown_as_it_comes():
    time = Time()
    assert len(list(Paced(recording("frames 3"), None, clock=time, wait=time.wait))) == 3
    assert time.now == 0


def test_each_picture_is_looked_at_for_a_while():
    time = Time()
    frames = list(Paced(recording("frames 2"), 10.0, 3, clock=time, wait=time.wait))
    assert [frame.index for frame in frames] == list(range(6))
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [0, 0, 0, 1, 1, 1]


def test_it_ends_while_it_waits_and_gives_the_recording_back():
    time = Time(ends_ns=100_000_000)
    within = recording("frames 9")
    camera = Paced(within, 20.0, clock=time, wait=time.wait)
    assert len(list(camera)) == 2
    camera.close()
    camera.close()
    assert within.closed


def test_once_closed_it_yields_nothing_and_waits_for_nothing():
    camera = Paced(recording("frames 9"), 0.001)
    frames = iter(camera)
    next(frames)
    camera.close()
    assert list(frames) == []


def test_what_could_not_be_decoded_is_counted_by_the_recording():
    within = recording("frames 1")
    camera = Paced(within, None)
    camera.skipped += 2
    assert within.skipped == camera.skipped == 2


@pytest.fixture
def clip(tmp_path):
    file = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (48, 32))
    for _ in range(3):
        writer.write(np.zeros((32, 48, 3), np.uint8))
    writer.release()
    return file


def test_a_video_has_the_rate_of_its_header(clip):
    time = Time()
    opened = adapters.open("cameras", "stream", url=str(clip))
    frames = list(paced(opened, opened, time, time.wait))
    assert [frame.captured_at_ns for frame in frames] == [0, 80_000_000, 160_000_000]


def test_a_loop_takes_it_as_a_live_source_that_begins_anew(clip, profile_file):
    with open_pipeline(profile_file(), clip, repeat=True, paced=True) as pipeline:
        assert pipeline.camera.live
        assert any(result.frame >= 3 for result in pipeline)


def test_pictures_are_looked_at_for_seconds(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    time = Time()
    opened = adapters.open("cameras", "images", path=str(tmp_path))
    frames = list(paced(opened, opened, time, time.wait))
    assert len(frames) == round(STILL_FPS * STILL_S) and time.now == pytest.approx((STILL_S - 1 / STILL_FPS) * 1e9)


@pytest.mark.parametrize(("fps", "period_s"), [(25.0, 0.04), (0.0, None), (90_000.0, None), (float("nan"), None)])
def test_a_header_that_tells_no_rate_or_the_ticks_of_a_clock_is_not_believed(fps, period_s):
    within = recording("frames 2")
    within.fps = fps
    time = Time()
    frames = list(paced(within, within, time, time.wait))
    assert [frame.captured_at_ns for frame in frames] == [0, (period_s or 0) * 1e9]


def test_a_live_source_keeps_its_own_time(profile_file):
    extra = '[camera]\nkind = "scripted"\nscript = ["frames 2"]\nlive = true\n'
    with open_pipeline(profile_file(extra=extra), paced=True, patience_s=0) as pipeline:
        assert not isinstance(pipeline.camera, Paced)
