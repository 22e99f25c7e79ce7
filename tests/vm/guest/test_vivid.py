"""The kernel's test camera `vivid` under `edge run` and `edge cameras`: a real V4L2 driver with faults at will."""

import json
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest

CAMERA = "/dev/v4l/by-id/usb-Lab_vivid-000-vid-cap-video-index0"
DRIVER = Path("/sys/bus/platform/drivers/vivid")
BACK_S = 3.0
"""A camera that is back is used again within so many seconds."""


@pytest.fixture(scope="module", autouse=True)
def vivid(shell):
    shell("modprobe vivid n_devs=1 node_types=0x1 && udevadm settle")


@pytest.fixture(scope="module")
def run(vivid, running, small_model):
    """`edge run` on the camera with the small model, as the tests before have left it: it goes on through all."""
    started = running("run", "camera:0", "--json", "--model", small_model)
    started.wait(lambda: started.out, "the first result")
    return started


def listed_by_the_driver(shell):
    """Format, width, height and rates, as v4l2-ctl tells them."""
    modes, fourcc, size = {}, "", (0, 0)
    for line in shell(f"v4l2-ctl -d {CAMERA} --list-formats-ext").splitlines():
        if found := re.search(r"\[\d+\]: '(.{4}(-BE)?)'", line):
            fourcc = found[1]
        elif found := re.search(r"Size: Discrete (\d+)x(\d+)", line):
            size = int(found[1]), int(found[2])
        elif found := re.search(r"\(([\d.]+) fps\)", line):
            modes.setdefault((fourcc, *size), []).append(float(found[1]))
    return modes


def test_edge_cameras_lists_what_the_driver_lists(shell, command):
    ran = command("cameras", "--json")
    assert ran.code == 0, ran.err
    (camera,) = json.loads(ran.out)
    told = {(each["fourcc"], each["width"], each["height"]): each["rates"] for each in camera["modes"]}
    known = listed_by_the_driver(shell)
    assert set(told) == set(known) and len(known) > 20
    for mode, rates in known.items():
        assert sorted(told[mode]) == pytest.approx(sorted(rates), abs=0.001), mode
    assert (camera["name"], camera["driver"], camera["state"]) == ("camera:0", "vivid", "free")
    assert camera["source"] == f"v4l2://{CAMERA}"


def test_the_small_model_answers_at_the_cameras_rate(run, shell, tell):
    rate = float(re.search(r"Frames per second: ([\d.]+)", shell(f"v4l2-ctl -d {CAMERA} --get-parm"))[1])
    run.results(10)
    for _ in range(10):  # an emulated machine shares its processor: what it can do shows in the best of ten spells
        lines = run.results(60, "two seconds of results")
        seconds = lines[-1].at - lines[0].at
        answers, frames = len(lines) - 1, lines[-1].result["frame"] - lines[0].result["frame"]
        tell(f"camera {rate:g} FPS; {frames / seconds:.1f} frames, {answers / seconds:.1f} answers a second")
        if answers >= 0.95 * frames and frames / seconds > 0.95 * rate:
            return
    pytest.fail("there are fewer answers than frames")


def test_a_disconnected_camera_is_noticed_and_used_again_when_it_is_back(run, shell, tell):
    gone = time.monotonic()
    shell(f"v4l2-ctl -d {CAMERA} -c disconnect=1")
    noticed = run.wait(lambda: run.said("waiting up to", gone), "the words that it is gone")
    back = run.wait(lambda: run.said("is back after", gone), "the words that it is back")
    again = run.results(1)[0]
    tell(f"noticed after {noticed.at - gone:.2f} s, back {back.at - gone:.2f} s after the disconnect")
    assert noticed.at - gone < BACK_S
    assert again.at - gone < 2 * BACK_S  # it is back as soon as its last user let go of it


def test_a_camera_that_is_unplugged_is_used_again_within_three_seconds_of_its_return(run, eventually, tell):
    gone = time.monotonic()
    (DRIVER / "unbind").write_text("vivid.0")
    noticed = run.wait(lambda: run.said("waiting up to", gone), "the words that it is gone")
    time.sleep(2)
    returned, count, number = time.monotonic(), len(run.out), run.out[-1].result["frame"]
    (DRIVER / "bind").write_text("vivid.0")
    run.wait(lambda: len(run.out) > count, "results after its return")
    first = run.out[count]
    tell(f"noticed after {noticed.at - gone:.2f} s, first answer {first.at - returned:.2f} s after its return")
    assert noticed.at - gone < BACK_S
    assert first.at - returned < BACK_S
    assert first.result["frame"] > number


def test_lost_and_damaged_buffers_do_no_harm(run, shell):
    before = len(run.err)
    shell(f"v4l2-ctl -d {CAMERA} -c percentage_of_dropped_buffers=50")
    run.results(20)
    shell(f"v4l2-ctl -d {CAMERA} -c percentage_of_dropped_buffers=0")
    for _ in range(3):
        shell(f"v4l2-ctl -d {CAMERA} -c inject_v4l2_buf_flag_error=1")
    run.results(20)
    assert [line.text for line in run.err[before:]] == []


def test_a_second_program_is_told_that_the_camera_is_busy_and_by_whom(run, command, small_model):
    ran = command("run", "camera:0", "--json", "--model", small_model)
    assert ran.code == 1 and not ran.out
    assert re.search(r"^edge: .*busy.*python3 \(process \d+\)", ran.err, re.MULTILINE)
    (camera,) = json.loads(command("cameras", "--json").out)
    assert camera["state"] == "busy" and "process" in camera["why"]
    run.results(1)


def test_it_is_found_by_its_stable_name_when_another_camera_has_taken_its_number(run, shell, eventually, tell):
    lines = len(run.out)
    (DRIVER / "unbind").write_text("vivid.0")
    eventually(lambda: not Path("/dev/video0").exists(), "its node is gone")
    shell("modprobe v4l2loopback devices=1 video_nr=0 card_label=other exclusive_caps=0")
    returned = time.monotonic()
    (DRIVER / "bind").write_text("vivid.0")
    run.results(1)
    tell(f"first answer {run.out[-1].at - returned:.2f} s after its return as another number")
    assert Path(CAMERA).resolve() == Path("/dev/video1")
    assert len(run.out) > lines


def test_ctrl_c_ends_it_cleanly_and_the_camera_is_free(run, command):
    assert run.stop() == 0
    states = {camera["driver"]: camera["state"] for camera in json.loads(command("cameras", "--json").out)}
    assert states["vivid"] == "free"


def test_the_default_model_gets_the_newest_frame_in_a_mode_that_covers_it(running, shell, tell):
    run = running("run", CAMERA, "--json")
    run.wait(lambda: run.out, "the first result")
    width, height = map(int, re.search(r"Width/Height\s*: (\d+)/(\d+)", shell(f"v4l2-ctl -d {CAMERA} -V")).groups())
    lines = run.results(6)
    results = [line.result for line in lines]
    gaps = [b["frame"] - a["frame"] for a, b in pairwise(results)]
    inference = sorted(each["timing_ms"]["inference"] for each in results)[3]
    age = sorted(each["age_ms"] for each in results)[3]
    tell(f"{width}x{height}; inference {inference:.0f} ms, age of an answer {age:.0f} ms, a frame in {gaps} used")
    assert width >= 224 and height >= 224 and width * height <= 640 * 480
    assert min(gaps) > 1, "the emulated processor is slower than the camera, so frames are left out"
    assert age < 2 * inference, "each answer is of the newest frame when it was begun"
    assert run.stop() == 0
