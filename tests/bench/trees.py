"""Boards that are not here: trees of /proc, /sys and /etc below a folder, and a `vcgencmd` that answers from them.

Each function makes one and returns it; `put` changes a file afterwards, `say` what `vcgencmd` answers.
"""

from pathlib import Path
from typing import NamedTuple

PMIC = """\
 3V7_WL_SW_A current(0)=0.00000000A
   3V3_SYS_A current(1)=0.06245952A
   1V8_SYS_A current(2)=0.16102850A
  DDR_VDD2_A current(3)=0.00780744A
  DDR_VDDQ_A current(4)=0.00000000A
   1V1_SYS_A current(5)=0.17566740A
    0V8_SW_A current(6)=0.32791250A
  VDD_CORE_A current(7)={core:.8f}A
   3V3_DAC_A current(17)=0.00036630A
   3V3_ADC_A current(18)=0.00042735A
   0V8_AON_A current(16)=0.00579975A
      HDMI_A current(22)=0.01367520A
 3V7_WL_SW_V volt(8)=3.79999600V
   3V3_SYS_V volt(9)=3.30632200V
   1V8_SYS_V volt(10)=1.79828900V
  DDR_VDD2_V volt(11)=1.10292900V
  DDR_VDDQ_V volt(12)=0.60476130V
   1V1_SYS_V volt(13)=1.10439400V
    0V8_SW_V volt(14)=0.80256330V
  VDD_CORE_V volt(15)=0.89745940V
   3V3_DAC_V volt(20)=3.30494200V
   3V3_ADC_V volt(21)=3.30219400V
   0V8_AON_V volt(19)=0.79736190V
      HDMI_V volt(23)=5.07056000V
     EXT5V_V volt(24)=5.06788000V
      BATT_V volt(25)=3.01110800V
"""
"""What a Raspberry Pi 5 prints: the numbers in brackets of a rail's volts and amps are not the same."""

PMIC_OTHERS_W = 1.038461892632575
"""Watts of all rails of `PMIC` but the core's: sums of volts x amps, made apart from the toolkit."""

PMIC_CORE_V = 0.8974594

BOOKWORM = "Debian GNU/Linux 12 (bookworm)"


