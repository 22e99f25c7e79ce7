"""The board itself: heat, clocks, power supply, cores."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge import cores
from edge.doctor.case import Case, config_txt
from edge.doctor.finding import Finding, bad, good, not_applicable, note
from edge.sysfs import listed

HOT_C = 80.0
"""From here on a Raspberry Pi slows down; other boards do so some degrees later."""

SUPPLIES = {
    "Raspberry Pi 5": "5.1 V and 5 A (its official 27 W supply)",
    "Raspberry Pi 4": "5.1 V and 3 A",
    "Raspberry Pi 3": "5.1 V and 2.5 A",
    "Raspberry Pi Zero": "5.1 V and 2.5 A",
}
"""What the makers ask for (https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#power-supply)."""

FULL_SUPPLY_MA = 5000
"""With less, the firmware of a Raspberry Pi 5 gives USB devices 600 mA in all, and 1600 mA with it (the same page)."""

FOLLOW_THE_LOAD = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")
"""Drivers whose "powersave" lets the clock follow the load (kernel.org, admin-guide/pm/intel_pstate)."""

PERFORMANCE = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


def check(case: Case) -> Iterator[Finding]:
    """All of it."""
    yield governor(case)
    yield from throttling(case)
    yield temperature(case)
    if case.pi:
        yield supply(case)
    yield threads(case)


def governor(case: Case) -> Finding:
    """Whether the clock stays up."""
    name = "board.governor"
    if not case.state.governors:
        return not_applicable(name, "the kernel tells of none, as in a virtual machine")
    found = ", ".join(case.state.governors)
    if case.state.governors == ("performance",):
        return good(name, "performance: the clock stays at its highest")
    if case.jetson:
        return good(name, f"{found}: `jetson_clocks` sets the clocks here")
    driver = case.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver")
    if case.state.governors == ("powersave",):
        if driver in FOLLOW_THE_LOAD:
            return good(name, f"powersave, with which {driver} lets the clock follow the load")
        said = "powersave: the clock stays at its lowest"
        return note(name, said, advice="until the next start:", command=PERFORMANCE)
    said = f"{found}: the clock follows the load, so that frames after a rest take longer, and figures vary"
    return note(name, said, advice="for measurements, until the next start:", command=PERFORMANCE)


def throttling(case: Case) -> Iterator[Finding]:
    """What holds the board back now, and what did since it was started."""
    now, since, name = case.state.limits, case.state.limits_since_boot, "board.throttling"
    if now:
        yield bad(name, f"now: {', '.join(now)}", advice=_against(case, now))
    past = [limit for limit in since or () if limit not in (now or ())]
    if past:
        yield note(name, f"since the board was started: {', '.join(past)}", advice=_against(case, tuple(past)))
    if case.state.limit_events:
        said = f"throttled {case.state.limit_events} times since it was started"
        yield note(name, said, advice="see its cooling, and its power mode")
    elif now is None and case.state.limit_events is None:
        yield _untold(case, name)
    elif not now and not past:
        yield good(name, "none" if since is None else "none, now or since the board was started")


def _untold(case: Case, name: str) -> Finding:
    if not case.pi:
        return not_applicable(name, "this machine does not tell")
    said = "`vcgencmd` tells nothing, so that under-voltage goes unseen"
    return note(name, said, command=f"sudo apt install raspi-utils && sudo usermod -aG video {case.user.name}")


def _against(case: Case, limits: tuple[str, ...]) -> str:
    advice = []
    if "under-voltage" in limits:
        advice.append(f"use a supply of {_supply(case)} with a short, thick cable")
    if set(limits) - {"under-voltage"}:
        advice.append("fit a heat sink or a fan" if case.pi else "see its cooling")
    return ", and ".join(advice)


def _supply(case: Case) -> str:
    board = case.facts.board or ""
    return next((supply for start, supply in SUPPLIES.items() if board.startswith(start)), "what its maker asks for")


def temperature(case: Case) -> Finding:
    """Of the hottest part that tells."""
    degrees, name = case.state.temperature_c, "board.temperature"
    if degrees is None:
        return not_applicable(name, "no sensor tells")
    said = f"{degrees:.0f} °C"
    return note(name, f"{said}: it slows down", advice="fit a fan") if degrees >= HOT_C else good(name, said)


def supply(case: Case) -> Finding:
    """What a Raspberry Pi 5 agreed on with its power supply; the others do not ask theirs."""
    name = "board.supply"
    try:
        most = int.from_bytes((case.root / "proc/device-tree/chosen/power/max_current").read_bytes(), "big")
    except OSError:
        return not_applicable(name, "this board does not ask its supply; under-voltage is told above")
    if most >= FULL_SUPPLY_MA:
        return good(name, f"{most} mA, and 1600 mA for USB devices")
    if _allowed(case):
        return note(name, f"the supply promises {most} mA; USB devices get 1600 mA because config.txt says so")
    said = f"the supply promises {most} mA, so that USB devices get 600 mA in all: a Coral and a camera need more"
    advice = f"use a supply of {_supply(case)}; for one that gives 5 A without saying so, and then `sudo reboot`:"
    return note(name, said, advice=advice, command=f"echo usb_max_current_enable=1 | sudo tee -a {config_txt(case)}")


def _allowed(case: Case) -> bool:
    written = case.read(config_txt(case).lstrip("/")) or ""
    return re.search(r"^\s*usb_max_current_enable\s*=\s*1\s*$", written, re.MULTILINE) is not None


def threads(case: Case) -> Finding:
    """Whether the profile's threads fit the cores that this process may use."""
    name, mine, big = "board.cores", cores.usable(case.root), cores.big(case.root)
    kinds = f", {len(big)} of them big" if len(big) < len(mine) else ""
    wanted = case.profile.threads
    said = f"{len(mine)} cores{kinds}" + (f", {wanted} threads by the profile" if wanted else "")
    online = listed(case.read("sys/devices/system/cpu/online") or "")
    if len(mine) < len(online):
        said += f"; the machine has {len(online)}, and this process may not use the rest"
        return note(name, said, advice="see `taskset`, and the limits of the container or service")
    if wanted and wanted > len(mine):
        return note(name, said, advice="more threads than cores make it slower: set threads in the profile")
    return good(name, said)
