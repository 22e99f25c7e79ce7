"""What measures the page: pictures that carry their time, viewers that count, and ratios of a run."""

import json
import socket
import subprocess
import sys
import threading
from itertools import islice, permutations
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from edge.benchmarks.web import age, clocked, crowd, demo, viewers
from hypothesis import given
from hypothesis import strategies as st

from edge import adapters
from edge.errors import EdgeError

SIZES = [(160, 120), (640, 480), (1280, 720), (1111, 333)]


@given(st.integers(0, 2**62), st.sampled_from(SIZES))
def test_a_time_that_is_drawn_can_be_read(now_ns, size):
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    clocked.mark(pixels, now_ns)
    assert clocked.marked(pixels) == now_ns // clocked.STEP_NS % 2**clocked.TIME_BITS


@pytest.mark.parametrize("size", SIZES)
def test_it_can_be_read_from_a_jpeg_of_another_size(size):
    pixels = np.full((size[1], size[0], 3), 90, np.uint8)
    clocked.mark(pixels, 123_456_789_000_000)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    shown = cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (800, 500))
    assert clocked.marked(shown) == 1_234_567_890 % 2**clocked.TIME_BITS


def test_two_pictures_in_one_are_not_taken_for_a_time():
    pixels = np.zeros((120, 280, 3), np.uint8)
    clocked.mark(pixels, 0xFFFFFF * clocked.STEP_NS)
    pixels[:, 140:] = 0
    assert clocked.marked(pixels) is None


@pytest.mark.parametrize("shade", [0, 255])
def test_a_picture_without_bars_is_not_taken_for_a_time(shade):
    assert clocked.marked(np.full((120, 280, 3), shade, np.uint8)) is None


def test_the_camera_gives_pictures_at_its_rate_that_carry_the_time_of_their_capture():
    now, slept = [5_000_000_000], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += int(seconds * 1e9)

    camera = adapters.open(
        "cameras", "edge.benchmarks.web.clocked", width=320, height=240, fps=20.0, clock=lambda: now[0], sleep=sleep
    )
    frames = [frame for frame, _ in zip(camera, range(4), strict=False)]
    camera.close()
    assert camera.live
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [round(seconds, 3) for seconds in slept[1:4]] == [0.05] * 3
    for frame in frames:
        assert frame.size == (320, 240) and frame.pixels.shape == (240, 320, 3)
        assert clocked.marked(frame.pixels) == frame.captured_at_ns // clocked.STEP_NS
    assert (frames[0].pixels != frames[1].pixels).any()


@given(st.integers(0, 10**7), st.floats(0, 1000))
def test_an_age_is_the_same_where_the_time_in_the_picture_began_anew(at, old_ms):
    captured_ms = at / 10
    steps = int(captured_ms * 10) % 2**clocked.TIME_BITS
    assert age.age_ms(captured_ms + old_ms, steps) == pytest.approx(old_ms, abs=0.1001)


def stretch(fps, lost=0):
    return viewers.Stretch(fps, 300.0, 5.0, 1e6, 0.3, 0.1, 100.0, lost)


def test_in_six_rounds_each_case_is_as_often_at_each_place():
    found = list(islice(viewers.orders(), 12))
    assert set(found[:6]) == set(found[6:]) == set(permutations(range(3))) and found[:6] != found[6:]


def test_all_figures_are_printed(capsys):
    viewers.show([[stretch(100.0 - 10 * case, lost=case)] * 6 for case in range(3)])
    told = capsys.readouterr().out
    assert "| 50 | 20 | 80.0 | 6.0 | 5.0 | 12 |" in told, "none that was lost is hidden by a median"
    assert "inference, 10 viewers over none: 0.900 (0.900 to 0.900), 6 rounds" in told


def test_of_a_long_stretch_memory_and_those_who_were_lost_are_printed(capsys):
    viewers.show_long([])
    viewers.show_long([viewers.Stay([90.0, 93.0, 91.0], (161, 141), 8.0, 7.0, 0),
                       viewers.Stay([91.0, 92.0, 91.5], (160, 122), 9.0, 6.5, 2)])  # fmt: skip
    told = capsys.readouterr().out
    assert "50 and 20 came 2 times" in told and "90.0 MB when they had first come, most 93.0, 92.0 MB, 91.5 MB" in told
    assert "8.0 to 9.0 pictures a second each, nobody fewer than 6.5; 2 connections lost" in told
    assert "of 40 connections at least 20 were cut off each time" in told


class Answered:
    """A service and its viewers, as they answer: the first of those who come are refused."""

    port = 8080

    def __init__(self):
        self.asked, self.frames = [], 0

    def ask(self, line):
        self.asked.append(line)
        return {"lost": 3 * (len(self.asked) < 3), "pictures": 400.0, "fewest": 7.0, "bytes": 1e6, "share": 0.1}

    def status(self):
        self.frames += 10
        return {"frames": self.frames}

    def used_s(self):
        return 0.0

    def memory_mb(self):
        return 90.0

    def held(self):
        return 8, 160 - len(self.asked)


def test_who_is_lost_before_the_stretch_begins_counts_too():
    both = Answered()
    assert viewers.stretch(both, both, 0.01).lost == 6
    found = viewers.stay(both, both, 0.02, 0.0)
    assert both.asked == ["tell", "tell", "8080 50 20", "tell", "tell"]
    assert found.pictures == 8.0 and found.files == (156, 155) and len(found.memory_mb) >= 2


def test_a_demo_is_begun_for_its_address_and_ended(tmp_path, profile_file):
    profile = str(profile_file(extra='[camera]\nkind = "scripted"\nscript = ["frames 100000"]\nfps = 100\n'))
    with demo.demo(tmp_path, "--profile", profile, "--listen", "127.0.0.1:0") as link, urlopen(link) as answer:
        assert answer.status == 200
    why = r"edge demo told no address: .*no such file or folder"
    with pytest.raises(EdgeError, match=why), demo.demo(tmp_path, "/nowhere.mp4"):
        raise AssertionError("it is there")


def test_viewers_count_the_pictures_that_they_get_and_the_deaf_read_nothing():
    server = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen(
        [sys.executable, "-I", crowd.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path("/")
    )

    def ask(line):
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    taken = []
    accepts = threading.Thread(target=lambda: taken.extend(server.accept()[0] for _ in range(6)))
    accepts.start()
    try:
        ask(f"{server.getsockname()[1]} 2 1")
        accepts.join(60)
        asked = [each.recv(1000).split()[1].decode().rpartition("/")[2] for each in taken]
        assert sorted(asked) == ["stream.mjpg"] * 3 + ["updates"] * 3
        for each in taken:
            each.sendall(b"--edge-frame\r\nContent-Length: 1\r\nX-F")
            each.sendall(b"rame: 7\r\n\r\nx")
        seen = 0
        while seen < 2:
            told = ask("tell")
            seen += round(told["pictures"] * told["seconds"])
            assert told["fewest"] <= told["pictures"] / 2
        assert seen == 2, "of those that read, and of what comes as pictures"
        for each in taken:
            each.close()
        lost = 0
        while lost < 4:
            lost += ask("tell")["lost"]
        ask("0 0 0")
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()
        server.close()
