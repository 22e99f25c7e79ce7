import errno

import pytest

from edge import usb
from edge.errors import DeviceError


def device(root, place, node="video0"):
    """A USB camera at a place, in a made-up /sys and /dev."""
    about = root / "sys/devices/pci0000:00/usb1" / place
    part = about / f"{place}:1.0"
    (part / "video4linux" / node).mkdir(parents=True)
    for name, text in (("busnum", "1\n"), ("devnum", "7\n")):
        (about / name).write_text(text)
    (part / "video4linux" / node / "device").symlink_to(part)
    listed = root / "sys/bus/usb/devices"
    listed.mkdir(parents=True)
    (listed / place).symlink_to(about)
    named = root / "sys/class/video4linux"
    named.mkdir(parents=True)
    (named / node).symlink_to(part / "video4linux" / node)
    (root / "dev/bus/usb/001").mkdir(parents=True)
    (root / "dev/bus/usb/001/007").touch()
    return about


def test_a_camera_is_a_part_of_the_usb_device_that_the_kernel_hangs_it_on(tmp_path):
    device(tmp_path, "1-1.2")
    assert usb.place_of("/dev/video0", tmp_path) == "1-1.2"
    (tmp_path / "sys/class/video4linux/video9").mkdir()
    assert usb.place_of("/dev/video9", tmp_path) is None
    assert usb.place_of("/dev/video5", tmp_path) is None


def test_a_reset_is_asked_of_the_devices_own_node(tmp_path):
    device(tmp_path, "1-1.2")
    asked = []
    usb.reset("1-1.2", tmp_path, lambda handle, request, argument: asked.append((request, argument)))
    assert asked == [(0x5514, 0)]


def test_what_is_not_on_its_bus_cannot_be_reset(tmp_path):
    with pytest.raises(DeviceError, match=r"^USB device 1-1: it is not on its bus any more; plug it in again$"):
        usb.reset("1-1", tmp_path)


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EACCES, "see who may write there"), (errno.EIO, "plug it in anew")]
)
def test_a_reset_that_is_refused_says_why(tmp_path, number, advice):
    device(tmp_path, "1-1")

    def refuse(handle, request, argument):
        raise OSError(number, "it will not")

    with pytest.raises(DeviceError, match=rf"USB device 1-1 cannot be reset \(.*/001/007: it will not\); {advice}"):
        usb.reset("1-1", tmp_path, refuse)


def test_a_node_that_is_missing_is_told_as_well(tmp_path):
    device(tmp_path, "1-1")
    (tmp_path / "dev/bus/usb/001/007").unlink()
    with pytest.raises(DeviceError, match=r"cannot be reset \(.*No such file or directory\); plug it in anew"):
        usb.reset("1-1", tmp_path)
