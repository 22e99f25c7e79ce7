"""Records as CSV (RFC 4180), one row a result, for a spreadsheet or a program: milliseconds, watts, joules, bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from edge.errors import one_line

from ..record import Record, Result, Summary

Cell = str | int | float | None

Tell = Callable[[Record, Result], Cell]

FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001 - the wide ones too
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""


def csv_text(records: Sequence[Record]) -> str:
    """All results of all records. What was not measured is an empty cell; names and order of columns are stable."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for record in records:
        for result in record.results:
            writer.writerow([safe(tell(record, result)) for tell in COLUMNS.values()])
    return out.getvalue()


def safe(cell: Cell) -> Cell:
    """A cell that no spreadsheet runs: text that looks like a formula has an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    text = one_line(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def interval(summary: Summary, end: int) -> float | None:
    """One end of the interval of the median."""
    span = summary.confidence.get("median")
    return span[end] if span else None


def stages(result: Result) -> str:
    """The median of each stage: "name=ms; name=ms"."""
    found = ((name, each.median) for name, each in result.stages_ms.items())
    return "; ".join(f"{name}={value:.6g}" for name, value in found if value is not None)


def power(name: str) -> Tell:
    """One field of what a meter told."""
    return lambda record, result: getattr(result.power, name) if result.power else None


def fidelity(name: str) -> Tell:
    """One field of how like the reference the answers are."""
    return lambda record, result: getattr(result.fidelity, name) if result.fidelity else None


def frames(name: str) -> Tell:
    """One field of what became of the frames."""
    return lambda record, result: getattr(result.frames, name) if result.frames else None


COLUMNS: dict[str, Tell] = {
    "started_at": lambda record, result: result.started_at,
    "tool": lambda record, result: record.tool,
    "board": lambda record, result: record.host.board,
    "cpu": lambda record, result: record.host.cpu,
    "machine": lambda record, result: record.host.machine,
    "cores": lambda record, result: record.host.cores,
    "system": lambda record, result: record.host.system,
    "kernel": lambda record, result: record.host.kernel,
    "profile": lambda record, result: record.profile,
    "scenario": lambda record, result: result.scenario,
    "model": lambda record, result: result.model,
    "model_sha256": lambda record, result: result.model_sha256,
    "model_bytes": lambda record, result: result.model_bytes,
    "backend": lambda record, result: result.backend,
    "threads": lambda record, result: result.threads,
    "streams": lambda record, result: len(result.streams) if result.streams else None,
    "source": lambda record, result: result.source,
    "verdict": lambda record, result: result.verdict,
    "warnings": lambda record, result: "; ".join(each.code for each in result.warnings),
    "error": lambda record, result: result.error,
    "seconds": lambda record, result: result.seconds,
    "fps": lambda record, result: result.fps,
    "samples": lambda record, result: result.latency_ms.count,
    "median_ms": lambda record, result: result.latency_ms.median,
    "median_low_ms": lambda record, result: interval(result.latency_ms, 0),
    "median_high_ms": lambda record, result: interval(result.latency_ms, 1),
    "mean_ms": lambda record, result: result.latency_ms.mean,
    "p90_ms": lambda record, result: result.latency_ms.p90,
    "p95_ms": lambda record, result: result.latency_ms.p95,
    "p99_ms": lambda record, result: result.latency_ms.p99,
    "p99.9_ms": lambda record, result: result.latency_ms.p99_9,
    "min_ms": lambda record, result: result.latency_ms.min,
    "max_ms": lambda record, result: result.latency_ms.max,
    "spread_ms": lambda record, result: result.latency_ms.spread,
    "stages_ms": lambda record, result: stages(result),
    "age_median_ms": lambda record, result: result.age_ms.median if result.age_ms else None,
    "answered": frames("answered"),
    "replaced": frames("replaced"),
    "undecodable": frames("undecodable"),
    "init_ms": lambda record, result: result.init_ms,
    "first_inference_ms": lambda record, result: result.first_inference_ms,
    "peak_memory_bytes": lambda record, result: result.memory.peak_bytes,
    "steady_memory_bytes": lambda record, result: result.memory.steady_bytes,
    "meter": power("meter"),
    "meter_misses": power("misses"),
    "watts": power("watts"),
    "idle_watts": power("idle_watts"),
    "joules_per_inference": power("joules_per_inference"),
    "joules_per_inference_net": power("joules_per_inference_net"),
    "inferences_per_joule": power("inferences_per_joule"),
    "power_not_measured": lambda record, result: result.power_not_measured,
    "reference": fidelity("reference"),
    "agreement": fidelity("agreement"),
    "largest_difference": fidelity("largest_difference"),
    "fidelity_not_measured": lambda record, result: result.fidelity_not_measured,
    "harness_us": lambda record, result: result.harness_us,
}
"""What each column says of a result, by its heading. A suffix is the unit; agreement is a share from 0 to 1."""
