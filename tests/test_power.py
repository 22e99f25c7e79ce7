"""Power meters on made-up boards: what they read, what they choose, and what they say where they cannot."""

import pytest
import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import adapters, firmware
from edge.errors import ConfigError, MeterError
from edge.meter import detect
from edge.power import hwmon, pmic, rapl, scripted
from edge.types import Power


def chip(board, number, name, *, millivolts=5048, milliamps=812, microwatts=None, address=None, label=None):
    """A chip with one channel, as the driver ina2xx shows an INA219."""
    place = f"sys/class/hwmon/hwmon{number}"
    board.put(f"{place}/name", name)
    board.put(f"{place}/in0_input", 8)
    board.put(f"{place}/in1_input", millivolts)
    board.put(f"{place}/curr1_input", milliamps)
    if microwatts is not None:
        board.put(f"{place}/power1_input", microwatts)
    if address:
        (board.root / "sys/devices" / address).mkdir(parents=True)
        (board.root / place / "device").symlink_to(board.root / "sys/devices" / address)
    if label:
        board.put(f"{place}/label", label)


# --- hwmon


def test_the_total_of_a_jetson_is_read_and_no_part_of_it_is_added(tmp_path):
    meter = hwmon.open(root=trees.jetson(tmp_path, milliamps=1856).root)
    assert meter.read() == Power(watts=9.28)
    assert meter.name == "hwmon ina3221 VDD_IN"
    assert meter.covers == "the whole module, at its input"
    assert "carrier board" in meter.misses
    meter.close()


@pytest.mark.parametrize("total", ["POM_5V_IN", "VIN"])
def test_the_total_is_known_by_each_of_its_names(tmp_path, total):
    meter = hwmon.open(root=trees.jetson(tmp_path, total=total).root)
    assert (meter.name, meter.read().watts) == (f"hwmon ina3221 {total}", 5.0)


def test_a_board_without_a_total_is_refused_and_its_rails_are_listed(tmp_path):
    board = trees.jetson(tmp_path, total=None)
    with pytest.raises(MeterError, match=r'name one with rail = "LABEL": VIN_SYS_5V0, VDD_CPU_GPU_CV, VDD_SOC$'):
        hwmon.open(root=board.root)


def test_a_rail_that_is_named_is_read_and_says_that_it_is_one_alone(tmp_path):
    meter = hwmon.open(rail="VDD_SOC", root=trees.jetson(tmp_path, total=None).root)
    assert meter.read() == Power(watts=1.0)
    assert meter.covers == "the rail VDD_SOC alone"
    assert "every other rail" in meter.misses


def test_a_rail_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(MeterError, match=r"there is no rail 'VDD_GPU'; there are: VDD_IN, VDD_CPU_GPU_CV, VDD_SOC$"):
        hwmon.open(rail="VDD_GPU", root=trees.jetson(tmp_path).root)


def test_a_channel_that_is_not_connected_is_no_rail(tmp_path):
    board = trees.jetson(tmp_path)
    trees.rail(board, 1, 3, "NC", 0, 0)
    assert [rail.label for rail in hwmon.rails(board.root)] == ["VDD_IN", "VDD_CPU_GPU_CV"]


@pytest.mark.parametrize("name", ["ina219", "ina226", "ina260", "ina238"])
def test_a_sensor_wired_to_a_pi_is_read_where_it_is_the_only_one(tmp_path, name):
    board = trees.pi4(tmp_path)
    chip(board, 2, name, address="1-0040")
    meter = hwmon.open(root=board.root)
    assert meter.read().watts == pytest.approx(5.048 * 0.812)
    assert meter.name == f"hwmon {name} 1-0040"
    assert "wired through this sensor" in meter.covers


def test_the_power_that_a_chip_gives_goes_before_volts_and_amps(tmp_path):
    board = trees.pi4(tmp_path)
    chip(board, 2, "ina260", microwatts=4_110_000)
    meter = hwmon.open(root=board.root)
    assert (meter.name, meter.read().watts) == ("hwmon ina260 hwmon2", 4.11)


