"""Several cameras of one process, and the one service manager: it hears them as if they were one."""

from __future__ import annotations

from threading import Lock

from edge.errors import one_line
from edge.service.notify import Notify

BETWEEN = " | "
"""What parts the cameras in a line of status."""

MOST = 1000
"""Characters of what all of them say; systemd leaves a message of more than 4096 bytes alone."""


class Voices:
    """Speaks for cameras, by their names.

    It is alive while all of them are: one that hangs has the process begun again, as for one camera alone. It is ready
    when the first is: one that is not there keeps nobody waiting.
    """

    def __init__(self, notify: Notify, names: list[str]) -> None:
        self._notify = notify
        self._lock = Lock()
        self._said = dict.fromkeys(names, "starting")
        self._awaited = set(names)
        self._over: set[str] = set()
        self._reloading: set[str] = set()
        self._begun = False

    def alive(self, name: str) -> None:
        """Take a sign of life of a camera."""
        with self._lock:
            self._awaited.discard(name)
            all_live = not self._awaited - self._over
            if all_live:
                self._awaited = set(self._said)
        if all_live:
            self._notify.alive()

    def over(self, name: str) -> None:
        """Wait for nothing of this one any more."""
        with self._lock:
            self._over.add(name)
            owes = name in self._reloading
        if owes:
            self.ready(name)

    def say(self, name: str, words: str) -> None:
        """Say what each does, in a line."""
        with self._lock:
            self._said[name] = one_line(words, MOST // len(self._said))
            whole = BETWEEN.join(f"{each}: {told}" for each, told in self._said.items())
        self._notify.status(whole)

    def ready(self, name: str) -> None:
        """Say that the start is complete; that of a reload, when it is for the last of those who reload."""
        with self._lock:
            self._begun = True
            self._reloading.discard(name)
            rest = bool(self._reloading)
        if not rest:
            self._notify.ready()

    def reloading(self, name: str) -> None:
        """Say that settings are read again, once for all who do."""
        with self._lock:
            if name in self._over:
                return
            first = not self._reloading
            self._reloading.add(name)
        if first:
            self._notify.reloading()

    def extend(self, seconds: float) -> None:
        """As `Notify.extend`, for the start; one that begins while others run needs no time of systemd's."""
        if not self._begun:
            self._notify.extend(seconds)


class Voice:
    """One camera's way to the service manager, as `Notify` is that of a camera alone."""

    def __init__(self, voices: Voices, name: str) -> None:
        self._voices = voices
        self._name = name

    def ready(self) -> None:
        """As `Notify.ready`."""
        self._voices.ready(self._name)

    def status(self, words: str) -> None:
        """As `Notify.status`."""
        self._voices.say(self._name, words)

    def alive(self) -> None:
        """As `Notify.alive`."""
        self._voices.alive(self._name)

    def extend(self, seconds: float) -> None:
        """As `Notify.extend`."""
        self._voices.extend(seconds)

    def reloading(self) -> None:
        """As `Notify.reloading`."""
        self._voices.reloading(self._name)
