"""Signals that are heard even while the main thread is held up in a driver.

Python runs a handler in the main thread, between two steps of its own; a call that hangs in C puts that off. The byte
that `signal.set_wakeup_fd` writes comes at once, and a thread reads it.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Lock, Thread

ENDS = (signal.SIGTERM, signal.SIGINT)


class Asked:
    """What signals have asked for so far; from any thread. ends: those that ask for the end."""

    def __init__(self, ends: Collection[int] = ENDS) -> None:
        self._ends = ends
        self._end = Flag()
        self._reloads = 0
        self._heard: dict[int, int] = {}
        self._lock = Lock()
        self._then: Callable[[], None] = lambda: None

    @property
    def ends(self) -> bool:
        """Whether it is all to end."""
        return self._end.is_set()

    def reloads(self, who: int = 0) -> bool:
        """Whether settings are to be read again; each who asks is told once for each time that it was asked for."""
        now = self._reloads
        before, self._heard[who] = self._heard.get(who, 0), now
        return now != before

    def at_end(self, then: Callable[[], None]) -> None:
        """Have `then` called when the end is asked for; now, where it was."""
        with self._lock:
            self._then = then
        if self.ends:
            then()

    def take(self, number: int) -> None:
        """Take one signal."""
        if number in self._ends:
            if not self._end.is_set():
                self._end.set()
                with self._lock:
                    then = self._then
                then()
        elif number == signal.SIGHUP:
            self._reloads += 1


@contextmanager
def heard(ends: Collection[int] = ENDS) -> Iterator[Asked]:
    """Hear SIGTERM, SIGINT and SIGHUP in a thread; afterwards they do what they did before. ends: those that ask for
    the end; SIGHUP otherwise asks for the settings to be read again.

    To be used in the main thread, as Python asks of whoever sets a handler.
    """
    asked = Asked(ends)
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
