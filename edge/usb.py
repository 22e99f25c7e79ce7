"""The USB device behind a device file, and its reset, as if it were unplugged for a moment."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from edge import sysfs
from edge.errors import DeviceError

RESET = 0x5514
"""USBDEVFS_RESET of linux/usbdevice_fs.h: _IO('U', 20). The kernel bounds it by its own limits, some seconds."""

ROOT = Path("/")


def place_of(node: str | Path, root: Path = ROOT) -> str | None:
    """The place on the bus ("1-1.2") of the USB device that a video device is a part of; None where it is on no USB."""
    name = Path(os.path.realpath(node)).name
    about = Path(os.path.realpath(root / "sys/class/video4linux" / name / "device"))
    return next((folder.name for folder in (about, *about.parents) if (folder / "busnum").is_file()), None)


def reset(place: str, root: Path = ROOT, ioctl: Callable[[int, int, int], object] = fcntl.ioctl) -> None:
    """Reset the device at a place: its driver lets go of it, and finds it again, under the same place.

    Raises DeviceError where it is not there, where this user may not, and where the device does not take it.
    """
    about = root / "sys/bus/usb/devices" / place
    bus, device = sysfs.number(about / "busnum"), sysfs.number(about / "devnum")
    if bus is None or device is None:
        raise DeviceError(f"USB device {place}: it is not on its bus any more; plug it in again")
    node = root / f"dev/bus/usb/{bus:03}/{device:03}"
    try:
        handle = os.open(node, os.O_WRONLY | os.O_CLOEXEC)
        try:
            ioctl(handle, RESET, 0)
        finally:
            os.close(handle)
    except OSError as error:
        advice = "see who may write there" if isinstance(error, PermissionError) else "plug it in anew"
        raise DeviceError(f"USB device {place} cannot be reset ({node}: {error.strerror}); {advice}") from error
