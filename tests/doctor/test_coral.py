"""`edge doctor`: the Edge TPU."""

import pytest
import trees
from patients import EDGETPU, HANGS, SEGFAULT, WELL, made, of

from edge.doctor import coral
from edge.doctor.case import User
from edge.doctor.trials import Told


def coral_of(machine, *, text=EDGETPU, **more):
    return list(coral.check(made(machine, text, **more)))


def test_without_an_accelerator_one_line_tells_it_where_none_is_asked_for(tmp_path):
    (found,) = coral_of(trees.pi4(tmp_path), text="")
    assert (found.check, found.state) == ("coral.device", "n/a")


def test_an_accelerator_that_the_profile_asks_for_and_is_not_there_is_bad(tmp_path):
    found = coral_of(trees.pi4(tmp_path))
    assert of(found, "coral.device").state == of(found, "coral.library").state == "bad"
    assert "plug it in anew" in of(found, "coral.device").advice
    assert of(found, "coral.library").command == "sudo apt install ./libedgetpu1-std_*.deb"


def test_an_accelerator_without_firmware_is_no_fault(tmp_path):
    machine = trees.pi4(tmp_path)
    trees.usb_coral(machine, firmware=False)
    found = coral_of(machine, tried={"library libedgetpu.so.1": Told(how="well")})
    assert [finding.state for finding in found] == ["good", "good"]
    assert found[0].seen == "Edge TPU on USB, 1-2: 1a6e:089a, which is right before its first use; then it is 18d1:9302"


def test_an_accelerator_on_a_usb_2_port_is_noted(tmp_path):
    machine = trees.pi4(tmp_path)
    trees.usb_coral(machine, speed=480)
    found = of(coral_of(machine, tried={"library libedgetpu.so.1": Told(how="well")}), "coral.usb-speed")
    assert found.state == "note" and "USB 2 (480 Mbit/s)" in found.seen


RULES = (
    'SUBSYSTEM=="usb",ATTRS{idVendor}=="1a6e",GROUP="plugdev"\nSUBSYSTEM=="usb",ATTRS{idVendor}=="18d1",GROUP="plugdev"'
)


def locked(root):
    """A Pi with an accelerator on USB, whose device file nobody but root may open."""
    machine = trees.pi4(root)
    trees.usb_coral(machine)
    (machine.root / "dev/bus/usb/001/007").chmod(0)
    machine.put("etc/group", "video:x:44:\nplugdev:x:46:pi")
    return machine


def test_without_a_rule_of_udev_rule_and_group_are_made(plain_user):
    found = of(coral_of(locked(plain_user)), "coral.permission")
    assert found.state == "bad" and "no permission for /dev/bus/usb/001/007 (1-2)" in found.seen
    assert found.command == (
        "sudo usermod -aG plugdev ada && printf '%s\\n' "
        '\'SUBSYSTEM=="usb", ATTR{idVendor}=="1a6e", ATTR{idProduct}=="089a", GROUP="plugdev"\' '
        '\'SUBSYSTEM=="usb", ATTR{idVendor}=="18d1", ATTR{idProduct}=="9302", GROUP="plugdev"\' '
        "| sudo tee /etc/udev/rules.d/65-edgetpu.rules && "
        "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb"
    )


def test_with_the_rule_the_group_is_what_is_missing(plain_user):
    machine = locked(plain_user)
    machine.put("usr/lib/udev/rules.d/60-libedgetpu1-std.rules", RULES)
    found = of(coral_of(machine), "coral.permission")
    assert found.command == "sudo usermod -aG plugdev ada"
    assert "ada is not in the group plugdev" in found.seen


@pytest.mark.parametrize("how", ["named in the group", "of this login"])
def test_with_rule_and_group_the_login_is_from_before(plain_user, how):
    machine = locked(plain_user)
    machine.put("etc/udev/rules.d/60-libedgetpu1-std.rules", RULES)
    if how == "named in the group":
        machine.put("etc/group", "plugdev:x:46:pi,ada")
        user = User("ada", frozenset({1000}))
    else:
        user = User("ada", frozenset({1000, 46}))
    found = of(coral_of(machine, user=user), "coral.permission")
    assert found.command is None and "log out and in again" in found.advice


def test_a_pcie_accelerator_gets_its_own_rule_and_group(plain_user):
    machine = trees.pi5(plain_user)
    trees.pci_coral(machine)
    (machine.root / "dev/apex_0").chmod(0)
    found = of(coral_of(machine), "coral.permission")
    assert found.command.startswith("sudo groupadd apex && sudo usermod -aG apex ada && printf ")
    assert """'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"'""" in found.command


def test_a_pcie_accelerator_without_its_driver_is_told_how_to_get_one(tmp_path):
    machine = trees.pi5(tmp_path)
    trees.pci_coral(machine, driver=False)
    found = of(coral_of(machine), "coral.device")
    assert found.state == "bad" and "0000:01:00.0: its driver (apex) is not loaded" in found.seen
    assert found.command == "sudo apt install dkms linux-headers-$(uname -r) ./gasket-dkms_*.deb"
    machine.put("lib/modules/6.6.62+rpt-rpi-2712/updates/dkms/apex.ko.xz", "")
    assert of(coral_of(machine), "coral.device").command == "sudo modprobe apex"


LINES = "'dtparam=pciex1' 'kernel=kernel8.img' 'dtoverlay=pciex1-compat-pi5,no-mip'"


