"""The Edge TPU: the accelerators that the kernel shows, and the library that drives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge import coral
from edge.coral import EdgeTpu
from edge.doctor.case import Case, config_txt, join
from edge.doctor.finding import Finding, bad, good, judged, not_applicable, note
from edge.profile import DeviceProfile

KIND = "edgetpu"

LIBRARY = "libedgetpu.so.1"

PLACES = ("usr/lib/*", "usr/lib", "usr/local/lib", "lib/*", "lib")
"""Where the dynamic linker looks, in its order."""

BUILDS = "https://github.com/feranick/libedgetpu/releases"
"""Where a build against a recent runtime is: Google's own is of 2021, and crashes in newer ones.

https://github.com/google-coral/edgetpu/issues/812
"""

DRIVERS = "https://github.com/feranick/gasket-driver/releases"
"""Where a driver is that builds from Linux 6.4 on, which Google's own does not.

https://github.com/google/gasket-driver/issues/12
"""

USB_2 = 480
HOT_C = 85.0
"""The accelerators on PCIe slow down in steps, by default from 85 °C on (datasheet of the Mini PCIe Accelerator)."""

IDS = (("1a6e", "089a"), ("18d1", "9302"))
PAGE = 4096


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
    yield library(case, asked)


def _none(case: Case, asked: bool) -> Finding:
    said = "no Edge TPU is on USB (1a6e:089a, 18d1:9302) or PCIe (1ac1:089a)"
    if case.pi and (case.facts.board or "").startswith("Raspberry Pi 5"):
        advice = f"USB: plug it in anew; PCIe: see its flat cable, add the line to {config_txt(case)}, `sudo reboot`"
        return judged(asked, "coral.device", said, advice=advice, command=_add(case, "dtparam=pciex1"))
    advice = "plug it in anew, without a hub; on PCIe, with the board switched off"
    return judged(asked, "coral.device", said, advice=advice)


def _add(case: Case, line: str) -> str:
    return f"echo {line} | sudo tee -a {config_txt(case)}"


def device(case: Case, tpu: EdgeTpu, asked: bool) -> Finding:
    """One accelerator as it stands on its bus."""
    name, bus = "coral.device", {"usb": "USB", "pci": "PCIe"}[tpu.bus]
    said = f"Edge TPU on {bus}, {tpu.place}"
    if tpu.condition == "ready":
        return good(name, f"{said}: ready")
    if tpu.condition == "no firmware yet":
        return good(name, f"{said}: 1a6e:089a, which is right before its first use; then it is 18d1:9302")
    if tpu.condition == "fallen off the bus":
        advice = "let it cool, see that it sits firmly and has power, and start the board anew:"
        return judged(asked, name, f"{said}: it has fallen off the bus", advice=advice, command="sudo reboot")
    advice = f"take gasket-dkms_*.deb from {DRIVERS}, and then `sudo reboot`:"
    command = "sudo apt install dkms linux-headers-$(uname -r) ./gasket-dkms_*.deb"
    if any((case.root / "lib/modules" / case.facts.kernel).rglob("apex.ko*")):
        advice, command = "it is installed, and not loaded:", "sudo modprobe apex"
    return judged(asked, name, f"{said}: its driver (apex) is not loaded", advice=advice, command=command)


def _more(case: Case, tpu: EdgeTpu, asked: bool) -> Iterator[Finding]:
    """What else there is to say of one accelerator."""
    if tpu.permitted is False:
        yield permission(case, tpu, asked)
    if tpu.speed_mbit is not None and tpu.speed_mbit <= USB_2:
        said = f"{tpu.place} is on USB 2 ({tpu.speed_mbit} Mbit/s), which makes every inference slower"
        yield note(
            "coral.usb-speed", said, advice="use a USB 3 port (blue), where the board has one, and its own cable"
        )
    if tpu.bus == "pci" and case.pi and case.page_bytes != PAGE:
        said = f"the kernel has pages of {case.page_bytes >> 10} KiB, and the driver of the Edge TPU wants 4 KiB"
        advice = "take the kernel with 4 KiB, and then `sudo reboot`:"
        yield judged(asked, "coral.pages", said, advice=advice, command=_add(case, "kernel=kernel8.img"))
    if tpu.temperature_c is not None:
        yield temperature(tpu.place, tpu.temperature_c)


def temperature(place: str, degrees: float) -> Finding:
    """Of one accelerator."""
    name, said = "coral.temperature", f"{place}: {degrees:.0f} °C"
    return note(name, f"{said}: it slows down", advice="cool it") if degrees >= HOT_C else good(name, said)


def permission(case: Case, tpu: EdgeTpu, asked: bool) -> Finding:
    """Why this user may not open an accelerator: the rule of udev, the group, or a login from before."""
    name, said = "coral.permission", f"no permission for {tpu.node} ({tpu.place})"
    group = "plugdev" if tpu.bus == "usb" else "apex"
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
    lines = [f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{v}", ATTR{{idProduct}}=="{p}", GROUP="plugdev"' for v, p in IDS]
    if tpu.bus == "pci":
        lines = ['SUBSYSTEM=="apex", MODE="0660", GROUP="apex"']
    written = " ".join(f"'{line}'" for line in lines)
    return f"printf '%s\\n' {written} | sudo tee /etc/udev/rules.d/65-edgetpu.rules"


def _reload(tpu: EdgeTpu) -> str:
    subsystem = "usb" if tpu.bus == "usb" else "apex"
    return f"sudo udevadm control --reload && sudo udevadm trigger --subsystem-match={subsystem}"


def library_of(chosen: DeviceProfile, root: Path) -> Path | None:
    """The file of the library: the one that the profile names, else the first that the linker would find."""
    listed = [adapter.options for adapter in chosen.interpreters if adapter.kind == KIND]
    name = next((str(options["library"]) for options in listed if options.get("library")), LIBRARY)
    if "/" in name:
        found = [root / name.lstrip("/")]
    else:
        found = [path for place in PLACES for path in sorted(root.glob(f"{place}/{name}"))]
    return next((path for path in found if path.exists()), None)


def library(case: Case, asked: bool) -> Finding:
    """Whether it is there, loads, and is of a build that goes with recent runtimes."""
    name, found = "coral.library", library_of(case.profile, case.root)
    advice = f"take libedgetpu1-std_*.deb for this system from {BUILDS}, and:"
    command = "sudo apt install ./libedgetpu1-std_*.deb"
    if found is None:
        return judged(asked, name, f"{LIBRARY} is not installed", advice=advice, command=command)
    told = case.told("libedgetpu")
    package = (case.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", "libedgetpu1-*"]) or "").strip()
    said = f"/{found.relative_to(case.root)}" + (f" ({', '.join(package.splitlines())})" if package else "")
    if told.how in ("crashed", "silent"):
        how = "crashes" if told.how == "crashed" else "hangs"
        said += f" {how} ({told.said}) when it is loaded"
        return judged(asked, name, said, advice=advice, command=command)
    if told.how == "failed":
        return judged(asked, name, f"{said} cannot be loaded: {told.said}", advice=advice, command=command)
    if asked and re.search(r"^libedgetpu1-\w+ 1[0-6]\.\d+$", package, re.MULTILINE):
        said += ": Google's build of 2021, which crashes in runtimes from TFLite 2.12 on"
        return bad(name, said, advice=advice, command=command)
    return good(name, f"{said} loads")
