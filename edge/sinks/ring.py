"""What was seen in the last seconds, as JPEGs in memory."""

from __future__ import annotations

from collections import deque
from threading import Lock

MOST_BYTES = 32 << 20
"""Of all pictures in it: a longer wish has fewer seconds."""

EARLY = 0.9
"""A picture may come so much sooner than after a whole step: who looks now and then would otherwise miss it."""


class Ring:
    """Pictures of the last `seconds`, at most `per_s` of each. Any thread may look into it."""

    def __init__(self, seconds: float, per_s: float, most_bytes: int = MOST_BYTES) -> None:
        self._span_ns = int(seconds * 1e9)
        self._step_ns = int(1e9 / per_s)
        self._most = most_bytes
        self._pictures: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes of all pictures in it."""
        return self._bytes

    def wants(self, at_ns: int) -> bool:
        """Whether a picture of that time is one to keep."""
        since_ns = at_ns - self._pictures[-1][0] if self._pictures else self._step_ns
        return self._span_ns > 0 and not 0 <= since_ns < EARLY * self._step_ns

    def add(self, at_ns: int, picture: bytes) -> None:
        """Keep a picture; those that are too old go, and the oldest where all take too much."""
        with self._lock:
            self._pictures.append((at_ns, picture))
            self._bytes += len(picture)
            while self._pictures[0][0] < at_ns - self._span_ns or self._bytes > self._most:
                self._bytes -= len(self._pictures.popleft()[1])
                if not self._pictures:
                    return

    def before(self, at_ns: int) -> list[tuple[float, bytes]]:
        """What was seen before that time: how many seconds, and the picture; the oldest first."""
        with self._lock:
            pictures = list(self._pictures)
        return [((at_ns - then) / 1e9, data) for then, data in pictures if at_ns - self._span_ns <= then < at_ns]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._pictures.clear()
            self._bytes = 0
