"""How long a trial is waited for: as long as what it tries gives itself, so that nothing slow is called a hang."""

from __future__ import annotations

from collections.abc import Sequence

from edge import probe, worker
from edge.adapters import Adapter
from edge.cameras import picamera
from edge.interpreters import tensorrt
from edge.pipeline import STALL_S

SMALL_S = worker.START_S
"""One library, from a slow card."""

TENSORRT_S = worker.START_S + tensorrt.LOAD_S
"""Its library, and the first use of the GPU."""


def of_interpreters(listed: Sequence[Adapter]) -> float:
    """Seconds until the last of them must have answered, each of those before it having taken all its time."""
    return SMALL_S + sum(_interpreter(adapter) for adapter in listed)


def _interpreter(adapter: Adapter) -> float:
    if adapter.kind == "tensorrt":
        return worker.START_S + 2 * tensorrt.LOAD_S + tensorrt.ANSWER_S
    if adapter.kind == "edgetpu":
        load = float(adapter.options.get("load_limit_s", worker.LOAD_S))
        return worker.START_S + 2 * load + float(adapter.options.get("limit_s", worker.ANSWER_S))
    return float(probe.LIMIT_S)


def of_cameras(listed: Sequence[Adapter]) -> float:
    """Seconds until the last of them must have given a frame."""
    return SMALL_S + sum(
        picamera.OPEN_S + picamera.FIRST_S if adapter.kind == "picamera" else STALL_S for adapter in listed
    )
