"""What the firmware of a Raspberry Pi tells through its command `vcgencmd`.

The formats are those of https://www.raspberrypi.com/documentation/computers/os.html#vcgencmd.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence

Run = Callable[[Sequence[str]], "str | None"]
"""Runs a command and returns what it printed, also where it failed; None where it cannot be run, or said nothing."""

LIMIT_S = 2.0
"""The firmware answers within milliseconds, or never."""

LIMITS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
"""What bits 0 to 3 of `get_throttled` tell of this moment, and bits 16 to 19 of the time since boot."""

SLOWED = LIMITS[1:]
"""Under these the processor does not run at the clock that Linux asked for."""

RAIL = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([0-9.]+)[AV]\s*$", re.MULTILINE)


def run(command: Sequence[str]) -> str | None:
    """Run a command for at most two seconds; what it printed on stdout."""
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LIMIT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") or None


def limits(run: Run) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """What holds the board back now, and what did since boot; None where the firmware does not tell."""
    found = re.search(r"throttled=(0x[0-9a-fA-F]+)", run(["vcgencmd", "get_throttled"]) or "")
    if found is None:
        return None
    bits = int(found[1], 16)
    return _named(bits), _named(bits >> 16)


def refused(text: str) -> bool:
    """Whether the firmware itself answered, and knows no such command: error=1 error_msg="Command not registered"."""
    return "error=" in text


def _named(bits: int) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(LIMITS) if bits >> place & 1)


def clock_mhz(run: Run) -> float | None:
    """The clock that the processor really has; Linux knows only the one it asked for."""
    found = re.search(r"frequency\(\d+\)=(\d+)", run(["vcgencmd", "measure_clock", "arm"]) or "")
    return None if found is None else int(found[1]) / 1e6


def rails(text: str) -> dict[str, tuple[float, float]]:
    """Volts and amps of each rail that has both, in what `pmic_read_adc` printed (Raspberry Pi 5)."""
    found = {(name, unit): float(value) for name, unit, value in RAIL.findall(text)}
    names = [name for name, unit in found if unit == "A" and (name, "V") in found]
    return {name: (found[name, "V"], found[name, "A"]) for name in names}
