"""The terminal: a view that stays in place, or plain lines where the output is no terminal."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from edge.types import Frame, Result

WINDOW = 60
"""Results that the figures of the view are of."""

REFRESH_S = 1 / 15


class PlainLines:
    """A line a result, for pipes and logs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, frame: Frame, result: Result) -> None:
        """Print one line. Raises BrokenPipeError when nobody reads any more."""
        self._out.write(line(frame, result) + "\n")
        self._out.flush()

    def close(self) -> None:
        """The stream belongs to whoever gave it."""


def line(frame: Frame, result: Result) -> str:
    """One result as a line of text."""
    answer = ", ".join(f"{c.label} {c.score:.2f}" for c in result.answer) or "nothing above the threshold"
    where = frame.file or f"frame {frame.index}"
    return f"{where}: {answer} ({result.timing.inference / 1e6:.1f} ms, {result.backend})"


class View:
    """Top labels with bars, and figures over the last results. dropped: asks the loop for its count."""

    def __init__(self, source: str, dropped: Callable[[], int], console: Console | None = None) -> None:
        self._source = source
        self._dropped = dropped
        self._results: deque[Result] = deque(maxlen=WINDOW)
        self._shown_at = 0.0
        self._frame: Frame | None = None
        # Lines for a stderr that is no terminal must not land on this one.
        shared = sys.stderr is not None and sys.stderr.isatty()
        self._live = Live(console=console, auto_refresh=False, redirect_stderr=shared)
        self._live.start()

    def write(self, frame: Frame, result: Result) -> None:
        """Take a result; the picture changes at most 15 times a second."""
        self._results.append(result)
        self._frame = frame
        if time.monotonic() - self._shown_at >= REFRESH_S:
            self._shown_at = time.monotonic()
            self._show()

    def _show(self) -> None:
        if self._frame is not None:
            self._live.update(render(self._source, self._frame, list(self._results), self._dropped()), refresh=True)

    def close(self) -> None:
        """Leave the last picture standing and give the terminal back."""
        self._show()
        self._live.stop()


def render(source: str, frame: Frame, results: list[Result], dropped: int, fps: float | None = None) -> RenderableType:
    """The view of the last of `results`, with figures over all of them. fps: where they are not one after the other."""
    last = results[-1]
    bars = Table.grid(padding=(0, 1), expand=True)
    bars.add_column(ratio=3, no_wrap=True)
    bars.add_column(ratio=4)
    bars.add_column(justify="right", width=6)
    for c in last.answer:
        bar = ProgressBar(total=1.0, completed=c.score, complete_style="green", finished_style="green")
        bars.add_row(Text(c.label), bar, f"{c.score:.1%}")
    if not last.answer:
        bars.add_row("nothing above the threshold", "", "")
    where = f"frame {frame.index}" if frame.file is None else f"frame {frame.index}  {frame.file}"
    body = Group(
        Text(where, style="dim", no_wrap=True, overflow="ellipsis"), bars, Text(figures(results, dropped, fps))
    )
    title = Text(f"{source} · {last.model}")
    return Panel(body, title=title, subtitle=last.backend, border_style="cyan")


def figures(results: list[Result], dropped: int, fps: float | None = None) -> str:
    """Frames a second, latency, age and drops, in one line. fps: as `render` has it."""
    span = (results[-1].finished_at_ns - results[0].finished_at_ns) / 1e9
    rate = fps if fps is not None else (len(results) - 1) / span if span > 0 else None
    shown = "-" if rate is None else f"{rate:.1f}"
    inference = median(r.timing.inference for r in results) / 1e6
    whole = median(r.timing.preprocess + r.timing.inference + r.timing.postprocess for r in results) / 1e6
    age = median(r.age_ms for r in results)
    return f"{shown} FPS   latency {whole:.1f} ms (inference {inference:.1f})   age {age:.1f} ms   dropped {dropped}"
