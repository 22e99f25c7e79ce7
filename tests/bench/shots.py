"""Frames with their answers, as a loop would see them."""

import cv2
import numpy as np

from edge.types import Classification, Frame, Result, Timing

CAT = (Classification("Egyptian cat", 285, 0.79), Classification("tabby", 281, 0.1))


def pixels(width=64, height=48, shade=90):
    """A picture that JPEG keeps well, BGR: smooth, and of another colour on each side."""
    picture = np.full((height, width, 3), shade, np.uint8)
    picture[:, : width // 2] = (200, 30, 30)
    return picture


def shot(index=0, at_s=1.0, picture=None, answer=CAT, pixel_format="BGR", instead_of=()):
    """A frame captured at `at_s` and answered 5 ms later."""
    picture = pixels() if picture is None else picture
    size = (picture.shape[1], picture.shape[0]) if picture.ndim == 3 else (64, 48)
    at = int(at_s * 1e9)
    frame = Frame(pixels=picture, index=index, captured_at_ns=at, size=size, pixel_format=pixel_format)
    result = Result(
        frame=index,
        answer=answer,
        captured_at_ns=at,
        finished_at_ns=at + 5_000_000,
        timing=Timing(preprocess=300_000, inference=3_600_000, postprocess=100_000),
        backend="litert-cpu",
        model="mobilenet",
        instead_of=instead_of,
    )
    return frame, result


def as_jpeg(picture):
    """The bytes of a JPEG, as a camera sends them: 1-D uint8."""
    return cv2.imencode(".jpg", picture)[1].reshape(-1)


def without_tables(data):
    """The same JPEG without its Huffman tables, as Motion JPEG has it."""
    found, at = bytearray(data[:2].tobytes()), 2
    rest = data.tobytes()
    while rest[at + 1] != 0xDA:
        length = 2 + int.from_bytes(rest[at + 2 : at + 4], "big")
        found += rest[at : at + length] if rest[at + 1] != 0xC4 else b""
        at += length
    return np.frombuffer(bytes(found) + rest[at:], np.uint8)
