"""When a model is warm: by a rule, and not by a guess.

Caches, lazy allocation and rising clocks make the first runs slow. So runs are looked at in windows, and the warm-up
ends when two windows in a row were no faster than the fastest before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from threading import Event
from typing import NamedTuple

from edge.types import Clock

from .parts import Sample

WINDOW_S = 0.2
LEAST = 3
"""A window is as long as this, and holds so many samples at least."""

FASTER = 0.02
"""A window counts as faster when its median is lower by more than this share."""

MOST_S = 10.0
"""Then it ends all the same, unsettled, once there are windows enough for the rule."""

RULE = (
    f"two windows ({WINDOW_S:g} s, {LEAST} samples or more) in a row whose median is not {FASTER:.0%} below the lowest "
    f"before; at most {MOST_S:g} s"
)


class Warm(NamedTuple):
    """The samples of the warm-up, whether its rule ended it, and how long it took."""

    samples: list[Sample]
    settled: bool
    seconds: float


def warm_up(samples: Iterator[Sample], clock: Clock, stop: Event) -> Warm:
    """Take samples until they are no longer getting faster, or somebody stops it. Raises what the samples raise."""
    started = clock()
    kept: list[Sample] = []
    medians: list[float] = []
    settled = False
    while not settled:
        window = _window(samples, clock, stop)
        kept += window
        if not window or stop.is_set():  # the source has ended, or somebody wants to
            break
        medians.append(median(sample.total_ns for sample in window))
        settled = _settled(medians)
        if len(medians) >= LEAST and clock() - started >= MOST_S * 1e9:
            break
    return Warm(kept, settled, (clock() - started) / 1e9)


def _window(samples: Iterator[Sample], clock: Clock, stop: Event) -> list[Sample]:
    started = clock()
    window: list[Sample] = []
    for sample in samples:
        window.append(sample)
        if stop.is_set() or (len(window) >= LEAST and clock() - started >= WINDOW_S * 1e9):
            break
    return window


def _settled(medians: list[float]) -> bool:
    if len(medians) < 3:
        return False
    *earlier, last_but_one, last = medians
    return min(last_but_one, last) >= (1 - FASTER) * min(earlier)
