"""The power chip of a Raspberry Pi 5, which measures volts and amps of most of its rails.

Each reading starts `vcgencmd`, which takes some milliseconds of one core.
"""

from __future__ import annotations

from edge import firmware
from edge.errors import MeterError, one_line
from edge.firmware import Run
from edge.types import Power

MEMBER = "`sudo usermod -aG video $USER`"
"""Whoever is in this group may ask the firmware."""

INSTALL = f"it needs a Raspberry Pi 5, `sudo apt install raspi-utils` and {MEMBER}"


class Pmic:
    """The open chip: the sum of volts x amps over the rails that have both."""

    # vcgencmd is a process each time
    interval_s = 0.5

    name = "pmic"
    covers = "the rails behind the Raspberry Pi's power chip: processor, memory, radio, HDMI"
    misses = "what hangs on the 5 V rail, USB devices and fan included, and the losses of converters and power supply"

    def __init__(self, run: Run) -> None:
        self._run = run

    def read(self) -> Power:
        """Watts at this moment. Raises MeterError."""
        text = self._run(["vcgencmd", "pmic_read_adc"])
        if text is None:
            advice = f"on a Raspberry Pi: `sudo apt install raspi-utils`, and {MEMBER}"
            raise MeterError(f"pmic: vcgencmd cannot be run, or gives no answer; {advice}")
        rails = firmware.rails(text)
        if not rails and firmware.refused(text):
            advice = "wire an INA219 or its like to I2C, and use hwmon"
            raise MeterError(f"pmic: this board measures no currents, as a Raspberry Pi 5 would; {advice}")
        if not rails:
            said = one_line(text.strip().partition("\n")[0])
            advice = f"usually it is the permission: {MEMBER}, and log in anew"
            raise MeterError(f"pmic: vcgencmd cannot ask the firmware: {said}; {advice}")
        return Power(watts=sum(volts * amps for volts, amps in rails.values()))

    def close(self) -> None:
        """Nothing is held."""


def open(*, run: Run = firmware.run) -> Pmic:
    """Open the chip, and read it once. Raises MeterError."""
    meter = Pmic(run)
    meter.read()
    return meter
