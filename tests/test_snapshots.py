import re
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
import shots
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import annotate as words
from edge import settings as asked
from edge.errors import CameraError
from edge.picture import jpeg, picture, shown
from edge.sinks.album import BLOCK, Album
from edge.sinks.ring import Ring
from edge.sinks.snapshots import MOST_TAKEN, MOST_WAITING, Pictures
from edge.types import Event
from edge.vitals import Controls, Vitals

GUARD_S = 60.0
AT = datetime(2026, 11, 23, 14, 5, 9, tzinfo=timezone.utc)
ID = "1f0c2d3e" * 4


def event(kind="appeared", **more):
    return Event(**{"id": ID, "kind": kind, "label": "Egyptian cat", "score": 0.79, "at": AT, "frame": 3, **more})


class Hand:
    """A clock that is set by hand."""

    def __init__(self, seconds=10.0):
        self.seconds = seconds

    def __call__(self):
        return int(self.seconds * 1e9)


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


# --- a frame as a picture


@pytest.mark.parametrize("pixel_format", ["BGR", "RGB", "MJPG"])
def test_a_picture_has_the_colours_of_the_frame_and_memory_of_its_own(pixel_format):
    right = shots.pixels()
    given = {"BGR": right, "RGB": right[:, :, ::-1], "MJPG": shots.as_jpeg(right)}[pixel_format]
    found = picture(shots.shot(picture=given, pixel_format=pixel_format)[0], 64)
    assert (
        np.abs(found.astype(int) - right).max() <= 40 and np.abs(found[:, :20].astype(int) - right[:, :20]).max() <= 4
    )
    kept = given.copy()
    found[...] = 0
    assert np.array_equal(given, kept)


@pytest.mark.parametrize("pixel_format", ["BGR", "RGB", "MJPG"])
def test_a_picture_is_made_no_wider_than_asked_and_keeps_its_shape(pixel_format):
    right = shots.pixels(640, 360)
    given = shots.as_jpeg(right) if pixel_format == "MJPG" else right
    frame = shots.shot(picture=given, pixel_format=pixel_format)[0]
    if pixel_format == "MJPG":
        frame = type(frame)(**{**{n: getattr(frame, n) for n in frame.__struct_fields__}, "size": (640, 360)})
    assert picture(frame, 160).shape == (90, 160, 3)
    assert picture(frame, 4000).shape == (360, 640, 3)


def test_the_jpeg_of_a_camera_is_passed_on_as_it_is():
    data = shots.as_jpeg(shots.pixels())
    frame = shots.shot(picture=data, pixel_format="MJPG")[0]
    assert shown(frame, 64, 80) == data.tobytes()
    assert decoded(shown(frame, 32, 80)).shape == (24, 32, 3)


def test_a_jpeg_without_tables_gets_them():
    bare = shots.without_tables(shots.as_jpeg(shots.pixels()))
    assert b"\xff\xc4" not in bare.tobytes()
    found = shown(shots.shot(picture=bare, pixel_format="MJPG")[0], 64, 90)
    assert b"\xff\xc4" in found
    assert np.abs(decoded(found)[:, :20].astype(int) - shots.pixels()[:, :20]).max() <= 6


