"""Edge TPUs as a made-up /sys shows them."""

import os
from pathlib import Path

import pytest
import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import coral
from edge.coral import EdgeTpu


@pytest.fixture
def board(tmp_path):
    return trees.named(tmp_path, "Raspberry Pi 4 Model B Rev 1.4")


def test_a_machine_without_one_has_none(board, tmp_path):
    board.put("sys/bus/usb/devices/1-1/idVendor", "046d")
    board.put("sys/bus/usb/devices/1-1/idProduct", "0825")
    board.put("sys/bus/pci/devices/0000:00:00.0/vendor", "0x8086")
    assert coral.found(board.root) == []
    assert coral.found(tmp_path / "nowhere") == []


def test_this_machine_is_looked_at_without_a_fault():
    assert all(tpu.bus in ("usb", "pci") for tpu in coral.found())


def test_a_stick_is_told_by_either_of_its_ids(board):
    trees.usb_coral(board, "2-1", number=12)
    trees.usb_coral(board, "1-2", firmware=False, number=7, speed=480)
    assert coral.found(board.root) == [
        EdgeTpu(
            bus="usb",
            index=0,
            place="1-2",
            condition="no firmware yet",
            node="/dev/bus/usb/001/007",
            permitted=True,
            speed_mbit=480,
        ),
        EdgeTpu(
            bus="usb",
            index=1,
            place="2-1",
            condition="ready",
            node="/dev/bus/usb/001/012",
            permitted=True,
            speed_mbit=5000,
        ),
    ]


def test_a_stick_whose_device_file_is_not_there_has_none(board):
    trees.usb_coral(board, node=False)
    (tpu,) = coral.found(board.root)
    assert (tpu.node, tpu.permitted) == (None, None)


@pytest.mark.parametrize("line", ["DEVNAME=bus/usb/001/009", "DEVTYPE=usb_device\nDEVNAME=/dev/bus/usb/001/009\nX=1"])
def test_the_device_file_is_the_one_that_the_kernel_announces_where_it_gives_no_numbers(board, line):
    trees.usb_coral(board, number=9)
    (board.root / "sys/bus/usb/devices/1-2/devnum").unlink()
    board.put("sys/bus/usb/devices/1-2/uevent", line)
    assert coral.found(board.root)[0].node == "/dev/bus/usb/001/009"


@pytest.fixture
def as_nobody():
    """Whoever runs the tests is nobody in particular meanwhile, by the real user id too, which access(2) goes by."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    yield
    os.setresuid(0, 0, 0)


def test_a_stick_that_is_not_permitted_says_so(plain_user, as_nobody):
    board = trees.Board(plain_user)
    trees.usb_coral(board)
    assert coral.found(plain_user)[0].permitted is True
    (plain_user / "dev/bus/usb/001/007").chmod(0o400)
    assert coral.found(plain_user)[0].permitted is False


def test_a_card_tells_its_temperature(board):
    trees.pci_coral(board)
    assert coral.found(board.root) == [
        EdgeTpu(
            bus="pci",
            index=0,
            place="apex_0",
            condition="ready",
            node="/dev/apex_0",
            permitted=True,
            temperature_c=52.8,
        )
    ]


def test_a_card_that_has_fallen_off_the_bus_has_no_temperature(board):
    trees.pci_coral(board, degrees=-89.7)
    (tpu,) = coral.found(board.root)
    assert (tpu.condition, tpu.temperature_c) == ("fallen off the bus", None)


def test_a_card_without_its_driver_is_seen_all_the_same(board):
    trees.pci_coral(board, 0, address="0000:01:00.0")
    trees.pci_coral(board, 1, address="0000:02:00.0", driver=False)
    told = [(tpu.index, tpu.place, tpu.condition, tpu.node) for tpu in coral.found(board.root)]
    assert told == [(0, "apex_0", "ready", "/dev/apex_0"), (1, "0000:02:00.0", "no driver", None)]


def test_a_card_whose_class_is_a_plain_folder_counts_once(board):
    trees.pci_coral(board, driver=False)
    board.put("sys/class/apex/apex_0/temp", 40000)
    (board.root / "sys/class/apex/apex_0/device").symlink_to(board.root / "sys/bus/pci/devices/0000:01:00.0")
    assert [tpu.place for tpu in coral.found(board.root)] == ["apex_0"]


def test_accelerators_are_numbered_by_bus_in_the_order_of_their_numbers(board):
    for number in (10, 2, 0):
        trees.pci_coral(board, number, address=f"0000:{number:02}:00.0")
    trees.usb_coral(board)
    told = [(tpu.bus, tpu.index, tpu.place) for tpu in coral.found(board.root)]
    assert told == [("usb", 0, "1-2"), ("pci", 0, "apex_0"), ("pci", 1, "apex_2"), ("pci", 2, "apex_10")]


FILES = st.sampled_from(
    [
        "sys/bus/usb/devices/1-2/idVendor",
        "sys/bus/usb/devices/1-2/busnum",
        "sys/bus/usb/devices/1-2/devnum",
        "sys/bus/usb/devices/1-2/speed",
        "sys/bus/usb/devices/1-2/uevent",
        "sys/class/apex/apex_0/temp",
        "sys/bus/pci/devices/0000:01:00.0/vendor",
    ]
)


@settings(max_examples=60)
@given(file=FILES, noise=st.binary(max_size=30))
def test_no_bytes_of_a_file_make_it_fall(tmp_path_factory, file, noise):
    board = trees.Board(tmp_path_factory.mktemp("noise"))
    trees.usb_coral(board)
    trees.pci_coral(board)
    place = os.path.realpath(board.root / file)
    (board.root / file).unlink(missing_ok=True)
    board.put(file, "")
    Path(place).write_bytes(noise)
    for tpu in coral.found(board.root):
        assert tpu.temperature_c is None or -40 < tpu.temperature_c < 150


def test_files_of_nonsense_and_links_in_a_circle_are_no_accelerator_and_no_error(tmp_path):
    apex = tmp_path / "sys/class/apex"
    apex.mkdir(parents=True)
    (apex / "apex_0").symlink_to("apex_0")
    (apex / "apex_1").mkdir()
    (apex / "apex_1/temp").write_text("9" * 5000)
    assert [tpu.temperature_c for tpu in coral.found(tmp_path)] == [None, None]