def test_of_two_sensors_the_user_names_one(tmp_path):
    board = trees.pi4(tmp_path)
    chip(board, 2, "ina219", address="1-0040")
    chip(board, 3, "ina219", address="1-0041", milliamps=100)
    with pytest.raises(MeterError, match=r'rail = "LABEL": ina219 1-0040, ina219 1-0041$'):
        hwmon.open(root=board.root)
    assert hwmon.open(rail="ina219 1-0041", root=board.root).read().watts == pytest.approx(0.5048)


def test_a_sensor_whose_label_is_the_total_is_it(tmp_path):
    board = trees.pi4(tmp_path)
    chip(board, 2, "ina238", microwatts=23_000_000, label="VIN")
    trees.rail(board, 1, 1, "VDD_GPU", 12000, 10)
    meter = hwmon.open(root=board.root)
    assert (meter.read().watts, meter.covers) == (23.0, "the module and its carrier board, at their input")


def test_channels_without_labels_are_told_apart(tmp_path):
    board = trees.pi4(tmp_path)
    for channel in (1, 2, 3):
        trees.rail(board, 4, channel, "", 5000, 100 * channel)
    assert [rail.label for rail in hwmon.rails(board.root)] == [f"ina3221 hwmon4 {number}" for number in (1, 2, 3)]
    assert hwmon.open(rail="ina3221 hwmon4 2", root=board.root).read().watts == 1.0


def test_the_driver_of_jetpack_4_is_read_too(tmp_path):
    board = trees.machine(tmp_path, cores=4, arch="aarch64", kernel="4.9.337-tegra", system="Ubuntu 18.04.6 LTS")
    place = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    for number, (label, milliwatts) in enumerate([("POM_5V_IN", 1750), ("POM_5V_GPU", 40), ("POM_5V_CPU", 366)]):
        board.put(f"{place}/rail_name_{number}", label)
        board.put(f"{place}/in_power{number}_input", milliwatts)
    meter = hwmon.open(root=board.root)
    assert (meter.read().watts, meter.name) == (1.75, "hwmon ina3221x POM_5V_IN")


def test_other_chips_are_no_power_sensors(tmp_path):
    with pytest.raises(MeterError, match="the kernel knows no INA power sensor; wire one"):
        hwmon.open(root=trees.pi4(tmp_path).root)


def test_a_sensor_that_goes_is_a_meter_error(tmp_path):
    board = trees.jetson(tmp_path)
    meter = hwmon.open(root=board.root)
    (board.root / "sys/class/hwmon/hwmon1/curr1_input").unlink()
    with pytest.raises(MeterError, match=r"hwmon ina3221 VDD_IN: cannot be read: No such file .*; check its wires"):
        meter.read()


def test_a_sensor_that_gives_no_good_reading_is_not_opened(tmp_path):
    board = trees.jetson(tmp_path)
    board.put("sys/class/hwmon/hwmon1/in1_input", "nonsense")
    with pytest.raises(MeterError, match="VDD_IN: in1_input holds no number"):
        hwmon.open(root=board.root)


def test_a_sensor_that_this_user_may_not_read_says_so(plain_user):
    board = trees.jetson(plain_user)
    file = board.root / "sys/class/hwmon/hwmon1/curr1_input"
    file.chmod(0)
    with pytest.raises(MeterError) as caught:
        hwmon.open(root=board.root)
    assert str(caught.value) == f"hwmon ina3221 VDD_IN: no permission to read {file}; run `sudo chmod a+r {file}`"


# --- pmic


def test_a_pi_5_sums_the_rails_that_have_volts_and_amps(tmp_path):
    board = trees.pi5(tmp_path, core_amps=2.0)
    meter = pmic.open(run=board.run)
    assert meter.read().watts == pytest.approx(trees.PMIC_OTHERS_W + 2 * trees.PMIC_CORE_V)
    assert "5 V rail" in meter.misses and "USB" in meter.misses
    meter.close()


def test_a_board_that_measures_no_currents_is_refused(tmp_path):
    with pytest.raises(MeterError, match="this board measures no currents, as a Raspberry Pi 5 would; wire an INA219"):
        pmic.open(run=trees.pi4(tmp_path).run)