def test_what_is_no_picture_is_refused_in_words():
    with pytest.raises(CameraError, match=r"70000 x 2 cannot be written as a JPEG; have the camera"):
        jpeg(np.zeros((2, 70_000, 3), np.uint8), 80)
    with pytest.raises(CameraError, match="cannot be written"):
        jpeg(np.zeros((0, 0, 3), np.uint8), 80)
    with pytest.raises(CameraError, match="cannot be decoded"):
        shown(shots.shot(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")[0], 64, 80)


# --- words on it


def test_the_words_tell_what_happened():
    result = shots.shot()[1]
    assert words.told(result, None) == "Egyptian cat 79%"
    assert words.told(shots.shot(answer=())[1], None) == "nothing recognised"
    assert words.told(result, event()) == "appeared: Egyptian cat 79%"
    assert words.told(result, event("changed", previous="tabby")) == "changed: Egyptian cat 79%, was tabby"
    assert words.told(result, event("gone", lasted_s=12.4)) == "gone: Egyptian cat after 12 s"
    assert words.told(result, event("gone")) == "gone: Egyptian cat"


def test_a_time_is_told_by_the_local_clock_with_its_zone():
    assert re.fullmatch(r"2026-11-2\d \d\d:\d5:09 [+-]\d{4}|2026-11-2\d \d\d:\d\d:09 [+-]\d{4}", words.moment(AT))
    assert datetime.strptime(words.moment(AT), "%Y-%m-%d %H:%M:%S %z") == AT


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120), st.tuples(st.integers(1, 400), st.integers(1, 300)))
def test_any_label_can_be_written_on_a_picture_of_any_size(text, size):
    grey = np.full((size[1], size[0], 3), 200, np.uint8)
    words.annotate(grey, text, "2026-11-23 14:05:09 +0000")
    if min(size) < words.LEAST:
        assert (grey == 200).all()
    else:
        assert (grey[: size[1] // 5] == 200).all() or size[1] < 100
        assert (grey[-1] != 200).all(), "the strip is dark to the lower edge"


def test_short_words_stand_on_one_line_and_long_ones_on_two():
    def strip(text):
        grey = np.full((480, 640, 3), 200, np.uint8)
        words.annotate(grey, text, "2026-11-23 14:05:09 +0000")
        return int((grey[:, -1, 0] != 200).sum())

    assert 0 < strip("cat") < strip("a label that goes on and on until there is no room left beside it")


@pytest.mark.parametrize("text", ["cat 79%", "x" * 500])
def test_a_line_is_never_wider_than_its_room(text):
    line = words.fitted(text, 200, 16)
    assert 0 < line.width <= 200
    assert line.text == text or line.text.endswith("...")


def test_letters_that_cannot_be_drawn_are_replaced():
    assert words.drawable("Käse, 猫", unicode=True) == "Käse, 猫"
    assert words.drawable("Käse, 猫", unicode=False) == "Kase, ?"
    assert words.drawable("a\x1b\u202e\u2028b") == "ab"


# --- the last seconds


def test_the_ring_keeps_the_last_seconds_oldest_first():
    ring = Ring(2.0, 2.0)
    for half in range(10):
        if ring.wants(half * 500_000_000):
            ring.add(half * 500_000_000, b"%d" % half)
    assert [data for _, data in ring.before(4_500_000_000)] == [b"5", b"6", b"7", b"8"]
    assert [seconds for seconds, _ in ring.before(4_500_000_000)] == [2.0, 1.5, 1.0, 0.5]
    assert ring.before(9_000_000_000) == []
    ring.clear()
    assert ring.size == 0 and ring.before(4_500_000_000) == []


def test_the_ring_takes_no_more_pictures_a_second_than_asked():
    ring = Ring(60.0, 2.0)
    for at in range(0, 10_000, 33):
        if ring.wants(at * 1_000_000):
            ring.add(at * 1_000_000, b"x")
    assert 17 <= ring.size <= 23


def test_a_ring_of_no_seconds_wants_nothing():
    assert not Ring(0.0, 2.0).wants(5)


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 60))), st.integers(1, 100))
def test_the_ring_never_takes_more_memory_than_it_may(pictures, most):
    ring = Ring(3.0, 2.0, most)
    for at, size in pictures:
        ring.add(at, b"x" * size)
        assert ring.size <= most
        assert ring.size == sum(len(data) for _, data in ring._pictures)


# --- the folder


def test_names_rise_whatever_the_clock_says(tmp_path):
    album = Album(tmp_path, 1e6, lambda: 0.0)
    first, second = album.name(ID, AT), album.name(ID, AT - timedelta(days=365))
    assert first == "00000001-20261123T140509Z-1f0c2d3e.jpg"
    assert second == "00000002-20251123T140509Z-1f0c2d3e.jpg"
    album.write(second, b"x")
    assert Album(tmp_path, 1e6, lambda: 0.0).name(ID, AT).startswith("00000003-")


def test_a_picture_that_goes_while_the_folder_is_read_takes_nothing(tmp_path):
    (tmp_path / "00000001-20261123T140509Z-1f0c2d3e.jpg").symlink_to(tmp_path / "gone")
    album = Album(tmp_path, 1e6, lambda: 0.0)
    album.write(album.name(ID, AT), b"x")
    assert album.taken == BLOCK


def test_a_folder_that_cannot_be_read_does_not_hinder_names(tmp_path):
    (tmp_path / "file").write_text("")
    assert Album(tmp_path / "file", 1e6, lambda: 0.0).name(ID, AT).startswith("00000001-")


