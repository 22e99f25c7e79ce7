"""Scaling pictures (H x W x 3 uint8) fast, and so that nothing aliases.

A picture is halved exactly first (averages of pairs), then what is left of each axis is interpolated, averaged, or
doubled and halved, as far as it has to go. The steps and their buffers are planned once for a size, and kept.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edge.types import Array

Size = tuple[int, int]
"""Height and width in pixels."""

NEAR = 1.25
"""Reducing by less than this, bilinear interpolation sees every pixel well enough; by more, pixels are averaged."""

FAR = 1.6
"""From here on, going to double the size and halving that is as good as averaging, and faster."""


class Step(NamedTuple):
    """One call of cv2.resize: what part of the picture before it, to what (width, height), how, into what buffer."""

    part: tuple[slice, slice]
    size: tuple[int, int]
    how: int
    buffer: Array | None
    """None: into the result."""


def scale(steps: list[Step], picture: Array, out: Array) -> None:
    """Fill `out` (h x w x 3 uint8) by the steps of a plan for its size and that of `picture`."""
    for part, size, how, buffer in steps:
        picture = cv2.resize(picture[part], size, dst=out if buffer is None else buffer, interpolation=how)


def plan(source: Size, target: Size, corner: Size = (0, 0)) -> list[Step]:
    """The steps that bring a part of (height, width) `source`, from the `corner` (y, x) of a picture, to `target`."""
    (h, w), (th, tw) = source, target
    steps: list[Step] = []
    while h >= 2 * th or w >= 2 * tw:
        by_y, by_x = 1 + (h >= 2 * th), 1 + (w >= 2 * tw)
        # Without the last row or column where it has no partner: averages are exact, and fast, only of pairs.
        even = (h - h % by_y, w - w % by_x)
        h, w = h // by_y, w // by_x
        # Along one axis, bilinear is the exact average of the pair; along both, INTER_AREA has the fast path.
        how = cv2.INTER_AREA if by_y == by_x else cv2.INTER_LINEAR
        steps.append(_step(even, (h, w), how))
    for size, how in [] if steps and (h, w) == target else _rest((h, w), target):
        steps.append(_step((h, w), size, how))
        h, w = size
    steps[0] = steps[0]._replace(part=_part(steps[0].part, corner))
    steps[-1] = steps[-1]._replace(buffer=None)
    return steps


def _step(part: Size, size: Size, how: int) -> Step:
    rows, columns = part
    return Step((slice(0, rows), slice(0, columns)), size[::-1], how, np.empty((*size, 3), np.uint8))


def _part(part: tuple[slice, slice], corner: Size) -> tuple[slice, slice]:
    (rows, columns), (y, x) = part, corner
    return slice(y, y + rows.stop), slice(x, x + columns.stop)


def _rest(source: Size, target: Size) -> list[tuple[Size, int]]:
    """The (height, width) of each step, and how, for what is left when nothing can be halved any more."""
    (h, w), (th, tw) = source, target
    left_y, left_x = h / th, w / tw
    if _band(left_y) != _band(left_x) and h != th and w != tw:  # each axis in its own way, one after the other
        return [*_rest(source, (th, w)), *_rest((th, w), target)]
    if max(left_y, left_x) >= FAR:
        double = (th if h == th else 2 * th, tw if w == tw else 2 * tw)
        return [
            (double, cv2.INTER_LINEAR),
            (target, cv2.INTER_AREA if double == (2 * th, 2 * tw) else cv2.INTER_LINEAR),
        ]
    return [(target, cv2.INTER_AREA if max(left_y, left_x) >= NEAR else cv2.INTER_LINEAR)]


def _band(left: float) -> int:
    return (left >= NEAR) + (left >= FAR)
