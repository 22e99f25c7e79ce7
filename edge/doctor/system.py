"""What the operating system gives: disk, clock, memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone

from edge.doctor.case import Case
from edge.doctor.finding import Finding, bad, good, not_applicable, note
from edge.sysfs import kib

MIB = 1 << 20

LITTLE_DISK, TIGHT_DISK = 50 * MIB, 500 * MIB
"""A model is some megabytes, a TensorRT engine and its timing cache some tens."""

LITTLE_MEMORY = 100 * MIB
"""A model, its runtime and a camera's frames take about as much."""

SMALL_BOARD = 1 << 30

WRITTEN_AT = 1_735_689_600
"""2025-01-01: a clock that tells less than the year in which this was written is wrong."""


def check(case: Case) -> Iterator[Finding]:
    """All of it."""
    yield disk(case)
    yield clock(case)
    yield memory(case)


def disk(case: Case) -> Finding:
    """Whether models and engines can be kept."""
    name, found = "system.disk", case.disk
    if found is None:
        return note(name, "this user has no home, so that nothing that is fetched or built is kept", advice="set HOME")
    said = f"{found.free_bytes // MIB:,} MiB free for {found.folder}"
    if found.read_only:
        said = f"{found.folder} cannot be written: no model can be fetched, no engine kept"
        return note(name, said, advice="where that is meant, set XDG_CACHE_HOME and XDG_DATA_HOME to a writable folder")
    if found.free_bytes < LITTLE_DISK:
        return bad(name, said, command="sudo apt clean && sudo journalctl --vacuum-size=50M")
    if found.free_bytes < TIGHT_DISK:
        return note(name, f"{said}, which is little", command="sudo apt clean && sudo journalctl --vacuum-size=50M")
    return good(name, said)


def clock(case: Case) -> Finding:
    """Whether the time can be right; few boards keep it while they are off."""
    name, told = "system.clock", datetime.fromtimestamp(case.now, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    synchronise = "sudo timedatectl set-ntp true"
    if case.now < WRITTEN_AT:
        said = f"{told}, which cannot be: fetching fails (certificates are not valid yet), and records bear this time"
        return bad(name, said, advice="give it a network, and:", command=synchronise)
    said = (case.run(["timedatectl", "show", "-p", "NTPSynchronized", "--value"]) or "").strip()
    if said == "yes" or (case.root / "run/systemd/timesync/synchronized").exists():
        return good(name, f"{told}, synchronised")
    if said == "no":
        return note(name, f"{told}, not synchronised with any server", command=synchronise)
    return not_applicable(name, f"{told}; nothing here tells whether it is synchronised")


def memory(case: Case) -> Finding:
    """Whether a model and a camera fit."""
    name, lines = "system.memory", case.read("proc/meminfo") or ""
    most, free, swap = (kib(lines, which) for which in ("MemTotal", "MemAvailable", "SwapTotal"))
    if most is None:
        return not_applicable(name, "this machine does not tell")
    zram = re.search(r"^/dev/zram", case.read("proc/swaps") or "", re.MULTILINE) is not None
    swapped = "" if swap is None else f", {swap // MIB:,} MiB of swap{' in memory (zram)' if zram else ''}"
    said = f"{most // MIB:,} MiB" + ("" if free is None else f", {free // MIB:,} MiB free") + swapped
    if free is not None and free < LITTLE_MEMORY:
        advice = "end what else runs; without the desktop there is more:"
        return note(name, said, advice=advice, command="sudo systemctl set-default multi-user.target && sudo reboot")
    if most < SMALL_BOARD and swap == 0:
        said += ": it is little, and there is no swap"
        return note(name, said, advice="compressed swap in memory:", command="sudo apt install zram-tools")
    return good(name, said)
