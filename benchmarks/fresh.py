"""What a fresh process does for the scenario `cold`; it imports nothing before it is asked to."""

from __future__ import annotations

import time


def answer(begun_ns: int, model: str | None, profile: str, threads: int | None, require: str | None = None) -> str:
    """Load a model (None: the profile's, or the interpreter's own) and answer one grey picture of 640 x 480.

    Returns JSON: times_ns (of `time.monotonic_ns`, when it began, had imported, had loaded, had answered), backend,
    model, instead_of (why nothing that the profile prefers), threads of the interpreter, and peak_bytes of this
    process's memory; None where that is not told.
    """
    import numpy as np

    from edge import profile as profiles
    from edge.engine import open_engine, requiring
    from edge.preprocess import frame_of

    imported = time.monotonic_ns()
    engine = open_engine(requiring(profiles.load(profile), require), model=model, threads=threads)
    loaded = time.monotonic_ns()
    frame = frame_of(np.full((480, 640, 3), 128, np.uint8), loaded)
    tensor = engine.preprocessor.new_tensor()
    engine.answer(frame, tensor, engine.prepare(frame, tensor))
    answered = time.monotonic_ns()
    import json

    told = {
        "times_ns": [begun_ns, imported, loaded, answered],
        "backend": engine.interpreter.backend,
        "model": engine.model,
        "instead_of": engine.instead_of,
        "threads": getattr(engine.interpreter, "threads", None),
        "peak_bytes": _peak(),
    }
    return json.dumps(told)


def _peak() -> int | None:
    """Bytes. Not getrusage(2), whose ru_maxrss begins at the peak of the process that started this one."""
    from pathlib import Path

    from edge.sysfs import kib, text

    return kib(text(Path("/proc/self/status")) or "", "VmHWM")
