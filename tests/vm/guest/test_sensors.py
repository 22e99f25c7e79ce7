"""Sensors of power behind the kernel's own drivers, on an I2C bus that is made up; USB devices of made-up identity,
enumerated by a real kernel."""

import json
from pathlib import Path

import pytest

from edge import boards, coral, meter
from edge.errors import MeterError
from edge.power import hwmon

HWMON = Path("/sys/class/hwmon")
INA219, INA3221 = 0x40, 0x41
OHMS = 0.01
"""The shunt that both drivers take for granted."""

GADGET = Path("/sys/kernel/config/usb_gadget/accelerator")


class Bus:
    """The made-up I2C bus: what its chips hold."""

    def __init__(self, shell):
        names = Path("/sys/bus/i2c/devices").glob("i2c-*/name")
        self.path = next(path.parent for path in names if "stub" in path.read_text())
        self._shell = shell

    def put(self, chip, register, value):
        """A register of 16 bits, most significant byte first, which SMBus has the other way round."""
        swapped = (value & 0xFF) << 8 | value >> 8
        self._shell(f"i2cset -f -y {self.path.name.removeprefix('i2c-')} {chip:#x} {register:#x} {swapped:#x} w")

    def add(self, kind, chip):
        (self.path / "new_device").write_text(f"{kind} {chip:#x}")

    def remove(self, chip):
        (self.path / "delete_device").write_text(f"{chip:#x}")

    def measure_219(self, volts, amps):
        """INA219 datasheet (SBOS448), 8.6: 4 mV a step from bit 3 on; with the driver's calibration 1 mA and 20 mW."""
        self.put(INA219, 0x02, round(volts / 0.004) << 3)
        self.put(INA219, 0x03, round(volts * amps / 0.020))
        self.put(INA219, 0x04, round(amps / 0.001))

    def measure_3221(self, channel, volts, amps):
        """INA3221 datasheet (SBOS576), 8.6: 40 uV and 8 mV a step, both from bit 3 on."""
        self.put(INA3221, 2 * channel - 1, round(amps * OHMS / 40e-6) << 3)
        self.put(INA3221, 2 * channel, round(volts / 0.008) << 3)


@pytest.fixture(scope="module")
def bus(shell):
    shell(f"modprobe i2c-dev && modprobe i2c-stub chip_addr={INA219:#x},{INA3221:#x} && modprobe -a ina2xx ina3221")
    made = Bus(shell)
    made.put(INA3221, 0x00, 0x7127)
    made.put(INA3221, 0xFE, 0x5449)
    made.put(INA3221, 0xFF, 0x3220)
    return made


@pytest.fixture
def ina219(bus):
    bus.measure_219(5.0, 0.5)
    bus.add("ina219", INA219)
    bus.measure_219(5.0, 0.5)
    yield bus
    bus.remove(INA219)


@pytest.fixture
def ina3221(bus):
    bus.add("ina3221", INA3221)
    for channel, (volts, amps) in enumerate([(5.0, 2.0), (1.2, 0.8), (3.304, 0.3)], 1):
        bus.measure_3221(channel, volts, amps)
    yield bus
    bus.remove(INA3221)


def detected():
    found, reasons = meter.detect()
    assert found is not None, reasons
    return found


@pytest.mark.parametrize(("volts", "amps"), [(5.0, 0.5), (5.048, 1.25), (12.0, 2.0)])
def test_an_ina219_is_read_to_one_percent(ina219, volts, amps):
    ina219.measure_219(volts, amps)
    found = detected()
    assert found.name == f"hwmon ina219 {ina219.path.name.removeprefix('i2c-')}-0040"
    assert found.read().watts == pytest.approx(volts * amps, rel=0.01)


def test_what_a_reading_is_follows_the_sensor_and_its_loss_is_said(bus):
    bus.measure_219(5.0, 0.5)
    bus.add("ina219", INA219)
    try:
        found = detected()
        for amps in (0.4, 1.6):
            bus.measure_219(5.0, amps)
            assert found.read().watts == pytest.approx(5.0 * amps, rel=0.01)
    finally:
        bus.remove(INA219)
    with pytest.raises(MeterError, match="cannot be read"):
        found.read()


