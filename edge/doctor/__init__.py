"""What this machine can run, why not, and the command that mends it.

    examine -> gather (facts, and trials in child processes) -> judge (one file a topic) -> Report

NumPy, OpenCV and the libraries of vendors are imported only after that went well in a child process.
"""

from __future__ import annotations

from pathlib import Path

from edge import firmware
from edge.doctor import environment, python, trials
from edge.doctor.environment import Python
from edge.doctor.finding import Finding, Report
from edge.doctor.trials import Try
from edge.firmware import Run

__all__ = ["Finding", "Report", "examine"]

BASICS = "numpy,cv2"


def examine(
    profile: str = "auto",
    *,
    root: Path = Path("/"),
    run: Run = firmware.run,
    attempt: Try = trials.run,
    seen: Python | None = None,
) -> Report:
    """Examine this machine for a profile, by name or path. Raises ConfigError for a profile that is none.

    root, run, attempt, seen: where /sys and /proc are, what runs commands and trials, and the Python; others only in
    tests.
    """
    seen = seen or environment.of_this_process()
    beside_system = (root / "usr/lib/python3/dist-packages/picamera2").is_dir() and seen.version < (3, 13)
    first = [
        *python.basics(seen, attempt("modules", BASICS, trials.LIMIT_S), beside_system),
        *python.opencv_twice(seen),
    ]
    if any(finding.state == "bad" for finding in first):
        return _without_basics(profile, seen, first)
    from edge.doctor.examination import gather, judge  # these need NumPy and OpenCV
    from edge.profile import load

    return judge(gather(load(profile, root), profile, seen, root, run, attempt), first)


def _without_basics(profile: str, seen: Python, first: list[Finding]) -> Report:
    why = " and ".join(finding.check for finding in first if finding.state == "bad")
    return Report(
        profile=profile,
        because=None,
        board=None,
        can_run=False,
        backend=None,
        verdict=f"profile {profile} cannot run: see {why}",
        findings=[environment.typed(finding, seen) for finding in first],
    )
