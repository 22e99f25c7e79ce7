"""An output that others ask: it listens, and answers in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket
from threading import Event as Flag

from edge.listening import listening
from edge.tireless import Tireless
from edge.types import Event
from edge.vitals import Vitals


class Listener:
    """An `Output`. part: what it is called in logs and problems. listen: an address, as `edge.listening.place` has it.

    answer: gets the socket that listens there; answers whoever connects until the flag says that all is over. opens:
    gives that socket, as `edge.listening.listening` does.
    """

    def __init__(
        self,
        part: str,
        listen: str,
        answer: Callable[[socket, Flag], None],
        vitals: Vitals,
        opens: Callable[[str], socket] = listening,
    ) -> None:
        self._listen = listen
        self._opens = opens
        self._answer = answer
        self._tireless = Tireless(part, self._work, vitals)
        self.port: int | None = None
        """Where it listens; None where it does not."""

    def start(self) -> None:
        """Begin; returns at once."""
        self._tireless.start()

    def told(self, event: Event) -> None:
        """Nothing: who asks finds it."""

    def close(self) -> None:
        """End; who is being answered may be cut off."""
        self._tireless.close()

    def _work(self, over: Flag) -> None:
        with self._opens(self._listen) as ours:
            self.port = ours.getsockname()[1]
            self._tireless.well()
            try:
                self._answer(ours, over)
            finally:
                self.port = None
