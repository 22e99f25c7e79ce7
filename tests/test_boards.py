"""Which profile a machine gets, on made-up trees of every board that has one."""

import re
from pathlib import Path

import pytest
import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import boards, profile
from edge.boards import Choice


@pytest.mark.parametrize("model", trees.KNOWN)
def test_a_board_gets_its_profile_and_is_called_by_its_name(tmp_path, model):
    expected = trees.KNOWN[model][0]
    because = model if expected != "cpu" else f"{model} has no profile of its own"
    assert boards.recognise(trees.named(tmp_path, model).root) == Choice(expected, because)


def test_every_board_that_has_a_profile_is_among_those_that_are_tried():
    tried = {found[0] for found in trees.KNOWN.values()} | {"pc", "coral-usb", "coral-pcie"}
    assert tried == {name for _, name in boards.BOARDS} | {"cpu", "pc", "coral-usb", "coral-pcie"}
    assert tried == set(profile.shipped())


@pytest.mark.parametrize("make", [trees.pi4, trees.pi5, trees.jetson])
def test_the_boards_that_other_tests_measure_on_are_recognised(tmp_path, make):
    expected = {trees.pi4: "pi4", trees.pi5: "pi5", trees.jetson: "jetson-orin-nano"}[make]
    assert boards.recognise(make(tmp_path).root).profile == expected


def test_the_module_that_the_boot_loader_found_counts_before_the_tree_of_its_carrier_board(tmp_path):
    # Carrier boards of other makers ship one tree for all modules; `chosen/ids` is read from the module itself.
    model = "NVIDIA Jetson Orin Nano Developer Kit"
    made = trees.named(tmp_path, model, ids="3767-0001-300 3768-0000-ES1")
    assert boards.recognise(made.root) == Choice("jetson-orin-nx", model)
    made.put("proc/device-tree/chosen/ids", "3701-0005-500 3737-0000-TS4")
    assert boards.recognise(made.root).profile == "jetson-agx-orin"
    made.put("proc/device-tree/chosen/ids", "1234-0000-300 3768-0000-ES1")
    assert boards.recognise(made.root).profile == "jetson-orin-nano"


@pytest.mark.parametrize(
    ("vendor", "product", "expected"),
    [
        ("Raspberry Pi Foundation", "Raspberry Pi 4 Model B", "pi4"),
        ("Raspberry Pi Ltd", "Raspberry Pi Compute Module 5", "pi5"),
        ("NVIDIA", "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "jetson-orin-nano"),
        ("NVIDIA", "NVIDIA Jetson AGX Orin Developer Kit", "jetson-agx-orin"),
        ("Ampere", "Altra", "cpu"),
    ],
)
def test_a_board_that_starts_through_uefi_is_known_by_the_name_in_its_firmware(tmp_path, vendor, product, expected):
    made = trees.machine(tmp_path, cores=4, arch="aarch64", kernel="6.6", system="x")
    made.put("sys/class/dmi/id/sys_vendor", vendor)
    made.put("sys/class/dmi/id/product_name", product)
    assert boards.recognise(made.root).profile == expected


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"sys_vendor": "Dell Inc.", "product_name": "OptiPlex 7000"}, "Dell Inc. OptiPlex 7000"),
        (
            {
                "sys_vendor": "To Be Filled By O.E.M.",
                "product_name": "To Be Filled By O.E.M.",
                "board_vendor": "ASRock",
                "board_name": "B450M Pro4",
            },
            "ASRock B450M Pro4",
        ),
        (
            {"sys_vendor": "Gigabyte", "product_name": "System Product Name", "board_name": "X570"},
            "X570",
        ),
        ({"sys_vendor": "Acme", "product_name": "Default string"}, "a PC that does not tell its maker"),
        ({}, "a PC that does not tell its maker"),
    ],
)
def test_a_pc_is_called_as_its_firmware_has_it_and_never_by_a_blank_that_nobody_filled_in(tmp_path, told, name):
    made = trees.machine(tmp_path, cores=4, arch="x86_64", kernel="6.6", system="x")
    for file, value in told.items():
        made.put(f"sys/class/dmi/id/{file}", value)
    assert boards.recognise(made.root) == Choice("pc", name)


def test_a_machine_that_tells_nothing_gets_the_profile_of_any_processor(tmp_path):
    made = trees.Board(tmp_path)
    made.put("proc/sys/kernel/arch", "riscv64")
    assert boards.recognise(made.root) == Choice("cpu", "nothing here tells what board it is")


# --- with a Coral


