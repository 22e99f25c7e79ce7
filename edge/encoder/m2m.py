"""A V4L2 device that encodes pictures: raw ones go in through one queue, encoded ones come out of another.

The sequence is that of the kernel's "Memory-to-Memory Stateful Video Encoder Interface" (userspace-api/media/v4l,
dev-encoder): coded format, raw format, what of it is visible, buffers, streams. Each queue has one buffer, since the
next picture is taken only when this one is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import select
from typing import Any, Protocol

import numpy as np

from edge.cameras.v4l2.ioctls import MEMORY_MMAP, Identity
from edge.encoder import videodev as v
from edge.errors import DeviceError
from edge.types import Array

LIMIT_S = 1.0
"""A picture may take so long; measured by nobody on a board, and far above what 30 a second leave."""

RAW = {"BGR3": 1, "RGB3": -1}
"""The raw formats that are used, best first; -1: of reversed colours.

An encoder makes the colours of a JPEG out of these itself. Of a format with luma and chroma it would depend on the
encoder which range of them it takes for granted.
"""

STRIDE = 96
"""Bytes that a row is asked to be a multiple of: whole pixels of three bytes, and whole blocks of 32 as a Raspberry
Pi's encoder wants them, whose firmware is told the width of a row in pixels."""

READY_IN, READY_OUT = select.POLLIN, select.POLLOUT


class Node(Protocol):
    """An open device file. What it does raises OSError."""

    def ask(self, request: int, told: Any) -> Any:
        """Send a request; a structure is filled in place, bytes are returned."""
        ...

    def map(self, length: int, offset: int) -> Any:
        """The memory of a buffer, as something with Python's buffer protocol."""
        ...

    def wait(self, events: int, limit_s: float) -> bool:
        """Wait until one of these events of poll(2), or a fault, is there; False: none within so many seconds."""
        ...

    def close(self) -> None:
        """Give all of it back."""
        ...