@pytest.mark.parametrize(
    "answer",
    [
        "Can't open device file: /dev/vcio\nTry creating a device file with: sudo mknod /dev/vcio c 100 0",
        "VCHI initialization failed",
    ],
)
def test_a_firmware_that_this_user_may_not_ask_is_told_from_a_board_without_currents(tmp_path, answer):
    board = trees.pi5(tmp_path)
    board.say("pmic_read_adc", answer)
    with pytest.raises(MeterError) as caught:
        pmic.open(run=board.run)
    said = answer.partition("\n")[0]
    assert str(caught.value).startswith(f"pmic: vcgencmd cannot ask the firmware: {said}; ")
    assert str(caught.value).endswith("`sudo usermod -aG video $USER`, and log in anew")


def test_what_vcgencmd_says_before_it_fails_is_kept(tmp_path):
    command = tmp_path / "vcgencmd"
    command.write_text('#!/bin/sh\necho "Can\'t open device file: /dev/vcio"\nexit 255\n')
    command.chmod(0o755)
    with pytest.raises(MeterError, match="cannot ask the firmware: Can't open device file: /dev/vcio; "):
        pmic.open(run=lambda line: firmware.run([str(command), *line[1:]]))


def test_a_machine_without_vcgencmd_is_refused(tmp_path):
    with pytest.raises(MeterError, match=r"cannot be run, or gives no answer; on a Raspberry Pi: .*raspi-utils"):
        pmic.open(run=trees.pc(tmp_path).run)


# --- rapl


def test_the_counters_of_the_packages_are_read_and_no_part_or_double_of_them(tmp_path):
    board = trees.pc(tmp_path, microjoules=5_000_000)
    trees.domain(board, "intel-rapl:1", "package-1", 1_000_000)
    trees.domain(board, "intel-rapl:2", "psys", 9_000_000)
    meter = rapl.open(root=board.root)
    assert meter.read() == Power(joules=0.0)
    board.put("sys/class/powercap/intel-rapl:0/energy_uj", 7_500_000)
    board.put("sys/class/powercap/intel-rapl:1/energy_uj", 1_250_000)
    board.put("sys/class/powercap/intel-rapl-mmio:0/energy_uj", 7_500_000)
    assert meter.read() == Power(joules=2.75)
    assert "processor package" in meter.covers and "memory" in meter.misses
    meter.close()


def test_a_counter_that_begins_anew_goes_on(tmp_path):
    most = 262_143_328_850
    board = trees.pc(tmp_path, microjoules=most - 1_000_000)
    meter = rapl.open(root=board.root)
    board.put("sys/class/powercap/intel-rapl:0/energy_uj", 500_000)
    assert meter.read() == Power(joules=1.5)
    board.put("sys/class/powercap/intel-rapl:0/energy_uj", 2_500_000)
    assert meter.read() == Power(joules=3.5)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 9_999), min_size=1, max_size=20))
def test_joules_never_fall_however_often_the_counter_begins_anew(tmp_path_factory, steps):
    board = trees.pc(tmp_path_factory.mktemp("pc"), microjoules=0)
    board.put("sys/class/powercap/intel-rapl:0/max_energy_range_uj", 10_000)
    meter = rapl.open(root=board.root)
    for number, total in enumerate(sum(steps[: end + 1]) for end in range(len(steps))):
        board.put("sys/class/powercap/intel-rapl:0/energy_uj", total % 10_000)
        assert meter.read().joules == pytest.approx(total / 1e6), number


def test_a_counter_that_falls_and_has_no_range_is_a_meter_error(tmp_path):
    board = trees.pc(tmp_path)
    (board.root / "sys/class/powercap/intel-rapl:0/max_energy_range_uj").unlink()
    meter = rapl.open(root=board.root)
    board.put("sys/class/powercap/intel-rapl:0/energy_uj", 1)
    with pytest.raises(MeterError, match="the counter ran backwards"):
        meter.read()


