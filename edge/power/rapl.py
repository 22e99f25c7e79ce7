"""The energy counters of Intel's and AMD's processors (RAPL), as the kernel's powercap tree shows them.

https://www.kernel.org/doc/html/latest/power/powercap/powercap.html; AMD's share the names of Intel's.
"""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import MeterError
from edge.sysfs import number, text
from edge.types import Power

INSTALL = "it needs a processor by Intel or AMD, and the kernel's module intel_rapl_msr"

REMEDY = "run `sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj`, which holds until the next start"


class Package:
    """The counter of one package, which begins anew after `most` microjoules."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._most = number(folder / "max_energy_range_uj")
        self._last = self._read()
        self._counted = 0

    def joules(self) -> float:
        """Counted since it was opened, over as many new beginnings; one a reading can be seen. Raises MeterError."""
        now = self._read()
        step = now - self._last
        if step < 0 and self._most is None:
            raise MeterError(
                "rapl: the counter ran backwards, and does not tell where it begins anew; use another meter"
            )
        self._counted += step if step >= 0 else step + (self._most or 0)
        self._last = now
        return self._counted / 1e6

    def _read(self) -> int:
        try:
            return int(self._file.read_bytes())
        except PermissionError as error:
            raise MeterError(f"rapl: no permission to read {self._file}; {REMEDY}") from error
        except OSError as error:
            why = error.strerror or "unknown reason"
            raise MeterError(f"rapl: {self._file} cannot be read: {why}; use another meter") from error
        except ValueError as error:
            raise MeterError(f"rapl: {self._file} holds no number; use another meter") from error


class Rapl:
    """The open counters of all packages, which give joules."""

    interval_s = 0.1

    name = "rapl"
    covers = "the processor package: its cores, caches and built-in graphics"
    misses = "memory, board, drives, fans, USB devices, other accelerators, and the loss in the power supply"

    def __init__(self, packages: list[Package]) -> None:
        self._packages = packages

    def read(self) -> Power:
        """Joules since it was opened. Raises MeterError."""
        return Power(joules=sum(package.joules() for package in self._packages))

    def close(self) -> None:
        """Nothing is held."""


def open(*, root: Path = Path("/")) -> Rapl:
    """Open the counters of all packages, and read them once. Raises MeterError."""
    domains = sorted(root.glob("sys/class/powercap/intel-rapl:*"))
    top = [domain for domain in domains if re.fullmatch(r"intel-rapl:\d+", domain.name)]
    packages = [domain for domain in top if (text(domain / "name") or "").startswith("package")]
    if not packages:
        raise MeterError("rapl: this machine shows no processor package under /sys/class/powercap; use another meter")
    meter = Rapl([Package(domain) for domain in packages])
    meter.read()
    return meter