class File:
    """A device file of the kernel's, as a `Node`. Raises OSError."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()

    def ask(self, request: int, told: Any) -> Any:
        """As `Node` says."""
        return fcntl.ioctl(self._file, request, told)

    def map(self, length: int, offset: int) -> Any:
        """As `Node` says. It is given back when nothing refers to it any more."""
        return mmap.mmap(self._file, length, offset=offset)

    def wait(self, events: int, limit_s: float) -> bool:
        """As `Node` says."""
        self._poll.register(self._file, events)
        return bool(self._poll.poll(limit_s * 1000))

    def close(self) -> None:
        """As `Node` says."""
        os.close(self._file)


class Queue:
    """One side of a device, and its buffer. kind: a `v4l2_buf_type`. memory: of the buffer."""

    def __init__(self, node: Node, kind: int) -> None:
        self.kind = kind
        self.memory: Any = None
        self._node = node
        self._planes = kind in (v.BUF_CAPTURE_MPLANE, v.BUF_OUTPUT_MPLANE)
        self._plane = v.Plane()

    def set(self, pixel_format: int, size: tuple[int, int], stride: int = 0) -> tuple[int, int, int, int]:
        """Ask for a format; (format, width, height, stride) as the driver has it now. stride: bytes of a row."""
        asked = v.Format(type=self.kind)
        of = asked.fmt.pix_mp if self._planes else asked.fmt.pix
        row = of.plane_fmt[0] if self._planes else of
        of.width, of.height = size
        of.pixelformat, of.field, of.colorspace = pixel_format, v.FIELD_NONE, v.SRGB
        row.bytesperline = stride
        if self._planes:
            of.num_planes = 1
        self._node.ask(v.S_FMT, asked)
        return of.pixelformat, of.width, of.height, row.bytesperline

    def begin(self) -> None:
        """Have the buffer, and let it stream."""
        self._node.ask(v.REQBUFS, v.RequestBuffers(count=1, type=self.kind, memory=MEMORY_MMAP))
        told = self._buffer()
        self._node.ask(v.QUERYBUF, told)
        if self._planes:
            self.memory = self._node.map(self._plane.length, self._plane.m.mem_offset)
        else:
            self.memory = self._node.map(told.length, told.m.offset)
        self._node.ask(v.STREAMON, ctypes.c_int32(self.kind))

    def give(self, used: int = 0) -> None:
        """Hand the buffer to the driver. used: bytes of it that count."""
        told = self._buffer()
        told.bytesused = self._plane.bytesused = used
        self._node.ask(v.QBUF, told)

    def take(self) -> tuple[int, int]:
        """Have it back: where in it the data begin and end."""
        told = self._buffer()
        self._node.ask(v.DQBUF, told)
        if told.flags & v.FLAG_ERROR:
            raise DeviceError("it marks a picture as damaged")
        if self._planes:
            return self._plane.data_offset, self._plane.bytesused
        return 0, told.bytesused

    def _buffer(self) -> v.Buffer:
        told = v.Buffer(index=0, type=self.kind, memory=MEMORY_MMAP, field=v.FIELD_NONE)
        if self._planes:
            ctypes.memset(ctypes.byref(self._plane), 0, ctypes.sizeof(v.Plane))
            told.m.planes, told.length = ctypes.pointer(self._plane), 1
        return told


class M2M:
    """An encoder that is set for pictures of one size and quality (1 to 100). node: is closed with it.

    coded, raw: the formats of the two sides, each of four characters. Raises OSError where the driver refuses, and
    DeviceError where it takes something else than that.
    """

    def __init__(
        self, node: Node, identity: Identity, coded: str, raw: str, size: tuple[int, int], quality: int
    ) -> None:
        self._node = node
        planes = bool(identity.caps & v.VIDEO_M2M_MPLANE)
        self._coded = Queue(node, v.BUF_CAPTURE_MPLANE if planes else v.BUF_CAPTURE)
        self._raw = Queue(node, v.BUF_OUTPUT_MPLANE if planes else v.BUF_OUTPUT)
        self._step = RAW[raw]
        self._coded.set(v.code(coded), size)
        row = -(-3 * size[0] // STRIDE) * STRIDE
        kept, width, height, stride = self._raw.set(v.code(raw), size, row)
        if kept != v.code(raw) or not self._shows(size, (width, height)):
            raise DeviceError(f"it takes no pictures of {size[0]} x {size[1]}")
        with contextlib.suppress(OSError):  # it may know no quality
            node.ask(v.S_CTRL, v.Control(id=v.JPEG_QUALITY, value=quality))
        self._coded.begin()
        self._raw.begin()
        shape = (size[1], size[0], 3)
        self._pixels: Array = np.ndarray(shape, np.uint8, self._raw.memory, strides=(stride, 3, 1))

    def _shows(self, size: tuple[int, int], kept: tuple[int, int]) -> bool:
        """Whether it encodes just these pixels of what may have been made larger."""
        part = v.Selection(type=v.BUF_OUTPUT, target=v.CROP, width=size[0], height=size[1])
        try:
            self._node.ask(v.S_SELECTION, part)
        except OSError:
            return kept == size
        return (part.left, part.top, part.width, part.height) == (0, 0, *size)

    def encode(self, pixels: Array) -> bytes:
        """A picture (H x W x 3 uint8, BGR, of the size that it is set for). Raises OSError; after that, close it."""
        self._pixels[:] = pixels[..., :: self._step]
        self._raw.give(len(self._raw.memory))
        self._coded.give()
        begin, end = self._done(self._coded, READY_IN)
        data = bytes(self._coded.memory[begin:end])
        self._done(self._raw, READY_OUT)
        return data

    def _done(self, queue: Queue, event: int) -> tuple[int, int]:
        if not self._node.wait(event, LIMIT_S):
            raise DeviceError(f"it gives nothing within {LIMIT_S:g} s")
        return queue.take()

    def close(self) -> None:
        """Give it back; the driver ends its streams and frees its buffers with the file."""
        del self._pixels
        self._raw.memory = self._coded.memory = None
        self._node.close()
