"""Which Edge TPU: the one that a profile names, by a number that stays, and what libedgetpu calls it at the moment.

libedgetpu counts USB accelerators without firmware first (its driver/beagle/beagle_usb_driver_provider.cc), so that
its `usb:1` is another one after the first use. Here the number is that of the place on the bus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge import coral, devices
from edge.coral import EdgeTpu
from edge.errors import DeviceError

DEVICE = r"^((usb|pci)(:\d{1,3})?|:\d{1,3})?$"
"""What `device` may be: nothing (any), a bus, a number, or a bus and a number."""


def called(tpu: EdgeTpu) -> str:
    """What an accelerator is called here: "usb:0"."""
    return f"{tpu.bus}:{tpu.index}"


def listed(found: Sequence[EdgeTpu]) -> str:
    """All that there are, in words."""
    return ", ".join(f"{called(tpu)} ({tpu.place})" for tpu in found)


def choose(device: str, found: Sequence[EdgeTpu], root: Path) -> EdgeTpu | None:
    """The accelerator that `device` means; None where the kernel shows none at all.

    Where several fit, the first that can be used and that no process holds. Raises DeviceError where none fits.
    """
    bus, _, number = device.partition(":")
    fits = [tpu for tpu in found if bus in ("", tpu.bus)]
    if number:
        fits = [fits[int(number)]] if int(number) < len(fits) else []
    if not fits and found:
        raise DeviceError(f"edgetpu: there is no {device}, but {listed(found)}; name that, or leave `device` out")
    return min(fits, key=lambda tpu: (coral.trouble(tpu) is not None, len(fits) > 1 and held(tpu, root)), default=None)


def for_library(tpu: EdgeTpu, found: Sequence[EdgeTpu]) -> str:
    """What libedgetpu calls it at the moment."""
    usable = [each for each in found if each.bus == tpu.bus and each.condition != "no driver"]
    counted = sorted(usable, key=lambda each: each.condition != "no firmware yet")
    return f"{tpu.bus}:{counted.index(tpu)}"


def holders(tpu: EdgeTpu, root: Path) -> Iterator[str]:
    """The processes that hold an accelerator's node, "python3 (process 12)", as far as this user may see them."""
    return devices.holders(root / str(tpu.node).lstrip("/"), root)


def held(tpu: EdgeTpu, root: Path) -> bool:
    """Whether some process holds it."""
    return next(holders(tpu, root), None) is not None


def opened(found: Sequence[EdgeTpu], root: Path) -> EdgeTpu | None:
    """The accelerator that this very process holds; None where it holds none that the kernel shows."""
    nodes = {str(root / tpu.node.lstrip("/")): tpu for tpu in found if tpu.node}
    return next((nodes[path] for path in devices.opened(Path("/proc/self")) if path in nodes), None)
