"""A Linux machine as /proc and /sys tell of it, and a Raspberry Pi's firmware.

Which files there are is found out once; reading a state then opens these and no others.
"""

from __future__ import annotations

import os
import platform
import re
import struct
import time
from functools import cached_property
from importlib import metadata
from pathlib import Path

from edge import coral, cores, firmware
from edge.firmware import Run
from edge.host import Facts, Family, State
from edge.sysfs import board_name, first_number, kib, megahertz, number, once, text, total
from edge.types import Clock

PACKAGES = (
    "edgekit",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "tensorrt",
    "numpy",
    "opencv-python-headless",
    "opencv-python",
)
"""Whose versions matter to speed."""

CPU_CHIPS = {"coretemp", "k10temp", "zenpower", "cpu_thermal"}
"""Chips of hwmon that tell the temperature of a processor; `temp1` is the whole package."""

STRANGE_ZONES = ("iwlwifi", "PMIC", "nvme")
"""Thermal zones that are no part of the processor, or tell a constant (the PMIC-Die of a Jetson Nano)."""

COOLERS = ("cpufreq", "thermal-cpufreq")
"""Cooling devices that cool by slowing the processor: slowed where their state is above 0."""

CORE = re.compile(r"^cpu(\d+)((?: +\d+){8})", re.MULTILINE | re.ASCII)
"""A line of /proc/stat (proc(5)): ticks of user, nice, system, idle, iowait, irq, softirq and steal since boot."""

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

BITS = 8 * struct.calcsize("P")
"""Of an address in this Python: wheels are chosen by it, and not by the kernel."""