def test_a_coral_on_a_pi_or_a_pc_is_used(tmp_path):
    made = trees.pi4(tmp_path / "pi")
    trees.usb_coral(made)
    assert boards.recognise(made.root) == Choice("coral-usb", "Raspberry Pi 4 Model B Rev 1.4, Coral on USB (1-2)")
    made = trees.pc(tmp_path / "pc")
    trees.pci_coral(made)
    assert boards.recognise(made.root) == Choice("coral-pcie", "Acme Workstation 3, Coral on PCIe (apex_0)")


def test_a_coral_on_a_board_without_a_profile_is_used_too(tmp_path):
    made = trees.named(tmp_path, "Radxa ROCK 5B")
    trees.usb_coral(made, firmware=False)
    because = "Radxa ROCK 5B has no profile of its own, Coral on USB (1-2)"
    assert boards.recognise(made.root) == Choice("coral-usb", because)


def test_several_corals_are_all_told(tmp_path):
    made = trees.pi5(tmp_path)
    trees.usb_coral(made, "1-2", number=7)
    trees.usb_coral(made, "4-1", number=8)
    assert boards.recognise(made.root).because.endswith("Coral on USB (1-2 and 4-1)")


def test_of_two_buses_the_faster_one_that_works_is_used(tmp_path):
    made = trees.pi5(tmp_path)
    trees.usb_coral(made)
    trees.pci_coral(made)
    assert boards.recognise(made.root).profile == "coral-pcie"
    made.put("sys/class/apex/apex_0/temp", -89700)
    choice = boards.recognise(made.root)
    assert (choice.profile, "apex_0" in choice.because) == ("coral-usb", False)


def test_a_coral_that_cannot_work_as_it_is_still_says_why(tmp_path):
    made = trees.pi5(tmp_path)
    trees.pci_coral(made, driver=False)
    because = "Raspberry Pi 5 Model B Rev 1.0, Coral on PCIe (0000:01:00.0: no driver)"
    assert boards.recognise(made.root) == Choice("coral-pcie", because)


def test_the_dev_board_keeps_its_profile_with_its_own_accelerator(tmp_path):
    made = trees.named(tmp_path, "Freescale i.MX8MQ Phanbell")
    trees.pci_coral(made)
    assert boards.recognise(made.root) == Choice("coral-dev-board", "Freescale i.MX8MQ Phanbell")


def test_a_jetson_keeps_its_profile_and_says_which_one_would_use_its_coral(tmp_path):
    made = trees.jetson(tmp_path)
    trees.usb_coral(made)
    assert boards.recognise(made.root) == Choice(
        "jetson-orin-nano",
        "NVIDIA Jetson Orin Nano Developer Kit; its Coral on USB (1-2) is not used, the profile coral-usb uses it",
    )


# --- and whatever the files hold

FILES = st.sampled_from(
    [
        "proc/device-tree/model",
        "proc/device-tree/compatible",
        "proc/device-tree/chosen/ids",
        "proc/sys/kernel/arch",
        "sys/class/dmi/id/product_name",
        "sys/bus/usb/devices/1-2/idVendor",
        "sys/bus/pci/devices/0000:01:00.0/vendor",
    ]
)


@settings(max_examples=80)
@given(
    file=FILES,
    noise=st.binary(max_size=40) | st.sampled_from([b"nvidia,p3767-0000\0", b"Raspberry Pi 5", b"18d1", b"0x1ac1"]),
)
def test_no_bytes_of_a_file_make_it_fall_and_the_profile_always_ships(tmp_path_factory, file, noise):
    made = trees.Board(tmp_path_factory.mktemp("noise"))
    made.put("sys/bus/usb/devices/1-2/idProduct", "9302")
    made.put("sys/bus/pci/devices/0000:01:00.0/device", "0x089a")
    made.put(file, "")
    (made.root / file).write_bytes(noise)
    choice = boards.recognise(made.root)
    assert choice.profile in profile.shipped()
    assert choice.because


def test_this_machine_has_a_profile_that_ships():
    assert boards.recognise().profile in profile.shipped()


# --- and what is told of them

PAGE = Path(__file__).parents[1] / "docs" / "boards.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the pages are not beside these tests")
def test_the_page_of_boards_names_every_profile_and_no_test_that_is_not_there():
    told = PAGE.read_text()
    rows = "".join(line for line in told.splitlines() if line.startswith("|"))
    assert {name for name in profile.shipped() if f"`{name}`" not in rows} == set()
    tests = set(re.findall(r"tests/[\w./]+\w", told))
    assert len(tests) > 10
    assert {name for name in tests if not (PAGE.parents[1] / name).exists()} == set()
