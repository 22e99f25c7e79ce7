"""The camera of a Raspberry Pi, on a scripted picamera2; with the real one in tests/vm."""

import atexit
import itertools
import logging
import os
import re
import sys
import time
import weakref
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import adapters
from edge.cameras import picamera
from edge.cameras.picamera import ending, listing, streams
from edge.errors import AdapterError, CameraError

SCRIPTED = Path(__file__).with_name("scripted")


@pytest.fixture
def library(monkeypatch):
    """The scripted package, as if it were installed."""
    monkeypatch.syspath_prepend(str(SCRIPTED))
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    monkeypatch.setenv("LIBCAMERA_LOG_LEVELS", "*:FATAL")
    import picamera2

    picamera2.play()
    yield picamera2
    for name in ("picamera2", "libcamera"):
        sys.modules.pop(name, None)


@pytest.fixture
def opened(library):
    cameras = []

    def open_one(**options):
        cameras.append(adapters.open("cameras", "picamera", **options))
        return cameras[-1]

    yield open_one
    for camera in cameras:
        camera.close()


def near(pixels, colour, by=4):
    return bool((np.abs(pixels.astype(int) - colour) <= by).all())


# --- streams


@given(
    main=st.tuples(st.integers(32, 2300), st.integers(32, 1300)).map(lambda size: (2 * size[0], 2 * size[1])),
    covers=st.tuples(st.integers(2, 1500), st.integers(2, 1500)),
)
def test_the_small_stream_covers_the_model_has_mains_proportions_and_is_no_larger_than_needed(main, covers):
    size = streams.small(main, covers)
    if size is None:
        assert covers[0] > main[0] or covers[1] > main[1]
        return
    assert size[0] % 2 == size[1] % 2 == 0
    assert covers[0] <= size[0] <= main[0] and covers[1] <= size[1] <= main[1]
    assert abs(size[0] * main[1] - size[1] * main[0]) <= 4 * max(main)
    assert size[0] <= covers[0] + 2 or size[1] <= covers[1] + 2


@pytest.mark.parametrize(
    ("sensor", "given", "planned"),
    [
        ((4608, 2592), (None, None, (224, 224)), ((1280, 720), (2304, 1296), (400, 224))),
        ((3280, 2464), (None, None, (224, 224)), ((1280, 962), (1640, 1232), (300, 224))),
        ((3280, 2464), (1640, None, (224, 224)), ((1640, 1232), (1640, 1232), (300, 224))),
        ((3280, 2464), (None, 1848, None), ((2460, 1848), (3280, 2464), None)),
        ((3280, 2464), (640, 480, (513, 257)), ((640, 480), (1640, 1232), (514, 386))),
        ((4608, 2592), (None, None, (1500, 1000)), ((1778, 1000), (2304, 1296), (1778, 1000))),
        ((3280, 2464), (320, 240, (640, 640)), ((320, 240), (1640, 1232), None)),
        (None, (None, None, (224, 224)), ((640, 480), None, (300, 224))),
        (None, (1280, 720, None), ((1280, 720), None, None)),
    ],
)
def test_what_is_asked_of_the_camera_shows_all_that_the_sensor_sees(sensor, given, planned):
    assert streams.plan(sensor, *given) == streams.Plan(*planned)


# --- frames


def test_on_a_pi_4_frames_come_from_the_small_stream_as_yuv_and_are_rgb(library, opened):
    camera = opened(covers=(224, 224))
    (frame, second) = itertools.islice(camera, 2)
    config = library.SCRIPT.configured[-1]
    assert config["main"] == {"format": "BGR888", "size": (1280, 720)}
    assert config["lores"] == {"format": "YUV420", "size": (400, 224)}
    assert config["raw"] == {"size": (2304, 1296)}
    assert (frame.pixel_format, frame.size, frame.pixels.shape, frame.pixels.dtype) == (
        "RGB", (400, 224), (224, 400, 3), np.uint8,
    )  # fmt: skip
    assert (frame.index, second.index) == (0, 1)
    assert near(frame.pixels[:, 2:], library.RGB)
    assert near(frame.pixels[:, 0].mean(-1), 255, 60)
    assert frame.pixels.flags.c_contiguous
    assert camera.live and camera.skipped == 0


def test_on_a_pi_5_the_small_stream_is_rgb_at_once(library, opened):
    library.play(platform="PISP")
    (frame,) = itertools.islice(opened(covers=(224, 224)), 1)
    assert library.SCRIPT.configured[-1]["lores"] == {"format": "BGR888", "size": (400, 224)}
    assert frame.pixel_format == "RGB"
    assert (frame.pixels[:, 1:] == library.RGB).all()
    assert (frame.pixels[:, 0] == 255).all()


