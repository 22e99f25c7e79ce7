"""A `v4l2loopback` camera, whose frames the test itself makes: bit exact, frozen, gone and back."""

import fcntl
import os
import struct
import time
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

CAMERA = "/dev/video0"
NAME = "v4l2:///dev/v4l/by-id/usb-Lab_Lab_camera-video-index0"
WIDTH, HEIGHT, FPS = 320, 240, 10
NOTICED_S = 3.0
"""A camera that gives nothing is noticed within so many seconds."""

VIDIOC_S_FMT = 0xC0D05605
OUTPUT, FIELD_NONE, SRGB = 2, 1, 8
YUYV = int.from_bytes(b"YUYV", "little")


class Producer:
    """Writes frames into the loopback at a steady rate, until it is frozen or taken away; numbers them."""

    def __init__(self):
        self.file = os.open(CAMERA, os.O_RDWR)
        size = WIDTH * HEIGHT * 2
        pixels = struct.pack("<8I", WIDTH, HEIGHT, YUYV, FIELD_NONE, WIDTH * 2, size, SRGB, 0)
        fcntl.ioctl(self.file, VIDIOC_S_FMT, struct.pack("<I4x", OUTPUT) + pixels.ljust(200, b"\0"))
        self._frozen, self._over, self._count = Event(), Event(), 0
        self._give()  # it is a camera from its first frame on
        self._thread = Thread(target=self._write, daemon=True)
        self._thread.start()

    @staticmethod
    def frame(number):
        """H x W x 2 uint8, YUYV: noise that its number decides."""
        return np.random.default_rng(number % 16).integers(16, 235, (HEIGHT, WIDTH, 2), np.uint8)

    def _write(self):
        while not self._over.wait(1 / FPS):
            if not self._frozen.is_set():
                self._give()

    def _give(self):
        os.write(self.file, self.frame(self._count).tobytes())
        self._count += 1

    def freeze(self):
        self._frozen.set()

    def thaw(self):
        self._frozen.clear()

    def close(self):
        self._over.set()
        self._thread.join()
        os.close(self.file)


@pytest.fixture(scope="module", autouse=True)
def loopback(shell):
    shell("modprobe v4l2loopback devices=1 video_nr=0 'card_label=Lab camera' exclusive_caps=1 && udevadm settle")


@pytest.fixture
def producer(loopback):
    made = Producer()
    yield made
    made.close()


@pytest.fixture
def run(producer, running, small_model):
    started = running("run", NAME, "--json", "--model", small_model)
    started.wait(lambda: started.out, "the first result")
    yield started
    started.stop()


def test_frames_come_through_bit_exact(producer):
    from edge.cameras import v4l2

    camera = v4l2.open(device=CAMERA, covers=(224, 224))
    try:
        frames = [frame for frame, _ in zip(camera, range(5), strict=False)]
    finally:
        camera.close()
    expected = {cv2.cvtColor(producer.frame(n), cv2.COLOR_YUV2BGR_YUYV).tobytes() for n in range(16)}
    assert len({frame.pixels.tobytes() for frame in frames}) > 1
    for frame in frames:
        assert frame.size == (WIDTH, HEIGHT) and frame.pixel_format == "BGR"
        assert frame.pixels.tobytes() in expected


def test_a_frozen_camera_is_noticed_within_three_seconds_and_used_again(run, producer, tell):
    frozen = time.monotonic()
    producer.freeze()
    noticed = run.wait(lambda: run.said("waiting up to", frozen), "the words that it gives nothing")
    last = run.out[-1].at
    tell(f"noticed {noticed.at - frozen:.2f} s after it froze, {noticed.at - last:.2f} s after the last answer")
    assert noticed.at - frozen < NOTICED_S
    assert "stopped" in noticed.text
    thawed = time.monotonic()
    producer.thaw()
    run.results(1)
    tell(f"answers again {run.out[-1].at - thawed:.2f} s after it gives frames again")
    assert run.out[-1].at - thawed < NOTICED_S


def test_a_producer_that_is_gone_and_back_costs_a_pause(running, small_model, tell):
    first = Producer()
    run = running("run", NAME, "--json", "--model", small_model)
    run.wait(lambda: run.out, "the first result")
    gone = time.monotonic()
    first.close()
    noticed = run.wait(lambda: run.said("waiting up to", gone), "the words that it is gone")
    tell(f"noticed after {noticed.at - gone:.2f} s")
    assert noticed.at - gone < NOTICED_S
    time.sleep(2)
    count, number, returned = len(run.out), run.out[-1].result["frame"], time.monotonic()
    second = Producer()
    try:
        run.wait(lambda: len(run.out) > count, "results after its return")
        tell(f"answers again {run.out[count].at - returned:.2f} s after its return")
        assert run.out[count].at - returned < NOTICED_S
        assert run.out[count].result["frame"] > number
    finally:
        assert run.stop() == 0
        second.close()


def test_without_patience_it_ends_with_one_line(running, producer, small_model):
    run = running("run", CAMERA, "--json", "--model", small_model, "--patience", 0)
    run.wait(lambda: run.out, "the first result")
    producer.freeze()
    assert run.code() == 1
    (line,) = [line.text for line in run.err if line.text.startswith("edge: /dev/video0")]
    assert "stopped after" in line and ";" in line


def test_without_a_producer_it_is_no_camera(command):
    assert Path(CAMERA).exists()
    ran = command("run", "camera:0", "--json")
    assert ran.code == 1 and "no camera" in ran.err
