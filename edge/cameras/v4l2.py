"""USB and other V4L2 cameras, through OpenCV.

Motion JPEG is asked for, and handed on as it comes: the loop keeps the newest frame and decodes only what it looks at,
at the smallest size that still covers the model's input.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cv2
import msgspec
import numpy as np

from edge.errors import CameraError
from edge.types import Clock, Frame, PixelFormat

INSTALL = "install it with `pip install opencv-python-headless`"

Pixels = Annotated[int, msgspec.Meta(ge=16, le=8192)]

# From linux/videodev2.h: struct v4l2_capability and the bits of its fields.
VIDIOC_QUERYCAP = 0x80685600
VIDEO_CAPTURE, VIDEO_CAPTURE_MPLANE, DEVICE_CAPS, IO_MC = 0x1, 0x1000, 0x80000000, 0x20000000

FAILURES = 5
"""So many empty buffers in a row are no hiccup of the cable."""

HICCUP_NS = 1_000_000_000
"""A read that fails after longer than this waited for a camera that gives nothing."""

YOUNG_NS = 10_000_000_000
"""A sensor's timestamp older than this belongs to some other clock."""


class V4L2:
    """An open camera. Frames are Motion JPEG where it has that, else BGR."""

    live = True
    skipped = 0

    def __init__(self, capture: Any, device: str, clock: Clock) -> None:
        self._capture = capture
        self._device = device
        self._clock = clock
        self._size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come. Raises CameraError when the camera stops giving them."""
        index = failures = 0
        while True:
            asked = self._clock()
            good, pixels = self._capture.read()
            if good:
                failures = 0
                yield self._frame(pixels, index)
                index += 1
                continue
            failures += 1
            if failures >= FAILURES or self._clock() - asked > HICCUP_NS:
                raise CameraError(
                    f"{self._device}: the camera stopped after {index} frames; check its cable and its power"
                )
            self.skipped += 1

    def _frame(self, pixels: Any, index: int) -> Frame:
        raw = pixels.ndim < 3 or pixels.shape[2] != 3
        pixel_format: PixelFormat = "MJPG" if raw else "BGR"
        picture = np.ravel(pixels) if raw else pixels
        captured = self._captured_at()
        return Frame(pixels=picture, pixel_format=pixel_format, index=index, captured_at_ns=captured, size=self._size)

    def _captured_at(self) -> int:
        # OpenCV hands on the driver's timestamp, which the kernel's rules want from the monotonic clock.
        now, sensor = self._clock(), int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return sensor if now - YOUNG_NS < sensor <= now else now

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def open(
    *, device: str = "/dev/video0", width: Pixels = 640, height: Pixels = 480, clock: Clock = time.monotonic_ns
) -> V4L2:
    """Open a camera by its path (those under /dev/v4l/by-id stay the same). Raises CameraError.

    width, height: what is asked for; the driver takes the nearest it has.
    """
    _check(device)
    # The number is what OpenCV's V4L2 needs: it takes /dev/videoN, and no other name of the same device.
    capture = cv2.VideoCapture(os.path.realpath(device), cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise CameraError(f"{device}: busy, or no camera; see what holds it with `fuser -v {device}`")
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    if int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG"):
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return V4L2(capture, device, clock)


def _check(device: str) -> None:
    if not Path(device).exists():
        known = ", ".join(devices()) or "none"
        raise CameraError(
            f"{device}: there is no such camera (cameras found: {known}); plug it in, or name another source"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(f"{device}: no permission; run `sudo usermod -aG video $USER` and log in again")
    if not _captures(device):
        known = ", ".join(devices()) or "none"
        raise CameraError(f"{device}: this is no camera that takes pictures by itself; cameras found: {known}")


def devices() -> list[str]:
    """The paths of the cameras that there are, lowest number first; codecs and metadata devices are none."""
    return [path for path in _nodes() if _captures(path)]


def forbidden() -> list[str]:
    """The paths, lowest number first, that this user may not open; some may be cameras."""
    return [path for path in _nodes() if not os.access(path, os.R_OK | os.W_OK)]


def _nodes() -> list[str]:
    found = [path for path in Path("/dev").glob("video*") if path.name[5:].isdigit()]
    return [str(path) for path in sorted(found, key=lambda path: int(path.name[5:]))]


def _captures(device: str) -> bool:
    """Whether a device takes pictures by itself: not a codec, and not a node of a camera that libcamera must set up."""
    try:
        file = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        answer = fcntl.ioctl(file, VIDIOC_QUERYCAP, bytes(104))
    except OSError:
        return False
    finally:
        os.close(file)
    all_caps, own_caps = struct.unpack_from("<2I", answer, 84)
    caps = own_caps if all_caps & DEVICE_CAPS else all_caps
    return bool(caps & (VIDEO_CAPTURE | VIDEO_CAPTURE_MPLANE)) and not caps & IO_MC
