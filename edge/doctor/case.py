"""What a check may look at: the machine, its Python, the profile, and how the trials in child processes went."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

import msgspec

from edge.cameras.v4l2.nodes import Found
from edge.doctor.environment import Python
from edge.doctor.trials import Told
from edge.firmware import Run
from edge.host import Facts, State
from edge.profile import DeviceProfile
from edge.sysfs import text

NOT_TRIED = Told(how="failed", said="it was not tried")


class User(msgspec.Struct, frozen=True):
    """Who runs this: the name, and the numbers of the groups that this login has."""

    name: str
    groups: frozenset[int]


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """Where the toolkit keeps what it fetches and builds. read_only: for this user."""

    folder: Path
    free_bytes: int
    read_only: bool


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is judged.

    given: the profile as it was named. root: of the machine's files. run: runs its commands. disk: None where there is
    no home. page_bytes: of a page of memory. now: seconds since 1970. tried: how the trials went, by name. cameras:
    those that are devices of their own.
    """

    profile: DeviceProfile
    given: str
    facts: Facts
    state: State
    root: Path
    run: Run
    python: Python
    user: User
    disk: Disk | None
    page_bytes: int
    now: float
    tried: dict[str, Told]
    cameras: list[Found]

    def read(self, path: str) -> str | None:
        """What a small file below the root holds."""
        return text(self.root / path)

    def told(self, trial: str) -> Told:
        """How a trial went; one that was not made failed."""
        return self.tried.get(trial, NOT_TRIED)

    def version(self, *packages: str) -> str | None:
        """Of the first of these distributions that is installed."""
        return next((self.python.packages[name].version for name in packages if name in self.python.packages), None)

    def interprets(self, *kinds: str) -> bool:
        """Whether the profile lists an interpreter of one of these kinds."""
        return any(adapter.kind in kinds for adapter in self.profile.interpreters)

    def films(self, kind: str) -> bool:
        """Whether the profile lists a camera of this kind."""
        return any(adapter.kind == kind for adapter in self.profile.cameras)

    @property
    def pi(self) -> bool:
        """Whether this is a Raspberry Pi."""
        return self.facts.family == "raspberry-pi"

    @property
    def jetson(self) -> bool:
        """Whether this is a Jetson."""
        return self.facts.family == "jetson"


def this_user() -> User:
    """Who runs this process."""
    number = os.geteuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = str(number)
    return User(name, frozenset((*os.getgroups(), os.getegid())))


def disk_of(folder: Path | None) -> Disk | None:
    """The disk that a folder lies on, or will; None where nothing tells."""
    if folder is None:
        return None
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        told = os.statvfs(there)
    except OSError:
        return None
    closed = told.f_flag & os.ST_RDONLY or told.f_blocks == 0 or not os.access(there, os.W_OK, effective_ids=True)
    return Disk(folder=folder, free_bytes=told.f_bavail * told.f_frsize, read_only=bool(closed))


def join(case: Case, group: str) -> str | None:
    """The command that gets this user into a group; None where the login only has to be begun anew."""
    told = re.search(rf"^{group}:[^:]*:(\d+):(.*)$", case.read("etc/group") or "", re.MULTILINE)
    if told and (case.user.name in told[2].split(",") or int(told[1]) in case.user.groups):
        return None
    made = "" if told else f"sudo groupadd {group} && "
    return f"{made}sudo usermod -aG {group} {case.user.name}"


def config_txt(case: Case) -> str:
    """Where a Raspberry Pi's config.txt lies: from Bookworm on in another place than before."""
    old = (case.root / "boot/config.txt").exists() and not (case.root / "boot/firmware/config.txt").exists()
    return "/boot/config.txt" if old else "/boot/firmware/config.txt"
