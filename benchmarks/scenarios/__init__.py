"""What is measured: one file a scenario, found by its name."""

from __future__ import annotations

from importlib import import_module

from ..parts import Bench, Job, Scenario

SCENARIOS = {
    "interpreter": "set input, invoke, read output, on a tensor in memory",
    "single-stream": "the whole path from a decoded frame to an answer, one at a time",
    "camera": "the loop that the service runs, on a camera or a recording played as one",
    "offline": "throughput: frames in memory, everything overlapped",
    "streams": "several cameras on one device: FPS of each and in total",
    "cold": "process start, import, load and first answer, in fresh processes",
}


def opened(job: Job, bench: Bench) -> Scenario:
    """Open the scenario that a job names. Raises the errors of the toolkit."""
    module = import_module(f"{__name__}.{job.scenario.replace('-', '_')}")
    scenario: Scenario = module.open(job, bench)
    return scenario
