"""USB and other V4L2 cameras, through OpenCV.

Motion JPEG is handed on as it comes: the loop keeps the newest frame and decodes only what it looks at, at the smallest
size that still covers the model's input.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cv2
import msgspec
import numpy as np

from edge import usb
from edge.cameras.v4l2 import nodes
from edge.cameras.v4l2.modes import JPEG, Mode, cheapest
from edge.cameras.v4l2.nodes import devices, forbidden, of_libcamera
from edge.devices import believable
from edge.errors import CameraError
from edge.types import Clock, Frame, PixelFormat

__all__ = ["FAILURES", "HICCUP_NS", "INSTALL", "V4L2", "devices", "forbidden", "of_libcamera", "open"]

INSTALL = "install it with `pip install opencv-python-headless`"

Pixels = Annotated[int, msgspec.Meta(ge=16, le=8192)]

WIDTH, HEIGHT = 640, 480
"""What is asked for where nobody says what is wanted."""

LIMIT = ("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
"""Seconds that OpenCV waits in its driver, for a frame as for anything; ten where nobody says so. It reads this once,
when it first waits. (`VideoCapture.waitAny` waits as long as it is told, but OpenCV has it from 4.8 on only.)"""

FIRST_NS = 8_000_000_000
"""A camera may take so long to its first frame: it starts its sensor, and measures light."""

FAILURES = 5
"""So many empty buffers in a row are no hiccup of the cable."""

HICCUP_NS = 1_000_000_000
"""A read that fails after longer than this waited for a camera that gives nothing."""

log = logging.getLogger("edge")


class V4L2:
    """An open camera. Frames are Motion JPEG where it has that, else BGR.

    again: the options that open this very camera again, when its number has changed. usb: the place on the bus of the
    USB device that it is a part of; None: of none.
    """

    live = True
    skipped = 0

    def __init__(self, capture: Any, device: str, clock: Clock, again: dict[str, Any] | None = None) -> None:
        self.again = again or {"device": device}
        self.usb = usb.place_of(device)
        self._capture = capture
        self._device = device
        self._clock = clock
        self._size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come. Raises CameraError within three seconds when the camera stops giving them."""
        index = failures = 0
        begun = self._clock()
        while True:
            asked = self._clock()
            good, pixels = self._capture.read()
            if good:
                failures = 0
                yield self._frame(pixels, index)
                index += 1
                continue
            now = self._clock()
            silent = now - asked > HICCUP_NS
            if silent and index == 0 and now - begun < FIRST_NS:
                continue
            failures += 1
            if failures >= FAILURES or silent:
                raise self._stopped(index)
            self.skipped += 1

    def _stopped(self, count: int) -> CameraError:
        if not Path(self._device).exists():
            return CameraError(f"{self._device}: the camera is gone after {count} frames; plug it in again")
        return CameraError(f"{self._device}: the camera stopped after {count} frames; check its cable and its power")

    def _frame(self, pixels: Any, index: int) -> Frame:
        raw = pixels.ndim < 3 or pixels.shape[2] != 3
        pixel_format: PixelFormat = "MJPG" if raw else "BGR"
        picture = np.ravel(pixels) if raw else pixels
        captured = self._captured_at()
        return Frame(pixels=picture, pixel_format=pixel_format, index=index, captured_at_ns=captured, size=self._size)

    def _captured_at(self) -> int:
        # OpenCV hands on the driver's timestamp, which the kernel's rules want from the monotonic clock.
        now, sensor = self._clock(), int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return sensor if believable(sensor, now) else now

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()


def open(
    *,
    device: str | None = None,
    width: Pixels | None = None,
    height: Pixels | None = None,
    covers: tuple[int, int] | None = None,
    clock: Clock = time.monotonic_ns,
) -> V4L2:
    """Open a camera by its path (those under /dev/v4l/by-id stay the same); None: the first there is.

    width, height: what is asked for in Motion JPEG; the driver takes the nearest it has. covers: the (width, height) of
    the model's input; where neither of the others is given, the mode is asked for that covers it at the least cost.
    Raises CameraError.
    """
    device = device or next(iter(devices()), "/dev/video0")
    told = nodes.interrogate(device)
    if told.busy:
        raise nodes.taken(device)
    given = width is not None or height is not None
    chosen = None if given or covers is None else cheapest(told.modes, covers)
    capture = _capture(device, chosen or Mode(JPEG, width or WIDTH, height or HEIGHT))
    return V4L2(capture, device, clock, {"device": nodes.stable(device)})


def _capture(device: str, mode: Mode) -> Any:
    os.environ.setdefault(*LIMIT)
    # The number is what OpenCV's V4L2 needs: it takes /dev/videoN, and no other name of the same device.
    capture = cv2.VideoCapture(os.path.realpath(device), cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise CameraError(f"{device}: OpenCV cannot open it; see what holds it with `fuser -v {device}`")
    log.debug("%s: %s %dx%d is asked for", device, mode.fourcc, mode.width, mode.height)
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.fourcc))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, mode.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, mode.height)
    if mode.rate:
        capture.set(cv2.CAP_PROP_FPS, mode.rate)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    if int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*JPEG):
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return capture
