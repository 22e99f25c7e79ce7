"""A service, watched from outside: what the kernel tells of its process, what it tells by HTTP and to systemd."""

import json
import re
import socket
import statistics
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple


class Held(NamedTuple):
    """What a process holds, without its children. memory: bytes that are resident; libraries count whole, for its part
    of them becomes less with each other process on the machine that has them, too. anonymous: bytes that it made."""

    memory: int
    anonymous: int
    threads: int
    files: int
    sockets: int


def held(pid: int) -> Held:
    """What a process holds now."""
    process = Path("/proc") / str(pid)
    rollup = (process / "smaps_rollup").read_text()
    told = {name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"^(\w+): +(\d+) kB", rollup, re.MULTILINE)}
    links = []
    for handle in list((process / "fd").iterdir()):
        try:
            links.append(str(handle.readlink()))
        except OSError:  # closed meanwhile
            continue
    sockets = sum(link.startswith("socket:") for link in links)
    return Held(told["Rss"], told["Anonymous"], len(list((process / "task").iterdir())), len(links) - sockets, sockets)


def children(pid: int) -> list[int]:
    """The processes that a process has started, by any of its threads."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after[1]) == pid and after[0] != "Z":
            found.append(int(status.parent.name))
    return sorted(found)


class Health:
    """Asks the service's own page."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/health"

    def __call__(self) -> dict | None:
        """What it says; None where it says nothing."""
        try:
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return None

    def frames(self) -> int:
        """How many frames were answered so far; -1 where it says nothing."""
        told = self()
        return -1 if told is None else told["frames"]


class Systemd:
    """What systemd would hear. silence_s: the longest time without a sign of life, once it was ready."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.ready = threading.Event()
        self.silence_s, self._last = 0.0, 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            lines = self._socket.recv(1 << 16).decode().splitlines()
            now = time.monotonic()
            if "READY=1" in lines:
                self.ready.set()
            if "WATCHDOG=1" in lines:
                if self._last and self.ready.is_set():
                    self.silence_s = max(self.silence_s, now - self._last)
                self._last = now


class Samples:
    """What was held over time."""

    def __init__(self) -> None:
        self._all: list[Held] = []

    def add(self, now: Held) -> None:
        """Take a sample."""
        self._all.append(now)

    def median(self) -> Held:
        """Of each number by itself."""
        return Held(*(int(statistics.median(column)) for column in zip(*self._all, strict=True)))

    def most(self) -> int:
        """The most memory that was held."""
        return max(sample.memory for sample in self._all)
