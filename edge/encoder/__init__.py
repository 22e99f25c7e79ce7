"""JPEGs by the board's own encoder, a V4L2 device, as long as it works; else by the processor.

It never ran on a board. So each size is tried with a card of known colours first, and an encoder that gives another
picture back is not used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.cameras.v4l2 import ioctls, nodes
from edge.devices import permitted
from edge.encoder.m2m import M2M, RAW, File, Node
from edge.encoder.videodev import VIDEO_M2M, VIDEO_M2M_MPLANE, code
from edge.errors import DeviceError, one_line
from edge.picture import jpeg
from edge.types import Array
from edge.whose import of

JPEG = ("JPEG", "MJPG")
"""What drivers call it."""

TOLERANCE = 5.0
"""Levels of 255 that the card may differ by on average. A JPEG differs by 1 to 2; exchanged colours, a shifted row or
luma of another range (16 to 235) by 8 and more."""

FAULTS = (OSError, ValueError, cv2.error)
"""ValueError: of a driver that tells nonsense about its memory; cv2.error: of a JPEG that cannot be decoded."""

log = logging.getLogger("edge")


class Encoder:
    """For pictures of one source, in one thread. camera: whose, for the log; "": of the only one.

    root, file: where devices are, and what opens one; elsewhere only in tests.
    """

    def __init__(self, camera: str = "", root: Path = nodes.ROOT, file: Callable[[str], Node] = File) -> None:
        self._camera = camera
        self._root = root
        self._file = file
        self._works = True
        self._set: M2M | None = None
        self._path = ""
        self._for: tuple[tuple[int, ...], int] | None = None

    def encode(self, pixels: Array, quality: int) -> bytes:
        """A picture (H x W x 3 uint8, BGR) as a JPEG. quality: 10 to 100. Raises CameraError where it cannot be one."""
        if self._works:
            try:
                return self._by_device(pixels, quality)
            except DeviceError as error:
                self._works = False
                self.close()
                self._tell(one_line(error))
        return jpeg(pixels, quality)

    def _tell(self, why: str) -> None:
        with of(self._camera):
            if why:
                log.warning("hardware JPEG: %s; the processor encodes pictures from now on", why)
            else:
                log.info("hardware JPEG: this board has no encoder for it; the processor encodes pictures")

    def _by_device(self, pixels: Array, quality: int) -> bytes:
        wanted = (pixels.shape, quality)
        if self._set is None or self._for != wanted:
            self.close()
            self._path, self._set = self._opened((pixels.shape[1], pixels.shape[0]), quality)
            self._for = wanted
        try:
            return whole(self._set.encode(pixels))
        except FAULTS as error:
            raise DeviceError(f"{self._path}: {words(error)}") from error

    def _opened(self, size: tuple[int, int], quality: int) -> tuple[str, M2M]:
        """The first encoder, in the first raw format, that gives the card back as it was, and its path.

        Raises DeviceError where there is none, without words where nothing is in the way.
        """
        why = ""
        for path in nodes.nodes(self._root):
            if not permitted(path):
                why = f"{path}: no permission; {nodes.PERMIT}"
            for coded, raw in offers(path, file=self._file):
                try:
                    made = opened(path, coded, raw, size, quality, self._file)
                except FAULTS as error:
                    why = f"{path}: {raw}: {words(error)}"
                    continue
                with of(self._camera):
                    log.info("hardware JPEG: %s encodes pictures of %d x %d", path, *size)
                return path, made
        raise DeviceError(why)

    def close(self) -> None:
        """Give the device back; calling it again is harmless."""
        if self._set is not None:
            self._set.close()
            self._set = None


def offers(path: str, formats: Sequence[str] = JPEG, file: Callable[[str], Node] = File) -> Iterator[tuple[str, str]]:
    """What a device makes pictures of these formats of: (coded, raw format), best first; none: it makes no such."""
    try:
        node = file(path)
    except OSError:
        return
    try:
        caps = ioctls.identify(node.ask).caps
        planes = bool(caps & VIDEO_M2M_MPLANE)
        if not planes and not caps & VIDEO_M2M:
            return
        coded, raw = (set(ioctls.codes(node.ask, kind)) for kind in ((9, 10) if planes else (1, 2)))
    except OSError:
        return
    finally:
        node.close()
    yield from ((one, other) for one in formats if code(one) in coded for other in RAW if code(other) in raw)


def opened(
    path: str, coded: str, raw: str, size: tuple[int, int], quality: int, file: Callable[[str], Node] = File
) -> M2M:
    """An encoder that was tried with the card. Raises OSError, and DeviceError where it gives another picture."""
    node = file(path)
    try:
        made = M2M(node, ioctls.identify(node.ask), coded, raw, size, quality)
        try_out(made, size)
    except FAULTS:
        node.close()
        raise
    return made


def words(error: Exception) -> str:
    """What a fault says, without its number."""
    return one_line(getattr(error, "strerror", None) or error)


def try_out(encoder: M2M, size: tuple[int, int]) -> None:
    """Raises DeviceError where the card, encoded and decoded, is another picture."""
    shown = card(*size)
    seen = cv2.imdecode(np.frombuffer(whole(encoder.encode(shown)), np.uint8), cv2.IMREAD_COLOR)
    if seen is None or seen.shape != shown.shape:
        raise DeviceError("what it gives is no JPEG of that size")
    off = float(np.mean(cv2.absdiff(seen, shown)))
    if off > TOLERANCE:
        raise DeviceError(f"it gives another picture than it was given: {off:.0f} of 255 levels off")


def whole(data: bytes) -> bytes:
    """A JPEG, from its first to its last marker. Raises DeviceError where it has not both."""
    end = data.rfind(b"\xff\xd9")
    if not data.startswith(b"\xff\xd8") or end < 0:
        raise DeviceError("what it gives is no JPEG")
    return data[: end + 2]


def card(width: int, height: int) -> Array:
    """Smooth colours that are another picture when they are exchanged, turned or shifted: H x W x 3 uint8, BGR."""
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)[:, None]
    return np.stack(np.broadcast_arrays(across, 255 - (across + down) / 2, down), axis=-1).astype(np.uint8)
