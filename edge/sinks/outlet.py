"""Between the loop and a sink: a bounded queue and a thread, so that a slow sink never stalls inference."""

from __future__ import annotations

from edge.channel import Channel
from edge.types import Frame, Result, Sink
from edge.whose import thread

CAPACITY = 64


class Outlet:
    """Feeds one sink. lossless: a full queue makes the loop wait; else the oldest result goes, and is counted."""

    def __init__(self, sink: Sink, *, lossless: bool) -> None:
        self._sink = sink
        self._lossless = lossless
        self._queue: Channel[tuple[Frame, Result]] = Channel(CAPACITY, lossless=lossless)
        self._error: BaseException | None = None
        self._given = self._written = 0
        self._thread = thread(self._work, "edge-sink")
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Results that the sink has not written; after `close`: that it was too slow for."""
        return self._given - self._written

    def write(self, frame: Frame, result: Result) -> bool:
        """Hand a result over; False after `stop`. Raises the error that ended the sink."""
        taken = self._queue.put((frame, result))
        if not taken and self._error is not None:
            raise self._error
        self._given += taken
        return taken

    def stop(self) -> None:
        """Take no more, so that whoever waits for room goes on; `close` then waits only so long."""
        self._lossless = False
        self._queue.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Let the sink finish what is queued; a lossy one at most so long. Raises the error that ended it."""
        self._queue.close()
        self._thread.join(None if self._lossless else timeout_s)
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            try:
                for frame, result in self._queue:
                    self._sink.write(frame, result)
                    self._written += 1
            finally:
                self._sink.close()
        except BaseException as error:  # noqa: BLE001 - handed to the loop's thread, which raises it
            self._error = error
            self._queue.abandon()
