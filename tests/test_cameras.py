import contextlib
import http.server
import itertools
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cameras import images, sample, scripted, stream, v4l2
from edge.errors import CameraError, ConfigError

# --- images


def picture(seed=0, height=32, width=48):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def shown(camera):
    return [(Path(frame.file).name, frame.index) for frame in camera]


@pytest.mark.parametrize("length", range(1, 24))
def test_a_jpeg_of_a_few_bytes_is_no_picture(tmp_path, length):
    path = tmp_path / "cut.jpg"
    path.write_bytes((b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"\xff" * 16)[:length])
    assert images.decode(path) is None


def test_a_folder_is_shown_in_the_order_of_its_names_with_all_below_it(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "a.JPG", "sub/c.bmp"):
        assert cv2.imwrite(str(tmp_path / name), picture())
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    camera = images.open(path=str(tmp_path))
    assert shown(camera) == [("a.JPG", 0), ("b.png", 1), ("c.bmp", 2)]
    assert not camera.live
    camera.close()


def test_a_pattern_chooses(tmp_path):
    for name in ("a1.png", "a2.png", "b1.png"):
        cv2.imwrite(str(tmp_path / name), picture())
    assert shown(images.open(path=str(tmp_path / "a*"))) == [("a1.png", 0), ("a2.png", 1)]
    assert len(shown(images.open(path=str(tmp_path / "**" / "*.png")))) == 3


