"""The modes of a camera, what a frame of each costs, and which one to ask for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

FLUENT = 29.0
"""Frames a second that count as 30, as 30000/1001 does."""

JPEG = "MJPG"

READ = {JPEG: 2.0, "YUYV": 0.9, "UYVY": 0.9, "YU12": 0.7, "YV12": 0.7, "RGB3": 0.8, "BGR3": 0.8, "GREY": 0.3}
"""Nanoseconds a pixel to take a frame in, for each format that OpenCV turns into BGR without a fault.

A JPEG costs its entropy decoding, which is of every pixel however small it is decoded (measured: 1.4 to 2.1 ns at an
eighth, with 0.13 to 0.26 bytes a pixel). A raw frame costs its conversion to BGR (measured: 0.35 to 0.5 ns for YUV,
0.08 for RGB), which OpenCV does to every frame, and the way of its 1 to 3 bytes a pixel over the bus (taken as 0.25 ns
a byte, a copy at 4 GB/s; what USB cannot carry, the driver does not list, or lists at a lower rate). NV12 and NV21 are
left out: OpenCV swaps red and blue in them. Measured with OpenCV 5.0, one thread, x86-64; the boards are slower
throughout, and the order is what counts.
"""

DRAWN = 3.0
"""Nanoseconds a pixel that leaves a JPEG decoder: inverse cosine transform and colour (measured: 2 to 4)."""

GREY = "GREY"
"""Costs least, and is asked for only where there is no colour."""

SCALED = 0.3
"""Nanoseconds a pixel to scale what was decoded to the model's input (bilinear, which reads it once)."""


class Mode(msgspec.Struct, frozen=True):
    """A format of four characters, width and height in pixels, and frames a second, fastest first; (): not told."""

    fourcc: str
    width: int
    height: int
    rates: tuple[float, ...] = ()

    @property
    def rate(self) -> float | None:
        """The slowest rate that is fluent, else the fastest; None where the driver tells none."""
        return min((rate for rate in self.rates if rate >= FLUENT), default=max(self.rates, default=None))

    @property
    def fluent(self) -> bool:
        """Whether it gives 30 frames a second; a driver that tells no rate has one, which is taken to do."""
        return not self.rates or self.rates[0] >= FLUENT


def covers(mode: Mode, size: tuple[int, int]) -> bool:
    """Whether a mode has at least the pixels of `size` (width, height) in both directions."""
    return mode.width >= size[0] and mode.height >= size[1]


def cost(mode: Mode, size: tuple[int, int]) -> float:
    """Nanoseconds that a frame takes until it is as small as `size` (width, height); for comparing, not for telling."""
    pixels, drawn, n = mode.width * mode.height, 0.0, 1
    if mode.fourcc == JPEG:  # decoded at the smallest of 1, 1/2, 1/4 and 1/8 that covers, as the loop does
        n = max(n for n in (1, 2, 4, 8) if n == 1 or (mode.width // n >= size[0] and mode.height // n >= size[1]))
        drawn = DRAWN
    return READ[mode.fourcc] * pixels + (drawn + SCALED) * pixels / (n * n)


def usable_of(modes: Sequence[Mode]) -> list[Mode]:
    """Those in a format that can be read; grey ones only where there are no others."""
    known = [mode for mode in modes if mode.fourcc in READ]
    return [mode for mode in known if mode.fourcc != GREY] or known


def cheapest(modes: Sequence[Mode], size: tuple[int, int]) -> Mode | None:
    """The mode that costs least and covers `size` (width, height) at 30 frames a second.

    Where none of those that cover is so fast, the fastest of them; where none covers, the largest; None where the
    driver lists nothing that can be used.
    """
    usable = usable_of(modes)
    if not usable:
        return None
    share = max(min(1.0, _share(mode, size)) for mode in usable)
    enough = [mode for mode in usable if _share(mode, size) >= share]
    top = max(mode.rates[0] if mode.rates else FLUENT for mode in enough)
    fast = [mode for mode in enough if mode.fluent or mode.rates[0] >= min(top, FLUENT)]
    return min(fast, key=lambda mode: (cost(mode, size), -(mode.rate or 0)))


def _share(mode: Mode, size: tuple[int, int]) -> float:
    """How much of `size` a mode has in the direction in which it has less; 1 or more: it covers."""
    return min(mode.width / size[0], mode.height / size[1])
