"""The table of all results, one row a result, as the page and the Markdown have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.errors import one_line

from ..record import Record, Result
from .about import host
from .words import NOT_MEASURED, measured, median, number, size


def middle(result: Result) -> str:
    """The median, and its confidence interval where there is one."""
    return median(result.latency_ms).replace(" ms", "", 1)


def percentile(value: float | None) -> str:
    """Milliseconds, or that the samples do not bear it."""
    return "too few" if value is None else number(value)


def watts(result: Result) -> str:
    """Mean watts of the timed window."""
    return measured(result.power.watts if result.power else None, digits=3)


def joules(result: Result) -> str:
    """Joules an inference, gross."""
    return measured(result.power.joules_per_inference if result.power else None, digits=3)


def likeness(result: Result) -> str:
    """Share of pictures with the same first class as the reference."""
    return f"{100 * result.fidelity.agreement:.1f} %" if result.fidelity else NOT_MEASURED


COLUMNS: dict[str, Callable[[Record, Result], str]] = {
    "host": lambda record, result: host(record.host),
    "scenario": lambda record, result: one_line(result.scenario),
    "model": lambda record, result: one_line(result.model),
    "backend": lambda record, result: one_line(result.backend),
    "threads": lambda record, result: "not set" if result.threads is None else str(result.threads),
    "streams": lambda record, result: str(len(result.streams)) if result.streams else "-",
    "verdict": lambda record, result: result.verdict,
    "FPS": lambda record, result: measured(result.fps),
    "median ms (99 % interval)": lambda record, result: middle(result),
    "p90 ms": lambda record, result: percentile(result.latency_ms.p90),
    "p95 ms": lambda record, result: percentile(result.latency_ms.p95),
    "p99 ms": lambda record, result: percentile(result.latency_ms.p99),
    "W": lambda record, result: watts(result),
    "J/inference": lambda record, result: joules(result),
    "peak memory": lambda record, result: size(result.memory.peak_bytes),
    "same first class": lambda record, result: likeness(result),
}
"""What each column says of a result, by its heading; the verdict before any figure, since wide tables are cut off."""


def table(records: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each result of all records; without columns that tell nothing apart here."""
    told = [(record, result) for record in records for result in record.results]
    idle = set() if len(records) > 1 else {"host"}
    idle |= set() if any(result.streams for _, result in told) else {"streams"}
    kept = {name: tell for name, tell in COLUMNS.items() if name not in idle}
    return list(kept), [[tell(record, result) for tell in kept.values()] for record, result in told]
