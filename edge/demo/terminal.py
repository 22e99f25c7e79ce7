"""The live view of a terminal: pictures in blocks of colour, and below each what `edge run` shows."""

from __future__ import annotations

import contextlib
import io
import math
import os
import select
import sys
import termios
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from edge.errors import CameraError, ConfigError
from edge.sinks.blocks import blocks
from edge.sinks.terminal import WINDOW, render
from edge.types import Result
from edge.vitals import Vitals

FPS = 10.0
"""Pictures a second: what a terminal over SSH takes."""

TOP = 3
"""Classes that are shown."""

LEAST = 4
"""Lines of a picture; where there is no room for them, the answer stands alone."""

ENDS = (b"q", b"Q")
"""Keys that end it, as Ctrl-C does."""

BEGIN, END = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""Another screen and no cursor, and back to what was there."""

WHOLE, ALL = "\x1b[?2026h", "\x1b[?2026l"
"""Around what a terminal is to show at once, where it knows that."""

CLEAR = "\x1b[0m\x1b[2J"


class Tile(NamedTuple):
    """A part of the screen: its left upper corner, counted from 0, and its size in characters."""

    x: int
    y: int
    columns: int
    lines: int


def must_be_terminal(console: Console) -> None:
    """Raise ConfigError where it can show nothing in place."""
    if not console.is_terminal or console.is_dumb_terminal:
        raise ConfigError("--terminal needs a terminal, and this is none; look in a browser, without --terminal")


def show(cameras: Callable[[], list[Vitals]], over: Flag, console: Console | None = None) -> None:
    """Show what cameras see, side by side, until all is over or q is pressed, and put the terminal back as it was."""
    console = console or Console()
    view = View(console)
    with contextlib.suppress(OSError), lines_kept(), screen(console) as ended:  # a terminal that was closed
        while not (over.is_set() or ended(1 / FPS)):
            console.file.write(view.drawn(cameras()))
            console.file.flush()


@contextmanager
def screen(console: Console) -> Iterator[Callable[[float], bool]]:
    """A screen of its own. Yields what waits so many seconds for a key; True where it was one that ends all."""
    handle = _handle(sys.stdin)
    before = None if handle is None else termios.tcgetattr(handle)
    try:
        if handle is not None:
            tty.setcbreak(handle)
        console.file.write(BEGIN)
        yield lambda seconds: _pressed(handle, seconds)
    finally:
        if handle is not None and before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(handle, termios.TCSADRAIN, before)
        console.file.write(END)
        console.file.flush()


def _handle(stream: object) -> int | None:
    """Of a keyboard; None where there is none."""
    try:
        handle: int = stream.fileno()  # type: ignore[attr-defined]  # None and what a test gives have none
    except (AttributeError, OSError, ValueError):
        return None
    return handle if os.isatty(handle) else None


def _pressed(handle: int | None, seconds: float) -> bool:
    ready = select.select([] if handle is None else [handle], [], [], seconds)[0]
    keys = os.read(ready[0], 64) if ready else None
    return keys is not None and (not keys or any(key in keys for key in ENDS))  # none: the terminal was closed


@contextmanager
def lines_kept(most: int = 20) -> Iterator[None]:
    """What is said on this terminal meanwhile is said afterwards, the last lines of it."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    kept = Last(most)
    try:
        with contextlib.redirect_stderr(kept):
            yield
    finally:
        sys.stderr.write(str(kept))


class Last(io.TextIOBase):
    """A stream that keeps the last lines of what is written, however long that goes on; as text they are its `str`."""

    def __init__(self, most: int) -> None:
        self._lines: deque[str] = deque(maxlen=most)

    def write(self, text: str) -> int:
        """Take some more; returns its length."""
        begun = self._lines.pop() if self._lines and not self._lines[-1].endswith("\n") else ""
        self._lines.extend((begun + text).splitlines(keepends=True))
        return len(text)

    def __str__(self) -> str:
        return "".join(self._lines)


class View:
    """Draws a screen. console: tells its size and its colours."""

    def __init__(self, console: Console) -> None:
        self._console = console
        can_blocks = "utf" in console.encoding.lower() and not console.no_color
        self._colours = console.color_system if can_blocks else None
        self._seen: dict[str, deque[Result]] = {}
        self._looked: object = None

    def drawn(self, cameras: list[Vitals]) -> str:
        """The whole screen, as what is written to the terminal."""
        width, height = self._console.size
        parts = [WHOLE]
        looks = (width, height, tuple(None if is_running(vitals) else vitals.words for vitals in cameras))
        if looks != self._looked:
            parts.append(CLEAR)
            self._looked = looks
        for vitals, tile in zip(cameras, tiles(len(cameras), width, height), strict=True):
            for number, line in enumerate(self._lines(vitals, tile)[: tile.lines]):
                parts.append(f"\x1b[{tile.y + number + 1};{tile.x + 1}H{line}")
        return "".join([*parts, ALL])

    def _lines(self, vitals: Vitals, tile: Tile) -> list[str]:
        latest = vitals.latest
        if latest is None or not is_running(vitals):
            return self._plain(Text(f"{vitals.name}: {vitals.words}", style="yellow"), tile.columns)
        frame, result = latest
        results = self._seen.setdefault(vitals.name, deque(maxlen=WINDOW))
        if not results or results[-1].frame != result.frame:
            results.append(msgspec.structs.replace(result, answer=result.answer[:TOP]))
        told = render(vitals.name, frame, list(results), sum(vitals.dropped.values()), vitals.fps)
        below = self._plain(told, tile.columns)
        below += [" " * tile.columns] * (TOP - max(1, len(results[-1].answer)))
        room = tile.lines - len(below)
        try:
            above = blocks(frame, tile.columns, room, self._colours) if room >= LEAST else []
        except CameraError:
            above = []
        return [*above, *below]

    def _plain(self, told: object, columns: int) -> list[str]:
        with self._console.capture() as captured:
            self._console.print(told, width=columns)
        return captured.get().splitlines()


def is_running(vitals: Vitals) -> bool:
    """Whether there is something to see."""
    return vitals.latest is not None and vitals.condition == "running"


def tiles(count: int, width: int, height: int) -> list[Tile]:
    """A screen of so many characters in equal parts, a camera each, line by line."""
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    columns, lines = width // across, height // down
    return [Tile(n % across * columns, n // across * lines, columns, lines) for n in range(count)]
