"""The cores of the processor that this process may use, and which of them are the big ones; pure reads."""

from __future__ import annotations

import os
import re
from pathlib import Path

from edge.sysfs import listed, number, text

CPUS = "sys/devices/system/cpu"

NEAR = 0.8
"""A core of at least this share of the fastest one's speed is of the same kind.

Makers bin the clocks of equal cores apart by some per cent; the small cores of ARM's and Intel's parts are slower by
more than a fifth.
"""


MOST_THREADS = 4
"""More than four threads do not make MobileNetV2 faster on the boards this is for, and starve the camera."""


def best(root: Path = Path("/")) -> int:
    """How many threads an interpreter takes where nothing else is said: one a big core, at most `MOST_THREADS`."""
    return min(MOST_THREADS, len(big(root)))


def usable(root: Path = Path("/")) -> list[int]:
    """The cores that this process may use, and that are not switched off."""
    found = re.search(r"^Cpus_allowed_list:\s*(\d\S*)$", text(root / "proc/self/status") or "", re.MULTILINE)
    allowed = listed(found[1]) if found else sorted(os.sched_getaffinity(0))
    online = set(listed(text(root / CPUS / "online") or ""))
    return [core for core in allowed if core in online] or allowed  # a container may number them otherwise


def big(root: Path = Path("/")) -> list[int]:
    """Those of `usable` that are of the fastest kind; all of them where the kernel does not tell them apart.

    The kernel's own measure counts (`cpu_capacity`, which ARM's parts have), else the highest clock.
    """
    cores = usable(root)
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        speeds = [number(root / CPUS / f"cpu{core}" / name) or 0 for core in cores]
        if all(speed > 0 for speed in speeds):
            return [core for core, speed in zip(cores, speeds, strict=True) if speed >= NEAR * max(speeds)]
    return cores
