"""`edge doctor`: the board."""

import pytest
import trees
from patients import made

from edge.doctor import board


@pytest.mark.parametrize(
    ("governor", "driver", "state", "said"),
    [
        ("performance", "", "good", "stays at its highest"),
        ("ondemand", "", "note", "ondemand: the clock follows the load"),
        ("powersave", "", "note", "stays at its lowest"),
        ("powersave", "intel_pstate", "good", "with which intel_pstate lets the clock follow the load"),
        ("schedutil", "", "note", "schedutil: the clock follows the load"),
    ],
)
def test_a_governor_is_told_by_what_it_does(tmp_path, governor, driver, state, said):
    machine = trees.pc(tmp_path, governor=governor)
    machine.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver)
    found = board.governor(made(machine))
    assert found.state == state and said in found.seen
    assert (found.command == board.PERFORMANCE) == (state == "note")


def test_a_machine_without_a_governor_and_a_jetson_are_let_be(tmp_path):
    machine = trees.pc(tmp_path / "pc")
    for file in (machine.root / "sys").rglob("scaling_governor"):
        file.unlink()
    assert board.governor(made(machine)).state == "n/a"
    assert board.governor(made(trees.jetson(tmp_path / "jetson"))).state == "good"


def test_what_throttles_a_pi_now_is_bad_and_what_did_is_a_note(tmp_path):
    now = list(board.throttling(made(trees.pi4(tmp_path / "now", throttled=0x50005))))
    assert [finding.state for finding in now] == ["bad"]
    assert now[0].seen == "now: under-voltage, throttled"
    assert now[0].advice == "use a supply of 5.1 V and 3 A with a short, thick cable, and fit a heat sink or a fan"
    past = list(board.throttling(made(trees.pi5(tmp_path / "past", throttled=0x10000))))
    assert [(finding.state, finding.seen) for finding in past] == [
        ("note", "since the board was started: under-voltage")
    ]
    assert "5.1 V and 5 A (its official 27 W supply)" in past[0].advice
    never = list(board.throttling(made(trees.pi4(tmp_path / "never"))))
    assert [finding.seen for finding in never] == ["none, now or since the board was started"]


def test_a_pi_whose_firmware_is_not_asked_is_told_how(tmp_path):
    machine = trees.pi5(tmp_path)
    (machine.root / "vcgencmd/get_throttled").unlink()
    (found,) = board.throttling(made(machine))
    assert found.state == "note"
    assert found.command == "sudo apt install raspi-utils && sudo usermod -aG video ada"


def test_throttling_that_is_counted_is_told(tmp_path):
    (found,) = board.throttling(made(trees.jetson(tmp_path / "jetson", events=27)))
    assert (found.state, found.seen) == ("note", "throttled 27 times since it was started")
    (found,) = board.throttling(made(trees.jetson(tmp_path / "cool")))
    assert (found.state, found.seen) == ("good", "none")
    bare = trees.machine(tmp_path / "bare", cores=1, arch="x86_64", kernel="6", system="x")
    (found,) = board.throttling(made(bare))
    assert found.state == "n/a"


def test_cores_slowed_to_cool_them_are_told_on_any_board(tmp_path):
    machine = trees.jetson(tmp_path)
    machine.put("sys/class/thermal/cooling_device0/type", "cpufreq-cpu0")
    machine.put("sys/class/thermal/cooling_device0/cur_state", 2)
    (found,) = board.throttling(made(machine))
    assert (found.state, found.seen, found.advice) == ("bad", "now: slowed to cool", "see its cooling")


@pytest.mark.parametrize(("degrees", "state"), [(48.7, "good"), (84.0, "note")])
def test_the_temperature_is_told(tmp_path, degrees, state):
    found = board.temperature(made(trees.pi4(tmp_path, temperature=degrees)))
    assert found.state == state and f"{degrees:.0f} °C" in found.seen


def test_a_machine_without_a_sensor_tells_no_temperature(tmp_path):
    bare = trees.machine(tmp_path, cores=1, arch="x86_64", kernel="6", system="x")
    assert board.temperature(made(bare)).state == "n/a"


def supplied(root, milliamps, config=""):
    machine = trees.pi5(root)
    machine.put("boot/firmware/config.txt", config)
    machine.put("proc/device-tree/chosen/power/max_current", "")
    (machine.root / "proc/device-tree/chosen/power/max_current").write_bytes(milliamps.to_bytes(4, "big"))
    return board.supply(made(machine))


def test_a_pi_5_tells_what_its_supply_promised(tmp_path):
    assert supplied(tmp_path / "full", 5000).seen == "5000 mA, and 1600 mA for USB devices"
    weak = supplied(tmp_path / "weak", 3000)
    assert weak.state == "note" and "USB devices get 600 mA in all" in weak.seen
    assert weak.command == "echo usb_max_current_enable=1 | sudo tee -a /boot/firmware/config.txt"
    allowed = supplied(tmp_path / "allowed", 3000, "[all]\nusb_max_current_enable=1")
    assert allowed.state == "note" and allowed.command is None
    assert board.supply(made(trees.pi4(tmp_path / "pi4"))).state == "n/a"


def test_threads_and_cores_are_told(tmp_path):
    machine = trees.pi4(tmp_path)
    assert board.threads(made(machine, "threads = 4")).seen == "4 cores, 4 threads by the profile"
    assert board.threads(made(machine, "threads = 8")).state == "note"
    trees.fast_and_slow(machine, "cpu_capacity", [446, 446, 1024, 1024])
    assert board.threads(made(machine)).seen == "4 cores, 2 of them big"
    status = (machine.root / "proc/self/status").read_text()
    machine.put("proc/self/status", status.replace("0-3", "0-1"))
    found = board.threads(made(machine))
    assert found.state == "note" and "the machine has 4" in found.seen