class Board(NamedTuple):
    """A made-up machine: where its files are, and what runs its `vcgencmd`."""

    root: Path

    def run(self, command):
        """Answer as `vcgencmd` would; None on a board that has none."""
        name, *rest = command
        answer = self.root / "vcgencmd" / "_".join(rest)
        return answer.read_text() if name == "vcgencmd" and answer.is_file() else None

    def put(self, path, text):
        """Write a file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def say(self, command, answer):
        """What `vcgencmd` answers from now on, for example to "get_throttled"."""
        self.put(f"vcgencmd/{command.replace(' ', '_')}", answer)


def machine(root, *, cores, arch, kernel, system):
    """What every Linux has."""
    board = Board(Path(root))
    board.put("proc/sys/kernel/osrelease", kernel)
    board.put("proc/sys/kernel/arch", arch)
    board.put("etc/os-release", f'NAME="x"\nPRETTY_NAME="{system}"')
    board.put("proc/meminfo", "MemTotal:        3884360 kB\nMemFree:         1220000 kB")
    board.put("proc/loadavg", "0.52 0.40 0.33 1/210 4242")
    ticks(board, *[(337, 10)] * cores)
    board.put("proc/vmstat", "nr_free_pages 1\npswpin 10\npswpout 20\npgfault 1")
    board.put("proc/self/stat", "4242 (py thon) S 1 1 1 0 -1 0 0 0 0 0 200 100 30 20 20 0 4 0 1 1 1")
    allowed = f"0-{cores - 1}" if cores > 1 else "0"
    board.put(
        "proc/self/status", f"Name:\tpython\nVmHWM:\t  131072 kB\nVmRSS:\t  102400 kB\nCpus_allowed_list:\t{allowed}"
    )
    board.put("proc/self/clear_refs", "")
    board.put("sys/devices/system/cpu/online", allowed)
    return board


def ticks(board, *cores):
    """How many ticks (10 ms) each core was busy, and how many were stolen from it, in /proc/stat."""
    told = [("", sum(busy for busy, _ in cores), sum(stolen for _, stolen in cores))]
    told += [(number, busy, stolen) for number, (busy, stolen) in enumerate(cores)]
    lines = [f"cpu{core} {busy - 7} 1 3 90000 50 1 2 {stolen} 0 0" for core, busy, stolen in told]
    board.put("proc/stat", "\n".join([*lines, "ctxt 12"]))


def cpufreq(board, cores, *, governor, mhz, most, least=600):
    """The clocks of all cores."""
    for core in range(cores):
        place = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        board.put(f"{place}/scaling_governor", governor)
        board.put(f"{place}/scaling_cur_freq", int(mhz * 1000))
        board.put(f"{place}/scaling_max_freq", int(most * 1000))
        board.put(f"{place}/scaling_min_freq", int(least * 1000))


def tree(board, model, core, compatible):
    """A device tree; its strings end in a NUL, as the real ones do."""
    board.put("proc/device-tree/model", "")
    (board.root / "proc/device-tree/model").write_bytes(model.encode() + b"\0")
    (board.root / "proc/device-tree/compatible").write_bytes(compatible.encode() + b"\0")
    board.put("proc/device-tree/cpus/cpu@0/compatible", "")
    (board.root / "proc/device-tree/cpus/cpu@0/compatible").write_bytes(core.encode() + b"\0")


def pi4(root, *, throttled=0x0, mhz=1800, temperature=48.7, governor="ondemand", measured=None):
    """A Raspberry Pi 4, which cannot measure what it draws. throttled: as get_throttled tells, 0x50005 for example.

    mhz: what Linux asked for; measured: the clock that the firmware gives, in MHz.
    """
    board = machine(root, cores=4, arch="aarch64", kernel="6.6.31+rpt-rpi-v8", system=BOOKWORM)
    tree(board, "Raspberry Pi 4 Model B Rev 1.4", "arm,cortex-a72", "raspberrypi,4-model-b\0brcm,bcm2711")
    cpufreq(board, 4, governor=governor, mhz=mhz, most=1800)
    zone(board, 0, "cpu-thermal", temperature)
    board.put("sys/class/hwmon/hwmon1/name", "rpi_volt")
    board.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", throttled & 1)
    board.say("get_throttled", f"throttled={throttled:#x}")
    board.say("measure_clock arm", f"frequency(48)={int((measured or mhz) * 1e6)}")
    board.say("pmic_read_adc", 'error=1 error_msg="Command not registered"')
    return board


def pi5(root, *, throttled=0x0, core_amps=2.0, temperature=52.3, governor="ondemand"):
    """A Raspberry Pi 5, whose power chip tells. It draws `PMIC_OTHERS_W` and core_amps x `PMIC_CORE_V` watts."""
    board = machine(root, cores=4, arch="aarch64", kernel="6.6.62+rpt-rpi-2712", system=BOOKWORM)
    tree(board, "Raspberry Pi 5 Model B Rev 1.0", "arm,cortex-a76", "raspberrypi,5-model-b\0brcm,bcm2712")
    cpufreq(board, 4, governor=governor, mhz=2400, most=2400)
    zone(board, 0, "cpu-thermal", temperature)
    board.say("get_throttled", f"throttled={throttled:#x}")
    board.say("measure_clock arm", "frequency(0)=2400033792")
    board.say("pmic_read_adc", PMIC.format(core=core_amps))
    return board


def zone(board, number, kind, degrees):
    """A thermal zone, in degrees Celsius."""
    board.put(f"sys/class/thermal/thermal_zone{number}/type", kind)
    board.put(f"sys/class/thermal/thermal_zone{number}/temp", round(degrees * 1000))


def rail(board, number, channel, label, millivolts, milliamps):
    """One channel of the INA3221 at hwmon`number`."""
    place = f"sys/class/hwmon/hwmon{number}"
    board.put(f"{place}/name", "ina3221")
    board.put(f"{place}/in{channel}_label", label)
    board.put(f"{place}/in{channel}_input", millivolts)
    board.put(f"{place}/curr{channel}_input", milliamps)


def jetson(root, *, milliamps=1000, events=0, temperature=55.2, total="VDD_IN", least=729.6):
    """A Jetson Orin Nano with three rails: VDD_IN at 5000 mV is the total, and the other two are parts of it.

    total: None for a board as the AGX Orin, which measures parts alone. least: the lowest clock in MHz; 1510.4 is what
    `jetson_clocks` leaves, with the governor as it was.
    """
    board = machine(root, cores=6, arch="aarch64", kernel="5.15.148-tegra", system="Ubuntu 22.04.5 LTS")
    tree(
        board,
        "NVIDIA Jetson Orin Nano Developer Kit",
        "arm,cortex-a78",
        "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234",
    )
    cpufreq(board, 6, governor="schedutil", mhz=1510.4, most=1510.4, least=least)
    zone(board, 0, "cpu-thermal", temperature)
    zone(board, 8, "tj-thermal", temperature + 1)
    board.put("sys/class/thermal/thermal_zone2/type", "cv0-thermal")  # reading it fails while the unit is off
    rail(board, 1, 1, total or "VIN_SYS_5V0", 5000, milliamps)
    rail(board, 1, 2, "VDD_CPU_GPU_CV", 5000, milliamps // 4)
    rail(board, 1, 3, "VDD_SOC", 5000, milliamps // 5)
    board.put("sys/class/hwmon/hwmon1/in7_label", "sum of shunt voltages")
    board.put("sys/class/hwmon/hwmon1/in7_input", 1200)
    board.put("sys/class/hwmon/hwmon3/name", "soctherm_oc")
    for number in (1, 2, 3):
        board.put(f"sys/class/hwmon/hwmon3/oc{number}_event_cnt", events if number == 3 else 0)
        board.put(f"sys/class/hwmon/hwmon3/oc{number}_throt_en", 1)
    return board


def pc(root, *, rapl=True, readable=True, throttles=0, temperature=44.0, governor="performance", microjoules=5_000_000):
    """A PC with four cores and one package. readable: whether this user may read RAPL (root reads what nobody may)."""
    board = machine(root, cores=4, arch="x86_64", kernel="6.1.0-28-amd64", system=BOOKWORM)
    name = "Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz"
    board.put(
        "proc/cpuinfo", "".join(f"processor\t: {n}\nmodel name\t: {name}\ncpu MHz\t\t: 3000.000\n" for n in range(4))
    )
    board.put("sys/class/dmi/id/sys_vendor", "Acme")
    board.put("sys/class/dmi/id/product_name", "Workstation 3")
    cpufreq(board, 4, governor=governor, mhz=3900, most=4100)
    board.put("sys/class/hwmon/hwmon0/name", "coretemp")
    board.put("sys/class/hwmon/hwmon0/temp1_input", round(temperature * 1000))
    for core in range(4):
        place = f"sys/devices/system/cpu/cpu{core}"
        board.put(f"{place}/topology/physical_package_id", 0)
        board.put(f"{place}/topology/core_id", core)
        board.put(f"{place}/thermal_throttle/core_throttle_count", 0)
        board.put(f"{place}/thermal_throttle/package_throttle_count", throttles)
    if rapl:
        domain(board, "intel-rapl:0", "package-0", microjoules, readable)
        domain(board, "intel-rapl:0:0", "core", microjoules // 2, readable)
        domain(board, "intel-rapl-mmio:0", "package-0", microjoules, readable)
    return board


def domain(board, name, called, microjoules, readable=True):
    """One domain of RAPL, whose counter begins anew after 262,143,328,850 microjoules."""
    place = f"sys/class/powercap/{name}"
    board.put(f"{place}/name", called)
    board.put(f"{place}/max_energy_range_uj", 262143328850)
    board.put(f"{place}/energy_uj", microjoules)
    if not readable:
        (board.root / place / "energy_uj").chmod(0)


# --- boards by name: what the device tree of each tells, as the sources named in edge/boards.py have it

PIS = {
    "Raspberry Pi 3 Model B Rev 1.2": ("pi3", "raspberrypi,3-model-b", "brcm,bcm2837"),
    "Raspberry Pi 3 Model B Plus Rev 1.3": ("pi3", "raspberrypi,3-model-b-plus", "brcm,bcm2837"),
    "Raspberry Pi 3 Model A Plus Rev 1.0": ("pi3", "raspberrypi,3-model-a-plus", "brcm,bcm2837"),
    "Raspberry Pi Compute Module 3 Plus Rev 1.0": ("pi3", "raspberrypi,3-compute-module", "brcm,bcm2837"),
    "Raspberry Pi 2 Model B Rev 1.2": ("pi3", "raspberrypi,2-model-b-rev2", "brcm,bcm2837"),
    "Raspberry Pi Zero 2 W Rev 1.0": ("pi-zero-2w", "raspberrypi,model-zero-2-w", "brcm,bcm2837"),
    "Raspberry Pi 4 Model B Rev 1.4": ("pi4", "raspberrypi,4-model-b", "brcm,bcm2711"),
    "Raspberry Pi 400 Rev 1.0": ("pi4", "raspberrypi,400", "brcm,bcm2711"),
    "Raspberry Pi Compute Module 4 Rev 1.1": ("pi4", "raspberrypi,4-compute-module", "brcm,bcm2711"),
    "Raspberry Pi 5 Model B Rev 1.0": ("pi5", "raspberrypi,5-model-b", "brcm,bcm2712"),
    "Raspberry Pi 500 Rev 1.0": ("pi5", "raspberrypi,500", "brcm,bcm2712"),
    "Raspberry Pi Compute Module 5 Rev 1.0": ("pi5", "raspberrypi,5-compute-module", "brcm,bcm2712"),
    "Raspberry Pi 2 Model B Rev 1.1": ("cpu", "raspberrypi,2-model-b", "brcm,bcm2836"),
    "Raspberry Pi Zero W Rev 1.1": ("cpu", "raspberrypi,model-zero-w", "brcm,bcm2835"),
}
"""The model of each Raspberry Pi: its profile, and what its device tree says it is compatible with."""

JETSONS = {
    "NVIDIA Jetson Nano Developer Kit": (
        "jetson-nano",
        "nvidia,p3449-0000-b00+p3448-0000-b00",
        "nvidia,jetson-nano",
        "nvidia,tegra210",
    ),
    "NVIDIA Jetson Nano 2GB Developer Kit": ("jetson-nano", "nvidia,p3542-0000+p3448-0003", "nvidia,tegra210"),
    "Jetson Nano Developer Kit (mainline)": ("jetson-nano", "nvidia,p3450-0000", "nvidia,tegra210"),
    "NVIDIA Jetson Orin Nano Developer Kit": (
        "jetson-orin-nano",
        "nvidia,p3768-0000+p3767-0005",
        "nvidia,p3767-0005",
        "nvidia,tegra234",
    ),
    "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super": (
        "jetson-orin-nano",
        "nvidia,p3768-0000+p3767-0005-super",
        "nvidia,p3767-0005",
        "nvidia,tegra234",
    ),
    "NVIDIA Orin Nano 8 GB module": ("jetson-orin-nano", "nvidia,p3768-0000+p3767-0003", "nvidia,tegra234"),
    "NVIDIA Orin Nano 4 GB module": ("jetson-orin-nano", "nvidia,p3509-0000+p3767-0004", "nvidia,tegra234"),
    "NVIDIA Jetson Orin NX Engineering Reference Developer Kit": (
        "jetson-orin-nx",
        "nvidia,p3768-0000+p3767-0000-super",
        "nvidia,p3767-0000",
        "nvidia,tegra234",
    ),
    "NVIDIA Orin NX Developer Kit": ("jetson-orin-nx", "nvidia,p3509-0000+p3767-0001", "nvidia,tegra234"),
    "NVIDIA Jetson AGX Orin Developer Kit": ("jetson-agx-orin", "nvidia,p3737-0000+p3701-0005", "nvidia,tegra234"),
    "NVIDIA Jetson Xavier NX Developer Kit": ("cpu", "nvidia,p3449-0000+p3668-0000", "nvidia,tegra194"),
    "NVIDIA Jetson AGX Thor Developer Kit": ("cpu", "nvidia,p3971-0080+p3834-0008", "nvidia,tegra264"),
}

CORAL_BOARDS = {
    "Freescale i.MX8MQ Phanbell": ("coral-dev-board", "fsl,imx8mq-phanbell", "fsl,imx8mq"),
    "Google i.MX8MQ Phanbell": ("coral-dev-board", "google,imx8mq-phanbell", "fsl,imx8mq"),
    "Google Coral MT8167": ("coral-dev-board", "mediatek,mt8167"),
}

OTHERS = {
    "Radxa ROCK 5B": ("cpu", "radxa,rock-5b", "rockchip,rk3588"),
    "NXP i.MX8MQ EVK": ("cpu", "fsl,imx8mq-evk", "fsl,imx8mq"),
    "Pumpkin MT8167": ("cpu", "mediatek,mt8167-pumpkin", "mediatek,mt8167"),
}

KNOWN = {**PIS, **JETSONS, **CORAL_BOARDS, **OTHERS}


def named(root, model, *, cores=4, ids=None):
    """A board of `KNOWN`. ids: what the boot loader of a Jetson writes of its module and its carrier board."""
    board = machine(root, cores=cores, arch="aarch64", kernel="6.6.31", system=BOOKWORM)
    tree(board, model, "arm,cortex-a53", "\0".join(KNOWN[model][1:]))
    if ids:
        board.put("proc/device-tree/chosen/ids", ids)
    return board


def usb_coral(board, place="1-2", *, firmware=True, number=7, speed=5000, node=True):
    """A Coral on USB, as it is before its first use and after. node: whether its device file exists."""
    vendor, product = ("18d1", "9302") if firmware else ("1a6e", "089a")
    for name, value in {"idVendor": vendor, "idProduct": product, "busnum": 1, "devnum": number}.items():
        board.put(f"sys/bus/usb/devices/{place}/{name}", value)
    board.put(f"sys/bus/usb/devices/{place}/speed", speed)
    if node:
        board.put(f"dev/bus/usb/001/{number:03}", "")


def pci_coral(board, number=0, *, address="0000:01:00.0", driver=True, degrees=52.8):
    """A Coral on PCIe. driver: whether `apex` is loaded; degrees: -89.7 once it has fallen off the bus."""
    place = f"sys/devices/pci0000:00/{address}"
    board.put(f"{place}/vendor", "0x1ac1")
    board.put(f"{place}/device", "0x089a")
    _link(board.root / "sys/bus/pci/devices" / address, board.root / place)
    if driver:
        board.put(f"{place}/apex/apex_{number}/temp", round(degrees * 1000))
        _link(board.root / f"sys/class/apex/apex_{number}", board.root / f"{place}/apex/apex_{number}")
        board.put(f"dev/apex_{number}", "")


def _link(place, to):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(to)


def fast_and_slow(board, name, speeds):
    """Cores that differ: `name` is cpu_capacity or cpufreq/cpuinfo_max_freq."""
    for core, speed in enumerate(speeds):
        board.put(f"sys/devices/system/cpu/cpu{core}/{name}", speed)
