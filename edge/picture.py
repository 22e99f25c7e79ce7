"""A frame as a picture that people look at: made smaller, and written as a JPEG."""

from __future__ import annotations

from collections.abc import Callable

import cv2

from edge.errors import CameraError
from edge.preprocess import decode
from edge.types import Array, Frame

HUFFMAN = b"\xff\xc4"
"""Begins the tables without which a JPEG is none (ITU-T T.81, B.2.4.2). Many USB cameras leave them out, as Motion JPEG
in AVI files does, and browsers cannot show that."""

Encode = Callable[[Array, int], bytes]
"""As `jpeg`."""

TABLES_WITHIN = 4096
"""Bytes at the beginning in which those tables are, where they are there."""


def picture(frame: Frame, width: int) -> Array:
    """What a frame shows: H x W x 3 uint8, BGR, at most `width` wide, in memory of its own. Raises CameraError."""
    pixels = decode(frame, "squash", _room(frame, width)) if frame.pixel_format == "MJPG" else frame.pixels
    smaller = _resized(pixels, width)
    if frame.pixel_format == "RGB":
        return cv2.cvtColor(smaller, cv2.COLOR_RGB2BGR)
    return smaller.copy() if smaller is frame.pixels else smaller


def _room(frame: Frame, width: int) -> tuple[int, int]:
    """The size that a JPEG is to be decoded to at least."""
    w, h = frame.size
    return (width, max(1, h * width // w)) if w > width else frame.size


def _resized(pixels: Array, width: int) -> Array:
    """`pixels` themselves where they are not wider."""
    h, w = pixels.shape[:2]
    if w <= width:
        return pixels
    return cv2.resize(pixels, (width, max(1, round(h * width / w))), interpolation=cv2.INTER_AREA)


def jpeg(pixels: Array, quality: int) -> bytes:
    """A picture (H x W x 3 uint8, BGR) as a JPEG. quality: 10 to 100. Raises CameraError where it cannot be one."""
    h, w = pixels.shape[:2]
    try:
        good, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:
        good = False
    if not good:
        raise CameraError(f"a picture of {w} x {h} cannot be written as a JPEG; have the camera give another size")
    return data.tobytes()


def shown(frame: Frame, width: int, quality: int, encode: Encode = jpeg) -> bytes:
    """A frame as a JPEG, at most `width` wide; what a camera gave as one already is not made again.

    encode: what makes it, of the arguments of `jpeg`. Raises CameraError.
    """
    if frame.pixel_format == "MJPG" and frame.size[0] <= width:
        data = frame.pixels.tobytes()
        if HUFFMAN in data[:TABLES_WITHIN]:
            return data
    return encode(picture(frame, width), quality)
