"""What board this is, and how it fares: the values, and what tells them."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

Family = Literal["raspberry-pi", "jetson", "pc", "other"]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while a program runs. None: this machine does not tell.

    board: as the device tree or the firmware names it. machine: as `uname -m`; "aarch64 (32-bit userland)" where
    Python is of 32 bits and the kernel is not, for that decides which packages there are. cores: that this process may
    use. memory_bytes: of the machine. versions: of the installed packages that matter to speed, by name.
    """

    board: str | None
    family: Family
    cpu: str | None
    machine: str
    cores: int
    memory_bytes: int | None
    kernel: str
    system: str
    python: str
    versions: dict[str, str]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How the machine fares at one moment. None: this machine does not tell; an empty tuple: it tells that none is.

    at_ns: of the host's clock. governors: each one that a core of this process has, once. clocks_mhz, most_mhz,
    least_mhz: one a core: the present clock, and the highest and the lowest it may have. temperature_c: of the
    hottest zone. accelerator_c: of the hottest Edge TPU on PCIe; those on USB do not tell. limits: what holds the
    device back just now ("under-voltage", "throttled", …), and limits_since_boot what did at any time since.
    limit_events: a count that rises with each throttling. busy_s, stolen_s: seconds that the cores of this process
    were busy, added up, and that the hypervisor gave to others, since boot, in steps of 10 ms. own_s: processor
    seconds of this process and of its children that ended. swapped_bytes: moved to and from swap since boot.
    memory_bytes, peak_memory_bytes: of this process, resident.
    """

    at_ns: int
    governors: tuple[str, ...] | None = None
    clocks_mhz: tuple[float, ...] | None = None
    most_mhz: tuple[float, ...] | None = None
    least_mhz: tuple[float, ...] | None = None
    temperature_c: float | None = None
    accelerator_c: float | None = None
    limits: tuple[str, ...] | None = None
    limits_since_boot: tuple[str, ...] | None = None
    limit_events: int | None = None
    load_1m: float | None = None
    busy_s: float | None = None
    stolen_s: float | None = None
    own_s: float | None = None
    swapped_bytes: int | None = None
    memory_bytes: int | None = None
    peak_memory_bytes: int | None = None


class Host(Protocol):
    """A machine that tells of itself."""

    def facts(self) -> Facts:
        """What does not change."""
        ...

    def state(self) -> State:
        """How it fares now. Never raises: what cannot be read is None."""
        ...

    def forget_peak(self) -> None:
        """Let `peak_memory_bytes` begin anew, where the machine can; harmless where it cannot."""
        ...