def test_without_permission_the_remedy_is_told(plain_user):
    board = trees.pc(plain_user, readable=False)
    with pytest.raises(MeterError, match=r"rapl: no permission to read .*energy_uj; run `sudo chmod a\+r "):
        rapl.open(root=board.root)


@pytest.mark.parametrize(("spoil", "reason"), [("gone", "cannot be read: No such file"), ("text", "holds no number")])
def test_a_counter_that_goes_or_gives_nonsense_is_a_meter_error(tmp_path, spoil, reason):
    board = trees.pc(tmp_path)
    meter = rapl.open(root=board.root)
    file = board.root / "sys/class/powercap/intel-rapl:0/energy_uj"
    file.unlink() if spoil == "gone" else file.write_text("n/a")
    with pytest.raises(MeterError, match=reason):
        meter.read()


def test_a_machine_without_rapl_says_so(tmp_path):
    with pytest.raises(MeterError, match="no processor package under /sys/class/powercap"):
        rapl.open(root=trees.pc(tmp_path, rapl=False).root)


# --- which one


def found(board):
    meter, reasons = detect(root=board.root, run=board.run)
    return meter.name if meter else None, [reason.split(":")[0] for reason in reasons]


def test_the_meter_that_covers_most_is_found(tmp_path):
    assert found(trees.jetson(tmp_path / "jetson")) == ("hwmon ina3221 VDD_IN", [])
    assert found(trees.pi5(tmp_path / "pi5")) == ("pmic", ["hwmon"])
    assert found(trees.pc(tmp_path / "pc")) == ("rapl", ["hwmon", "pmic"])


def test_where_no_meter_gives_a_reading_each_says_why(plain_user):
    assert found(trees.pi4(plain_user / "pi4")) == (None, ["hwmon", "pmic", "rapl"])
    meter, reasons = detect(root=trees.pc(plain_user / "pc", readable=False).root, run=lambda _: None)
    assert meter is None
    assert "sudo chmod" in reasons[2]


def test_a_sensor_on_a_pi_5_goes_before_its_own_chip(tmp_path):
    board = trees.pi5(tmp_path)
    chip(board, 2, "ina219", address="1-0040")
    assert found(board) == ("hwmon ina219 1-0040", [])


# --- the fake


def test_the_fake_reads_its_script_round_and_round():
    slept = []
    meter = adapters.open("power", "scripted", script=["watts 3.5", "sleep 0.2", "watts 4"], sleep=slept.append)
    assert [meter.read().watts for _ in range(3)] == [3.5, 4.0, 3.5]
    assert (slept, meter.asked) == ([0.2], 3)


def test_the_joules_of_the_fake_add_up():
    meter = scripted.open(script=["joules 0.5", "joules 1"])
    assert [meter.read() for _ in range(3)] == [Power(joules=0.5), Power(joules=1.5), Power(joules=2.0)]


def test_the_fake_fails_where_its_script_says_so_and_after_it_was_closed():
    meter = scripted.open(script=["watts 1", "fail gone for good"])
    meter.read()
    with pytest.raises(MeterError, match="scripted meter: gone for good; the script says so"):
        meter.read()
    meter.close()
    with pytest.raises(MeterError, match="open it again"):
        meter.read()


@pytest.mark.parametrize(
    "step",
    ["", "watts", "watts x", "watts inf", "watts 1 2", "joules", "sleep", "sleep -1", "sleep nan", "fail", "jump"],
)
def test_a_step_that_the_fake_cannot_play_is_named(step):
    with pytest.raises(ConfigError, match=f"step '{step}': write 'watts W'"):
        scripted.open(script=["watts 1", step])


def test_a_script_that_gives_no_reading_or_two_kinds_is_refused():
    with pytest.raises(ConfigError, match="nothing but sleep"):
        scripted.open(script=["sleep 1"])
    with pytest.raises(ConfigError, match="watts or joules, never both"):
        scripted.open(script=["watts 1", "joules 1"])


def test_a_fake_is_never_found_by_itself(tmp_path):
    assert "scripted" in adapters.kinds("power")
    assert found(trees.machine(tmp_path, cores=1, arch="x86_64", kernel="6", system="x"))[0] is None
