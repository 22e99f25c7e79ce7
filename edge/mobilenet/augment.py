"""Other views of a picture, so that a network learns what stays the same in them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LEAST = 0.75
"""The smallest share of each side that a view shows."""

CONTRAST = 0.2
"""The largest change of contrast, either way."""

BRIGHTNESS = 20.0
"""The largest change of brightness and of each colour together, in levels of 0 to 255, either way."""


def mirrored(picture: Pixels) -> Pixels:
    """The mirror image of (height, width, 3) pixels."""
    return np.ascontiguousarray(picture[:, ::-1])


def varied(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A random part of (height, width, 3) pixels at full size, mirrored half the time, its light a little changed."""
    height, width = picture.shape[:2]
    share = rng.uniform(LEAST, 1.0)
    rows, columns = max(1, int(share * height)), max(1, int(share * width))
    y, x = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    part = picture[y : y + rows, x : x + columns]
    view = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        view = mirrored(np.asarray(view, np.uint8))
    gain = rng.uniform(1 - CONTRAST, 1 + CONTRAST)
    shift = rng.uniform(-BRIGHTNESS / 2, BRIGHTNESS / 2) + rng.uniform(-BRIGHTNESS / 2, BRIGHTNESS / 2, 3)
    return np.clip((view.astype(np.float32) - 128) * gain + 128 + shift, 0, 255).astype(np.uint8)


def views(picture: Pixels, count: int, rng: np.random.Generator) -> list[Pixels]:
    """The picture itself, its mirror image, and ``count`` - 2 random views of it."""
    return [picture, mirrored(picture), *(varied(picture, rng) for _ in range(count - 2))][:count]
