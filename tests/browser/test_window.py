"""The window of `edge demo --window`, with an OpenCV that has windows, on a display without a screen (Xvfb)."""

import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

GUARD_S = 60.0

GUI = [line.split(":")[1].strip() for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("GUI:")]
pytestmark = [
    pytest.mark.skipif(GUI in ([], ["NONE"]), reason="needs opencv-python: this OpenCV has no windows"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb"),
]


@pytest.fixture
def display(tmp_path):
    """The number of a display, and what gives its pixels, H x W x 4 uint8."""
    line = ["Xvfb", "-displayfd", "1", "-screen", "0", "1300x700x24", "-fbdir", str(tmp_path), "-nolisten", "tcp"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        number = server.stdout.readline().decode().strip()

        def pixels():
            data = (tmp_path / "Xvfb_screen0").read_bytes()  # as X11/XWDFile.h has it
            head = np.frombuffer(data, ">u4", 25)
            size, width, height, line, colours = (int(head[n]) for n in (0, 4, 5, 12, 19))
            begin = size + 12 * colours
            rows = np.frombuffer(data, np.uint8, line * height, begin).reshape(height, line)
            return rows[:, : 4 * width].reshape(height, width, 4)[..., :3]

        yield f":{number}", pixels
        server.terminate()


@pytest.mark.parametrize("sources", [["sample:"], ["sample:", "sample:"]])
def test_a_window_shows_a_picture_that_moves_and_ends_by_a_signal(display, tmp_path, monkeypatch, sources):
    number, pixels = display
    monkeypatch.setenv("DISPLAY", number)
    line = [sys.executable, "-m", "edge", "demo", *sources, "--window"]
    with subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            end, seen = time.monotonic() + GUARD_S, []
            while len(seen) < 3:
                assert process.poll() is None and time.monotonic() < end
                shot = pixels().copy()
                if shot.std() > 20 and (not seen or (shot != seen[-1]).mean() > 0.01):
                    seen.append(shot)
                time.sleep(0.2)
            if len(sources) == 2:
                assert all(half.std() > 20 for half in (shot[:, :640], shot[:, 660:])), "side by side"
            process.send_signal(signal.SIGINT)
            assert process.wait(GUARD_S) == 0
        finally:
            process.kill()
