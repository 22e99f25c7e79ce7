"""Find the power meter of a machine, where the profile names none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge import adapters, firmware
from edge.errors import MeterError, one_line
from edge.firmware import Run
from edge.types import PowerMeter

ORDER = ("hwmon", "pmic", "rapl")
"""Real meters, the one that covers most of the board first."""


def detect(*, root: Path = Path("/"), run: Run = firmware.run) -> tuple[PowerMeter | None, list[str]]:
    """The first meter that gives a good reading here, opened, or None; and why each one before it cannot."""
    given: dict[str, Any] = {"root": root, "run": run}
    reasons: list[str] = []
    for kind in ORDER:
        options = {name: value for name, value in given.items() if adapters.takes("power", kind, name)}
        try:
            return adapters.open("power", kind, **options), reasons
        except MeterError as error:
            reasons.append(one_line(error))
    return None, reasons
