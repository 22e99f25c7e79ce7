"""Video through FFmpeg: files, of which every frame counts, and RTSP or HTTP streams, of which the newest does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cv2
import msgspec

from edge.errors import CameraError, ConfigError
from edge.files import is_utf8, printable
from edge.types import Clock, Frame

INSTALL = "install it with `pip install opencv-python-headless`"

Seconds = Annotated[float, msgspec.Meta(gt=0, le=600)]

PAL8 = int.from_bytes(b"PAL\x08", "little")
TEXT = {0, *(int.from_bytes(tag, "little") for tag in (b"ansi", b"bint"))}
"""What OpenCV says of a text or of plain zeros, which FFmpeg draws as a screen of characters."""

MOST_PIXELS = 50_000_000
"""Of a picture of a stream: who sends more fills the memory of a small board."""

SLACK = 2
"""Frames that a whole file may have fewer than its header says, as some muxers count."""


class Stream:
    """An open video. Frames are BGR. fps: frames a second, as its header says; it may say anything."""

    skipped = 0

    def __init__(self, capture: Any, url: str, live: bool, clock: Clock) -> None:
        self.live = live
        self.fps = float(capture.get(cv2.CAP_PROP_FPS))
        self._capture = capture
        self._url = url
        self._clock = clock

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames. Raises CameraError when a stream breaks off or sends too large a picture, or a file ends before
        its header says; a stream whose header tells a length is a recording that is sent, and ends as one."""
        index = 0
        while True:
            good, picture = self._capture.read()
            if not good:
                break
            size = (picture.shape[1], picture.shape[0])
            self.check(*size)
            yield Frame(pixels=picture, index=index, captured_at_ns=self._clock(), size=size)
            index += 1
        self._check_whole(index)

    def check(self, width: int, height: int) -> None:
        """Raise CameraError where that is too large for a picture of a stream."""
        if self.live and width * height > MOST_PIXELS:
            most = f"{MOST_PIXELS / 1e6:g} million pixels"
            raise CameraError(f"{self._url}: it sends pictures of {width}x{height}; have it send at most {most}")

    def _check_whole(self, count: int) -> None:
        promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        has_end = 0 < promised < 1 << 30
        # Matroska and others only estimate the count, from duration and rate: there a few are always off.
        cut_off = has_end and count < promised - max(SLACK, promised // 50)
        if self.live and (cut_off or not has_end):
            raise CameraError(
                f"{self._url}: the stream broke off after {count} frames; check its sender and the network"
            )
        if cut_off:
            raise CameraError(
                f"{self._url}: ended after {count} of {promised} frames; the file is cut off: copy it again"
            )
        if count == 0:
            raise CameraError(f"{self._url}: not one frame could be decoded; give a video that FFmpeg can read")

    def close(self) -> None:
        """Give the file or the connection back."""
        self._capture.release()


def open(
    *, url: str, open_timeout: Seconds = 5.0, read_timeout: Seconds = 5.0, clock: Clock = time.monotonic_ns
) -> Stream:
    """Open a video file or a stream. Raises CameraError where a stream, ConfigError where a file cannot be read.

    open_timeout, read_timeout: seconds after which a silent sender counts as gone.
    """
    live, shown = re.match(r"\w+://", url) is not None, printable(url)
    if not live and not Path(url).is_file():
        raise ConfigError(f"{shown}: no such file; give the path of a video")
    if not is_utf8(url):
        raise ConfigError(f"{shown}: a name that is not UTF-8, which FFmpeg cannot open; rename the file")
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(open_timeout * 1000)]
    limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(read_timeout * 1000)]
    # As an absolute path: FFmpeg takes what stands before a colon in a name for a protocol.
    capture = cv2.VideoCapture(url if live else str(Path(url).absolute()), cv2.CAP_FFMPEG, limits)
    if not capture.isOpened() or _draws_text(capture):
        capture.release()
        if live:
            waited = f"waited up to {open_timeout:g} s"  # FFmpeg tells nobody but its log what the sender answered
            advice = "check the address, its user and password, the sender and the network"
            raise CameraError(f"{shown}: no video comes from there ({waited}); {advice}")
        raise ConfigError(f"{shown}: no video that FFmpeg can read; give a video, a picture or a folder of pictures")
    opened = Stream(capture, shown, live, clock)
    try:
        opened.check(*(int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)))
    except CameraError:
        opened.close()
        raise
    return opened


def _draws_text(capture: Any) -> bool:
    codec, pixels = (int(capture.get(what)) for what in (cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_CODEC_PIXEL_FORMAT))
    return pixels == PAL8 and codec in TEXT
