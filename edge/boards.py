"""What board this is, by what the device tree, the firmware (DMI), USB and PCI tell, and which profile is made for it.

The names are those of the kernel's device trees (arch/arm64/boot/dts: broadcom, nvidia, freescale, mediatek), of the
ones that Raspberry Pi, NVIDIA (Jetson Linux 32 to 36) and Google (Mendel) ship, and, for the modules of a Jetson, of
NVIDIA's part numbers: p3448 Nano, p3701 AGX Orin, p3767 Orin NX (0000, 0001) and Orin Nano (0003, 0004, 0005).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from edge import coral
from edge.coral import EdgeTpu
from edge.errors import one_line
from edge.sysfs import board_name, text

BOARDS = (
    (r"raspberrypi,model-zero-2|Raspberry Pi Zero 2", "pi-zero-2w"),
    (r"^brcm,bcm2712$|Raspberry Pi (Compute Module )?5", "pi5"),
    (r"^brcm,bcm2711$|Raspberry Pi (Compute Module )?4", "pi4"),
    (r"^brcm,bcm2837$|Raspberry Pi (Compute Module )?3", "pi3"),
    (r"\b(p?3448-000\d|p3450-000\d|jetson-nano)\b|Jetson Nano", "jetson-nano"),
    (r"\bp?3767-000[01]\b|Orin NX", "jetson-orin-nx"),
    (r"\bp?3767-000[345]\b|Orin Nano", "jetson-orin-nano"),
    (r"\bp?3701-000\d\b|AGX Orin", "jetson-agx-orin"),
    (r"\bimx8mq-phanbell$|Phanbell|^Google Coral MT8167", "coral-dev-board"),
)
"""What a word of the device tree, or the name of the board, looks like, and the profile of that board.

Of a Raspberry Pi the chip decides: the Compute Modules, the 400, the 500 and the later Pi 2 have those of the others.
"""

OWN_TPU = "coral-dev-board"
"""The profile of the boards that carry an Edge TPU, and count on it."""

BUSES = {"usb": ("USB", "coral-usb"), "pci": ("PCIe", "coral-pcie")}
"""How a bus is called, and the profile that uses an Edge TPU on it."""

MOST_SAID = 100
"""Characters of the name of a board."""

MOST_TOLD = 4096
"""Characters of a property of the device tree that are looked at."""

GOOD = ("ready", "no firmware yet")


class Choice(NamedTuple):
    """The name of a shipped profile, and why it is the one, in one phrase for a person."""

    profile: str
    because: str


def recognise(root: Path = Path("/")) -> Choice:
    """The profile that fits this machine. Never raises: what tells nothing of itself gets `cpu`."""
    profile, because = _board(root)
    tpus = _best(coral.found(root))
    if not tpus or profile == OWN_TPU:
        return Choice(profile, because)
    bus, better = BUSES[tpus[0].bus]
    places = " and ".join(_place(tpu) for tpu in tpus)
    if profile.startswith("jetson"):
        return Choice(profile, f"{because}; its Coral on {bus} ({places}) is not used, the profile {better} uses it")
    return Choice(better, f"{because}, Coral on {bus} ({places})")


def _board(root: Path) -> Choice:
    name = one_line(board_name(root) or "", MOST_SAID)
    for told in (*_words(root), name):
        for pattern, profile in BOARDS:
            if re.search(pattern, told):
                return Choice(profile, name or one_line(told, MOST_SAID))
    if (text(root / "proc/sys/kernel/arch") or os.uname().machine) in ("x86_64", "i686"):
        return Choice("pc", name or "a PC that does not tell its maker")
    return Choice("cpu", f"{name} has no profile of its own" if name else "nothing here tells what board it is")


def _words(root: Path) -> list[str]:
    """What the device tree tells: the module that the boot loader of a Jetson found first, then what it is like."""
    tree = root / "proc/device-tree"
    told = (text(tree / name) for name in ("chosen/ids", "compatible"))
    return [word for words in told if words for word in re.split(r"[\0\s]+", words[:MOST_TOLD])]


def _best(tpus: list[EdgeTpu]) -> list[EdgeTpu]:
    """Those of the bus to use: that of one which works, PCIe before USB, which is the slower."""
    ranked = sorted(tpus, key=lambda tpu: (tpu.condition not in GOOD, tpu.bus != "pci"))
    return [tpu for tpu in ranked if tpu.bus == ranked[0].bus]


def _place(tpu: EdgeTpu) -> str:
    return tpu.place if tpu.condition in GOOD else f"{tpu.place}: {tpu.condition}"
