"""What a V4L2 driver tells when it is asked: who it is, its formats, sizes and rates, and whether it is taken.

The structures and numbers are those of linux/videodev2.h. Every field is 32 bits wide or a run of bytes, so they are
the same on 32-bit and 64-bit machines, and of the machine's own byte order.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from edge.cameras.v4l2.modes import Mode

Ask = Callable[[int, bytes], bytes]
"""Sends one request to an open device: (its number, a structure) -> the structure as the driver filled it; OSError."""

Ioctl = Callable[[int, int, bytes], bytes]
"""`fcntl.ioctl`, or what a test puts in its place."""

QUERYCAP, CAPABILITY = 0x80685600, 104
ENUM_FMT, FMTDESC = 0xC0405602, 64
ENUM_FRAMESIZES, FRMSIZEENUM = 0xC02C564A, 44
ENUM_FRAMEINTERVALS, FRMIVALENUM = 0xC034564B, 52
REQBUFS, REQUESTBUFFERS = 0xC0145608, 20
"""Each request with the bytes of its structure."""

VIDEO_CAPTURE, VIDEO_CAPTURE_MPLANE, DEVICE_CAPS, IO_MC = 0x1, 0x1000, 0x80000000, 0x20000000
BUF_CAPTURE, BUF_CAPTURE_MPLANE, MEMORY_MMAP = 1, 9, 1
DISCRETE = 1

MOST = 128
"""More formats, sizes or rates than any camera lists: a driver that never says "no more" must not hold us."""

SIZES = (
    (160, 120), (320, 180), (320, 240), (640, 360), (640, 480), (800, 600), (960, 540), (1024, 768), (1280, 720),
    (1280, 960), (1600, 1200), (1920, 1080), (2560, 1440), (3840, 2160),
)  # fmt: skip
"""What is tried of a range of sizes: shapes that sensors have, so that the driver need not distort the picture."""

RATES = (120.0, 60.0, 50.0, 30.0, 25.0, 24.0, 20.0, 15.0, 10.0, 5.0)
"""What is tried of a range of rates."""

NO_CAMERAS = {"unicam", "rp1-cfe", "bcm2835-isp", "pispbe"}
"""Drivers of parts of a Raspberry Pi's camera, which give raw data or nothing until libcamera has set them up."""


class Identity(NamedTuple):
    """Who a driver says that it is; `caps` are the bits of what this node of it can do."""

    driver: str
    card: str
    bus: str
    caps: int

    @property
    def camera(self) -> bool:
        """Whether it takes pictures by itself: no codec, and no part of a camera that libcamera must set up."""
        takes = self.caps & (VIDEO_CAPTURE | VIDEO_CAPTURE_MPLANE)
        return bool(takes) and not self.caps & IO_MC and self.driver not in NO_CAMERAS

    @property
    def queue(self) -> int:
        """The kind of its queue of pictures."""
        return BUF_CAPTURE if self.caps & VIDEO_CAPTURE else BUF_CAPTURE_MPLANE


@contextmanager
def opened(device: str, ioctl: Ioctl = fcntl.ioctl) -> Iterator[Ask]:
    """Open a device for questions. Raises OSError."""
    file = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield partial(ioctl, file)
    finally:
        os.close(file)


def identify(ask: Ask) -> Identity:
    """Who it is. Raises OSError for what is no V4L2 device."""
    answer = ask(QUERYCAP, bytes(CAPABILITY))
    driver, card, bus, _, every, own = struct.unpack_from("=16s32s32s3I", answer)
    return Identity(_text(driver), _text(card), _text(bus), own if every & DEVICE_CAPS else every)


def busy(ask: Ask, identity: Identity) -> bool:
    """Whether somebody else takes pictures from it. To free none of one's own buffers is harmless where nobody does."""
    try:
        ask(REQBUFS, struct.pack("=3I", 0, identity.queue, MEMORY_MMAP).ljust(REQUESTBUFFERS, b"\0"))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def modes(ask: Ask, identity: Identity) -> list[Mode]:
    """Every format with every size and rate; of a range of sizes or rates those that are common, and the largest."""
    found = []
    for code in codes(ask, identity.queue):
        for width, height in _sizes(ask, code):
            found.append(Mode(fourcc(code), width, height, _rates(ask, code, width, height)))
    return list(dict.fromkeys(found))


def codes(ask: Ask, queue: int) -> Iterator[int]:
    """The numbers of the pixel formats of a queue, by its kind."""
    for answer in _each(ask, ENUM_FMT, struct.pack("=I", queue), FMTDESC):
        yield struct.unpack_from("=I", answer, 44)[0]


def fourcc(code: int) -> str:
    """The four characters of a pixel format, blanks among them; "-BE" behind those of a big-endian one (bit 31)."""
    return "".join(chr(code >> place & 0x7F) for place in (0, 8, 16, 24)) + "-BE" * (code >> 31)


def _sizes(ask: Ask, code: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for answer in _each(ask, ENUM_FRAMESIZES, struct.pack("=I", code), FRMSIZEENUM):
        kind, *numbers = struct.unpack_from("=7I", answer, 8)
        if kind != DISCRETE:
            return _of_range(*numbers)
        found.append((numbers[0], numbers[1]))
    return found


def _of_range(least_w: int, most_w: int, step_w: int, least_h: int, most_h: int, step_h: int) -> list[tuple[int, int]]:
    def fits(value: int, least: int, most: int, step: int) -> bool:
        return least <= value <= most and (value - least) % max(step, 1) == 0

    common = [(w, h) for w, h in SIZES if fits(w, least_w, most_w, step_w) and fits(h, least_h, most_h, step_h)]
    return list(dict.fromkeys([*common, (most_w, most_h)]))


def _rates(ask: Ask, code: int, width: int, height: int) -> tuple[float, ...]:
    found: set[float] = set()
    for answer in _each(ask, ENUM_FRAMEINTERVALS, struct.pack("=3I", code, width, height), FRMIVALENUM):
        kind, seconds, parts, longest, of = struct.unpack_from("=5I", answer, 16)
        fastest = parts / seconds if seconds else 0.0
        if kind != DISCRETE:
            slowest = of / longest if longest else 0.0
            found.update(rate for rate in (fastest, *RATES) if slowest <= rate <= fastest)
            break
        found.add(fastest)
    return tuple(sorted((round(rate, 3) for rate in found if rate), reverse=True))


def _each(ask: Ask, request: int, head: bytes, size: int) -> Iterator[bytes]:
    """What a driver lists under 0, 1, 2, … until it refuses."""
    for index in range(MOST):
        try:
            answer = ask(request, (struct.pack("=I", index) + head).ljust(size, b"\0"))
        except OSError:
            return
        yield answer


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