def test_where_rgb_is_refused_the_small_stream_is_yuv(library, opened):
    library.play(platform="PISP", give={"refused": ("BGR888",)})
    (frame,) = itertools.islice(opened(covers=(224, 224)), 1)
    assert [each["lores"]["format"] for each in library.SCRIPT.configured] == ["BGR888", "YUV420"]
    assert near(frame.pixels[:, 2:], library.RGB)


def test_a_camera_without_a_second_stream_gives_the_main_one_and_says_so(library, opened, caplog):
    library.play(streams=1, properties={"Model": "Sensor B"})
    with caplog.at_level(logging.INFO, "edge"):
        (frame,) = itertools.islice(opened(covers=(224, 224)), 1)
    assert frame.size == (640, 480)
    assert (frame.pixels[:, 1:] == library.RGB).all()
    assert library.SCRIPT.configured[-1]["lores"] is None
    assert [record.getMessage() for record in caplog.records] == [
        "this camera has no second stream: frames are of the main one, 640x480"
    ]


@pytest.mark.parametrize(
    ("form", "pixel_format", "colour"),
    [
        ("BGR888", "RGB", (200, 60, 90)),
        ("RGB888", "BGR", (90, 60, 200)),
        ("XBGR8888", "RGB", (200, 60, 90)),
        ("XRGB8888", "BGR", (90, 60, 200)),
        ("YUYV", "RGB", (130, 130, 130)),
    ],
)
def test_a_camera_gives_what_it_has_and_frames_say_what_that_is(library, opened, form, pixel_format, colour):
    library.play(properties={}, give={"main": form})
    camera = opened(width=100, height=64)
    (frame,) = itertools.islice(camera, 1)
    assert (frame.pixel_format, frame.pixels.shape) == (pixel_format, (64, 100, 3))
    assert near(frame.pixels[:, 1:], colour)
    assert near(camera.picture()[:, 1:], colour if pixel_format == "RGB" else colour[::-1])


def test_a_usb_camera_of_libcamera_hands_its_jpegs_on(library, opened):
    library.play(properties={}, give={"main": "MJPEG"})
    camera = opened(width=96, height=64)
    (frame,) = itertools.islice(camera, 1)
    assert (frame.pixel_format, frame.pixels.ndim, frame.size) == ("MJPG", 1, (96, 64))
    assert near(camera.picture()[:, 16:], library.RGB, 6)


def test_a_format_that_nobody_reads_is_named(library, opened):
    library.play(properties={}, give={"main": "SRGGB10"})
    with pytest.raises(CameraError, match="the camera gives SRGGB10, which nothing here reads"):
        next(iter(opened()))


def test_a_picture_is_of_the_main_stream_while_frames_are_of_the_small_one(library, opened):
    camera = opened(covers=(224, 224), width=640, height=360)
    frames = iter(camera)
    next(frames)
    picture = camera.picture()
    assert (picture.shape, picture.dtype) == ((360, 640, 3), np.uint8)
    assert (picture[:, 1:] == library.RGB).all()
    assert next(frames).index == 1
    assert all(request.released == 1 for request in library.SCRIPT.opened[0].requests)


def test_a_jpeg_that_is_broken_makes_no_picture(library, opened):
    library.play(properties={}, give={"main": "MJPEG"})
    camera = opened()
    broken = library.buffer
    library.buffer = lambda stream: broken(stream)[:1]
    with pytest.raises(CameraError, match="sent a JPEG that cannot be decoded"):
        camera.picture()


@pytest.mark.parametrize(
    ("stamp", "captured"),
    [
        (1_059_990, 59_990),
        (1_060_000, 60_000),
        (59_990, 59_990),
        (1_060_001, 60_000),
        (1_000, 60_000),
        (None, 60_000),
    ],
    ids=["boot", "now", "monotonic", "future", "old", "none"],
)
def test_the_sensors_time_since_boot_is_told_on_the_monotonic_clock(library, stamp, captured):
    milli = 1_000_000
    library.play(sensor_ns=lambda: stamp and stamp * milli)
    camera = picamera.Picamera(
        library.Picamera2(0), "picamera:0", "main", lambda: 60_000 * milli, lambda: 1_060_000 * milli
    )
    camera._camera.configure(camera._camera.create_video_configuration({"format": "BGR888", "size": (64, 64)}))
    (frame,) = itertools.islice(camera, 1)
    assert frame.captured_at_ns == captured * milli


