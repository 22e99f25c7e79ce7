"""What a machine tells of itself: made-up boards, this one, and the fake."""

import os
import sys

import msgspec
import pytest
import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import firmware
from edge.errors import ConfigError
from edge.host import State
from edge.host.linux import Linux
from edge.host.scripted import Scripted


def host(board, **options):
    return Linux(root=board.root, run=board.run, clock=lambda: 7, **options)


# --- facts


@pytest.mark.parametrize(
    ("make", "board", "family", "cpu", "machine", "cores"),
    [
        (trees.pi4, "Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi", "arm,cortex-a72", "aarch64", 4),
        (trees.pi5, "Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi", "arm,cortex-a76", "aarch64", 4),
        (trees.jetson, "NVIDIA Jetson Orin Nano Developer Kit", "jetson", "arm,cortex-a78", "aarch64", 6),
        (trees.pc, "Acme Workstation 3", "pc", "Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz", "x86_64", 4),
    ],
)
def test_a_machine_tells_what_it_is(tmp_path, make, board, family, cpu, machine, cores):
    facts = host(make(tmp_path)).facts()
    assert (facts.board, facts.family, facts.cpu) == (board, family, cpu)
    assert (facts.machine, facts.cores, facts.memory_bytes) == (machine, cores, 3884360 * 1024)
    assert facts.versions["edgekit"] and facts.versions["numpy"]
    assert facts.python == sys.version.split()[0]


def test_kernel_and_system_are_those_of_the_machine(tmp_path):
    facts = host(trees.jetson(tmp_path)).facts()
    assert (facts.kernel, facts.system) == ("5.15.148-tegra", "Ubuntu 22.04.5 LTS")


def test_a_board_of_another_maker_is_other(tmp_path):
    board = trees.machine(tmp_path, cores=1, arch="aarch64", kernel="6.1", system="Armbian")
    trees.tree(board, "Radxa ROCK 5B", "arm,cortex-a55\0arm,armv8", "radxa,rock-5b\0rockchip,rk3588")
    facts = host(board).facts()
    assert (facts.board, facts.family, facts.cores) == ("Radxa ROCK 5B", "other", 1)
    assert facts.cpu == "arm,cortex-a55"


@pytest.mark.parametrize(
    ("arch", "bits", "told"),
    [
        ("aarch64", 64, "aarch64"),
        ("aarch64", 32, "aarch64 (32-bit userland)"),
        ("x86_64", 32, "x86_64 (32-bit userland)"),
        ("armv7l", 32, "armv7l"),
    ],
)
def test_a_32_bit_userland_on_a_64_bit_kernel_is_told(tmp_path, arch, bits, told):
    board = trees.pi4(tmp_path)
    board.put("proc/sys/kernel/arch", arch)
    facts = host(board, bits=bits).facts()
    assert (facts.machine, facts.family) == (told, "raspberry-pi")


def test_this_machine_tells_of_itself():
    machine = Linux()
    facts, state = machine.facts(), machine.state()
    assert facts.cores == len(os.sched_getaffinity(0))
    assert facts.kernel == os.uname().release
    assert facts.memory_bytes > 1 << 28
    assert state.busy_s > 0
    assert state.own_s > 0 or "EDGE_EMULATED" in os.environ  # whose /proc/self/stat qemu makes up
    assert 0 < state.memory_bytes <= state.peak_memory_bytes
    assert machine.state().at_ns > state.at_ns


def test_where_nothing_can_be_read_nothing_is_told(tmp_path):
    machine = Linux(root=tmp_path, run=lambda _: None, clock=lambda: 7)
    told = msgspec.structs.asdict(machine.state())
    assert {name for name, value in told.items() if value is not None} == {"at_ns"}
    facts = machine.facts()
    assert (facts.board, facts.cpu, facts.memory_bytes) == (None, None, None)
    assert facts.cores == len(os.sched_getaffinity(0))
    machine.forget_peak()


# --- state