def test_one_picture_is_shown_as_it_is(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    (frame,) = images.open(path=str(tmp_path / "a.png"), clock=lambda: 77)
    np.testing.assert_array_equal(frame.pixels, picture())
    assert (frame.size, frame.captured_at_ns, frame.pixel_format) == ((48, 32), 77, "BGR")
    assert frame.file == str(tmp_path / "a.png")


@pytest.mark.parametrize(
    "pixels",
    [
        picture()[:, :, 0],
        np.dstack([picture(), np.full((32, 48), 9, np.uint8)]),
        picture().astype(np.uint16) * 257,
    ],
    ids=["grey", "with transparency", "16 bits"],
)
def test_pictures_of_other_kinds_become_three_bytes_a_pixel(tmp_path, pixels):
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    (frame,) = images.open(path=str(tmp_path / "a.png"))
    assert frame.pixels.shape == (32, 48, 3)
    assert frame.pixels.dtype == np.uint8


def test_a_photograph_is_turned_upright(tmp_path):
    data = cv2.imencode(".jpg", np.full((16, 32, 3), 128, np.uint8))[1].tobytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + tiff
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    (frame,) = images.open(path=str(path))
    assert frame.size == (16, 32)


def broken(kind, data):
    return {"cut": data[: len(data) * 6 // 10], "empty": b"", "text": b"no picture at all", "head": data[:20]}[kind]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
@pytest.mark.parametrize("kind", ["cut", "empty", "text", "head"])
def test_a_broken_picture_is_reported_skipped_and_counted(tmp_path, caplog, suffix, kind):
    whole = cv2.imencode(suffix, picture(height=200, width=200))[1].tobytes()
    (tmp_path / f"a{suffix}").write_bytes(whole)
    (tmp_path / f"b{suffix}").write_bytes(broken(kind, whole))
    (tmp_path / f"c{suffix}").write_bytes(whole)
    camera = images.open(path=str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert shown(camera) == [(f"a{suffix}", 0), (f"c{suffix}", 2)]
    assert camera.skipped == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / f'b{suffix}'}: cannot be read or decoded, so it is skipped"
    ]


@pytest.mark.parametrize("missing", [2, 4, 40])
def test_a_jpeg_without_its_end_is_not_whole_whatever_the_decoder_makes_of_it(tmp_path, missing):
    whole = cv2.imencode(".jpg", picture(height=200, width=200))[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(whole[:-missing])
    assert images.decode(tmp_path / "a.jpg") is None


def test_one_picture_that_is_broken_is_an_error_and_said_once(tmp_path, caplog):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(CameraError, match=r"a\.png: cannot be read or decoded; give pictures that are whole"):
        list(images.open(path=str(tmp_path / "a.png")))
    assert not caplog.records


def test_a_folder_of_broken_pictures_is_an_error(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"no picture")
    camera = images.open(path=str(tmp_path))
    with pytest.raises(CameraError, match="none of 2 pictures: cannot be read or decoded"):
        list(camera)
    assert camera.skipped == 2


def test_a_picture_that_goes_away_is_skipped(tmp_path):
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture())
    camera = images.open(path=str(tmp_path))
    (tmp_path / "a.png").unlink()
    assert shown(camera) == [("b.png", 1)]
    assert camera.skipped == 1


@pytest.mark.parametrize("path", [".", "*.jpg", "nowhere"])
def test_a_place_without_pictures_is_refused(tmp_path, path):
    with pytest.raises(ConfigError, match=r"no pictures there; give a folder or pattern with \.avif, \.bmp, \.jp2"):
        images.open(path=str(tmp_path / path))


@settings(max_examples=60)
@given(data=st.data())
def test_any_bytes_are_a_picture_or_none(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.jpg"
    whole = bytearray(cv2.imencode(".jpg", picture())[1].tobytes())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(whole)))
    path.write_bytes(data.draw(st.sampled_from([bytes(whole[:cut]), bytes(whole[:2])])))
    found = images.decode(path)
    assert found is None or (found.ndim == 3 and found.shape[2] == 3 and found.dtype == np.uint8)


# --- sample


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 0, []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += round(seconds * 1e9)


def test_at_least_six_photographs_ship_and_none_is_large():
    found = sample.photographs()
    assert len(found) >= 6
    assert sum(path.stat().st_size for path in found) < 2_000_000


def test_the_sample_is_the_same_every_time():
    def first(count):
        return [frame.pixels for frame in itertools.islice(sample.open(fps=0), count)]

    for one, other in zip(first(4), first(4), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_sample_moves_and_shows_every_photograph_in_turn():
    photographs = [path.name for path in sample.photographs()]
    each = sample.FRAMES_EACH
    frames = list(itertools.islice(sample.open(fps=0), each * len(photographs) + 1))
    assert [frame.file for frame in frames[::each]] == [*photographs, photographs[0]]
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(frame.pixels.shape == (480, 640, 3) and frame.size == (640, 480) for frame in frames)
    # It sets off and comes to rest smoothly: the first two frames may be alike, those in the middle never.
    assert all(not np.array_equal(a.pixels, b.pixels) for a, b in itertools.pairwise(frames[5:20]))
    np.testing.assert_array_equal(frames[0].pixels, frames[-1].pixels)


def test_the_sample_keeps_its_pace():
    time = Time()
    frames = list(itertools.islice(sample.open(fps=50, clock=time.clock, sleep=time.sleep), 5))
    assert [frame.captured_at_ns for frame in frames] == [0, 20_000_000, 40_000_000, 60_000_000, 80_000_000]


def test_the_sample_does_not_hurry_to_make_up_for_a_late_frame():
    time = Time()
    camera = iter(sample.open(fps=50, clock=time.clock, sleep=time.sleep))
    next(camera)
    time.now += 1_000_000_000
    times = [next(camera).captured_at_ns for _ in range(3)]
    assert times[0] == 1_000_000_000
    assert times[2] - times[1] >= 19_000_000


@pytest.mark.parametrize("size", [(480, 640), (900, 1200), (1200, 400), (400, 2000), (1000, 1000)])
def test_a_view_never_leaves_the_photograph(size):
    white = np.full((*size, 3), 255, np.uint8)
    for at in np.linspace(0, 1, 40):
        assert (sample.view(white, at) == 255).all()


# --- scripted


def test_a_script_is_played_as_it_is_written():
    time = Time()
    camera = scripted.open(
        script=["frames 2", "stall 1.5", "frames 1", "fail cable pulled"], clock=time.clock, sleep=time.sleep
    )
    seen = []
    with pytest.raises(CameraError, match="scripted camera: cable pulled; the script says so"):
        for frame in camera:
            seen.append((frame.index, frame.captured_at_ns, int(frame.pixels[0, 0, 0])))
    assert seen == [(0, 0, 0), (1, 0, 1), (2, 1_500_000_000, 2)]
    assert not camera.closed
    camera.close()
    assert camera.closed


@pytest.mark.parametrize(
    "step", ["", "frames", "frames x", "frames -1", "stall", "stall -1", "stall inf", "stall nan", "fail", "jump 3"]
)
def test_a_step_that_cannot_be_played_is_named(step):
    with pytest.raises(ConfigError, match=f"step '{step}': write 'frames N'"):
        scripted.open(script=["frames 1", step])


@given(step=st.text(max_size=20) | st.from_regex(r"(frames|stall|fail) .{0,8}", fullmatch=True))
def test_any_step_is_played_or_refused(step):
    try:
        camera = scripted.open(script=[step], sleep=lambda seconds: None)
    except ConfigError as error:
        assert repr(step) in str(error)
    else:
        try:
            assert len(list(itertools.islice(camera, 3))) <= 3
        except CameraError:
            assert step.startswith("fail")


# --- stream


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Twenty frames of Motion JPEG, each a little lighter."""
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for n in range(20):
        writer.write(np.full((48, 64, 3), n * 12, np.uint8))
    writer.release()
    return path


def test_every_frame_of_a_file_comes_in_order(clip):
    camera = stream.open(url=str(clip), clock=lambda: 5)
    frames = list(camera)
    camera.close()
    camera.close()
    assert [frame.index for frame in frames] == list(range(20))
    assert all(abs(int(frame.pixels[24, 32, 0]) - n * 12) < 4 for n, frame in enumerate(frames))
    assert {(frame.size, frame.captured_at_ns) for frame in frames} == {((64, 48), 5)}
    assert camera.live is False


def test_a_file_that_is_cut_off_gives_the_frames_there_are_and_then_an_error(clip, tmp_path):
    cut = tmp_path / "cut.avi"
    data = clip.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    seen = 0
    with pytest.raises(CameraError, match=r"cut\.avi: ended after \d+ of \d+ frames; the file is cut off"):
        for frame in stream.open(url=str(cut)):
            assert frame.index == seen
            seen += 1
    assert 0 < seen < 20


@pytest.mark.parametrize("data", [b"", b"no video at all" * 100])
def test_a_file_that_is_no_video_is_refused(tmp_path, data):
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"a\.mp4: no video that FFmpeg can read; give a video, a picture"):
        stream.open(url=str(path))


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"nowhere\.mp4: no such file"):
        stream.open(url="nowhere.mp4")


class Capture:
    """An OpenCV capture that plays a list."""

    def __init__(self, frames, **properties):
        self.frames, self.properties, self.released = list(frames), properties, 0

    def read(self):
        pixels = self.frames.pop(0) if self.frames else None
        return pixels is not None, pixels

    def get(self, number):
        names = {getattr(cv2, name): value for name, value in self.properties.items()}
        return float(names.get(number, 0))

    def release(self):
        self.released += 1


@pytest.mark.parametrize(
    ("count", "promised", "whole"),
    [
        (20, 20, True),
        (18, 20, True),
        (17, 20, False),
        (980, 1000, True),
        (979, 1000, False),
        (5, 0, True),
        (5, -1, True),
    ],
)
def test_a_count_that_a_muxer_only_estimates_is_no_error(count, promised, whole):
    tiny = np.zeros((2, 2, 3), np.uint8)
    camera = stream.Stream(Capture([tiny] * count, CAP_PROP_FRAME_COUNT=promised), "a.mkv", False, lambda: 0)
    if whole:
        assert len(list(camera)) == count
    else:
        with pytest.raises(CameraError, match=f"ended after {count} of {promised} frames"):
            list(camera)


def test_a_file_of_which_nothing_can_be_decoded_is_an_error():
    with pytest.raises(CameraError, match="not one frame could be decoded"):
        list(stream.Stream(Capture([]), "a.mkv", False, lambda: 0))


@pytest.fixture
def web(clip):
    """Serves the clip on a port of this machine."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(clip.parent))

        def log_message(self, *words): ...

        def copyfile(self, source, target):
            with contextlib.suppress(OSError):  # whoever asked has seen enough
                super().copyfile(source, target)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/clip.avi"
        server.shutdown()
        thread.join(10)


def test_a_recording_that_is_sent_is_live_and_ends_where_it_does(web):
    camera = stream.open(url=web)
    assert camera.live
    assert [frame.index for frame in camera] == list(range(20))
    camera.close()


@pytest.mark.parametrize("promised", [0, -1, 20])
def test_the_end_of_a_stream_is_a_failure_unless_its_header_told_it(promised):
    capture = Capture([np.zeros((4, 4, 3), np.uint8)] * 5, CAP_PROP_FRAME_COUNT=promised)
    camera = stream.Stream(capture, "http://a/b", True, lambda: 0)
    with pytest.raises(CameraError, match="http://a/b: the stream broke off after 5 frames; check its sender"):
        list(camera)


@pytest.mark.parametrize("live", [True, False])
def test_pictures_of_a_stream_that_would_fill_the_memory_end_it(live):
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (8000, 8000, 3))
    capture = Capture([np.zeros((4, 4, 3), np.uint8), huge], CAP_PROP_FRAME_COUNT=2)
    camera, seen = stream.Stream(capture, "http://a/b", live, lambda: 0), []
    with contextlib.nullcontext() if not live else pytest.raises(CameraError, match="sends pictures of 8000x8000"):
        seen.extend(frame.size for frame in camera)
    assert seen == [(4, 4), (8000, 8000)][: 1 if live else 2]


def test_a_stream_whose_header_tells_of_huge_pictures_is_not_begun():
    jpeg = cv2.imencode(".jpg", np.zeros((7200, 7200), np.uint8))[1].tobytes()
    part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def send():
            with contextlib.suppress(OSError), server.accept()[0] as line:
                head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"
                line.sendall(head + 9 * part)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        with pytest.raises(CameraError, match=r"it sends pictures of 7200x7200; have it send at most 50 million"):
            stream.open(url=f"http://127.0.0.1:{port}/")
        thread.join(10)


def test_a_stream_that_nobody_sends_is_an_error():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(
        CameraError,
        match=rf"http://127\.0\.0\.1:{port}/: no video comes from there \(waited up to 5 s\); check the address",
    ):
        stream.open(url=f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_sender_that_says_nothing_is_given_up(scheme):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(CameraError, match=r"no video comes from there"):
            stream.open(url=f"{scheme}://127.0.0.1:{port}/x", open_timeout=0.2, read_timeout=0.2)


# --- v4l2


def v4l2_capture(frames, milliseconds=0.0):
    return Capture(frames, CAP_PROP_FRAME_WIDTH=640, CAP_PROP_FRAME_HEIGHT=480, CAP_PROP_POS_MSEC=milliseconds)


def frames_of(camera):
    seen = []
    with pytest.raises(CameraError) as caught:
        for frame in camera:
            seen.append(frame)
    return seen, str(caught.value)


def test_a_camera_hands_motion_jpeg_on_as_it_comes():
    data = np.arange(50, dtype=np.uint8)
    for shape in ((1, 50), (50, 1), (1, 50, 1), (50,)):
        camera = v4l2.V4L2(v4l2_capture([data.reshape(shape)]), "/dev/video0", lambda: 0)
        (frame,), _ = frames_of(camera)
        assert (frame.pixel_format, frame.pixels.shape, frame.size) == ("MJPG", (50,), (640, 480))
        np.testing.assert_array_equal(frame.pixels, data)


def test_a_camera_without_motion_jpeg_gives_bgr():
    pixels = np.zeros((480, 640, 3), np.uint8)
    (frame,), _ = frames_of(v4l2.V4L2(v4l2_capture([pixels]), "/dev/video0", lambda: 0))
    assert frame.pixel_format == "BGR"
    assert frame.pixels is pixels


def test_an_empty_buffer_now_and_then_is_skipped_and_counted():
    pixels = np.zeros((480, 640, 3), np.uint8)
    camera = v4l2.V4L2(v4l2_capture([pixels, None, pixels, None, None, pixels]), "/dev/video0", lambda: 0)
    seen, _ = frames_of(camera)
    assert [frame.index for frame in seen] == [0, 1, 2]
    assert camera.skipped == 3 + v4l2.FAILURES - 1


def test_a_read_that_failed_after_a_long_wait_ends_the_camera_at_once():
    ticks = iter([0, 0, 0, 0, 2 * v4l2.HICCUP_NS])
    camera = v4l2.V4L2(v4l2_capture([np.zeros((480, 640, 3), np.uint8)]), "/dev/null", lambda: next(ticks))
    seen, said = frames_of(camera)
    assert (len(seen), camera.skipped) == (1, 0)
    assert "stopped after 1 frames" in said


def test_a_camera_that_stops_is_an_error_that_names_it():
    pixels = np.zeros((480, 640, 3), np.uint8)
    camera = v4l2.V4L2(v4l2_capture([pixels] * 3), "/dev/null", lambda: 0)
    seen, said = frames_of(camera)
    assert [frame.index for frame in seen] == [0, 1, 2]
    assert said == "/dev/null: the camera stopped after 3 frames; check its cable and its power"
    assert camera.live


def test_a_camera_that_was_unplugged_is_said_to_be_gone():
    _, said = frames_of(v4l2.V4L2(v4l2_capture([]), "/dev/video987", lambda: 0))
    assert said == "/dev/video987: the camera is gone after 0 frames; plug it in again"


def test_the_first_frame_may_take_longer_than_those_after_it():
    pixels = np.zeros((480, 640, 3), np.uint8)
    late = [None, None, pixels]
    ticks = itertools.count(0, 1_500_000_000)
    camera = v4l2.V4L2(v4l2_capture(late), "/dev/null", lambda: next(ticks))
    assert next(iter(camera)).index == 0
    assert camera.skipped == 0
    ticks = itertools.count(0, 1_500_000_000)
    silent = v4l2_capture([None] * 100)
    seen, _ = frames_of(v4l2.V4L2(silent, "/dev/null", lambda: next(ticks)))
    assert not seen
    assert 90 < len(silent.frames) < 99


def test_no_wait_in_the_driver_is_longer_than_three_seconds():
    name, seconds = v4l2.LIMIT
    assert name == "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"
    assert 1 <= int(seconds) < 3


@pytest.mark.parametrize(
    ("sensor_ms", "captured"),
    [(59_990.0, 59_990_000_000), (60_000.0, 60_000_000_000), (61_000.0, 60_000_000_000), (0.0, 60_000_000_000),
     (49_000.0, 60_000_000_000), (1.7e12, 60_000_000_000)],
)  # fmt: skip
def test_the_sensors_time_counts_where_it_can_be_right(sensor_ms, captured):
    pixels = np.zeros((480, 640, 3), np.uint8)
    (frame,), _ = frames_of(v4l2.V4L2(v4l2_capture([pixels], sensor_ms), "/dev/video0", lambda: 60_000_000_000))
    assert frame.captured_at_ns == captured


def test_a_camera_is_given_back():
    capture = v4l2_capture([])
    camera = v4l2.V4L2(capture, "/dev/video0", lambda: 0)
    camera.close()
    assert capture.released == 1


def test_a_camera_that_is_not_there_is_an_error_that_names_those_that_are():
    known = ", ".join(v4l2.devices()) or "none"
    with pytest.raises(
        CameraError, match=rf"/dev/video987: there is no such camera \(cameras found: {known}\); plug it in"
    ):
        v4l2.open(device="/dev/video987")


def test_a_device_that_is_no_camera_is_an_error(tmp_path):
    for device in ("/dev/null", str(tmp_path / "file")):
        (tmp_path / "file").touch()
        with pytest.raises(CameraError, match=f"{device}: this is no camera that takes pictures by itself"):
            v4l2.open(device=device)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_camera_that_is_not_permitted_is_an_error_with_the_line_that_mends_it(tmp_path):
    device = Path("/tmp") / f"edge-test-{os.getpid()}"
    device.touch(0o600)
    code = (
        f"import os; from edge.cameras import v4l2; os.setuid(54321)\n"
        f"try: v4l2.open(device={str(device)!r})\nexcept OSError as error: print(error)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60, check=False
        )
    finally:
        device.unlink()
    assert done.stdout == f"{device}: no permission; run `sudo usermod -aG video $USER` and log in again\n", done.stderr


def test_a_name_that_is_no_text_is_told_in_text(tmp_path):
    name = os.fsdecode(bytes(tmp_path) + b"/odd\xff.png")
    cv2.imencode(".png", picture())[1].tofile(name)
    (frame,) = images.open(path=name)
    assert frame.file == f"{tmp_path}/odd\ufffd.png"


def test_a_jpeg_with_a_fill_byte_before_a_marker_is_whole(tmp_path):
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff" + data[2:])
    assert images.decode(tmp_path / "a.jpg") is not None
