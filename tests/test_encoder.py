"""JPEGs by a V4L2 encoder: a scripted one, which goes through the states of the kernel's description of encoders."""

import ctypes
import errno
import logging
import os
import re
import struct
import subprocess
from contextlib import ExitStack
from threading import Event
from types import MappingProxyType, SimpleNamespace

import asking
import cv2
import numpy as np
import pytest
import shots
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import picture, profile
from edge.cameras.v4l2 import ioctls
from edge.encoder import TOLERANCE, Encoder, card, m2m, offers, videodev, whole
from edge.encoder.m2m import File
from edge.service.house import Encoding
from edge.settings import Settings
from edge.settings import Web as Asked
from edge.types import Frame
from edge.vitals import Controls, Vitals
from edge.web import Web
from edge.web.choices import Choices
from edge.web.watched import Watched
from edge.whose import named

M2M, MPLANE, CAPTURE, OWN = 0x8000, 0x4000, 0x1, 0x80000000
BGR, RGB, JPEG, YUV = (videodev.code(each) for each in ("BGR3", "RGB3", "JPEG", "YU12"))


def aligned(value, step):
    return -(-value // step) * step


class Codec:
    """An encoder's driver, and an open file of it: rows of whole 32 bytes, 16 rows a block, sizes from 32 to 1920, as a
    Raspberry Pi's has them (bcm2835-v4l2-codec.c). It refuses what comes in another order than encoders want it.

    coded, raw: its formats. spoil: what it does to the pixels before it encodes them. packed: and to the JPEG. silent:
    after so many pictures it gives none. damaged: after so many it marks them. gone: after so many requests it is.
    lies: of how long its rows are.
    """

    def __init__(
        self, *, caps=MPLANE, coded=(JPEG,), raw=(YUV, RGB, BGR), spoil=lambda pixels: pixels,
        packed=lambda data: data, silent=None, damaged=None, gone=None, crops=True, larger=False, graded=True,
        offset=0, keeps=True, lies=False, most=1920, memory=1 << 20,
    ):  # fmt: skip
        self.caps, self.coded, self.raw, self.spoil, self.packed = caps, coded, raw, spoil, packed
        self.silent, self.damaged, self.gone, self.crops, self.larger = silent, damaged, gone, crops, larger
        self.graded, self.offset, self.keeps, self.most, self.room = graded, offset, keeps, most, memory
        self.lies = lies
        self.asked = self.pictures = self.files = 0
        self.opened = []

    def __call__(self, path):
        self.opened.append(path)
        self.files += 1
        self.size = self.crop = self.format = self.quality = None
        self.buffers, self.streams, self.queued, self.done = {}, set(), [], {}
        return self

    def close(self):
        self.files -= 1

    @property
    def planes(self):
        return bool(self.caps & MPLANE)

    def ask(self, request, told):
        self.asked += 1
        if self.gone is not None and self.asked > self.gone:
            raise OSError(errno.ENODEV, "No such device")
        if isinstance(told, bytes):
            return self.tell(request, told)
        assert ctypes.sizeof(told) == request >> 16 & 0x3FFF, "the size of a structure stands in its request"
        return self.WORK[request](self, told)

    def tell(self, request, told):
        if request == ioctls.QUERYCAP:
            return struct.pack("=16s32s32s3I12x", b"codec", b"encode_image", b"platform", 0, OWN, self.caps)
        assert request == ioctls.ENUM_FMT
        index, kind = struct.unpack_from("=2I", told)
        formats = {9 if self.planes else 1: self.coded, 10 if self.planes else 2: self.raw}.get(kind, ())
        if index >= len(formats):
            raise OSError(errno.EINVAL, "Invalid argument")
        return struct.pack("=3I32s2I12x", index, kind, 0, b"", formats[index], 0)

    def side(self, kind):
        assert kind in ((9, 10) if self.planes else (1, 2)), "of the other interface"
        return "out" if kind in (2, 10) else "in"

    def set_format(self, told):
        of = told.fmt.pix_mp if self.planes else told.fmt.pix
        row = of.plane_fmt[0] if self.planes else of
        if self.buffers:
            raise OSError(errno.EBUSY, "Device or resource busy")
        if self.side(told.type) == "in":
            assert of.pixelformat in self.coded and self.format is None, "the coded format comes first"
            self.format = of.pixelformat
            return
        assert self.format, "the coded format comes first"
        if not self.keeps:
            of.pixelformat = self.raw[0]
        of.width, of.height = (min(max(each, 32), self.most) for each in (of.width, of.height))
        self.crop = (of.width, of.height)
        of.height = aligned(of.height, 16)
        if self.larger:
            of.width = aligned(of.width, 64)
        row.bytesperline = aligned(max(row.bytesperline, 3 * of.width), 32)
        row.sizeimage = row.bytesperline * of.height
        self.size, self.stride, self.raws = (of.width, of.height), row.bytesperline, of.pixelformat
        if self.lies:
            row.bytesperline *= 2

    def select(self, told):
        if not self.crops:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        assert (told.type, told.target) == (2, 0) and self.size and not self.buffers
        told.width, told.height = min(told.width, self.size[0]), min(told.height, self.size[1])
        self.crop = (told.width, told.height)

    def grade(self, told):
        if not self.graded:
            raise OSError(errno.EINVAL, "Invalid argument")
        assert told.id == 0x009D0903
        self.quality = told.value

    def request(self, told):
        assert told.memory == 1 and told.count == 1 and self.size
        side = self.side(told.type)
        self.buffers[side] = bytearray(self.stride * self.size[1] if side == "out" else self.room)

    def query(self, told):
        side = self.side(told.type)
        length, offset = len(self.buffers[side]), 0x1000 if side == "out" else 0x80000000
        if self.planes:
            assert told.length == 1
            told.m.planes[0].length, told.m.planes[0].m.mem_offset = length, offset
        else:
            told.length, told.m.offset = length, offset

    def map(self, length, offset):
        memory = self.buffers["in" if offset & 0x80000000 else "out"]
        assert length == len(memory)
        return memory

    def stream(self, told):
        assert self.side(told.value) in self.buffers
        self.streams.add(self.side(told.value))

    def queue(self, told):
        side = self.side(told.type)
        assert side in self.streams and side not in self.queued and told.index == 0
        self.queued.append(side)
        used = told.m.planes[0].bytesused if self.planes else told.bytesused
        assert side == "in" or used == len(self.buffers["out"])
        if set(self.queued) == {"in", "out"} and (self.silent is None or self.pictures < self.silent):
            self.run()

    def run(self):
        (w, h), flags = self.crop, 0
        pixels = np.frombuffer(self.buffers["out"], np.uint8).reshape(-1, self.stride)[:h, : 3 * w].reshape(h, w, 3)
        if self.raws == RGB:
            pixels = pixels[..., ::-1]
        quality = [] if self.quality is None else [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        data = self.packed(cv2.imencode(".jpg", self.spoil(np.ascontiguousarray(pixels)), quality)[1].tobytes())
        if self.damaged is not None and self.pictures >= self.damaged:
            flags = 0x40
        self.buffers["in"][self.offset : self.offset + len(data)] = data
        self.pictures += 1
        self.done = {"in": (self.offset + len(data), flags), "out": (0, 0)}
        self.queued = []

    def dequeue(self, told):
        side = self.side(told.type)
        if side not in self.done:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        used, told.flags = self.done.pop(side)
        if self.planes:
            told.m.planes[0].bytesused, told.m.planes[0].data_offset = used, self.offset if side == "in" else 0
        else:
            told.bytesused = used

    def wait(self, events, limit_s):
        assert 0 < limit_s <= 2
        return {m2m.READY_IN: "in", m2m.READY_OUT: "out"}[events] in self.done

    WORK = MappingProxyType({
        videodev.S_FMT: set_format, videodev.S_SELECTION: select, videodev.S_CTRL: grade, videodev.REQBUFS: request,
        videodev.QUERYBUF: query, videodev.STREAMON: stream, videodev.QBUF: queue, videodev.DQBUF: dequeue,
    })  # fmt: skip


@pytest.fixture
def machine(tmp_path):
    """Makes a machine whose devices are these, and an encoder on it."""
    (tmp_path / "dev").mkdir()

    def make(camera="", **codecs):
        for name in codecs:
            (tmp_path / "dev" / name).touch()
        return Encoder(camera, tmp_path, lambda path: codecs[path.rpartition("/")[2]](path))

    return make


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def off(data, pixels):
    return float(np.mean(cv2.absdiff(decoded(data), pixels)))


def photograph(width=640, height=360):
    """Something that is neither the card nor the same when it is turned."""
    return np.ascontiguousarray(cv2.GaussianBlur(card(height, width), (9, 9), 0).transpose(1, 0, 2)[::-1])


HEADER = """
#include <linux/videodev2.h>
#include <stddef.h>
#include <stdio.h>
#define P(r) printf("%lu\\n", (unsigned long)(r));
int main(void) {
  P(VIDIOC_S_FMT) P(VIDIOC_REQBUFS) P(VIDIOC_QUERYBUF) P(VIDIOC_QBUF) P(VIDIOC_DQBUF) P(VIDIOC_STREAMON)
  P(VIDIOC_S_CTRL) P(VIDIOC_S_SELECTION) P(V4L2_CID_JPEG_COMPRESSION_QUALITY) P(V4L2_CAP_VIDEO_M2M)
  P(V4L2_CAP_VIDEO_M2M_MPLANE) P(V4L2_BUF_FLAG_ERROR) P(V4L2_SEL_TGT_CROP) P(sizeof(struct v4l2_plane))
  P(offsetof(struct v4l2_format, fmt)) P(offsetof(struct v4l2_pix_format_mplane, plane_fmt[1]))
  P(offsetof(struct v4l2_pix_format_mplane, num_planes)) P(offsetof(struct v4l2_pix_format, sizeimage))
  P(offsetof(struct v4l2_buffer, memory)) P(offsetof(struct v4l2_buffer, m)) P(offsetof(struct v4l2_buffer, length))
  P(offsetof(struct v4l2_plane, data_offset)) P(offsetof(struct v4l2_selection, r.height)) return 0; }
"""


def test_the_numbers_and_layouts_are_those_of_the_kernels_header(tmp_path):
    (tmp_path / "a.c").write_text(HEADER)
    try:
        built = subprocess.run(["gcc", "-o", "a", "a.c"], cwd=tmp_path, capture_output=True, check=False)
    except OSError:
        pytest.skip("needs gcc")
    if built.returncode:
        pytest.skip("needs the kernel's headers (linux-libc-dev)")
    said = subprocess.run([tmp_path / "a"], cwd="/", capture_output=True, text=True, check=True).stdout
    v = videodev
    assert list(map(int, said.split())) == [
        *(v.S_FMT, v.REQBUFS, v.QUERYBUF, v.QBUF, v.DQBUF, v.STREAMON, v.S_CTRL, v.S_SELECTION),
        *(v.JPEG_QUALITY, v.VIDEO_M2M, v.VIDEO_M2M_MPLANE, v.FLAG_ERROR, v.CROP, ctypes.sizeof(v.Plane)),
        *(v.Format.fmt.offset, v.PixFormatMplane.plane_fmt.offset + ctypes.sizeof(v.PlaneFormat)),
        *(v.PixFormatMplane.num_planes.offset, v.PixFormat.sizeimage.offset),
        *(v.Buffer.memory.offset, v.Buffer.m.offset, v.Buffer.length.offset),
        *(v.Plane.data_offset.offset, v.Selection.height.offset),
    ]


@pytest.mark.parametrize(
    "options", [{}, {"caps": M2M}, {"raw": (RGB,)}, {"graded": False}, {"offset": 64}, {"larger": True}]
)
def test_a_picture_is_the_same_as_the_processors_within_the_tolerance(machine, caplog, options):
    codec = Codec(**options)
    encoder, pixels = machine(video31=codec), photograph()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert off(encoder.encode(pixels, 80), pixels) < 2
    assert codec.pictures == 4, "the card, and three pictures"
    assert codec.quality == (80 if codec.graded else None)
    assert [record.message.partition(": ")[2].rpartition("/")[2] for record in caplog.records] == [
        "video31 encodes pictures of 640 x 360"
    ]
    encoder.close()
    encoder.close()
    assert codec.files == 0


@settings(max_examples=25, deadline=None)
@given(width=st.integers(32, 200), height=st.integers(32, 120), caps=st.sampled_from([M2M, MPLANE]))
def test_rows_of_any_length_arrive_whole(width, height, caps):
    codec = Codec(caps=caps)
    node = codec("a")
    made = m2m.M2M(node, ioctls.identify(node.ask), "JPEG", "BGR3", (width, height), 90)
    pixels = photograph(width, height)
    assert codec.stride % 96 == 0, "whole pixels and whole blocks"
    assert off(made.encode(pixels), pixels) < TOLERANCE


def test_another_size_or_quality_opens_it_anew(machine):
    codec = Codec()
    encoder = machine(video31=codec)
    for pixels, quality in ((photograph(), 80), (photograph(320, 240), 80), (photograph(320, 240), 50)):
        assert decoded(encoder.encode(pixels, quality)).shape == pixels.shape
        assert (codec.files, codec.quality) == (1, quality)
    assert codec.pictures == 6
    encoder.close()


def test_it_is_found_by_what_it_can_and_not_by_its_number(machine):
    codecs = {
        "video0": Codec(caps=CAPTURE),
        "video10": Codec(coded=(YUV,), raw=(JPEG,)),
        "video11": Codec(raw=(YUV,)),
        "video19": Codec(gone=0),
        "video20": Codec(gone=1),
        "video33": Codec(coded=(videodev.code("MJPG"),)),
    }
    encoder = machine(**codecs)
    assert off(encoder.encode(photograph(), 80), photograph()) < 2
    assert {name: codec.pictures for name, codec in codecs.items() if codec.pictures} == {"video33": 2}
    encoder.close()
    assert not any(codec.files for codec in codecs.values())


SWAPPED = {"spoil": lambda pixels: pixels[..., ::-1]}
DULL = {"spoil": lambda pixels: (16 + pixels * (219 / 255)).astype(np.uint8)}
FLIPPED = {"spoil": lambda pixels: pixels[::-1]}
SHORT = {"spoil": lambda pixels: pixels[:-8]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"silent": 0}, "BGR3: it gives nothing within 1 s"),
        ({"damaged": 0}, "BGR3: it marks a picture as damaged"),
        ({"gone": 12}, "BGR3: No such device"),
        ({"most": 512}, "BGR3: it takes no pictures of 640 x 360"),
        ({"crops": False}, "BGR3: it takes no pictures of 640 x 360"),
        ({"raw": (YUV, BGR), "keeps": False}, "BGR3: it takes no pictures of 640 x 360"),
        ({"lies": True}, "BGR3: "),
        ({"packed": lambda data: data[:-2]}, "BGR3: what it gives is no JPEG"),
        ({"packed": lambda data: bytes(9)}, "BGR3: what it gives is no JPEG"),
        ({"packed": lambda data: b"\xff\xd8\xff\xd9"}, "BGR3: what it gives is no JPEG of that size"),
        (SHORT, "BGR3: what it gives is no JPEG of that size"),
        (SWAPPED, r"BGR3: it gives another picture than it was given: 5\d of 255 levels off"),
        (DULL, "BGR3: it gives another picture than it was given: [6-9] of 255 levels off"),
        (FLIPPED, "BGR3: it gives another picture"),
    ],
)
def test_whatever_is_wrong_is_said_once_and_the_processor_encodes(machine, caplog, options, words):
    codec = Codec(**{"raw": (BGR,), **options})
    encoder, pixels = machine(video31=codec), photograph()
    for _ in range(3):
        assert encoder.encode(pixels, 80) == picture.jpeg(pixels, 80)
    (line,) = [record.message for record in caplog.records]
    assert re.fullmatch(f"hardware JPEG: /.*/video31: {words}.*; the processor encodes pictures from now on", line)
    assert codec.files == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"silent": 2}, "it gives nothing within 1 s"),
        ({"damaged": 2}, "it marks a picture as damaged"),
        ({"gone": 40}, "No such device"),
        ({"packed": lambda data: b""}, "what it gives is no JPEG"),
    ],
)
def test_one_that_fails_later_is_given_up_for_good(machine, caplog, options, words):
    late = options.pop("packed", None)
    codec = Codec(**options)
    encoder, pixels = machine(video31=codec), photograph()
    assert off(encoder.encode(pixels, 80), pixels) < 2 and codec.pictures == 2
    codec.packed = late or codec.packed
    for _ in range(9):
        assert off(encoder.encode(pixels, 80), pixels) < 2
    assert codec.files == 0
    asked = codec.asked
    assert encoder.encode(pixels, 80) == picture.jpeg(pixels, 80)
    (line,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert re.fullmatch(f"hardware JPEG: /.*/video31: {words}; the processor encodes pictures from now on", line)
    assert codec.asked == asked


@pytest.mark.parametrize("options", [{"coded": (YUV,)}, {"raw": (YUV,)}, {"gone": 0}, {"caps": CAPTURE}, None])
def test_a_board_without_an_encoder_is_only_news(machine, caplog, options):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    encoder, pixels = machine(video31=refuse if options is None else Codec(**options)), photograph()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert encoder.encode(pixels, 80) == picture.jpeg(pixels, 80)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.message == "hardware JPEG: this board has no encoder for it; the processor encodes pictures"


def test_devices_that_this_user_may_not_open_are_said_with_what_helps(plain_user, caplog):
    (plain_user / "dev").mkdir()
    (plain_user / "dev/video31").touch(0)
    Encoder(root=plain_user).encode(photograph(), 80)
    (line,) = [record.message for record in caplog.records]
    assert "video31: no permission; run `sudo usermod -aG video $USER`" in line


def test_where_one_raw_format_gives_other_colours_the_next_is_used(machine):
    codec = Codec()
    encode = codec.run

    def swaps_one():
        codec.spoil = (lambda pixels: pixels[..., ::-1]) if codec.raws == BGR else (lambda pixels: pixels)
        encode()

    codec.run = swaps_one
    encoder = machine(video31=codec)
    assert off(encoder.encode(photograph(), 80), photograph()) < 2
    assert (codec.raws, codec.files) == (RGB, 1)
    encoder.close()


def test_of_several_cameras_the_lines_say_whose_they_are(machine, caplog):
    caplog.handler.addFilter(named)
    encoder = machine("door", video31=Codec(silent=1))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            encoder.encode(photograph(), 80)
    assert [record.message.partition(": ")[0] for record in caplog.records] == ["door", "door"]


def test_what_stands_behind_a_jpeg_is_left_out():
    data = picture.jpeg(photograph(), 80)
    assert whole(data + bytes(40)) == data


def test_the_page_takes_the_pictures_of_the_encoder_it_is_given():
    pixels = photograph()
    frame = Frame(pixels=pixels, index=0, captured_at_ns=0, size=(640, 360))
    assert picture.shown(frame, 320, 80, lambda smaller, quality: b"%d %d" % (smaller.shape[1], quality)) == b"320 80"
    data = picture.jpeg(pixels, 80)
    ready = Frame(pixels=np.frombuffer(data, np.uint8), pixel_format="MJPG", index=0, captured_at_ns=0, size=(640, 360))
    assert picture.shown(ready, 640, 80, lambda *_: b"") == data


@pytest.mark.parametrize("hardware", [True, False])
def test_the_page_of_a_board_that_has_one_asks_for_it_and_no_other(hardware, caplog):
    vitals = Vitals("a")
    vitals.latest = shots.shot(picture=photograph(64, 48))
    web = Web(Asked(), [Watched(vitals, Controls(), None)], Choices(), hardware_jpeg=lambda camera: hardware)
    with ExitStack() as stack, caplog.at_level(logging.INFO):
        app = web.application(Event(), 8080, stack)
        answer = asking.ask(app, "/picture.jpg", headers={"Host": "127.0.0.1:8080"})
    assert (answer.status, decoded(answer.body).shape) == (200, (48, 64, 3))
    said = [record.message for record in caplog.records if "this board has no encoder" in record.message]
    assert len(said) == hardware, "there is none here, which is said where one is asked for"


def test_what_encodes_goes_by_the_profile_of_each_camera_also_where_another_is_given():
    def camera(name, profile):
        return Watched(Vitals(name), Controls(), SimpleNamespace(settings=Settings(profile=profile)))

    encoding, door, yard = Encoding(), camera("door", "pi4"), camera("yard", "cpu")
    assert (encoding.by_hardware(door), encoding.by_hardware(yard)) == (True, False)
    door.desk.settings, yard.desk.settings = yard.desk.settings, door.desk.settings
    assert (encoding.by_hardware(door), encoding.by_hardware(yard)) == (False, True)
    yard.desk.settings = Settings(profile="it-has-just-gone.toml")
    assert not encoding.by_hardware(yard)


def test_the_profiles_of_boards_that_have_one_say_so_and_only_those():
    say = {name for name in profile.shipped() if profile.load(name).jpeg == "v4l2"}
    assert say == {"pi3", "pi4", "pi-zero-2w", "coral-usb", "coral-pcie"}


def test_a_device_file_is_asked_mapped_waited_for_and_given_back(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8192)
    node = File(str(path))
    assert bytes(node.map(4096, 4096)[:2]) == b"xx"
    assert node.wait(m2m.READY_IN, 0)
    assert list(offers(str(path))) == []
    with pytest.raises(OSError):
        node.ask(videodev.S_FMT, videodev.Format())
    node.close()
    with pytest.raises(OSError):
        node.close()
    os.mkfifo(tmp_path / "silent")
    silent = File(str(tmp_path / "silent"))
    assert not silent.wait(m2m.READY_IN, 0)
    silent.close()
