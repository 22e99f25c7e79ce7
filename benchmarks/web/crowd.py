"""Viewers in a process of their own, for `viewers.py`: those who read all that comes, and those who never read.

Each has two connections, as a page has: for pictures, and for news. Commands come on stdin, one a line:
"PORT READERS DEAF" has as many of each (0 0: none), and "tell" asks for what came since the last "tell". Answers are
lines of JSON. Who never reads does not see that it was cut off, either.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from typing import Any

MARK = b"\r\nX-Frame: "

ASK = "GET /api/v1/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n"


class Crowd:
    """All viewers, read in one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._readers: dict[socket.socket, bytes] = {}
        self._deaf: list[socket.socket] = []
        self._buffer = memoryview(bytearray(1 << 18))
        self._pictures: dict[socket.socket, int] = {}
        self._bytes = self._lost = 0
        self._since, self._used = time.monotonic(), time.process_time()

    def be(self, port: int, readers: int, deaf: int) -> None:
        """Let all go, and have so many come."""
        for each in [*self._readers, *self._deaf]:
            each.close()
        self._selector.close()
        self._selector = selectors.DefaultSelector()
        self._deaf = [_asked(port, path) for _ in range(deaf) for path in ("stream.mjpg", "updates")]
        self._pictures = {_asked(port, "stream.mjpg"): 0 for _ in range(readers)}
        self._readers = dict.fromkeys([*self._pictures, *(_asked(port, "updates") for _ in range(readers))], b"")
        for each in self._readers:
            self._selector.register(each, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self.told()

    def told(self) -> dict[str, float]:
        """Since this was told last: seconds, pictures a second of all readers, and of the one that got the fewest,
        bytes a second, the processor time of this as a share of a core, and how many connections were lost."""
        now, used = time.monotonic(), time.process_time()
        seconds = now - self._since
        found = {
            "seconds": seconds,
            "pictures": sum(self._pictures.values()) / seconds,
            "fewest": min(self._pictures.values(), default=0) / seconds,
            "bytes": self._bytes / seconds,
            "share": (used - self._used) / seconds,
            "lost": self._lost,
        }
        self._pictures = dict.fromkeys(self._pictures, 0)
        self._bytes = self._lost = 0
        self._since, self._used = now, used
        return found

    def read(self) -> bool:
        """Wait for something, and take it; whether a command is there."""
        asked = False
        for key, _ in self._selector.select():
            if key.fileobj is sys.stdin:
                asked = True
            else:
                self._take(key.fileobj)
        return asked

    def _take(self, reader: Any) -> None:
        try:
            count = reader.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._lost += 1
            self._selector.unregister(reader)
            return
        seen = self._readers[reader] + bytes(self._buffer[:count])
        self._readers[reader] = seen[1 - len(MARK) :]
        if reader in self._pictures:
            self._pictures[reader] += seen.count(MARK)
        self._bytes += count


def _asked(port: int, path: str) -> socket.socket:
    ours = socket.create_connection(("127.0.0.1", port), timeout=10)
    ours.sendall(ASK.format(path, port).encode())
    ours.setblocking(False)
    return ours


def main() -> None:
    """Obey until stdin ends."""
    crowd = Crowd()
    for line in sys.stdin:
        words = line.split()
        if words == ["tell"]:
            print(json.dumps(crowd.told()), flush=True)
        else:
            crowd.be(*map(int, words))
            print("{}", flush=True)
        while not crowd.read():
            pass


if __name__ == "__main__":
    main()