def test_a_healthy_board_tells_how_it_fares(tmp_path):
    assert host(trees.pi4(tmp_path)).state() == State(
        at_ns=7,
        governors=("ondemand",),
        clocks_mhz=(1800.0,) * 4,
        most_mhz=(1800.0,) * 4,
        least_mhz=(600.0,) * 4,
        temperature_c=48.7,
        limits=(),
        limits_since_boot=(),
        load_1m=0.52,
        busy_s=13.48,
        stolen_s=0.4,
        own_s=3.5,
        swapped_bytes=30 * os.sysconf("SC_PAGE_SIZE"),
        memory_bytes=100 << 20,
        peak_memory_bytes=128 << 20,
    )


def test_a_throttled_pi_tells_why_and_the_clock_it_really_has(tmp_path):
    state = host(trees.pi4(tmp_path, throttled=0x50005, mhz=1800, measured=600)).state()
    assert state.limits == ("under-voltage", "throttled")
    assert state.limits_since_boot == ("under-voltage", "throttled")
    assert state.clocks_mhz == (600.0,) * 4
    assert state.most_mhz == (1800.0,) * 4


def test_what_held_a_pi_back_before_does_not_hold_it_back_now(tmp_path):
    state = host(trees.pi4(tmp_path, throttled=0xE0000, measured=600)).state()
    assert state.limits == ()
    assert state.limits_since_boot == ("frequency capped", "throttled", "soft temperature limit")
    assert state.clocks_mhz == (1800.0,) * 4, "nothing slows it, so that Linux knows its clock"


def test_a_pi_without_vcgencmd_still_tells_of_under_voltage(tmp_path):
    board = trees.pi4(tmp_path, throttled=0x1)
    state = Linux(root=board.root, run=lambda _: None).state()
    assert (state.limits, state.limits_since_boot) == (("under-voltage",), None)
    board.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", 0)
    assert Linux(root=board.root, run=lambda _: None).state().limits == ()


def test_a_pi_whose_firmware_gives_no_clock_tells_that_of_linux(tmp_path):
    board = trees.pi4(tmp_path, throttled=0x4)
    (board.root / "vcgencmd" / "measure_clock_arm").unlink()
    assert host(board).state().clocks_mhz == (1800.0,) * 4


def test_a_state_is_read_anew_each_time(tmp_path):
    board = trees.pi4(tmp_path)
    machine = host(board)
    assert machine.state().temperature_c == 48.7
    trees.zone(board, 0, "cpu-thermal", 81.2)
    board.say("get_throttled", "throttled=0x80008")
    state = machine.state()
    assert (state.temperature_c, state.limits) == (81.2, ("soft temperature limit",))


def test_vcgencmd_is_run_on_a_raspberry_pi_alone(tmp_path):
    asked = []
    for name, make in (("jetson", trees.jetson), ("pc", trees.pc)):
        Linux(root=make(tmp_path / name).root, run=asked.append).state()
    assert asked == []
    Linux(root=trees.pi5(tmp_path / "pi").root, run=asked.append).state()
    assert asked == [["vcgencmd", "get_throttled"]]


def test_a_jetson_counts_what_throttled_it_and_tells_its_hottest_zone(tmp_path):
    board = trees.jetson(tmp_path, events=5)
    board.put("sys/class/thermal/thermal_zone9/type", "PMIC-Die")
    board.put("sys/class/thermal/thermal_zone9/temp", 100000)
    state = host(board).state()
    assert (state.limit_events, state.limits) == (5, None)
    assert state.temperature_c == 56.2


def test_an_edge_tpu_tells_its_temperature_beside_that_of_the_board(tmp_path):
    board = trees.pi5(tmp_path)
    trees.usb_coral(board)
    assert host(board).state().accelerator_c is None, "one on USB has no sensor that the kernel reads"
    trees.pci_coral(board, 0, address="0000:01:00.0", degrees=61.3)
    trees.pci_coral(board, 1, address="0000:02:00.0", degrees=58.0)
    machine = host(board)
    assert (machine.state().temperature_c, machine.state().accelerator_c) == (52.3, 61.3)
    board.put("sys/class/apex/apex_0/temp", -89700)
    assert machine.state().accelerator_c == 58.0, "of the one that has not fallen off the bus"
    board.put("sys/class/apex/apex_1/temp", -89700)
    assert machine.state().accelerator_c is None