def test_the_sensors_time_is_now_or_shortly_before(library, opened):
    before = time.monotonic_ns()
    (frame,) = itertools.islice(opened(), 1)
    assert before - 10**9 < frame.captured_at_ns <= time.monotonic_ns()


# --- failures


def one(library, wait_s=0.05):
    camera = library.Picamera2(0)
    camera.configure(camera.create_video_configuration({"format": "BGR888", "size": (64, 64)}))
    return picamera.Picamera(camera, "picamera:0", "main", time.monotonic_ns, time.monotonic_ns, (2 * wait_s, wait_s))


def test_an_unplugged_camera_is_noticed_though_it_raises_nothing(library):
    library.play(frames=2)
    camera, seen = one(library), []
    with pytest.raises(CameraError, match=r"^picamera:0: no frame for 0\.05 s; check its cable and its power$"):
        for frame in camera:
            seen.append(frame.index)
    assert seen == [0, 1]
    with pytest.raises(CameraError, match="no frame for"):
        camera.picture()
    camera.close()
    assert library.SCRIPT.opened[0].closed == 1
    assert picamera.WAIT_S < 3


def test_the_first_frame_may_take_longer(library):
    library.play(frames=0)
    with pytest.raises(CameraError, match=r"no frame for 0\.1 s"):
        next(iter(one(library)))


def test_a_frame_that_comes_too_late_is_given_back(library):
    library.play(frames=0)
    camera = one(library, 0.01)
    for job in (None, RuntimeError("Camera frontend has timed out!")):
        with pytest.raises(CameraError, match="no frame for"):
            camera.picture()
        library.SCRIPT.job = job
        library.SCRIPT.opened[0].late()
    assert [request.released for request in library.SCRIPT.opened[0].requests] == [1]


def test_a_job_that_fails_is_a_camera_error(library):
    library.play(job=RuntimeError("Camera frontend has timed out!"))
    with pytest.raises(CameraError, match="the camera failed: Camera frontend has timed out!; check its cable"):
        next(iter(one(library)))


def test_a_closed_camera_may_be_closed_again_and_gives_nothing(library, opened):
    camera = opened()
    camera.close()
    camera.close()
    assert library.SCRIPT.opened[0].closed == 1
    with pytest.raises(CameraError, match="the camera is closed; open it again"):
        next(iter(camera))


@pytest.mark.parametrize("flushes", [True, False], ids=["new", "old"])
def test_closing_is_bounded_and_what_hangs_is_left_behind(library, caplog, flushes):
    library.play(hang=("close",), flushes=flushes)
    camera = library.Picamera2(0)
    atexit.register(camera.close)
    with caplog.at_level(logging.INFO, "edge"):
        ending.shut(camera, "picamera:0", limit_s=0.05)
    assert [record.getMessage() for record in caplog.records] == ["picamera:0 hangs in its library; it is left behind"]


def test_a_camera_that_fails_while_it_closes_is_closed(library, caplog):
    camera = library.Picamera2(0)
    camera.close = lambda: [][0]
    with caplog.at_level(logging.INFO, "edge"):
        ending.shut(camera, "picamera:0")
    assert "list index out of range" in caplog.text


def test_a_camera_whose_driver_has_gone_is_closed_without_stopping_it(library, tmp_path):
    files = tmp_path / "proc/self/fd"
    files.mkdir(parents=True)
    (files / "3").symlink_to("/dev/video0")
    (files / "4").touch()
    camera = library.Picamera2(0)
    ending.shut(camera, "picamera:0", root=tmp_path)
    assert (camera.closed, camera.stopped) == (1, 1)
    (files / "5").symlink_to("/dev/media0 (deleted)")
    camera = library.Picamera2(0)
    ending.shut(camera, "picamera:0", root=tmp_path)
    assert (camera.closed, camera.stopped) == (1, 0)
    with pytest.raises(AdapterError, match=r"^picamera:0: its driver was taken away, .*; start again when it has"):
        adapters.open("cameras", "picamera", root=tmp_path)


def test_opening_is_bounded_and_a_camera_that_opens_too_late_is_closed(library):
    library.play(hang=("init",))
    with pytest.raises(CameraError, match=r"^picamera:0: libcamera gives no answer within 0\.05 s; see `rpicam-hello"):
        picamera.started(library.Picamera2, 0, (None, None, None), limit_s=0.05)
    assert not library.SCRIPT.opened
    library.SCRIPT.free.set()
    assert library.SCRIPT.gone.wait(10)
    assert [camera.closed for camera in library.SCRIPT.opened] == [1]


