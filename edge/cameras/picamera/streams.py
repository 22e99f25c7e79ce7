"""How picamera2's streams lie in memory, and which are asked for."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from edge.errors import CameraError
from edge.types import Array, PixelFormat

USUAL = 1280
"""Pixels that the main stream is wide where nobody says so: enough for a picture, and light on memory."""

PLAIN = (640, 480)
"""The main stream of a camera that does not tell the size of its sensor."""


class Layout(NamedTuple):
    """How a stream lies in memory: libcamera's name of its format, (width, height) in pixels, bytes from row to row."""

    format: str
    size: tuple[int, int]
    stride: int


TO_RGB = {
    "YUV420": (1.5, 1, cv2.COLOR_YUV2RGB_I420),
    "NV12": (1.5, 1, cv2.COLOR_YUV2RGB_NV12),
    "YUYV": (1.0, 2, cv2.COLOR_YUV2RGB_YUYV),
    "UYVY": (1.0, 2, cv2.COLOR_YUV2RGB_UYVY),
}
"""YUV formats: rows of bytes for a row of pixels, bytes for a pixel of it, OpenCV's name for the conversion."""

PACKED: dict[str, tuple[int, PixelFormat]] = {
    "BGR888": (3, "RGB"),
    "RGB888": (3, "BGR"),
    "XBGR8888": (4, "RGB"),
    "XRGB8888": (4, "BGR"),
}
"""Bytes a pixel, and their order in memory: DRM, whose names these are, tells it from the highest byte down."""


def read(layout: Layout, data: Array) -> tuple[Array, PixelFormat]:
    """The pixels in a buffer (1-D uint8) and their format; rows may have padding behind them. Raises CameraError."""
    w, h = layout.size
    if layout.format == "MJPEG":
        return data, "MJPG"
    if layout.format in PACKED:
        each, order = PACKED[layout.format]
        rows = data[: h * layout.stride].reshape(h, layout.stride)[:, : w * each]
        return np.ascontiguousarray(rows.reshape(h, w, each)[:, :, :3]), order
    if layout.format not in TO_RGB:
        raise CameraError(f"the camera gives {layout.format}, which nothing here reads; name another source")
    high, each, conversion = TO_RGB[layout.format]
    # Planes of colour lie below the grey one; padding at the right is converted too, and then cut off.
    count = math.ceil(h * high)
    flat = data[: count * layout.stride].reshape((count, layout.stride // each, each)[: 2 if each == 1 else 3])
    return np.ascontiguousarray(cv2.cvtColor(flat, conversion)[:, :w]), "RGB"


def small(main: tuple[int, int], covers: tuple[int, int]) -> tuple[int, int] | None:
    """The smallest even (width, height) of `main`'s proportions that covers the model; None where main is smaller.

    Of main's proportions, so that it shows what main shows, undistorted: what is cut or squashed is the loop's to say.
    """
    (w, h), (cw, ch) = main, covers
    scale = max(cw / w, ch / h)
    size = _even(max(w * scale, cw)), _even(max(h * scale, ch))
    return size if scale <= 1 and size[0] <= w and size[1] <= h else None


def _even(value: float) -> int:
    return 2 * math.ceil(round(value, 3) / 2)


class Plan(NamedTuple):
    """What is asked of picamera2: sizes of the main stream, of the sensor's mode and of the small stream."""

    main: tuple[int, int]
    sensor: tuple[int, int] | None
    lores: tuple[int, int] | None


def plan(sensor: tuple[int, int] | None, width: int | None, height: int | None, covers: tuple[int, int] | None) -> Plan:
    """The streams for a sensor of (width, height) pixels; None: it does not tell, as no camera but a Pi's does.

    The sensor's mode is the one of half its size both ways, where that is enough: the modes below it, which libcamera
    would choose for a small stream, show only the middle of the picture.
    """
    full = sensor or PLAIN
    if width is None and height is None:
        least = max(USUAL / full[0], *(c / f for c, f in zip(covers or (1, 1), full, strict=True)))
        wanted = (full[0] * min(1.0, least), full[1] * min(1.0, least))
    else:
        wanted = (width or (height or 0) * full[0] / full[1], height or (width or 0) * full[1] / full[0])
    main = _even(wanted[0]), _even(wanted[1])
    half = (full[0] // 2, full[1] // 2)
    mode = half if main[0] <= half[0] and main[1] <= half[1] else full
    return Plan(main, mode if sensor else None, small(main, covers) if covers else None)
