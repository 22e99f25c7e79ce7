"""The Edge TPU: the accelerators that the kernel shows, and the library that drives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge import coral
from edge.coral import EdgeTpu
from edge.doctor.case import Case, config_txt, join
from edge.doctor.finding import Finding, bad, good, judged, not_applicable, note
from edge.profile import DeviceProfile

KIND = "edgetpu"

HOT_C = 85.0
"""The accelerators on PCIe slow down in steps, by default from 85 °C on (datasheet of the Mini PCIe Accelerator)."""


PI_5 = re.compile(r"Raspberry Pi (Compute Module )?5")

PAGE = 4096
SOCKET = "dtparam=pciex1"

CONFIG_OF_PI_5 = {
    SOCKET: r"dtparam=pciex1(=on)?\s*$",
    "kernel=kernel8.img": r"kernel=kernel8\.img",
    "dtoverlay=pciex1-compat-pi5,no-mip": r"dtoverlay=(pciex1-compat-pi5\S*\bno-mip|pineboards-hat-ai)",
}
"""What an Edge TPU on a Raspberry Pi 5's PCIe wants in config.txt, and how lines look that give it: the socket is on,
pages are of 4 KiB, and interrupts go to the PCIe controller itself, without which the driver `apex` does not begin.

https://github.com/raspberrypi/linux/pull/6126, and "pciex1-compat-pi5" in arch/arm/boot/dts/overlays/README there
"""


def check(case: Case) -> Iterator[Finding]:
    """All of it; one line where there is no accelerator and none is asked for."""
    found, listed = coral.found(case.root), case.interprets(KIND)
    if not found and not listed:
        yield not_applicable("coral.device", "no Edge TPU is here, and the profile asks for none")
        return
    asked = listed and not case.told("engine").found.get("backend", "").startswith(KIND)
    if not found:
        yield _none(case, asked)
    for tpu in found:
        yield device(case, tpu, asked)
        yield from _more(case, tpu, asked)
    on_pci = [tpu for tpu in found if tpu.bus == "pci"]
    if not found or any(tpu.condition != "ready" or case.page_bytes != PAGE for tpu in on_pci):
        yield from config(case, on_pci, asked and bool(on_pci))
    for name in libraries(case.profile):
        yield library(case, name, asked)


def _none(case: Case, asked: bool) -> Finding:
    said = "no Edge TPU is on USB (1a6e:089a, 18d1:9302) or PCIe (1ac1:089a)"
    advice = "on USB, plug it in anew, without a hub; on PCIe, see its flat cable or slot, with the power off"
    return judged(asked, "coral.device", said, advice=advice)


def config(case: Case, on_pci: list[EdgeTpu], asked: bool) -> Iterator[Finding]:
    """What config.txt of a Raspberry Pi 5 lacks for an Edge TPU on PCIe; it comes before the driver is built."""
    file = config_txt(case)
    written = case.read(file.lstrip("/")) or ""
    lacks = [line for line, has in CONFIG_OF_PI_5.items() if not re.search(rf"^\s*({has})", written, re.MULTILINE)]
    if on_pci:  # the socket is on, as a HAT+ switches it on by itself
        lacks = [line for line in lacks if line != SOCKET]
    if PI_5.match(case.facts.board or "") and lacks:
        said = f"for an Edge TPU on PCIe, {file} lacks {', '.join(lacks)}"
        lines = " ".join(f"'{line}'" for line in ("[all]", *lacks))
        advice = "where it is on PCIe, and before its driver is built:"
        command = f"printf '%s\\n' {lines} | sudo tee -a {file} && sudo reboot"
        yield judged(asked, "coral.config", said, advice=advice, command=command)


def device(case: Case, tpu: EdgeTpu, asked: bool) -> Finding:
    """One accelerator as it stands on its bus."""
    name, bus = "coral.device", {"usb": "USB", "pci": "PCIe"}[tpu.bus]
    said = f"Edge TPU on {bus}, {tpu.place}"
    if tpu.condition == "ready":
        return good(name, f"{said}: ready")
    if tpu.condition == "no firmware yet":
        return good(name, f"{said}: 1a6e:089a, which is right before its first use; then it is 18d1:9302")
    trouble = coral.trouble(msgspec.structs.replace(tpu, permitted=None))
    seen, advice = trouble or ("", coral.Advice(""))
    if tpu.condition == "no driver" and any((case.root / "lib/modules" / case.facts.kernel).rglob("apex.ko*")):
        advice = coral.Advice("it is installed, and not loaded", "sudo modprobe apex")
    return judged(asked, name, f"{said}: {seen}", advice=f"{advice.words}:", command=advice.command)


def _more(case: Case, tpu: EdgeTpu, asked: bool) -> Iterator[Finding]:
    """What else there is to say of one accelerator."""
    if tpu.permitted is False:
        yield permission(case, tpu, asked)
    if tpu.speed_mbit is not None and tpu.speed_mbit <= coral.USB_2_MBIT:
        said = f"{tpu.place} is on USB 2 ({tpu.speed_mbit} Mbit/s), which makes every inference slower"
        yield note(
            "coral.usb-speed", said, advice="use a USB 3 port (blue), where the board has one, and its own cable"
        )
    if tpu.temperature_c is not None:
        yield temperature(tpu.place, tpu.temperature_c)


def temperature(place: str, degrees: float) -> Finding:
    """Of one accelerator."""
    name, said = "coral.temperature", f"{place}: {degrees:.0f} °C"
    return note(name, f"{said}: it slows down", advice="cool it") if degrees >= HOT_C else good(name, said)


def permission(case: Case, tpu: EdgeTpu, asked: bool) -> Finding:
    """Why this user may not open an accelerator: the rule of udev, the group, or a login from before."""
    name, said = "coral.permission", f"no permission for {tpu.node} ({tpu.place})"
    group = coral.GROUPS[tpu.bus]
    become = join(case, group)
    if not _ruled(case, tpu):
        command = " && ".join(part for part in (become, _rule(tpu), _reload(tpu)) if part)
        return judged(asked, name, f"{said}: no rule of udev gives it", advice="and log in again:", command=command)
    if become:
        said += f": {case.user.name} is not in the group {group}"
        return judged(asked, name, said, advice="and log in again:", command=become)
    advice = "log out and in again (or start the board anew), and plug it in anew"
    return judged(asked, name, f"{said}, although rule and group are there", advice=advice)


def _ruled(case: Case, tpu: EdgeTpu) -> bool:
    told = [path.read_text("utf-8", "replace") for path in _rules(case.root)]
    words = ("1a6e", "18d1") if tpu.bus == "usb" else ('"apex"',)
    return any(all(word in rules for word in words) for rules in told)


def _rules(root: Path) -> list[Path]:
    places = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
    return [path for place in places for path in sorted(root.glob(f"{place}/*.rules")) if path.is_file()]


def _rule(tpu: EdgeTpu) -> str:
    ids = coral.USB_IDS
    lines = [f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{v}", ATTR{{idProduct}}=="{p}", GROUP="plugdev"' for v, p in ids]
    if tpu.bus == "pci":
        lines = ['SUBSYSTEM=="apex", MODE="0660", GROUP="apex"']
    written = " ".join(f"'{line}'" for line in lines)
    return f"printf '%s\\n' {written} | sudo tee /etc/udev/rules.d/65-edgetpu.rules"


def _reload(tpu: EdgeTpu) -> str:
    subsystem = "usb" if tpu.bus == "usb" else "apex"
    return f"sudo udevadm control --reload && sudo udevadm trigger --subsystem-match={subsystem}"


def libraries(chosen: DeviceProfile) -> list[str]:
    """The libraries that the interpreters of a profile load, as they name them."""
    listed = [adapter.options for adapter in chosen.interpreters if adapter.kind == KIND]
    return list(dict.fromkeys(str(options.get("library") or coral.LIBRARY) for options in listed))


def library(case: Case, name: str, asked: bool) -> Finding:
    """Whether it is there, loads, and is of a build that goes with recent runtimes."""
    check, told = "coral.library", case.told(f"library {name}")
    advice, command = f"{coral.GET_LIBRARY.words}:", coral.GET_LIBRARY.command
    package = (case.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", "libedgetpu1-*"]) or "").strip()
    said = name + (f" ({', '.join(package.splitlines())})" if package else "")
    if told.how in ("crashed", "silent"):
        how = "crashes" if told.how == "crashed" else "hangs"
        said += f" {how} ({told.said}) when it is loaded"
        return judged(asked, check, said, advice=advice, command=command)
    if told.how == "failed":
        missing = told.said.startswith(f"{name}: cannot open")
        said = f"{name} is not installed" if missing else f"{said} cannot be loaded: {told.said}"
        return judged(asked, check, said, advice=advice, command=command)
    reasons = [*case.told("engine").found.values(), case.told("engine").said]
    if any("libedgetpu crash" in reason for reason in reasons):
        return judged(asked, check, f"{said} loads, and crashes with this runtime", advice=advice, command=command)
    if asked and re.search(r"^libedgetpu1-\w+ 1[0-6]\.\d+$", package, re.MULTILINE):
        said += ": Google's build of 2021, which crashes in runtimes from TFLite 2.12 on"
        return bad(check, said, advice=advice, command=command)
    return good(check, f"{said} loads")