def test_a_pc_counts_the_throttling_of_its_package_once(tmp_path):
    board = trees.pc(tmp_path, throttles=12)
    board.put("sys/devices/system/cpu/cpu3/thermal_throttle/core_throttle_count", 4)
    state = host(board).state()
    assert state.limit_events == 16
    assert (state.temperature_c, state.clocks_mhz, state.most_mhz) == (44.0, (3900.0,) * 4, (4100.0,) * 4)


def test_clocks_come_from_cpuinfo_where_nothing_scales_them(tmp_path):
    board = trees.pc(tmp_path)
    for file in (board.root / "sys").rglob("scaling_*"):
        file.unlink()
    state = host(board).state()
    assert state.clocks_mhz == (3000.0,) * 4
    assert (state.governors, state.most_mhz) == (None, None)


def test_only_the_cores_of_this_process_count(tmp_path):
    board = trees.pc(tmp_path)
    status = (board.root / "proc/self/status").read_text().replace("0-3", "0,2-3")
    board.put("proc/self/status", status)
    board.put("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave")
    board.put("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "ondemand")
    machine = host(board)
    assert machine.facts().cores == 3
    assert machine.state().governors == ("performance", "powersave")


def test_only_what_the_cores_of_this_process_do_is_their_load(tmp_path):
    board = trees.pc(tmp_path)
    status = (board.root / "proc/self/status").read_text()
    board.put("proc/self/status", status.replace("0-3", "1,3"))
    trees.ticks(board, (9000, 900), (100, 5), (8000, 800), (50, 2))
    state = host(board).state()
    assert (state.busy_s, state.stolen_s) == (1.5, 0.07)
    board.put("proc/stat", "cpu  1000 20 300 90000 50 0 30 40 0 0\ncpu1 500 10 150 45000 25 0 15 20 0 0")
    state = host(board).state()
    assert (state.busy_s, state.stolen_s) == (None, None), "the third core is not told"


def test_a_kernel_that_counts_no_stolen_time_tells_neither(tmp_path):
    board = trees.pi4(tmp_path)
    board.put("proc/stat", "\n".join(f"cpu{core} 1 2 3 4" for core in range(4)))
    assert host(board).state().busy_s is None


def test_a_container_that_renumbers_its_cores_has_as_many_as_it_may_use(tmp_path):
    board = trees.pc(tmp_path)
    board.put("proc/self/status", "Cpus_allowed_list:\t8-9")
    assert host(board).facts().cores == 2


def test_the_lowest_clock_that_is_allowed_is_told(tmp_path):
    state = host(trees.jetson(tmp_path, least=1510.4)).state()
    assert state.governors == ("schedutil",)
    assert state.least_mhz == state.most_mhz == (1510.4,) * 6


def test_a_core_that_is_switched_off_does_not_count(tmp_path):
    board = trees.jetson(tmp_path)
    board.put("sys/devices/system/cpu/online", "0-1,3")
    assert host(board).facts().cores == 3
    assert len(host(board).state().clocks_mhz) == 3


FILES = (
    "proc/stat",
    "proc/self/stat",
    "proc/self/status",
    "proc/loadavg",
    "proc/vmstat",
    "proc/cpuinfo",
    "proc/meminfo",
    "sys/devices/system/cpu/online",
    "sys/class/thermal/thermal_zone0/temp",
)
LINES = st.sampled_from(["cpu ", "cpu MHz : ", "Cpus_allowed_list: ", "VmRSS: ", "pswpin ", "4 (x) S ", "", "0-"])


@settings(max_examples=40)
@given(st.sampled_from(FILES), LINES, st.text(st.sampled_from("0123.- ,x\n\u00b2\u0663kB"), max_size=40))
def test_no_text_of_a_file_makes_it_fall(tmp_path_factory, file, line, noise):
    board = trees.machine(tmp_path_factory.mktemp("noise"), cores=2, arch="x86_64", kernel="6.1", system="x")
    board.put(file, line + noise)
    machine = host(board)
    assert machine.state().at_ns == 7
    assert machine.facts().kernel == "6.1"


def test_a_board_that_slows_its_cores_to_cool_them_says_so(tmp_path):
    board = trees.jetson(tmp_path)
    board.put("sys/class/thermal/cooling_device0/type", "cpufreq-cpu0")
    board.put("sys/class/thermal/cooling_device0/cur_state", 0)
    board.put("sys/class/thermal/cooling_device1/type", "pwm-fan")
    board.put("sys/class/thermal/cooling_device1/cur_state", 3)
    machine = host(board)
    assert machine.state().limits == ()
    board.put("sys/class/thermal/cooling_device0/cur_state", 2)
    assert machine.state().limits == ("slowed to cool",)


@pytest.mark.parametrize("nonsense", ["", "x", "-89700", "9999999"])
def test_a_temperature_that_cannot_be_is_none(tmp_path, nonsense):
    board = trees.pi4(tmp_path)
    board.put("sys/class/thermal/thermal_zone0/temp", nonsense)
    assert host(board).state().temperature_c is None


def test_the_peak_of_memory_can_begin_anew(tmp_path):
    board = trees.pi4(tmp_path)
    host(board).forget_peak()
    assert (board.root / "proc/self/clear_refs").read_text().startswith("5")


def test_a_kernel_that_will_not_forget_the_peak_is_let_be(tmp_path):
    board = trees.pi4(tmp_path)
    (board.root / "proc/self/clear_refs").unlink()
    (board.root / "proc/self/clear_refs").symlink_to("/dev/full")  # which takes no byte
    host(board).forget_peak()
    assert host(board).state().peak_memory_bytes == 128 << 20


def test_the_peak_of_this_process_begins_anew_here():
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    machine = Linux()
    before = machine.state().peak_memory_bytes
    del block
    machine.forget_peak()
    assert machine.state().peak_memory_bytes <= before


# --- the firmware


def test_a_command_that_is_not_there_or_hangs_gives_none():
    assert firmware.run(["no-such-command-anywhere"]) is None
    assert firmware.run(["true"]) is None
    assert firmware.run(["echo", "throttled=0x0"]) == "throttled=0x0\n"


@pytest.mark.parametrize("answer", [None, "", "error=1 error_msg='not registered'", "throttled=", "volt=1.2V"])
def test_an_answer_of_another_kind_is_none(answer):
    assert firmware.limits(lambda _: answer) is None
    assert firmware.clock_mhz(lambda _: answer) is None


@given(st.integers(0, 0xFFFFFFFF))
def test_bits_are_told_by_name_now_and_since_boot(bits):
    now, since = firmware.limits(lambda _: f"throttled={bits:#x}\n")
    assert sum(1 << firmware.LIMITS.index(name) for name in now) == bits & 0xF
    assert sum(1 << firmware.LIMITS.index(name) for name in since) == bits >> 16 & 0xF


def test_the_rails_of_a_pi_5_are_those_with_volts_and_amps():
    rails = firmware.rails(trees.PMIC.format(core=10.87674))
    assert len(rails) == 12
    assert rails["VDD_CORE"] == (0.8974594, 10.87674)
    assert "EXT5V" not in rails and "BATT" not in rails


# --- the fake


def test_the_fake_plays_its_states_and_the_last_one_stays(tmp_path):
    facts = host(trees.pi4(tmp_path)).facts()
    machine = Scripted(facts, [State(at_ns=1, temperature_c=40.0), State(at_ns=2, temperature_c=60.0)])
    assert machine.facts() is facts
    assert [machine.state().temperature_c for _ in range(3)] == [40.0, 60.0, 60.0]
    assert machine.state().at_ns == 2
    machine.forget_peak()
    assert machine.forgot == 1


def test_the_fake_tells_the_time_of_the_clock_it_is_given(tmp_path):
    ticks = iter(range(10, 99, 10))
    machine = Scripted(host(trees.pc(tmp_path)).facts(), [State(at_ns=0)], lambda: next(ticks))
    assert [machine.state().at_ns for _ in range(3)] == [10, 20, 30]


def test_a_fake_without_a_state_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no state to play"):
        Scripted(host(trees.pc(tmp_path)).facts(), [])