def test_three_rails_without_names_are_not_added_up(ina3221):
    found, reasons = meter.detect()
    assert found is None or not found.name.startswith("hwmon")
    assert "no rail is known to be the total" in reasons[0]
    watts = [rail.watts() for rail in hwmon.rails(Path("/"))]
    assert watts == pytest.approx([10.0, 0.96, 0.9912], rel=0.01)


def test_of_named_rails_only_the_total_is_read(ina3221, tmp_path):
    (chip,) = [path for path in HWMON.iterdir() if (path / "name").read_text() == "ina3221\n"]
    board = tmp_path / "sys/class/hwmon/hwmon0"
    board.mkdir(parents=True)
    for path in chip.glob("*_input"):
        (board / path.name).symlink_to(path)
    (board / "name").symlink_to(chip / "name")
    # The names come from a Jetson's device tree, which this machine has not.
    for channel, name in enumerate(("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"), 1):
        (board / f"in{channel}_label").write_text(f"{name}\n")
    opened = hwmon.open(root=tmp_path)
    assert opened.name == "hwmon ina3221 VDD_IN"
    assert opened.read().watts == pytest.approx(10.0, rel=0.01)
    named = hwmon.open(root=tmp_path, rail="VDD_SOC")
    assert named.read().watts == pytest.approx(0.9912, rel=0.01)


def test_no_sensor_is_said(bus):
    found, reasons = meter.detect()
    assert found is None or not found.name.startswith("hwmon")
    assert "no INA power sensor" in reasons[0]


@pytest.fixture(scope="module")
def usb(shell):
    shell("modprobe -a dummy_hcd libcomposite usb_f_acm && mount -t configfs none /sys/kernel/config || true")
    (GADGET / "configs/c.1").mkdir(parents=True)
    (GADGET / "functions/acm.0").mkdir()
    (GADGET / "configs/c.1/acm.0").symlink_to(GADGET / "functions/acm.0")


def plug(vendor, product):
    (GADGET / "idVendor").write_text(vendor)
    (GADGET / "idProduct").write_text(product)
    (GADGET / "UDC").write_text(next(Path("/sys/class/udc").iterdir()).name)


def unplug():
    (GADGET / "UDC").write_text("\n")


def test_a_coral_is_known_before_and_after_its_firmware_and_when_it_is_gone(usb, eventually):
    assert coral.found() == []
    plug("0x1a6e", "0x089a")
    (first,) = eventually(coral.found, "it is there")
    assert (first.bus, first.index, first.condition, first.permitted) == ("usb", 0, "no firmware yet", True)
    assert first.speed_mbit in (480, 5000) and first.node is not None and Path(first.node).is_char_device()
    choice = boards.recognise()
    assert choice.profile == "coral-usb" and first.place in choice.because
    unplug()
    eventually(lambda: not coral.found(), "it is gone")
    plug("0x18d1", "0x9302")
    (second,) = eventually(coral.found, "it is there again")
    assert second.condition == "ready"
    unplug()
    eventually(lambda: not coral.found(), "it is gone")
    assert boards.recognise().profile == "pc"


def test_the_doctor_tells_of_a_coral_and_that_its_library_is_missing(usb, eventually, command):
    plug("0x18d1", "0x9302")
    try:
        (found,) = eventually(coral.found, "it is there")
        ran = command("doctor", "--json")
    finally:
        unplug()
    report = json.loads(ran.out)
    findings = {each["check"]: each for each in report["findings"]}
    assert report["profile"] == "coral-usb"
    assert findings["coral.device"]["state"] == "good" and found.place in findings["coral.device"]["seen"]
    assert findings["coral.library"]["state"] in ("bad", "note")
    assert ran.code in (0, 1) and report["can_run"] == (ran.code == 0)
