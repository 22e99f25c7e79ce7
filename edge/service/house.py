"""What a process has once, however many cameras it has: a page, metrics, an eye on its board and on its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from socket import socket
from typing import NamedTuple

from edge import profile as profiles
from edge import whose
from edge.errors import ConfigError
from edge.host import Host
from edge.inbox import Inbox
from edge.listening import listening
from edge.service.heap import Tidy
from edge.service.heat import Board
from edge.service.outputs import Make
from edge.settings import Recovery, Settings
from edge.sinks.output import Output
from edge.types import PowerMeter
from edge.web.choices import Choices
from edge.web.token import Kept
from edge.web.watched import Watched


class Page(NamedTuple):
    """What is particular of a page. choices: what may be chosen; None: what there is. kept: of a token that no file
    holds. inbox: takes the pictures of a browser's camera. opens: gives the socket of its address."""

    choices: Choices | None = None
    kept: Kept | None = None
    inbox: Inbox | None = None
    opens: Callable[[str], socket] = listening


class House:
    """The first camera of the process sees to it, and what does not work of it is that one's problem.

    folder: where it is noted how the lives of the process ended. cameras: gives all of them. host, meter: tell of the
    board.
    """

    def __init__(
        self,
        folder: Path,
        cameras: Callable[[], Sequence[Watched]],
        host: Host,
        meter: Callable[[], PowerMeter | None],
        page: Page,
    ) -> None:
        self.folder = folder
        self.make: dict[str, Make] = {"metrics": self._metrics, "web": self._web}
        self._cameras = cameras
        self._host = host
        self._meter = meter
        self._page = page
        self._choices = page.choices or Choices()
        self._encoding = Encoding()
        self._board: Board | None = None
        self._tidy: Tidy | None = None

    def start(self, recovery: Recovery) -> None:
        """Begin to look; returns at once."""
        first, *others = (each.vitals for each in self._cameras())
        with whose.of(""):
            self._board = Board(recovery, first, self._host, self._meter, beside=others)
            self._tidy = Tidy(first)
        self._board.start()
        self._tidy.start()

    def adopt(self, recovery: Recovery) -> None:
        """Go by other settings from now on."""
        if self._board:
            self._board.adopt(recovery)

    def close(self) -> None:
        """Look no more."""
        if self._tidy and self._board:
            self._tidy.close()
            self._board.close()

    def _metrics(self, settings: Settings) -> Output:
        from edge.sinks.metrics import Metrics

        assert settings.metrics
        with whose.of(""):
            return Metrics(settings.metrics, [each.vitals for each in self._cameras()])

    def _web(self, settings: Settings) -> Output:
        from edge.sinks.metrics import exposed, registry_of
        from edge.web import Web

        assert settings.web
        registry = registry_of([each.vitals for each in self._cameras()])
        with whose.of(""):
            return Web(
                settings.web,
                self._cameras(),
                self._choices,
                exposed=lambda accept: exposed(registry, accept),
                kept=self._page.kept,
                inbox=self._page.inbox,
                opens=self._page.opens,
                hardware_jpeg=self._encoding.by_hardware,
            )


class Encoding:
    """What makes the pictures of each camera: as its profile says, looked up where its settings are others than before.

    Each camera is asked about by one thread.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Settings, bool]] = {}

    def by_hardware(self, camera: Watched) -> bool:
        """Whether the board's own encoder does."""
        settings, name = camera.desk.settings, camera.vitals.name
        known = self._known.get(name)
        if known is None or known[0] is not settings:
            known = self._known[name] = settings, _names_hardware(settings)
        return known[1]


def _names_hardware(settings: Settings) -> bool:
    try:
        return profiles.load(settings.profile).jpeg == "v4l2"
    except ConfigError:  # it has just become wrong, of which others tell
        return False