def test_on_a_pi_5_config_txt_needs_three_lines_for_an_accelerator_on_pcie(tmp_path):
    machine = trees.pi5(tmp_path)
    found = of(coral_of(machine), "coral.config")
    assert found.state == "note", "it may be that there is none on PCIe"
    assert found.command == f"printf '%s\\n' '[all]' {LINES} | sudo tee -a /boot/firmware/config.txt && sudo reboot"
    trees.pci_coral(machine, driver=False)
    assert of(coral_of(machine), "coral.config").state == "bad"
    assert "dtparam" not in of(coral_of(machine), "coral.config").seen, "it is seen, so the socket is on"
    machine.put("boot/firmware/config.txt", "#kernel=kernel8.img\ndtoverlay=pineboards-hat-ai\n")
    found = of(coral_of(machine), "coral.config")
    assert found.seen == "for an Edge TPU on PCIe, /boot/firmware/config.txt lacks kernel=kernel8.img"
    machine.put("boot/firmware/config.txt", "kernel=kernel8.img\ndtparam=pciex1\ndtoverlay=pciex1-compat-pi5,no-mip\n")
    assert "coral.config" not in {finding.check for finding in coral_of(machine)}


def test_an_accelerator_that_works_or_another_board_needs_no_lines(tmp_path):
    working = trees.pi5(tmp_path / "pi5")
    trees.pci_coral(working)
    large = of(coral_of(working, page_bytes=16384), "coral.config")
    assert "kernel=kernel8.img" in large.seen, "its driver wants pages of 4 KiB"
    other = trees.pi4(tmp_path / "pi4")
    for machine in (working, other):
        assert "coral.config" not in {finding.check for finding in coral_of(machine)}


def test_the_temperature_of_a_pcie_accelerator_is_told(tmp_path):
    machine = trees.pi5(tmp_path)
    trees.pci_coral(machine, degrees=52.8)
    assert of(coral_of(machine), "coral.temperature").seen == "apex_0: 53 °C"
    machine.put("sys/class/apex/apex_0/temp", 91000)
    assert of(coral_of(machine), "coral.temperature").state == "note"


def test_an_accelerator_that_fell_off_the_bus_is_told(tmp_path):
    machine = trees.pi5(tmp_path)
    trees.pci_coral(machine, degrees=-89.7)
    found = of(coral_of(machine), "coral.device")
    assert found.state == "bad" and "fallen off the bus" in found.seen and found.command == "sudo poweroff"


GOOGLES, COMMUNITYS = "libedgetpu1-std 16.0\n", "libedgetpu1-std 16.0tf2.17.1-1.bookworm\n"


@pytest.mark.parametrize(
    ("told", "package", "state", "said"),
    [
        (Told(how="well"), COMMUNITYS, "good", "(libedgetpu1-std 16.0tf2.17.1-1.bookworm) loads"),
        (Told(how="well"), None, "good", "libedgetpu.so.1 loads"),
        (Told(how="well"), GOOGLES, "bad", "Google's build of 2021, which crashes in runtimes from TFLite 2.12 on"),
        (SEGFAULT, None, "bad", "crashes (SIGSEGV) when it is loaded"),
        (HANGS, None, "bad", "hangs (no answer within 20 s) when it is loaded"),
        (Told(how="failed", said="file too short"), None, "bad", "cannot be loaded: file too short"),
        (
            Told(how="failed", said="libedgetpu.so.1: cannot open shared object file: No such file or directory"),
            None,
            "bad",
            "libedgetpu.so.1 is not installed",
        ),
    ],
)
def test_the_library_is_told_by_what_it_did_and_of_which_build_it_is(tmp_path, told, package, state, said):
    machine = trees.pi4(tmp_path)
    trees.usb_coral(machine)
    answers = {"dpkg-query": package}
    found = of(
        coral_of(machine, tried={"library libedgetpu.so.1": told}, run=lambda line: answers.get(line[0])),
        "coral.library",
    )
    assert found.state == state and said in found.seen


def test_each_library_that_the_profile_names_is_the_one_that_counts(tmp_path):
    machine = trees.pi4(tmp_path)
    trees.usb_coral(machine)
    text = EDGETPU.replace('"edgetpu"', '"edgetpu"\nlibrary = "/opt/coral/own.so"', 1) + EDGETPU
    told = {"library /opt/coral/own.so": Told(how="well"), "library libedgetpu.so.1": SEGFAULT}
    found = [finding.seen for finding in coral_of(machine, text=text, tried=told) if finding.check == "coral.library"]
    assert found == ["/opt/coral/own.so loads", "libedgetpu.so.1 crashes (SIGSEGV) when it is loaded"]


def test_a_library_that_loads_and_crashes_in_use_is_bad(tmp_path):
    machine = trees.pi4(tmp_path)
    trees.usb_coral(machine)
    fell_back = Told(how="well", found={**WELL.found, "instead of 0": "edgetpu: libedgetpu crashes here: SIGSEGV"})
    tried = {"engine": fell_back, "library libedgetpu.so.1": Told(how="well")}
    found = of(coral_of(machine, tried=tried), "coral.library")
    assert (found.state, found.seen) == ("bad", "libedgetpu.so.1 loads, and crashes with this runtime")


def test_where_the_edge_tpu_answers_nothing_of_it_is_bad(tmp_path):
    runs = Told(how="well", found={"backend": "edgetpu", "model": "m"})
    tried = {"engine": runs, "library libedgetpu.so.1": Told(how="well")}
    found = coral_of(trees.pi4(tmp_path), tried=tried, run=lambda _: GOOGLES)
    assert [finding.state for finding in found] == ["note", "good"]
