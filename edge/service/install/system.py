"""The machine that is installed to: this one, or another one's folder, such as a mounted SD card."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from edge.errors import ConfigError, EdgeError
from edge.service.install.steps import Run, Runner
from edge.service.places import SETTINGS, STATE
from edge.settings.secret import WEB_TOKEN

SHIPPED = Path(__file__).parents[1] / "systemd"
"""Where the files lie that are put in place."""

UNIT = "/etc/systemd/system/edge@.service"
BACKOFF = "/etc/systemd/system/edge@.service.d/backoff.conf"
RULES = "/etc/udev/rules.d/70-edge.rules"
USERS = "/etc/sysusers.d/edge.conf"
MODES = "/etc/tmpfiles.d/edge.conf"
CACHE = "/var/cache/edge"
WANTS = "/etc/systemd/system/multi-user.target.wants"
USER = "edge"
FETCHED = "edgekit"
"""The folder in which models lie that were fetched, among those of the cameras."""

LIBRARY = "libsystemd-shared-"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def named(name: str) -> str:
    """A name that a camera may have. Raises ConfigError."""
    if not NAME.fullmatch(name) or name == FETCHED:
        raise ConfigError(f"{name!r} can be no camera's name; take letters, digits, - and _, such as front-door")
    return name


class System(NamedTuple):
    """root: its folder; "/" is this machine, running."""

    root: Path = Path("/")

    @property
    def running(self) -> bool:
        """Whether it is this one."""
        return self.root == Path("/")

    def at(self, path: str | Path) -> Path:
        """A path of it, as seen from here. Raises ConfigError where links lead out of its folder."""
        found = self.root / str(path).lstrip("/")
        real = os.path.realpath(found)
        if not Path(real).is_relative_to(self.root):
            raise ConfigError(f"{found} leads out of {self.root}, to {real}; run this on that system itself")
        return found

    def settings(self, name: str) -> Path:
        """The settings of a camera."""
        return self.at(SETTINGS / f"{name}.toml")

    def passwords(self, name: str) -> list[Path]:
        """The secrets of a camera, as the unit names them."""
        return [*(self.at(SETTINGS / f"{name}.{of}-password") for of in ("mqtt", "source")), self.token(name)]

    def token(self, name: str) -> Path:
        """What is kept of the token of a camera's page."""
        return self.at(SETTINGS / f"{name}.{WEB_TOKEN}")

    def state(self, name: str) -> Path:
        """The events and pictures of a camera."""
        return self.at(STATE / name)

    def drop_in(self, name: str) -> Path:
        """The folder of what is said over the unit for one camera."""
        return self.at(f"{UNIT.removesuffix('@.service')}@{name}.service.d")

    def enabled(self) -> list[str]:
        """The cameras that are begun at a start of the board, sorted."""
        links = self.at(WANTS).glob("edge@*.service")
        return sorted(link.name.removeprefix("edge@").removesuffix(".service") for link in links)

    def cameras(self) -> list[str]:
        """The cameras that are enabled, or have settings, sorted."""
        files = self.at(SETTINGS).glob("*.toml")
        return sorted({*self.enabled(), *(path.stem for path in files if NAME.fullmatch(path.stem))})

    def systemd(self) -> int:
        """The version of its systemd, as the library of its programs is named; 0 where there is none."""
        libraries = (path for usual in ("", "*/") for path in self.root.glob(f"usr/lib*/{usual}systemd/{LIBRARY}*.so"))
        versions = (re.match(r"\d+", path.name.removeprefix(LIBRARY)) for path in libraries)
        return max((int(version[0]) for version in versions if version), default=0)

    def left(self) -> list[str]:
        """The cameras that have events and pictures, whether they are installed or not, sorted."""
        folders = self.at(STATE).glob("*")
        return sorted(path.name for path in folders if NAME.fullmatch(path.name) and path.name != FETCHED)

    def groups(self) -> list[str]:
        """The names of its groups."""
        return [line[0] for line in self._table("/etc/group")]

    def user(self) -> list[str] | None:
        """The line of the service's user in passwd(5); None where there is none."""
        return next((line for line in self._table("/etc/passwd") if line[0] == USER and len(line) > 5), None)

    def tool(self, *argv: str, must: bool = True) -> Run:
        """A command of systemd's on it."""
        other = () if self.running else (f"--root={self.root}",)
        return Run((argv[0], *other, *argv[1:]), must)

    def active(self, name: str, run: Runner) -> bool:
        """Whether a camera's service runs, or is about to."""
        if not self.running:
            return False
        try:
            told = run(("systemctl", "show", "--property=ActiveState", "--value", f"edge@{name}.service"))
        except EdgeError:
            return False
        return told.strip() in ("active", "activating", "reloading")

    def _table(self, path: str) -> list[list[str]]:
        file = self.at(path)
        lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
        return [line.split(":") for line in lines if line]
