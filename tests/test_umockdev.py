"""Power meters, host facts, Edge TPUs and the doctor on a /sys that the kernel's own calls see: devices of umockdev.

One process with one testbed serves all tests; each puts in what it needs and takes it out again.
"""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("umockdev-wrapper"), reason="needs the Debian package umockdev")

JETSON = {
    "/devices/platform/soc/i2c-1/1-0040/hwmon/hwmon3": """\
E: SUBSYSTEM=hwmon
A: name=ina3221\\n
A: in1_label=VDD_IN\\n
A: in1_input=5000\\n
A: curr1_input=1856\\n
A: in2_label=VDD_CPU_GPU_CV\\n
A: in2_input=5000\\n
A: curr2_input=800\\n
A: in3_label=VDD_SOC\\n
A: in3_input=5000\\n
A: curr3_input=300\\n
A: in7_label=sum of shunt voltages\\n
A: in7_input=1200\\n
""",
    "/devices/platform/soctherm-oc-event/hwmon/hwmon4": """\
E: SUBSYSTEM=hwmon
A: name=soctherm_oc\\n
A: oc1_event_cnt=0\\n
A: oc3_event_cnt=27\\n
""",
    "/devices/virtual/thermal/thermal_zone0": "E: SUBSYSTEM=thermal\nA: type=cpu-thermal\\n\nA: temp=58500\\n\n",
    "/devices/virtual/thermal/thermal_zone8": "E: SUBSYSTEM=thermal\nA: type=tj-thermal\\n\nA: temp=61250\\n\n",
}
TOTAL = next(iter(JETSON))

INA219 = {
    "/devices/platform/soc/fe804000.i2c/i2c-1/1-0041/hwmon/hwmon2": """\
E: SUBSYSTEM=hwmon
A: name=ina219\\n
A: in0_input=8\\n
A: in1_input=5048\\n
A: curr1_input=812\\n
"""
}

PACKAGE = {
    "/devices/virtual/powercap/intel-rapl/intel-rapl:0": """\
E: SUBSYSTEM=powercap
A: name=package-0\\n
A: energy_uj=123456\\n
A: max_energy_range_uj=262143328850\\n
"""
}

USB = "/devices/pci0000:00/0000:00:14.0/usb1/1-2"
STICK = """\
N: bus/usb/001/007
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
E: DEVNAME=/dev/bus/usb/001/007
A: idVendor={vendor}\\n
A: idProduct={product}\\n
A: busnum=1\\n
A: devnum=7\\n
A: speed={speed}\\n
"""
BEFORE = {USB: STICK.format(vendor="1a6e", product="089a", speed=480)}
AFTER = {USB: STICK.format(vendor="18d1", product="9302", speed=5000)}

CARD = "/devices/pci0000:00/0000:00:1c.0/0000:01:00.0"
APEX = {
    CARD: "E: SUBSYSTEM=pci\nA: vendor=0x1ac1\\n\nA: device=0x089a\\n\n",
    f"{CARD}/apex/apex_0": "N: apex_0\nE: SUBSYSTEM=apex\nE: DEVNAME=/dev/apex_0\nA: temp=52800\\n\n",
}


class Board:
    """The process with the testbed."""

    def __init__(self, process):
        self._process = process

    def tell(self, *words):
        """One command; returns its answer."""
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._process.communicate()[1]
        return json.loads(line)

    def ask(self, question, about=None):
        """What the toolkit sees."""
        return self.tell("ask", question, about)

    @contextmanager
    def having(self, *devices):
        """While these are plugged in."""
        whole = {place: text for each in devices for place, text in each.items()}
        self.tell("add", "\n".join(f"P: {place}\n{text}" for place, text in whole.items()))
        try:
            yield
        finally:
            for place in reversed(whole):
                self.tell("remove", place)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    line = ["umockdev-wrapper", sys.executable, str(Path(__file__).with_name("umockdev_board.py"))]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(line, cwd=tmp_path_factory.mktemp("umockdev"), text=True, **pipes) as process:
        yield Board(process)
        process.stdin.close()
        assert process.wait(10) == 0


def test_a_jetson_is_measured_by_its_total_rail_alone(board):
    with board.having(JETSON):
        found = board.ask("power")
        assert (found["name"], found["why"]) == ("hwmon ina3221 VDD_IN", [])
        assert found["watts"] == pytest.approx(9.28, rel=0.01)
        assert board.ask("rails") == ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"]
        assert board.ask("power", "VDD_SOC")["watts"] == pytest.approx(1.5, rel=0.01)
        board.tell("set", TOTAL, "curr1_input", "3000\n")
        assert board.ask("power")["watts"] == pytest.approx(15.0, rel=0.01)
    assert board.ask("power")["name"] is None