def test_the_oldest_go_first_and_the_quota_is_never_passed(tmp_path):
    album = Album(tmp_path, 3 * BLOCK, lambda: 0.0)
    names = [album.name(ID, AT) for _ in range(5)]
    for name in names:
        album.write(name, b"x" * 100)
        assert album.taken == sum(BLOCK for _ in tmp_path.iterdir()) <= 3 * BLOCK
    assert sorted(path.name for path in tmp_path.iterdir()) == names[2:]


def test_what_was_seen_before_an_event_goes_before_its_picture(tmp_path):
    album = Album(tmp_path, 3 * BLOCK, lambda: 0.0)
    first, second = album.name(ID, AT), album.name(ID, AT)
    earlier, later = album.before(first, 2.5), album.before(first, 0.5)
    for name in (first, later, earlier):
        album.write(name, b"x")
    album.write(second, b"x")
    assert {path.name for path in tmp_path.iterdir()} == {first, later, second}
    album.write(album.name(ID, AT), b"x")
    assert not (tmp_path / later).exists() and (tmp_path / first).exists()


def test_what_others_put_there_is_neither_counted_nor_deleted(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"x" * 10 * BLOCK)
    (tmp_path / ".edge-left").write_bytes(b"half a picture")
    album = Album(tmp_path, 2 * BLOCK, lambda: 0.0)
    for _ in range(3):
        album.write(album.name(ID, AT), b"x")
    assert album.taken == 2 * BLOCK
    assert (tmp_path / "holiday.jpg").exists()
    assert not (tmp_path / ".edge-left").exists(), "what a power cut left is cleared"


