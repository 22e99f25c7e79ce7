"""The real picamera2 and libcamera on the kernel's test camera `vimc`, an image sensor without a second stream."""

import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest

DRIVER = Path("/sys/bus/platform/drivers/vimc")
STUBS = Path(__file__).with_name("stubs")
NOTICED_S = 5.0  # 2.5 s of the adapter, and what an emulated machine that shares its processor adds
"""A camera that gives nothing is noticed within so many seconds, however libcamera behaves."""

BARS = [[191 * red, 191 * green, 191 * blue] for green in (1, 0) for red in (1, 0) for blue in (1, 0)]
"""The sensor's test pattern, from left to right: bars of 75 % white, yellow, cyan, green, magenta, red, blue, black."""


@pytest.fixture(scope="module", autouse=True)
def vimc(shell):
    shell("modprobe -a v4l2-tpg videobuf2-dma-contig vimc && udevadm settle")
    shell("mkdir -p /dev/dma_heap && ln -sf system /dev/dma_heap/linux,cma")  # as a Pi calls it


@pytest.fixture(scope="module", autouse=True)
def stubs():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUBS))
        patch.setenv("PYTHONPATH", f"{STUBS}:{os.environ['PYTHONPATH']}")
        yield


def opened(**options):
    from edge import adapters

    return adapters.open("cameras", "picamera", **options)


@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # of picamera2, under this Python
def test_frames_pictures_and_timestamps_are_the_sensors_own():
    camera = opened(covers=(224, 224))
    try:
        begun = time.monotonic_ns()
        frames = [frame for frame, _ in zip(camera, range(4), strict=False)]
        picture = camera.picture()
        ended = time.monotonic_ns()
    finally:
        camera.close()
    taken = [frame.captured_at_ns for frame in frames]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert taken == sorted(set(taken)) and begun - 2e9 < taken[0] and taken[-1] < ended
    for frame in frames:
        width, height = frame.size
        assert frame.pixels.shape == (height, width, 3) and frame.pixels.dtype == np.uint8
        assert width >= 224 and height >= 224
    for pixels in (frames[-1].pixels, picture):
        assert [bar.tolist() for bar in pixels[240, 40:640:80]] == BARS


LATE = """
import threading
from edge.cameras import picamera
from edge.errors import CameraError
try:
    picamera.started(picamera.load(), 0, (None, None, None), limit_s=0.01)
except CameraError as error:
    print(error)
for thread in threading.enumerate():
    if thread.name == "edge-picamera":
        thread.join()
camera = picamera.open()
print(next(iter(camera)).index)
camera.close()
"""


def test_a_camera_that_opens_too_late_is_given_back(shell):
    # In a process of its own: libcamera lives on where it was opened twice, and the next tests unplug the camera.
    said = shell(f"{shlex.quote(sys.executable)} -c {shlex.quote(LATE)}").splitlines()
    assert "no answer within 0.01 s" in said[0] and said[1:] == ["0"]


def test_edge_cameras_and_edge_run_know_it(command, running, small_model, tell):
    ran = command("cameras")
    assert ran.code == 0 and "picamera:0" in ran.out, ran.err
    run = running("run", "picamera:0", "--json", "--model", small_model)
    run.wait(lambda: run.out, "the first result")
    lines = run.results(5)
    tell(f"{4 / (lines[-1].at - lines[0].at):.1f} FPS of the emulated sensor")
    assert {line.result["source"] for line in lines} == {"picamera:0"}
    assert run.stop() == 0


@pytest.mark.parametrize("patience", [0, 60])
def test_an_unplugged_camera_is_noticed_within_the_bound_and_ends_the_run(running, small_model, tell, patience):
    run = running("run", "picamera:0", "--json", "--model", small_model, "--patience", patience)
    run.wait(lambda: len(run.out) >= 2, "the first results")
    gone = time.monotonic()
    (DRIVER / "unbind").write_text("vimc.0")
    try:
        line = run.wait(lambda: run.said("no frame for", gone), "the words that it is gone")
        tell(f"noticed {line.at - gone:.2f} s after it was unplugged")
        assert line.at - gone < NOTICED_S
        # libcamera cannot have a camera back in the process that lost it, and would abort it: it ends by itself.
        assert run.code() == 1
        last = [line.text for line in run.err if line.text.startswith("edge: picamera:0: ")][-1]
        assert "start again" in last if patience else "check its cable" in last
    finally:
        (DRIVER / "bind").write_text("vimc.0")


def test_no_camera_is_said_in_one_line(command):
    (DRIVER / "unbind").write_text("vimc.0")
    ran = command("run", "picamera:0", "--json")
    assert ran.code == 1 and not ran.out
    assert "there is no such camera" in ran.err.splitlines()[-1]
