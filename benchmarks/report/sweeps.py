"""Results that differ only in how many threads or streams there were, found and drawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from ..record import Result
from . import plots
from .words import counted


def scaling(results: Sequence[Result]) -> Iterator[tuple[str, str | None]]:
    """The name and the drawing of each sweep; None where its results have one number only."""
    for group in grouped([result for result in results if result.streams], of_streams):
        first = group[0]
        threads = "" if first.threads is None else f", {counted(first.threads, 'thread')}"
        yield f"{first.model}, {first.backend}{threads}: over streams", over_streams(group)
    threaded = [result for result in results if result.threads is not None and result.fps is not None]
    for group in grouped(threaded, of_threads):
        first = group[0]
        streams = f", {counted(len(first.streams), 'stream')}" if first.streams else ""
        yield f"{first.scenario}, {first.model}, {first.backend}{streams}: over threads", over_threads(group)


def of_streams(result: Result) -> Hashable:
    """What results have in common that differ in streams."""
    return result.scenario, result.model, result.model_sha256, result.backend, result.threads, result.source


def of_threads(result: Result) -> Hashable:
    """What results have in common that differ in threads."""
    streams = len(result.streams or ())
    return result.scenario, result.model, result.model_sha256, result.backend, streams, result.source


def grouped(results: Sequence[Result], key: Callable[[Result], Hashable]) -> list[list[Result]]:
    """Results with the same key, in the order of their first."""
    found: dict[Hashable, list[Result]] = {}
    for result in results:
        found.setdefault(key(result), []).append(result)
    return list(found.values())


def over_streams(group: Sequence[Result]) -> str | None:
    """In total, and of each stream (mean)."""
    rates = [[stream.fps for stream in result.streams or ()] for result in group]
    total = [(float(len(each)), sum(each)) for each in rates]
    mean = [(float(len(each)), sum(each) / len(each)) for each in rates]
    return plots.scaling("streams", [("in total", total), ("each (mean)", mean)])


def over_threads(group: Sequence[Result]) -> str | None:
    """Of the whole device."""
    return plots.scaling("threads", [("FPS", [(float(result.threads or 0), result.fps or 0.0) for result in group])])
