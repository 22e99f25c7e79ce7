"""Settings that change while the camera runs: taken only where they are good."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.errors import ConfigError, EdgeError, one_line
from edge.files import printable
from edge.service.check import files, refuse
from edge.settings import Settings, differs, each, load
from edge.settings.differs import Part
from edge.vitals import Vitals

log = logging.getLogger("edge")

POLL_S = 1.0
"""Between two looks at the file while nobody asks; it is read when two of them see the same, so that nothing is read by
half."""

Stamp = tuple[int, int, int] | None
"""When a file was written (ns), its size and its number; None: it is not there."""


class Change(NamedTuple):
    """Settings that are good. touched: the parts of which a file that they name is another than before. asked: by
    somebody, as with SIGHUP.
    """

    settings: Settings
    touched: frozenset[Part]
    asked: bool


class Reload:
    """Reads the file of a camera, and again whenever it changes. settings: the last that were good. name: of the file
    that was read last, as it says. asked: whether somebody asked and was not answered yet.

    place: of the camera, where the file has several; a list that has none there has another one in its place until all
    begins again. clock: seconds that never run backwards. check: raises an EdgeError for settings that could not run
    here. Raises ConfigError where the file is not right to begin with; `check` is not asked then.
    """

    def __init__(
        self,
        path: Path,
        place: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        check: Callable[[Settings], None] = refuse,
    ) -> None:
        self.path = path
        self._place = place
        self._clock = clock
        self._check = check
        self._tried = self._last = stamp(path)  # before it is read: what is written meanwhile is seen as news
        self.settings = self._load()
        self._named = named(self.settings)
        self._looked_at = clock()
        self.asked = False

    def changed(self, vitals: Vitals, asked: bool = False) -> Change | None:
        """The settings, where the file changed or somebody asks, and it is good; they may be the same as before.

        Nothing is looked at more often than once a second, unless it is asked for, as by SIGHUP; files that are named
        are looked at when the settings are read. Where the file is bad all stays as it is; the reason is logged and
        stands in `vitals.problems`. Never raises.
        """
        now = self._clock()
        self.asked = asked = asked or self.asked
        if not asked and now - self._looked_at < POLL_S:
            return None
        found, before = stamp(self.path), self._last
        self._looked_at, self._last = now, found
        if found != before or (found == self._tried and not asked):
            return None
        self._tried, self.asked = found, False
        return self._read(vitals, asked)

    def judge(self, vitals: Vitals) -> None:
        """Say what cannot work of the settings that count, where something cannot; they count all the same."""
        try:
            self._check(self.settings)
        except (EdgeError, OSError) as error:
            words = f"{printable(self.path)}: {one_line(error)}"
            vitals.problem("settings", words)
            log.warning("settings: %s", words)

    def each(self) -> list[Reload]:
        """One for each camera of the file: this one, and those for the others. Raises ConfigError."""
        others = range(1, len(self.settings.camera))
        return [self, *(Reload(self.path, place, clock=self._clock, check=self._check) for place in others)]

    def _load(self) -> Settings:
        whole = load(self.path)
        self.name, cameras = whole.name, each(whole)
        return cameras[self._place if self._place < len(cameras) else 0]

    def _read(self, vitals: Vitals, asked: bool) -> Change | None:
        where = ""
        try:
            settings = self._load()
            where = f"{printable(self.path)}: "
            if self._tried and not self._tried[1] and differs(self.settings, settings):
                raise ConfigError("the file is empty; where all is to be by default, leave a comment in it")
            self._check(settings)
        except (EdgeError, OSError) as error:
            self._refuse(vitals, f"{where}{one_line(error)}", asked)
            return None
        if "settings" in vitals.problems:
            vitals.problem("settings", None)
            log.warning("settings: %s is good again", printable(self.path))
        there, before = named(settings), self._named
        self.settings, self._named = settings, there
        touched = frozenset(part for part, stamps in there.items() if before.get(part, stamps) != stamps)
        return Change(settings, touched, asked)

    def _refuse(self, vitals: Vitals, words: str, asked: bool) -> None:
        vitals.refused += 1
        is_news = vitals.problems.get("settings") != words
        vitals.problem("settings", words)
        if asked or is_news:
            log.warning("settings: %s; the camera goes on with those it has", words)


def stamp(path: Path) -> Stamp:
    """What tells one state of a file from the next."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def named(settings: Settings) -> dict[Part, tuple[Stamp, ...]]:
    """The state of the files that settings name, by the part that reads them."""
    return {part: tuple(map(stamp, paths)) for part, paths in files(settings).items()}


class Still(Reload):
    """Settings that no file holds, and that stay as they are."""

    def __init__(self, settings: Settings, place: int = 0) -> None:
        self.path = Path(settings.name)
        self.name, self._whole = settings.name, settings
        self.settings = each(settings)[place]
        self.asked = False

    def each(self) -> list[Reload]:
        """One for each camera."""
        return [Still(self._whole, place) for place in range(len(each(self._whole)))]

    def changed(self, vitals: Vitals, asked: bool = False) -> Change | None:
        """None: they do not."""
        return None

    def judge(self, vitals: Vitals) -> None:
        """Nothing: whoever made them has."""
