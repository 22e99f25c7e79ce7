"""A picture in a terminal: two pixels a character, as the upper half block in two colours; or shades of characters."""

from __future__ import annotations

import cv2
import numpy as np

from edge.picture import picture
from edge.types import Array, Frame

UPPER = "▀"

SHADES = np.array(list(" .:-=+*#%@"))
"""From dark to light, where there are no colours."""

LEAST = 4
"""Columns and lines of a picture that shows anything."""

KEPT = 0xF8
"""Bits of a colour that are sent: neighbours that look the same then are the same, and need not be told again."""

RESET = "\x1b[0m"

LEVELS = np.array([0, 95, 135, 175, 215, 255])
"""Of red, green and blue in the cube of xterm's 256 colours, which begins at 16; 24 greys begin at 232."""


def blocks(frame: Frame, columns: int, lines: int, colours: str | None) -> list[str]:
    """A frame as large as fits into so many characters, and in the middle of the columns: a text a line.

    colours: "truecolor", of 24 bits; "256"; else none. Raises CameraError where the frame cannot be decoded.
    """
    pixels = picture(frame, 2 * max(columns, LEAST))
    columns, lines = max(columns, LEAST), max(lines, LEAST)
    if colours not in ("truecolor", "256"):
        grey = fitted(pixels, columns, lines, 1)
        return [f"{_margin(grey, columns)}{line}" for line in shades(grey)]
    told = _of_24_bits if colours == "truecolor" else _of_256
    pixels = fitted(pixels, columns, lines, 2)
    upper, lower = pixels[::2], pixels[1::2]
    return [_margin(pixels, columns) + _line(*told(*row)) for row in zip(upper, lower, strict=True)]


def _margin(pixels: Array, columns: int) -> str:
    return " " * int((columns - pixels.shape[1]) // 2)


def fitted(pixels: Array, columns: int, lines: int, each: int) -> Array:
    """A picture (H x W x 3) as large as fits: at most `columns` wide and `each` * `lines` high, its height a multiple
    of `each`. A character is twice as high as wide, so that with 1 of them a pixel is, too."""
    h, w = pixels.shape[:2]
    share = min(columns / w, 2 * lines / h)
    size = max(1, round(w * share)), each * max(1, round(h * share / 2))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def shades(pixels: Array) -> list[str]:
    """A picture (H x W x 3, BGR) in characters without colour."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(int)
    return ["".join(row) for row in SHADES[grey * len(SHADES) // 256]]


def _line(upper: list[str], lower: list[str]) -> str:
    """Two rows of pixels as a line: each colour is told where it is another than that of the character before."""
    parts, last = [], ("", "")
    for colours in zip(upper, lower, strict=True):
        if colours != last:
            parts.append(f"\x1b[38;{colours[0]};48;{colours[1]}m")
            last = colours
        parts.append(UPPER)
    return "".join(parts) + RESET


def _of_24_bits(*rows: Array) -> list[list[str]]:
    return [[f"2;{r};{g};{b}" for b, g, r in (row & KEPT).tolist()] for row in rows]


def _of_256(*rows: Array) -> list[list[str]]:
    return [[f"5;{number}" for number in of_256(row.astype(int)).tolist()] for row in rows]


def of_256(row: Array) -> Array:
    """The numbers of xterm's 256 colours that are nearest to pixels (W x 3, BGR): of the cube, or of the greys."""
    cube = np.abs(row[..., None] - LEVELS).argmin(axis=-1)
    grey = np.clip((row.mean(axis=-1) - 3) // 10, 0, 23)
    off_cube = np.abs(LEVELS[cube] - row).sum(axis=-1)
    off_grey = np.abs(grey[:, None] * 10 + 8 - row).sum(axis=-1)
    nearest: Array = np.where(off_grey < off_cube, grey + 232, cube @ (1, 6, 36) + 16).astype(int)
    return nearest
