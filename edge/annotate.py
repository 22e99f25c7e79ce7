"""Words on a picture: what is there, how sure that is, and when it was."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import NamedTuple

import cv2

from edge.errors import CONTROL
from edge.types import Array, Event, Result

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE = (255, 255, 255)

BASE_PX = 22
"""Height of the letters at scale 1."""

LEAST = 32
"""A picture with a shorter side has no room for words."""

SHADE = 0.35
"""What is left of the light below the words."""

NARROWEST = 0.6
"""A line that is too long is made so much smaller at most, and then cut."""

UNICODE = int(cv2.__version__.split(".")[0]) >= 5
"""Whether OpenCV has letters beyond ASCII, as it does from version 5 on."""


class Line(NamedTuple):
    """A line as it is drawn. width: in pixels."""

    text: str
    scale: float
    width: int


def told(result: Result, event: Event | None) -> str:
    """What a picture shows, in words: of the event, else the likeliest class of its answer."""
    if event is None:
        best = result.answer[0] if result.answer else None
        return f"{best.label} {best.score:.0%}" if best else "nothing recognised"
    if event.kind == "gone":
        after = "" if event.lasted_s is None else f" after {event.lasted_s:.0f} s"
        return f"gone: {event.label}{after}"
    before = f", was {event.previous}" if event.previous else ""
    return f"{event.kind}: {event.label} {event.score:.0%}{before}"


def moment(at: datetime) -> str:
    """A time, by the local clock and with its distance from UTC."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %z}"


def annotate(picture: Array, what: str, when: str) -> None:
    """Write two texts into the lower edge of a picture (H x W x 3 uint8, BGR): beside each other where they fit."""
    h, w = picture.shape[:2]
    if min(h, w) < LEAST:
        return
    size = max(10, min(h // 24, w // 38))
    margin = size // 2
    lines = _lines((what, when), w, size, margin)
    pitch = size + 2 * margin
    rows = 1 if len(lines) == 2 and lines[0].width + lines[1].width + 3 * margin <= w else 2
    below = picture[h - rows * pitch :]
    cv2.convertScaleAbs(below, dst=below, alpha=SHADE)
    _draw(picture, lines[0], (margin, h - (rows - 1) * pitch - margin), size)
    _draw(picture, lines[1], (w - margin - lines[1].width if rows == 1 else margin, h - margin), size)


def _lines(texts: tuple[str, str], w: int, size: int, margin: int) -> tuple[Line, Line]:
    first, second = (fitted(text, w - 2 * margin, size) for text in texts)
    return first, second


def fitted(text: str, room: int, size: int) -> Line:
    """A text of letters `size` pixels high, made smaller or cut where it is wider than `room`."""
    text = drawable(text)
    scale = size / BASE_PX
    wide = _width(text, scale, size)
    if wide > room:
        scale *= max(NARROWEST, room / wide)
    while (wide := _width(text, scale, size)) > room and len(text) > 4:
        text = text[: max(1, min(len(text) - 4, len(text) * room // wide - 3))].rstrip() + "..."
    return Line(text, scale, wide)


def drawable(text: str, unicode: bool = UNICODE) -> str:
    """A text of letters that OpenCV has: without accents where it only has ASCII, and with "?" for what is left."""
    text = CONTROL.sub("", text)
    if unicode or text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode()


def _width(text: str, scale: float, size: int) -> int:
    (wide, _), _ = cv2.getTextSize(text, FONT, scale, _thickness(size))
    return wide


def _draw(picture: Array, line: Line, at: tuple[int, int], size: int) -> None:
    cv2.putText(picture, line.text, at, FONT, line.scale, WHITE, _thickness(size), cv2.LINE_AA)


def _thickness(size: int) -> int:
    return max(1, size // 12)