def test_a_job_that_was_waited_for_is_held_by_nothing():
    class Job:
        def __init__(self, signal):
            self.signal = signal

    job = weakref.ref(ending.handed(lambda take: take(Job(take)), 1, print))
    assert job() is None


def test_a_camera_that_does_not_start_is_given_back(library, opened):
    library.play(start=RuntimeError("Failed to start camera: Broken pipe"))
    with pytest.raises(CameraError, match="cannot be opened: Failed to start camera: Broken pipe; see `rpicam"):
        opened()
    assert library.SCRIPT.opened[0].closed == 1


BUSY = RuntimeError("Failed to acquire camera: Device or resource busy")
NO_MEMORY = RuntimeError("Could not open any dmaHeap device")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ({"cameras": []}, "there is no such camera; check its ribbon cable with the power off"),
        ({"init": IndexError("list index out of range")}, "it cannot be opened: Camera __init__ sequence did not"),
        ({"init": BUSY}, "the camera is busy: another program uses it; end that"),
        ({"init": NO_MEMORY}, "no memory for pictures can be had from /dev/dma_heap; run `sudo usermod -aG video"),
    ],
)
def test_each_failure_of_the_library_has_its_words(library, opened, tmp_path, script, words):
    library.play(**script)
    with pytest.raises(CameraError, match=f"^picamera:0: {words}"):
        opened(root=tmp_path)


def test_a_camera_that_cannot_be_seen_for_want_of_permission_says_so(plain_user):
    (plain_user / "dev").mkdir()
    (plain_user / "dev/media0").touch(0)
    said = picamera.failure("picamera:0", RuntimeError("No camera number 0 found"), plain_user)
    assert str(said) == (
        f"picamera:0: no permission for {plain_user}/dev/media0; run `sudo usermod -aG video $USER` and log in again"
    )


def test_a_camera_of_an_old_picamera2_that_is_not_there_is_not_there():
    said = picamera.failure("picamera:1", IndexError("list index out of range"), Path("/nowhere"))
    assert "there is no such camera" in str(said)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("import _no_such_module_", AdapterError, "picamera2 cannot be loaded: No module named .*apt install python3"),
        ("raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')", AdapterError,
         r"picamera2 of the system is built for another NumPy than .*pip install 'numpy<2'"),
        ("import os; os.write(2, b'A module that was compiled'); raise AttributeError('_ARRAY_API not found')",
         AdapterError, r"another NumPy than .*_ARRAY_API not found; `pip install 'numpy<2'"),
        ("raise ValueError('odd')", AdapterError, "picamera2 cannot be loaded: odd; install it with"),
    ],
)  # fmt: skip
def test_a_library_that_is_missing_or_does_not_fit_says_what_mends_it(monkeypatch, tmp_path, capfd, code, error, words):
    (tmp_path / "picamera2.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(error, match=words):
        adapters.open("cameras", "picamera")
    assert capfd.readouterr().err == ""
    listing.tell()
    assert re.search(words, capfd.readouterr().out)


def test_stderr_is_left_to_other_threads_where_the_library_is_loaded_already(monkeypatch, capfd):
    class Loaded(ModuleType):
        @property
        def Picamera2(self):  # noqa: N802
            return os.write(2, b"a line of another thread")

    monkeypatch.setitem(sys.modules, "picamera2", Loaded("picamera2"))
    picamera.load()
    assert capfd.readouterr().err == "a line of another thread"


def test_the_librarys_own_words_are_kept_out_of_ours(library, opened):
    opened()
    assert logging.getLogger("picamera2").level == logging.CRITICAL


# --- what there is


def test_the_cameras_are_listed_by_a_child_and_usb_cameras_are_not_among_them(library, capsys):
    (camera,) = listing.listed()
    assert (camera.number, camera.model) == (0, "imx708_wide")
    library.play(cameras=[*library.SCRIPT.cameras, {"Model": "Cam", "Id": "/base/scb/pcie/usb-1:1"}])
    listing.tell()
    assert capsys.readouterr().out.count("imx708_wide") == 1
    assert "usb" not in capsys.readouterr().out
    assert listing.installed()


@pytest.mark.parametrize(
    ("script", "limit_s", "words"),
    [
        ("crash", 60, "picamera2 cannot list its cameras: SIGKILL; see"),
        ("hang", 0.2, r"no answer within 0\.2 s; restart the board"),
    ],
)
def test_a_library_that_crashes_or_hangs_does_so_in_the_child(library, monkeypatch, script, limit_s, words):
    monkeypatch.setenv("SCRIPTED_PICAMERA2", script)
    with pytest.raises(CameraError, match=words):
        listing.listed(limit_s=limit_s)
