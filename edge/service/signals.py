"""Signals that are heard even while the main thread is held up in a driver.

Python runs a handler in the main thread, between two steps of its own; a call that hangs in C puts that off. The byte
that `signal.set_wakeup_fd` writes comes at once, and a thread reads it.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread


@contextmanager
def heard(answers: Mapping[int, Callable[[], None]]) -> Iterator[None]:
    """Call what `answers` has for a signal, in a thread; afterwards signals do what they did before.

    To be used in the main thread, as Python asks of whoever sets a handler.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in answers}
    woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    thread = Thread(target=_answer, args=(ours, answers), name="edge-signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()
        thread.join()
        ours.close()


def _answer(ours: socket.socket, answers: Mapping[int, Callable[[], None]]) -> None:
    with contextlib.suppress(OSError):
        while numbers := ours.recv(64):
            for number in numbers:
                if number in answers:
                    answers[number]()
