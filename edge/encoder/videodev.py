"""The structures with which pictures go through a V4L2 device, and the requests that take them.

They are those of linux/videodev2.h, laid out as the machine's own C compiler does it: a pointer, a `long` and the time
of a buffer are of another width on 32-bit machines, and the number of a request holds the size of its structure.
"""

from __future__ import annotations

from ctypes import POINTER, Structure, Union, c_int32, c_long, c_uint8, c_uint16, c_uint32, c_ulong, c_void_p, sizeof

MOST_PLANES = 8


class PixFormat(Structure):
    """`v4l2_pix_format`: a picture in one piece of memory."""

    _fields_ = [
        (name, c_uint32)
        for name in ("width", "height", "pixelformat", "field", "bytesperline", "sizeimage", "colorspace", "priv",
                     "flags", "ycbcr_enc", "quantization", "xfer_func")
    ]  # fmt: skip


class PlaneFormat(Structure):
    """`v4l2_plane_pix_format`."""

    _fields_ = [("sizeimage", c_uint32), ("bytesperline", c_uint32), ("reserved", c_uint16 * 6)]


class PixFormatMplane(Structure):
    """`v4l2_pix_format_mplane`: a picture in several pieces; of the formats used here, in one."""

    _fields_ = [
        *((name, c_uint32) for name in ("width", "height", "pixelformat", "field", "colorspace")),
        ("plane_fmt", PlaneFormat * MOST_PLANES),
        *((name, c_uint8) for name in ("num_planes", "flags", "ycbcr_enc", "quantization", "xfer_func")),
        ("reserved", c_uint8 * 7),
    ]


class _FormatUnion(Union):
    _fields_ = [("pix", PixFormat), ("pix_mp", PixFormatMplane), ("raw", c_uint8 * 200), ("aligned", c_void_p)]


class Format(Structure):
    """`v4l2_format`."""

    _fields_ = [("type", c_uint32), ("fmt", _FormatUnion)]


class RequestBuffers(Structure):
    """`v4l2_requestbuffers`."""

    _fields_ = [
        *((name, c_uint32) for name in ("count", "type", "memory", "capabilities")),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    ]


class _PlaneMemory(Union):
    _fields_ = [("mem_offset", c_uint32), ("userptr", c_ulong), ("fd", c_int32)]


class Plane(Structure):
    """`v4l2_plane`."""

    _fields_ = [
        ("bytesused", c_uint32),
        ("length", c_uint32),
        ("m", _PlaneMemory),
        ("data_offset", c_uint32),
        ("reserved", c_uint32 * 11),
    ]


class _Timecode(Structure):
    _fields_ = [("type", c_uint32), ("flags", c_uint32), ("rest", c_uint8 * 8)]


class _BufferMemory(Union):
    _fields_ = [("offset", c_uint32), ("userptr", c_ulong), ("planes", POINTER(Plane)), ("fd", c_int32)]


class Buffer(Structure):
    """`v4l2_buffer`. Of a 32-bit machine the one with a time of 32 bits, which every kernel takes."""

    _fields_ = [
        *((name, c_uint32) for name in ("index", "type", "bytesused", "flags", "field")),
        ("seconds", c_long),
        ("microseconds", c_long),
        ("timecode", _Timecode),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("m", _BufferMemory),
        ("length", c_uint32),
        ("reserved2", c_uint32),
        ("request_fd", c_int32),
    ]


class Control(Structure):
    """`v4l2_control`."""

    _fields_ = [("id", c_uint32), ("value", c_int32)]


class Selection(Structure):
    """`v4l2_selection`."""

    _fields_ = [
        *((name, c_uint32) for name in ("type", "target", "flags")),
        ("left", c_int32),
        ("top", c_int32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("reserved", c_uint32 * 9),
    ]


def _both_ways(number: int, size: int) -> int:
    return 3 << 30 | size << 16 | ord("V") << 8 | number


def _to_driver(number: int, size: int) -> int:
    return 1 << 30 | size << 16 | ord("V") << 8 | number


S_FMT = _both_ways(5, sizeof(Format))
REQBUFS = _both_ways(8, sizeof(RequestBuffers))
QUERYBUF = _both_ways(9, sizeof(Buffer))
QBUF = _both_ways(15, sizeof(Buffer))
DQBUF = _both_ways(17, sizeof(Buffer))
STREAMON = _to_driver(18, sizeof(c_int32))
S_CTRL = _both_ways(28, sizeof(Control))
S_SELECTION = _both_ways(95, sizeof(Selection))

VIDEO_M2M, VIDEO_M2M_MPLANE = 0x8000, 0x4000
BUF_CAPTURE, BUF_OUTPUT, BUF_CAPTURE_MPLANE, BUF_OUTPUT_MPLANE = 1, 2, 9, 10
MEMORY_MMAP, FIELD_NONE, SRGB, CROP = 1, 1, 8, 0
FLAG_ERROR = 0x40
JPEG_QUALITY = 0x009D0903


def code(fourcc: str) -> int:
    """The number of a pixel format of four characters."""
    return int.from_bytes(fourcc.encode(), "little")