def test_files_that_somebody_took_away_leave_room_after_an_hour(tmp_path):
    now = [0.0]
    album = Album(tmp_path, 2 * BLOCK, lambda: now[0])
    names = [album.name(ID, AT) for _ in range(4)]
    album.write(names[0], b"x")
    album.write(names[1], b"x")
    (tmp_path / names[0]).unlink()
    now[0] = 4000.0
    album.write(names[2], b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == names[1:3]


def test_a_later_life_goes_on_with_the_pictures_that_are_there(tmp_path):
    before = Album(tmp_path, 3 * BLOCK, lambda: 0.0)
    for _ in range(3):
        before.write(before.name(ID, AT), b"x")
    after = Album(tmp_path, 3 * BLOCK, lambda: 0.0)
    after.write(after.name(ID, AT), b"x")
    assert sorted(path.name[:8] for path in tmp_path.iterdir()) == ["00000002", "00000003", "00000004"]


# --- all of it, step by step


def pictures(folder, hand, controls=None, **more):
    vitals = Vitals("door", clock=hand)
    return Pictures(
        asked.Snapshots(**more), folder, vitals, controls or Controls(), clock=hand, wall=lambda: AT
    ), vitals


def look(vitals, taker, hand, index, at_s, picture=None):
    hand.seconds = at_s
    vitals.seen(*shots.shot(index, at_s, picture))
    taker.step()


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_picture_of_an_event_and_what_was_before_it_are_written(tmp_path):
    hand = Hand()
    taker, vitals = pictures(tmp_path / "s", hand, before_s=1.0, per_s=2.0)
    for index, at in enumerate((10.0, 10.5, 11.0, 11.5)):
        look(vitals, taker, hand, index, at)
    name = taker.name(ID, AT)
    assert taker.last is None
    taker.take(name, *shots.shot(9, 11.6), event())
    taker.step()
    stem = Path(name).stem
    assert files(tmp_path / "s") == [f"{stem}-before-00.10s.jpg", f"{stem}-before-00.60s.jpg", name]
    assert taker.last == (tmp_path / "s" / name).read_bytes()
    assert vitals.problems == {} and vitals.dropped == {}


@pytest.mark.parametrize("annotated", [True, False])
def test_pictures_are_annotated_or_plain(tmp_path, annotated):
    hand = Hand()
    taker, _ = pictures(tmp_path, hand, annotated=annotated)
    grey = np.full((480, 640, 3), 200, np.uint8)
    taker.take(taker.name(ID, AT), *shots.shot(picture=grey), event())
    taker.step()
    found = decoded(taker.last)
    assert bool(found[-10:].mean() < 150) is annotated
    assert abs(found[:200].mean() - 200) < 2 and (grey == 200).all()


def test_a_picture_that_the_house_wants_needs_no_name(tmp_path):
    hand = Hand()
    taker, _ = pictures(tmp_path, hand, before_s=0)
    taker.take(None, *shots.shot(), None)
    taker.step()
    assert re.fullmatch(r"00000001-20261123T140509Z-[0-9a-f]{8}\.jpg", files(tmp_path)[0])


def test_a_disk_that_fails_is_said_tried_again_and_then_nothing_is_missing(tmp_path):
    hand = Hand()
    folder = tmp_path / "s"
    folder.write_text("no folder")
    taker, vitals = pictures(folder, hand, before_s=0)
    name = taker.name(ID, AT)
    taker.take(name, *shots.shot(), event())
    taker.step()
    assert "s" in vitals.problems["snapshots"]
    folder.unlink()
    taker.step()
    assert not folder.exists(), "it is not tried again at once"
    hand.seconds += 2.0
    taker.step()
    assert files(folder) == [name] and vitals.problems == {} and vitals.dropped == {}


def test_pauses_between_tries_grow_to_a_minute(tmp_path):
    hand = Hand()
    (tmp_path / "s").write_text("no folder")
    taker, vitals = pictures(tmp_path / "s", hand, before_s=0)
    taker.take(taker.name(ID, AT), *shots.shot(), event())
    tries = 0
    while hand.seconds < 700:
        vitals.problem("snapshots", None)
        taker.step()
        tries += "snapshots" in vitals.problems
        hand.seconds += 0.5
    assert 10 <= tries <= 25


def test_what_waits_for_a_disk_is_bounded_and_what_is_given_up_is_counted(tmp_path):
    hand = Hand()
    (tmp_path / "s").write_text("no folder")
    taker, vitals = pictures(tmp_path / "s", hand, before_s=0, annotated=False)
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    data = shots.as_jpeg(noise)
    count = MOST_WAITING // len(data) + 3
    for _ in range(count):
        taker.take(taker.name(ID, AT), *shots.shot(picture=data, pixel_format="MJPG"), event())
        taker.step()
    assert vitals.dropped == {"pictures": 3}


def test_frames_that_nobody_makes_pictures_of_are_bounded_and_counted(tmp_path):
    taker, vitals = pictures(tmp_path, Hand())
    for _ in range(MOST_TAKEN + 2):
        taker.take(taker.name(ID, AT), *shots.shot(), event())
    assert vitals.dropped == {"pictures": 2}
    taker.step()
    assert len(files(tmp_path)) == MOST_TAKEN


def test_a_frame_that_is_no_picture_is_said_and_counted_and_no_problem_that_stays(tmp_path, caplog):
    hand = Hand()
    taker, vitals = pictures(tmp_path, hand)
    garbled = shots.shot(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")
    vitals.seen(*garbled)
    taker.take(taker.name(ID, AT), *garbled, event())
    taker.step()
    assert vitals.dropped == {"pictures": 1} and "cannot be decoded" in caplog.text
    assert vitals.problems == {}
    taker.take(taker.name(ID, AT), *shots.shot(), event())
    taker.step()
    assert taker.last is not None


def test_a_picture_larger_than_the_quota_is_refused_with_advice(tmp_path, caplog):
    taker, vitals = pictures(tmp_path, Hand(), quota_mb=1, annotated=False)
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    data = shots.as_jpeg(noise)
    assert len(data) > 1e6
    taker.take(taker.name(ID, AT), *shots.shot(picture=data, pixel_format="MJPG"), event())
    taker.step()
    assert "quota_mb" in caplog.text and vitals.dropped == {"pictures": 1}
    assert files(tmp_path) == []


def test_while_it_is_paused_no_pictures_are_kept_at_hand(tmp_path):
    hand, controls = Hand(), Controls()
    taker, vitals = pictures(tmp_path, hand, controls)
    look(vitals, taker, hand, 0, 10.0)
    controls.paused = True
    look(vitals, taker, hand, 1, 10.5)
    controls.paused, vitals.latest = False, None
    taker.step()
    taker.take(taker.name(ID, AT), *shots.shot(1, 11.0), event())
    taker.step()
    assert len(files(tmp_path)) == 1


def test_its_thread_writes_what_was_taken_before_the_end(tmp_path):
    vitals = Vitals("door")
    taker = Pictures(asked.Snapshots(before_s=0), tmp_path, vitals, Controls())
    taker.start()
    taker.told(event())
    taker.take(taker.name(ID, AT), *shots.shot(), event())
    taker.close()
    taker.close()
    assert len(files(tmp_path)) == 1
    assert not [each for each in threading.enumerate() if each.name == "edge-snapshots"]
