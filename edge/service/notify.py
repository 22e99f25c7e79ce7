"""What systemd is told: sd_notify(3), the protocol of one datagram a message.

Nothing is sent where nobody asked for it ($NOTIFY_SOCKET), and nothing that goes wrong here reaches the camera.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Protocol

from edge.errors import one_line

LIMIT_S = 1.0
"""How long a message waits for room in the socket of the service manager."""


class Manager(Protocol):
    """Whom a camera tells how it goes: the service manager, or who speaks to it for several cameras."""

    def ready(self) -> None:
        """Say that the start, or a reload, is complete."""
        ...

    def status(self, words: str) -> None:
        """Say in a line what goes on."""
        ...

    def alive(self) -> None:
        """Give a sign of life."""
        ...

    def extend(self, seconds: float) -> None:
        """Ask for so much more time for what is under way."""
        ...

    def reloading(self) -> None:
        """Say that settings are read again; `ready` ends it."""
        ...


class Notify:
    """A way to the service manager. environment: where $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID are read.

    watched: whether it wants signs of life. clock: seconds.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        pid: int | None = None,
    ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._way: socket.socket | None = None
        if address:  # it is kept, for none can be had where all descriptors are taken
            self._way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._way.settimeout(LIMIT_S)
        self._clock = clock
        self._lock = Lock()
        self._alive_at: float | None = None
        self._status = ""
        self._period_s = _period_s(environment, os.getpid() if pid is None else pid)
        self.watched = self._period_s is not None and bool(self._address)

    def ready(self) -> None:
        """Say that the start, or a reload, is complete."""
        self._send("READY=1")

    def status(self, words: str) -> None:
        """Say in a line what goes on; nothing where that was said last."""
        if words != self._status:
            self._status = words
            self._send(f"STATUS={one_line(words)}")

    def alive(self) -> None:
        """Give a sign of life, at most one each quarter of the time that the manager waits for one."""
        if self._period_s is None:
            return
        now = self._clock()
        with self._lock:
            due = self._alive_at is None or now - self._alive_at >= self._period_s
            self._alive_at = now if due else self._alive_at
        if due:
            self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for so much more time for what is under way: the start, a reload, or the end."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def reloading(self) -> None:
        """Say that settings are read again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Say no more."""
        if self._way is not None:
            self._way.close()

    def _send(self, message: str) -> None:
        if self._way is not None:
            with contextlib.suppress(OSError):
                self._way.sendto(message.encode("utf-8", "replace"), self._address)


def _period_s(environment: Mapping[str, str], pid: int) -> float | None:
    """A quarter of the time after which the manager takes this process for dead; None where it does not watch it."""
    told, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isascii() or not told.isdigit() or int(told) == 0 or whose not in ("", str(pid)):
        return None
    return int(told) / 4e6
