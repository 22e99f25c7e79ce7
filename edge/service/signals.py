"""Signals that are heard even while the main thread is held up in a driver.

Python runs a handler in the main thread, between two steps of its own; a call that hangs in C puts that off. The byte
that `signal.set_wakeup_fd` writes comes at once, and a thread reads it.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Lock, Thread

ENDS = (signal.SIGTERM, signal.SIGINT)


class Asked:
    """What signals have asked for so far; from any thread."""

    def __init__(self) -> None:
        self._end, self._reload = Flag(), Flag()
        self._lock = Lock()
        self._then: Callable[[], None] = lambda: None

    @property
    def ends(self) -> bool:
        """Whether it is all to end."""
        return self._end.is_set()

    def reloads(self) -> bool:
        """Whether settings are to be read again; once for each time that it was asked."""
        asked = self._reload.is_set()
        if asked:  # what is asked between the two lines is of the same reading; where nothing was, it is of the next
            self._reload.clear()
        return asked

    def at_end(self, then: Callable[[], None]) -> None:
        """Have `then` called when the end is asked for; now, where it was."""
        with self._lock:
            self._then = then
        if self.ends:
            then()

    def take(self, number: int) -> None:
        """Take one signal."""
        if number == signal.SIGHUP:
            self._reload.set()
        elif number in ENDS and not self._end.is_set():
            self._end.set()
            with self._lock:
                then = self._then
            then()


@contextmanager
def heard() -> Iterator[Asked]:
    """Hear SIGTERM, SIGINT and SIGHUP in a thread; afterwards they do what they did before.

    To be used in the main thread, as Python asks of whoever sets a handler.
    """
    asked = Asked()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in (*ENDS, signal.SIGHUP)}
    woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    thread = Thread(target=_listen, args=(ours, asked), name="edge-signals", daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()
        thread.join()
        ours.close()


def _listen(ours: socket.socket, asked: Asked) -> None:
    with contextlib.suppress(OSError):
        while numbers := ours.recv(64):
            for number in numbers:
                asked.take(number)
