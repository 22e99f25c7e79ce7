"""The path through a memory-to-memory encoder, on the kernel's `vicodec`: what it makes is FWHT, and no JPEG."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras.v4l2 import ioctls
from edge.encoder import Encoder, card, offers
from edge.encoder.m2m import M2M, File
from edge.errors import DeviceError

DRIVER = Path("/sys/bus/platform/drivers/vicodec")
SIZE = 650, 366
"""No multiple of anything that a row or a block is made of."""

OFF = 4.0
"""Levels of 255 that a picture may differ by on average, encoded and decoded with the driver's own numbers."""


def node(name):
    """The path of the device that the driver calls so."""
    names = Path("/sys/class/video4linux").glob("video*/name")
    return next(f"/dev/{path.parent.name}" for path in names if path.read_text().startswith(name))


class Codec:
    """The encoder, by the interface for several pieces of memory or for one; and what goes into it."""

    def __init__(self, planes, raw):
        self.planes, self.raw, self.path = planes, raw, node("stateful-encoder")

    def open(self, size=SIZE):
        file = File(self.path)
        try:
            return M2M(file, ioctls.identify(file.ask), "FWHT", self.raw, size, 80)
        except OSError:
            file.close()
            raise


@pytest.fixture(scope="module", params=[("Y", "BGR3"), ("N", "RGB3")], ids=["several planes", "one plane"])
def codec(shell, request):
    planes, raw = request.param
    shell(f"modprobe vicodec multiplanar={planes} && udevadm settle")
    yield Codec(planes == "Y", raw)
    shell("modprobe -r vicodec")


def pictures(size=SIZE):
    """A card and a noisy variant of it, turn about."""
    shown = card(*size)
    noise = np.random.default_rng(1).integers(-8, 9, shown.shape)
    other = cv2.flip(np.clip(shown + noise, 0, 255).astype(np.uint8), 1)
    return [shown, other, shown]


def test_pictures_come_back_as_they_were_through_the_drivers_own_decoder(codec, shell, tmp_path):
    assert ("FWHT", codec.raw) in list(offers(codec.path, ["FWHT"]))
    encoder = codec.open()
    coded = [encoder.encode(each) for each in pictures()]
    encoder.close()
    assert all(each.startswith(b"\x4f\x4f\x4f\x4f\xff\xff\xff\xff") for each in coded)
    (tmp_path / "coded").write_bytes(b"".join(coded))
    shell(
        f"v4l2-ctl -d {node('stateful-decoder')} -x width={SIZE[0]},height={SIZE[1]},pixelformat=FWHT"
        f" -v pixelformat={codec.raw} --stream-mmap --stream-out-mmap --stream-from {tmp_path}/coded"
        f" --stream-to {tmp_path}/raw"
    )
    seen = np.frombuffer((tmp_path / "raw").read_bytes(), np.uint8).reshape(3, SIZE[1], SIZE[0], 3)
    for given, back in zip(pictures(), seen, strict=True):
        back = np.ascontiguousarray(back[..., ::-1] if codec.raw == "RGB3" else back)
        assert np.mean(cv2.absdiff(given, back)) < OFF


def test_two_cameras_encode_turn_about_and_nothing_is_left_open(codec):
    def open_files():
        return len(list(Path("/proc/self/fd").iterdir())), Path("/proc/self/maps").read_text().count("/dev/video")

    before = open_files()
    one, other = codec.open(), codec.open((640, 480))
    for _ in range(3):
        assert one.encode(card(*SIZE)) and other.encode(card(640, 480))
    assert open_files() != before
    one.close()
    other.close()
    assert open_files() == before


def test_a_size_that_it_does_not_take_is_refused(codec):
    with pytest.raises(DeviceError, match="it takes no pictures of 320 x 200"):
        codec.open((320, 200))


def test_an_encoder_of_something_else_is_not_used(codec, caplog):
    encoder = Encoder()
    with caplog.at_level("INFO"):
        data = encoder.encode(card(*SIZE), 80)
    encoder.close()
    assert np.mean(cv2.absdiff(cv2.imdecode(np.frombuffer(data, np.uint8), 1), card(*SIZE))) < OFF
    assert "this board has no encoder for it; the processor" in caplog.text


def test_one_whose_driver_is_taken_away_is_noticed_at_the_next_picture(codec):
    encoder = codec.open()
    encoder.encode(card(*SIZE))
    (DRIVER / "unbind").write_text("vicodec.0")
    begun = time.monotonic()
    with pytest.raises(OSError):
        encoder.encode(card(*SIZE))
    assert time.monotonic() - begun < 3
    encoder.close()