class Linux:
    """The machine below `root`, which is that of another one only in tests. run: runs `vcgencmd`."""

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        run: Run = firmware.run,
        clock: Clock = time.monotonic_ns,
        bits: int = BITS,
    ) -> None:
        self._bits = bits
        self._root = root
        self._run = run
        self._clock = clock

    def facts(self) -> Facts:
        """What does not change."""
        return Facts(
            board=self._board,
            family=self._family,
            cpu=self._cpu(),
            machine=self._arch + (" (32-bit userland)" if self._bits == 32 and "64" in self._arch else ""),
            cores=len(self._cores),
            memory_bytes=self._memory(),
            kernel=text(self._root / "proc/sys/kernel/osrelease") or os.uname().release,
            system=self._system(),
            python=platform.python_version(),
            versions=_versions(),
        )

    def state(self) -> State:
        """How it fares now; what cannot be read is None."""
        now, since_boot = self._limits()
        busy, stolen = self._busy()
        status = text(self._root / "proc/self/status") or ""
        return State(
            at_ns=self._clock(),
            governors=once(text(path) for path in self._governors),
            clocks_mhz=self._clocks(now),
            most_mhz=megahertz(self._most),
            least_mhz=megahertz(self._least),
            temperature_c=self._temperature(),
            accelerator_c=self._accelerator(),
            limits=now,
            limits_since_boot=since_boot,
            limit_events=total(self._events),
            load_1m=first_number(text(self._root / "proc/loadavg")),
            busy_s=busy,
            stolen_s=stolen,
            own_s=self._own(),
            swapped_bytes=self._swapped(),
            memory_bytes=kib(status, "VmRSS"),
            peak_memory_bytes=kib(status, "VmHWM"),
        )

    def forget_peak(self) -> None:
        """Let the peak of resident memory begin anew (proc(5), clear_refs), where the kernel can."""
        try:
            handle = os.open(self._root / "proc/self/clear_refs", os.O_WRONLY)
        except OSError:
            return
        try:
            os.write(handle, b"5")
        except OSError:
            pass
        finally:
            os.close(handle)

    # --- what it is

    @cached_property
    def _board(self) -> str | None:
        return board_name(self._root)

    @cached_property
    def _arch(self) -> str:
        return text(self._root / "proc/sys/kernel/arch") or os.uname().machine  # the file is there from Linux 6.1 on

    @cached_property
    def _family(self) -> Family:
        model = text(self._root / "proc/device-tree/model") or ""
        if model.startswith("Raspberry Pi"):
            return "raspberry-pi"
        if "nvidia,tegra" in (text(self._root / "proc/device-tree/compatible") or ""):
            return "jetson"
        return "pc" if self._arch in ("x86_64", "i686") else "other"

    def _cpu(self) -> str | None:
        told = (text(path) for path in self._glob("proc/device-tree/cpus/cpu@*/compatible"))
        kinds = once(kind.partition("\0")[0] for kind in told if kind)
        named = re.search(r"^model name\s*:\s*(.+)$", text(self._root / "proc/cpuinfo") or "", re.MULTILINE)
        return ", ".join(kinds) if kinds else named and named[1]

    def _system(self) -> str:
        named = re.search(r'^PRETTY_NAME="?([^"\n]+)', text(self._root / "etc/os-release") or "", re.MULTILINE)
        return named[1] if named else platform.system()

    def _memory(self) -> int | None:
        return kib(text(self._root / "proc/meminfo") or "", "MemTotal")

    @cached_property
    def _cores(self) -> list[int]:
        return cores.usable(self._root)

    # --- where it is read

    def _glob(self, pattern: str) -> list[Path]:
        return sorted(self._root.glob(pattern))

    def _chips(self, *names: str) -> list[Path]:
        """Chips of hwmon by what they are called."""
        return [path.parent for path in self._glob("sys/class/hwmon/hwmon*/name") if text(path) in names]

    def _of_cores(self, name: str) -> list[Path]:
        paths = (self._root / f"sys/devices/system/cpu/cpu{core}" / name for core in self._cores)
        return [path for path in paths if path.exists()]

    @cached_property
    def _governors(self) -> list[Path]:
        return self._of_cores("cpufreq/scaling_governor")

    @cached_property
    def _present(self) -> list[Path]:
        return self._of_cores("cpufreq/scaling_cur_freq")

    @cached_property
    def _most(self) -> list[Path]:
        return self._of_cores("cpufreq/scaling_max_freq")

    @cached_property
    def _least(self) -> list[Path]:
        return self._of_cores("cpufreq/scaling_min_freq")

    @cached_property
    def _hot(self) -> list[Path]:
        zones = self._glob("sys/class/thermal/thermal_zone*/type")
        hot = [path.with_name("temp") for path in zones if not (text(path) or "").startswith(STRANGE_ZONES)]
        return hot + [chip / "temp1_input" for chip in self._chips(*CPU_CHIPS)]

    @cached_property
    def _accelerators(self) -> list[Path]:
        return coral.on_pci(self._root)

    @cached_property
    def _coolers(self) -> list[Path]:
        found = self._glob("sys/class/thermal/cooling_device*/type")
        return [path.with_name("cur_state") for path in found if (text(path) or "").startswith(COOLERS)]

    @cached_property
    def _alarms(self) -> list[Path]:
        return [chip / "in0_lcrit_alarm" for chip in self._chips("rpi_volt")]

    @cached_property
    def _events(self) -> list[Path]:
        """Counters of throttling: of a Jetson's over-current unit; of each x86 package and core, once."""
        chips = [path.parent for path in self._glob("sys/class/hwmon/hwmon*/name") if text(path) == "soctherm_oc"]
        counters = [path for chip in chips for path in sorted(chip.glob("oc*_event_cnt"))]
        found: dict[tuple[str, str | None, str | None], Path] = {}
        for path in self._of_cores("thermal_throttle/package_throttle_count"):
            found.setdefault(("package", _topology(path, "physical_package_id"), None), path)
        for path in self._of_cores("thermal_throttle/core_throttle_count"):
            place = _topology(path, "physical_package_id"), _topology(path, "core_id")
            found.setdefault(("core", *place), path)
        return counters + list(found.values())

    # --- how it fares

    def _clocks(self, limits: tuple[str, ...] | None) -> tuple[float, ...] | None:
        found = megahertz(self._present)
        if found is None:
            all_mhz = re.findall(r"^cpu MHz\s*:\s*(\d+\.?\d*)$", text(self._root / "proc/cpuinfo") or "", re.MULTILINE)
            return tuple(float(all_mhz[core]) for core in self._cores if core < len(all_mhz)) or None
        if self._family == "raspberry-pi" and set(limits or ()) & set(firmware.SLOWED):
            real = firmware.clock_mhz(self._run)
            return found if real is None else (real,) * len(found)
        return found

    def _temperature(self) -> float | None:
        read = [degrees / 1000 for degrees in map(number, self._hot) if degrees is not None]
        return max((degrees for degrees in read if -40 < degrees < 150), default=None)

    def _accelerator(self) -> float | None:
        read = map(coral.temperature, self._accelerators)
        return max((degrees for degrees in read if degrees is not None), default=None)

    def _limits(self) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        told = firmware.limits(self._run) if self._family == "raspberry-pi" else None
        slowed = total(self._coolers)
        low = total(self._alarms) if told is None else None
        if told is None and slowed is None and low is None:
            return None, None
        now, since_boot = told or ((), None)
        extra = [name for name, count in (("under-voltage", low), ("slowed to cool", slowed)) if count]
        return (*now, *extra), since_boot

    def _busy(self) -> tuple[float | None, float | None]:
        """Of the cores of this process; None where one of them is not told."""
        lines = CORE.findall(text(self._root / "proc/stat") or "")
        told = {int(core): [int(field) for field in fields.split()] for core, fields in lines}
        if not told.keys() >= set(self._cores):
            return None, None
        each = [told[core] for core in self._cores]
        busy = sum(user + nice + system + irq + soft for user, nice, system, _idle, _waiting, irq, soft, _ in each)
        return busy / TICKS, sum(fields[-1] for fields in each) / TICKS

    def _own(self) -> float | None:
        fields = (text(self._root / "proc/self/stat") or "").rpartition(")")[2].split()[11:15]
        told = len(fields) == 4 and all(field.isdecimal() for field in fields)
        return sum(map(int, fields)) / TICKS if told else None

    def _swapped(self) -> int | None:
        found = re.findall(r"^pswp(?:in|out) (\d+)$", text(self._root / "proc/vmstat") or "", re.MULTILINE)
        return sum(map(int, found)) * PAGE if found else None


def _topology(path: Path, name: str) -> str | None:
    return text(path.parents[1] / "topology" / name)


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