def test_a_jetson_without_a_total_has_its_rails_named(board):
    parts = {TOTAL: JETSON[TOTAL].replace("VDD_IN", "VIN_SYS_5V0")}
    with board.having(parts):
        assert 'name one with rail = "LABEL": VIN_SYS_5V0, VDD_CPU_GPU_CV, VDD_SOC' in board.ask("power")["why"][0]
        assert board.ask("power", "VIN_SYS_5V0")["watts"] == pytest.approx(9.28, rel=0.01)


def test_a_sensor_that_was_wired_to_a_board_is_read(board):
    with board.having(INA219):
        found = board.ask("power")
        assert found["name"].startswith("hwmon ina219")
        assert found["watts"] == pytest.approx(5.048 * 0.812, rel=0.01)


def test_the_counter_of_a_processor_package_is_found(board):
    with board.having(PACKAGE):
        assert board.ask("power")["name"] == "rapl"


def test_the_hottest_zone_and_the_count_of_throttling_are_told(board):
    with board.having(JETSON):
        assert board.ask("state") == {"temperature_c": 61.25, "limit_events": 27}
        board.tell("set", "/devices/virtual/thermal/thermal_zone0", "temp", "81500\n")
        board.tell("set", "/devices/platform/soctherm-oc-event/hwmon/hwmon4", "oc1_event_cnt", "3\n")
        assert board.ask("state") == {"temperature_c": 81.5, "limit_events": 30}
    assert board.ask("state") == {"temperature_c": None, "limit_events": None}


def test_a_stick_changes_its_name_at_its_first_use_and_can_be_unplugged(board):
    assert board.ask("tpus") == []
    with board.having(BEFORE):
        (found,) = board.ask("tpus")
        assert (found["condition"], found["node"], found["speed_mbit"]) == (
            "no firmware yet",
            "/dev/bus/usb/001/007",
            480,
        )
        assert board.ask("profile")["profile"] == "coral-usb"
        seen = board.ask("findings", "coral-usb")
        assert seen["coral.device"][0] == "good" and "1a6e:089a, which is right" in seen["coral.device"][1]
        assert seen["coral.usb-speed"][0] == "note"
    with board.having(AFTER):
        (found,) = board.ask("tpus")
        assert (found["bus"], found["place"], found["condition"], found["speed_mbit"]) == ("usb", "1-2", "ready", 5000)
        assert board.ask("findings", "coral-usb")["coral.device"] == ["good", "Edge TPU on USB, 1-2: ready"]
    assert board.ask("tpus") == []
    assert board.ask("findings", "coral-usb")["coral.device"][0] == "bad"


def test_an_accelerator_on_pcie_tells_its_temperature_until_it_falls_off_the_bus(board):
    with board.having(APEX):
        (found,) = board.ask("tpus")
        assert (found["place"], found["node"], found["temperature_c"]) == ("apex_0", "/dev/apex_0", 52.8)
        assert board.ask("profile")["profile"] == "coral-pcie"
        assert board.ask("findings", "coral-pcie")["coral.temperature"] == ["good", "apex_0: 53 °C"]
        board.tell("set", f"{CARD}/apex/apex_0", "temp", "-89700\n")
        assert board.ask("tpus")[0]["condition"] == "fallen off the bus"
        seen = board.ask("findings", "coral-pcie")["coral.device"]
        assert seen == ["bad", "Edge TPU on PCIe, apex_0: it has fallen off the bus"]


def test_an_accelerator_on_pcie_without_its_driver_is_seen_too(board):
    with board.having({CARD: APEX[CARD]}):
        (found,) = board.ask("tpus")
        assert (found["place"], found["condition"]) == ("0000:01:00.0", "no driver")
        assert "its driver (apex) is not loaded" in board.ask("findings", "coral-pcie")["coral.device"][1]


def test_the_doctor_tells_which_meter_there_is_and_what_it_reads(board):
    with board.having(JETSON):
        state, seen = board.ask("findings", "cpu")["power.meter"]
        assert (state, seen) == ("good", "hwmon ina3221 VDD_IN: the whole module, at its input; 9.28 W now")
        state, seen = board.ask("findings", "cpu")["board.throttling"]
        assert (state, seen) == ("note", "throttled 27 times since it was started")
