"""JSON lines: one object a result, on a binary stream."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any, BinaryIO

import msgspec

from edge.types import Frame, Result


class JsonLines:
    """Writes each result at once, so that whoever reads it sees it at once."""

    def __init__(self, out: BinaryIO, source: str) -> None:
        self._out = out
        self._source = source
        self._encoder = msgspec.json.Encoder()

    def write(self, frame: Frame, result: Result) -> None:
        """Write one line. Raises BrokenPipeError when nobody reads any more."""
        self._out.write(self._encoder.encode(record(frame, result, self._source)) + b"\n")
        self._out.flush()

    def close(self) -> None:
        """The stream belongs to whoever gave it."""


def record(frame: Frame, result: Result, source: str) -> dict[str, Any]:
    """A result as it stands in JSON; `file` only where the source holds several pictures, `instead_of` only where an
    interpreter runs that is not the first of the profile."""
    timing = result.timing
    named = {} if frame.file is None else {"file": frame.file}
    instead = {"instead_of": list(result.instead_of)} if result.instead_of else {}
    return {
        "frame": result.frame,
        "source": source,
        **named,
        "backend": result.backend,
        **instead,
        "model": result.model,
        "captured_at": _wall_clock(result.captured_at_ns),
        "age_ms": _ms(result.finished_at_ns - result.captured_at_ns),
        "timing_ms": {
            "preprocess": _ms(timing.preprocess),
            "inference": _ms(timing.inference),
            "postprocess": _ms(timing.postprocess),
        },
        "predictions": [{"label": c.label, "index": c.index, "score": round(c.score, 6)} for c in result.answer],
    }


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)


def _wall_clock(monotonic_ns: int) -> str:
    seconds = (time.time_ns() - time.monotonic_ns() + monotonic_ns) / 1e9
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
