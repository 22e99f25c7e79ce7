"""Edge TPUs (Coral) as the kernel shows them; nothing is opened.

USB: 1a6e:089a before the library has loaded its firmware, 18d1:9302 afterwards. PCIe: 1ac1:089a, driver `apex`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from edge.devices import permitted
from edge.sysfs import number, text

Bus = Literal["usb", "pci"]

Condition = Literal["ready", "no firmware yet", "no driver", "fallen off the bus"]
"""A USB accelerator has no firmware until its first use, which is no fault."""

USB_IDS: dict[tuple[str | None, str | None], Condition] = {
    ("1a6e", "089a"): "no firmware yet",
    ("18d1", "9302"): "ready",
}
PCI_ID = ("0x1ac1", "0x089a")

LIBRARY = "libedgetpu.so.1"

USB_2_MBIT = 480
"""The speed of a USB 2 port, which slows an accelerator down."""


class Advice(NamedTuple):
    """What mends something: in words, and the command that goes with them, "" for none."""

    words: str
    command: str = ""

    def __str__(self) -> str:
        """On one line."""
        return self.words + (f": `{self.command}`" if self.command else "")


GET_LIBRARY = Advice(
    "take libedgetpu1-std_*.deb for this system from https://github.com/feranick/libedgetpu/releases, since Google's "
    "of 2021 crashes in newer runtimes",
    "sudo apt install ./libedgetpu1-std_*.deb",
)
"""https://github.com/google-coral/edgetpu/issues/812"""

GET_DRIVER = Advice(
    "take gasket-dkms_*.deb from https://github.com/feranick/gasket-driver/releases, since Google's does not build "
    "from Linux 6.4 on, and then `sudo reboot`",
    "sudo apt install dkms linux-headers-$(uname -r) ./gasket-dkms_*.deb",
)
"""https://github.com/google/gasket-driver/issues/12"""

POWER_OFF = Advice(
    "it answers again only after its power was off, which a restart does not do: shut down, take the power away for "
    "some seconds, see that it sits firmly and stays cool",
    "sudo poweroff",
)

GROUPS: dict[Bus, str] = {"usb": "plugdev", "pci": "apex"}
"""The group that udev gives an accelerator to, by the rules of libedgetpu1-std and of gasket-dkms."""


OFF_THE_BUS = -89700
"""What the driver `apex` makes of a temperature register that reads as ones, as all do once the link is gone."""


class EdgeTpu(msgspec.Struct, frozen=True, kw_only=True):
    """One accelerator.

    index: its number on its bus, from 0, in the order of places; libedgetpu's `usb:0` counts in its own order, which
    is the same where there is one. place: its name in /sys ("1-2", "apex_0"; the PCI address where no driver has it).
    node: the device file, None where there is none. permitted: whether this user may open the node; None: not known.
    temperature_c: None where it does not tell. speed_mbit: of its USB port; 480 is USB 2, which slows it down.
    """

    bus: Bus
    index: int
    place: str
    condition: Condition
    node: str | None = None
    permitted: bool | None = None
    temperature_c: float | None = None
    speed_mbit: int | None = None


def found(root: Path = Path("/")) -> list[EdgeTpu]:
    """The accelerators of this machine, those of USB first. Never raises: what cannot be read is not there."""
    return _on_usb(root) + _on_pci(root)


def trouble(tpu: EdgeTpu) -> tuple[str, Advice] | None:
    """Why it cannot be used, as the kernel shows it, and what mends that; None: nothing is known against it."""
    if tpu.condition == "no driver":
        return "its driver (apex) is not loaded", GET_DRIVER
    if tpu.condition == "fallen off the bus":
        return "it has fallen off the bus", POWER_OFF
    if tpu.permitted is not False:
        return None
    brings = {"usb": "libedgetpu1-std", "pci": "gasket-dkms"}[tpu.bus]
    words = f"log in anew, and see that udev has the rule which {brings} brings"
    return f"this user may not open {tpu.node}", Advice(words, f"sudo usermod -aG {GROUPS[tpu.bus]} $USER")


def on_pci(root: Path = Path("/")) -> list[Path]:
    """The folders in /sys of the accelerators that the driver `apex` has."""
    return _sorted(root, "sys/class/apex/apex_*")


def _sorted(root: Path, pattern: str) -> list[Path]:
    """Paths by the numbers in their names: apex_2 before apex_10."""
    return sorted(root.glob(pattern), key=lambda path: [int(n) for n in re.findall(r"[0-9]+", path.name)])


def _on_usb(root: Path) -> list[EdgeTpu]:
    ids = (
        (path, (text(path / "idVendor"), text(path / "idProduct"))) for path in _sorted(root, "sys/bus/usb/devices/*")
    )
    mine = [(path, USB_IDS[id]) for path, id in ids if id in USB_IDS]
    return [_of_usb(root, index, path, condition) for index, (path, condition) in enumerate(mine)]


def _of_usb(root: Path, index: int, path: Path, condition: Condition) -> EdgeTpu:
    bus, device = number(path / "busnum"), number(path / "devnum")
    numbered = None if bus is None or device is None else f"/dev/bus/usb/{bus:03}/{device:03}"
    node, may = _node(root, numbered or _named(path))
    speed = number(path / "speed")
    return EdgeTpu(
        bus="usb",
        index=index,
        place=path.name,
        condition=condition,
        node=node,
        permitted=may,
        speed_mbit=speed,
    )


def _named(path: Path) -> str | None:
    """The device file that the kernel announces: relative to /dev, or whole."""
    found = re.search(r"^DEVNAME=(?:/dev/)?(\S+)$", text(path / "uevent") or "", re.MULTILINE)
    return f"/dev/{found[1]}" if found else None


def _node(root: Path, name: str | None) -> tuple[str | None, bool | None]:
    """The device file where it exists, and whether this user may open it."""
    if name is None or not os.path.lexists(root / name.lstrip("/")):
        return None, None
    return name, permitted(root / name.lstrip("/"))


def _on_pci(root: Path) -> list[EdgeTpu]:
    driven = on_pci(root)
    real = [Path(os.path.realpath(path)) for each in driven for path in (each, each / "device")]  # never raises
    whose = {part for path in real for part in path.parts}
    listed = _sorted(root, "sys/bus/pci/devices/*")
    mine = [path for path in listed if (text(path / "vendor"), text(path / "device")) == PCI_ID]
    alone = [path.name for path in mine if path.name not in whose]
    first = [_of_apex(root, index, path) for index, path in enumerate(driven)]
    return first + [
        EdgeTpu(bus="pci", index=index, place=name, condition="no driver")
        for index, name in enumerate(alone, len(first))
    ]


def _of_apex(root: Path, index: int, path: Path) -> EdgeTpu:
    node, may = _node(root, f"/dev/{path.name}")
    lost = number(path / "temp") == OFF_THE_BUS
    return EdgeTpu(
        bus="pci",
        index=index,
        place=path.name,
        condition="fallen off the bus" if lost else "ready",
        node=node,
        permitted=may,
        temperature_c=temperature(path),
    )


def temperature(path: Path) -> float | None:
    """Degrees Celsius of an accelerator, by its folder in /sys/class/apex; None where it tells none that can be."""
    read = number(path / "temp")
    return read / 1000 if read is not None and -40_000 < read < 150_000 else None
