"""`edge cameras`, on a scripted picamera2 and on what the tests of V4L2 make up."""

import json
import sys
from pathlib import Path

import pytest

from edge.attached import gather, offered
from edge.cameras.v4l2.modes import Mode
from edge.cameras.v4l2.nodes import Found
from edge.cli.cameras import shown

MODES = (
    Mode("YUYV", 640, 480, (30.0, 15.0)),
    Mode("YUYV", 320, 240, (30.0,)),
    Mode("YUYV", 1280, 720, (10.0,)),
    Mode("MJPG", 1920, 1080, (29.97,)),
    Mode("GREY", 640, 480),
)
USB = Found(
    "camera:0", "v4l2:///dev/v4l/by-id/usb-046d_C920-video-index0", "/dev/video0", "HD Pro Webcam C920", "uvcvideo",
    "usb-0000:01:00.0-1.2", modes=MODES,
)  # fmt: skip


def test_a_camera_is_told_in_a_few_lines():
    assert shown(USB, with_modes=False) == [
        f"camera:0    {'HD Pro Webcam C920':<54}free",
        "            v4l2:///dev/v4l/by-id/usb-046d_C920-video-index0",
        "            uvcvideo, usb-0000:01:00.0-1.2",
        "            YUYV  320x240 to 1280x720, up to 30 FPS",
        "            MJPG  1920x1080, up to 29.97 FPS",
        "            GREY  640x480",
    ]


def test_with_modes_every_size_is_told_with_its_rates():
    assert shown(USB, with_modes=True)[3:] == [
        "            YUYV  320x240     30 FPS",
        "            YUYV  640x480     30, 15 FPS",
        "            YUYV  1280x720    10 FPS",
        "            MJPG  1920x1080   29.97 FPS",
        "            GREY  640x480",
    ]


def test_what_is_in_the_way_is_told_with_what_mends_it():
    locked = Found("camera:1", "v4l2:///dev/video1", "/dev/video1", "A\x1b[31m" + "b" * 90, state="forbidden",
                   why="no permission", mend="run that")  # fmt: skip
    lines = shown(locked, with_modes=False)
    assert lines[1:] == ["            v4l2:///dev/video1", "            no permission", "            run that"]
    assert lines[0].startswith("camera:1    A[31mbbb") and lines[0].endswith("…  forbidden")
    assert all(len(line) < 80 for line in lines)


@pytest.fixture
def pi(tmp_path):
    """A folder like the root of a Raspberry Pi 5 with a camera on its connector."""
    name = tmp_path / "sys/class/video4linux/video0/name"
    name.parent.mkdir(parents=True)
    name.write_text("rp1-cfe-csi2_ch0\n")
    (tmp_path / "dev").mkdir()
    return tmp_path


@pytest.fixture
def library(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("scripted")))
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    yield
    sys.modules.pop("picamera2", None)


def test_the_boards_own_camera_comes_first(pi, library):
    (camera,) = gather(pi)
    assert shown(camera, with_modes=False) == [
        "picamera:0  imx708_wide",
        "            libcamera, /base/soc/i2c0mux/imx708@1a",
    ]


def test_what_may_be_chosen_is_every_camera_with_what_is_in_its_way_and_the_photographs(pi, library, monkeypatch):
    assert offered(pi) == [("picamera:0", "imx708_wide"), ("sample:", "photographs that ship")]
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "dist-packages" not in path])
    assert offered(pi)[0] == ("picamera:0", "the board's own camera (picamera2 is missing)")


def test_a_camera_whose_library_is_missing_is_listed_with_the_line_that_installs_it(pi, monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "dist-packages" not in path])
    (camera,) = gather(pi)
    assert (camera.state, camera.why) == ("unusable", "picamera2 is missing")
    assert "apt install python3-picamera2" in camera.mend
    assert gather(pi / "nowhere") == []


def test_a_library_that_is_broken_is_told_with_what_mends_it(pi, tmp_path, monkeypatch):
    (tmp_path / "picamera2.py").write_text("import _no_such_module_\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    (camera,) = gather(pi)
    assert (camera.state, camera.why) == ("unusable", "picamera2 cannot be loaded: No module named '_no_such_module_'")
    assert "apt install python3-picamera2" in camera.mend
    assert gather(pi / "nowhere") == []


def test_a_library_that_crashes_is_told_where_there_is_a_camera_for_it(pi, library, monkeypatch):
    monkeypatch.setenv("SCRIPTED_PICAMERA2", "crash")
    (camera,) = gather(pi)
    assert camera.state == "unusable"
    assert camera.why.startswith("picamera2 cannot list its cameras: ")
    assert gather(pi / "nowhere") == []


def test_json_is_one_array(cli, library):
    ran = cli("cameras", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)[0]["source"] == "picamera:0"
    ran = cli("cameras")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("picamera:0  imx708_wide\n")


def test_where_there_is_none_it_says_so_and_that_is_no_failure(cli):
    ran = cli("cameras")
    assert ran.code == 0
    assert bool(ran.out) != (ran.err.startswith("edge: no camera was found: plug one in"))
