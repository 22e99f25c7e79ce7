"""Power sensors that the kernel knows: INA219, 226, 260, 3221, 238 and their kin, on a Jetson or wired to a Pi.

Of a Jetson's rails only the one that is the total is read, and parts are never added up: they overlap, and miss others.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from edge.errors import MeterError
from edge.sysfs import text
from edge.types import Power

INSTALL = "it needs a sensor that the kernel knows: see `grep . /sys/class/hwmon/*/name`"

MODULE = "the whole module, at its input"
CARRIER = "the carrier board and what hangs on it, a fan and USB devices included, and the loss in the power supply"

TOTALS = {
    "VDD_IN": (MODULE, CARRIER),
    "POM_5V_IN": (MODULE, CARRIER),
    "VIN": ("the module and its carrier board, at their input", "the loss in the power supply"),
}
"""What a rail covers and misses that is the total of its board: Orin NX and Nano, Xavier NX, TX2; Nano; Thor.

NVIDIA Jetson Linux Developer Guide, Platform Power and Performance. The AGX Orin and AGX Xavier have no total.
"""

UNUSED = {"NC", "sum of shunt voltages"}
"""Labels of channels that measure no rail."""


class Rail(NamedTuple):
    """One channel of a chip. milliwatts: whether `power` is in these (JetPack 4) or in microwatts.

    alone: the only channel of its chip, without a label, so that what it measures is what somebody wired to it.
    """

    label: str
    chip: str
    power: Path | None
    volts: Path
    amps: Path
    milliwatts: bool = False
    alone: bool = False

    def watts(self) -> float:
        """Read it. Raises MeterError."""
        if self.power is not None:
            return self._read(self.power) / (1e3 if self.milliwatts else 1e6)
        return self._read(self.volts) * self._read(self.amps) / 1e6

    def _read(self, path: Path) -> int:
        try:
            return int(path.read_bytes())
        except PermissionError as error:
            advice = f"run `sudo chmod a+r {path}`"
            raise MeterError(f"hwmon {self.chip} {self.label}: no permission to read {path}; {advice}") from error
        except OSError as error:
            why = error.strerror or "unknown reason"
            raise MeterError(f"hwmon {self.chip} {self.label}: cannot be read: {why}; check its wires") from error
        except ValueError as error:
            raise MeterError(
                f"hwmon {self.chip} {self.label}: {path.name} holds no number; check its driver"
            ) from error


class Hwmon:
    """An open sensor, which gives watts."""

    interval_s = 0.1

    def __init__(self, rail: Rail) -> None:
        named = (f"the rail {rail.label} alone", "every other rail, and what these do not measure")
        wired = ("what is wired through this sensor", "whatever is not, and the loss in front of it")
        self.name = f"hwmon {rail.chip} {rail.label}" if rail.chip not in rail.label else f"hwmon {rail.label}"
        self.covers, self.misses = TOTALS.get(rail.label, wired if rail.alone else named)
        self._rail = rail

    def read(self) -> Power:
        """Watts at this moment. Raises MeterError."""
        return Power(watts=self._rail.watts())

    def close(self) -> None:
        """Nothing is held."""


def open(*, rail: str | None = None, root: Path = Path("/")) -> Hwmon:
    """Open the sensor of the board's total, or the only one there is. Raises MeterError.

    rail: the label of another one, for boards that do not measure their total.
    """
    found = rails(root)
    if not found:
        raise MeterError("hwmon: the kernel knows no INA power sensor; wire one, and load its device tree overlay")
    meter = Hwmon(_named(found, rail) if rail is not None else _total(found))
    meter.read()
    return meter


def _named(found: list[Rail], label: str) -> Rail:
    for rail in found:
        if rail.label == label:
            return rail
    raise MeterError(f"hwmon: there is no rail {label!r}; there are: {_labels(found)}")


def _total(found: list[Rail]) -> Rail:
    for label in TOTALS:
        for rail in found:
            if rail.label == label:
                return rail
    alone = [rail for rail in found if rail.alone]
    if len(alone) == 1:
        return alone[0]
    raise MeterError(f'hwmon: no rail is known to be the total; name one with rail = "LABEL": {_labels(found)}')


def _labels(found: list[Rail]) -> str:
    return ", ".join(rail.label for rail in found)


def rails(root: Path) -> list[Rail]:
    """All channels that measure power, those of hwmon first."""
    chips = sorted(path.parent for path in root.glob("sys/class/hwmon/hwmon*/name"))
    old = sorted(root.glob("sys/bus/i2c/drivers/ina3221x/*/iio:device*"))
    return [rail for chip in chips for rail in _of_chip(chip)] + [rail for chip in old for rail in _of_iio(chip)]


def _of_chip(chip: Path) -> list[Rail]:
    name = text(chip / "name") or ""
    if not re.match(r"ina\d", name):
        return []
    channels = [number for number in (1, 2, 3) if (chip / f"curr{number}_input").exists()]
    made = [_rail(chip, name, number, len(channels) == 1) for number in channels]
    return [rail for rail in made if rail.label not in UNUSED]


def _rail(chip: Path, name: str, number: int, single: bool) -> Rail:
    label = text(chip / f"in{number}_label") or (text(chip / "label") if single else None)
    device = chip / "device"
    place = device.resolve().name if device.exists() else chip.name
    power = chip / f"power{number}_input"
    return Rail(
        label=label or (f"{name} {place}" if single else f"{name} {place} {number}"),
        chip=name,
        power=power if power.exists() else None,
        volts=chip / f"in{number}_input",
        amps=chip / f"curr{number}_input",
        alone=single and label is None,
    )


def _of_iio(chip: Path) -> list[Rail]:
    """The same INA3221 under the driver of JetPack 4, which tells milliwatts."""
    labels = [(number, text(chip / f"rail_name_{number}")) for number in (0, 1, 2)]
    return [
        Rail(
            label=label,
            chip="ina3221x",
            power=chip / f"in_power{number}_input",
            volts=chip / f"in_voltage{number}_input",
            amps=chip / f"in_current{number}_input",
            milliwatts=True,
        )
        for number, label in labels
        if label and label not in UNUSED
    ]
