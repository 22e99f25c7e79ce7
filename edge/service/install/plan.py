"""What an installation does, from what is there already; where all is as it should be, nothing."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import edge
from edge.errors import ConfigError
from edge.service.install.environment import Environment
from edge.service.install.steps import Keep, Remove, RemoveEmpty, Run, Runner, Step, Write
from edge.service.install.system import BACKOFF, MODES, RULES, SHIPPED, UNIT, USER, USERS, System, named
from edge.service.places import STATE

PROGRAM = "/opt/edge/bin/edge"
"""The command in the unit as it ships."""

GROWS = 254
"""The first systemd that knows pauses that grow: its NEWS. An older one warns of keys that it does not know."""


class Wanted(NamedTuple):
    """name: of the camera. text: of its settings, where it has none yet. reboot: whether the board is started anew
    where its service does not stay; None: as it is."""

    name: str
    text: str
    reboot: bool | None = None


def install(wanted: Wanted, environment: Environment, system: System, run: Runner) -> list[Step]:
    """The steps that install a camera, or bring its service to this environment and version.

    Raises ConfigError where it cannot be, OSError where the system's files cannot be read.
    """
    named(wanted.name)
    _see_user(system)
    settings, users = _settings(wanted, system), _users(system)
    modes = _differs(system, MODES, _head() + shipped("tmpfiles.conf"))
    unit = _differs(system, UNIT, service(environment))
    if system.systemd() >= GROWS:
        unit += _differs(system, BACKOFF, _head() + shipped("backoff.conf"))
    rules = _differs(system, RULES, _head() + shipped("70-edge.rules"))
    own = _reboot(wanted, system)
    steps: list[Step] = [*users, *modes, *settings, *rules, *unit, *own]
    if users or system.user() is None:
        steps.append(system.tool("systemd-sysusers", "edge.conf"))
    if modes or any(isinstance(step, Write) for step in settings):
        steps.append(system.tool("systemd-tmpfiles", "--create", "edge.conf"))
    if rules and system.running:
        steps += reloaded_rules()
    if (unit or own) and system.running:
        steps.append(Run(("systemctl", "daemon-reload")))
    if wanted.name not in system.enabled():
        steps.append(system.tool("systemctl", "enable", f"edge@{wanted.name}.service"))
    if system.running:
        steps += _begun(wanted.name, bool(unit or own or users), system, run)
    return steps


def shipped(name: str) -> str:
    """The text of a file that ships."""
    return (SHIPPED / name).read_text()


def service(environment: Environment) -> str:
    """The text of the unit, for an environment."""
    text = _head() + shipped("edge@.service").replace(PROGRAM, str(environment.program))
    if not environment.shown:
        return text
    homes = "".join(f"BindReadOnlyPaths={folder}\n" for folder in environment.shown)
    said = "# Homes are empty to it, but for the environment that it runs from.\n"
    return text.replace("ProtectHome=yes\n", f"{said}ProtectHome=tmpfs\n{homes}")


def example(source: str) -> str:
    """The settings that ship, for a source; a recording is one without an end."""
    from edge.source import recorded  # slow to import

    quoted = json.dumps(source, ensure_ascii=False)  # which is TOML, too
    text = shipped("example.toml")
    text = text.replace("# repeat = true  ", "repeat = true    ") if recorded(source) else text
    return re.sub(r'^source = ".*"$', lambda _: f"source = {quoted}", text, flags=re.MULTILINE)


def reloaded_rules() -> list[Step]:
    """Have udev read its rules anew, and apply them to what is plugged in."""
    # A container has no udev, and neither is a reason to stop.
    subsystems = ("--subsystem-match=video4linux", "--subsystem-match=usb", "--subsystem-match=apex")
    return [
        Run(("udevadm", "control", "--reload"), must=False),
        Run(("udevadm", "trigger", *subsystems), must=False),
    ]


def made_groups(system: System) -> list[str]:
    """The groups that an installation made, by what it noted about them."""
    path = system.at(USERS)
    return re.findall(r"^g (\S+)", path.read_text(), re.MULTILINE) if path.is_file() else []


def _head() -> str:
    return f"# Written by `edge service install` of edgekit {edge.__version__}.\n"


def _see_user(system: System) -> None:
    user = system.user()
    if user is not None and user[5] != str(STATE):
        raise ConfigError(
            f"there is a user {USER!r} here already (home {user[5]}), and the service would run as them; give them "
            f"another name: `sudo usermod -l NAME {USER}`"
        )


def _settings(wanted: Wanted, system: System) -> list[Step]:
    path = system.settings(wanted.name)
    if not path.exists():
        return [Write(path, wanted.text, 0o640)]
    same = path.read_text("utf-8", "replace") == wanted.text
    return [] if same else [Keep(path, "it is there already, and is yours to change")]


def _users(system: System) -> list[Step]:
    """Groups that are not there are made, and noted with `g`, so that they can go again."""
    text = shipped("sysusers.conf")
    there = system.groups()
    noted = made_groups(system)
    made = [group for group in re.findall(r"^m \S+ (\S+)", text, re.MULTILINE) if group in noted or group not in there]
    lines = "".join(f"g {group}\n" for group in made)
    return _differs(system, USERS, f"{_head()}{text}{lines}")


def _differs(system: System, place: str, text: str) -> list[Step]:
    path = system.at(place)
    return [] if path.is_file() and path.read_text("utf-8", "replace") == text else [Write(path, text)]


def _reboot(wanted: Wanted, system: System) -> list[Step]:
    folder = system.drop_in(wanted.name)
    path = folder / "reboot.conf"
    if wanted.reboot:
        return _differs(system, "/" + str(path.relative_to(system.root)), _head() + shipped("reboot.conf"))
    return [Remove(path), RemoveEmpty(folder)] if wanted.reboot is False and path.exists() else []


def _begun(name: str, changed: bool, system: System, run: Runner) -> list[Step]:
    """Begin it, and anew those that run already by what has changed; nothing waits for a camera."""
    begun = [name] if changed or not system.active(name, run) else []
    if changed:
        begun += [other for other in system.enabled() if other != name and system.active(other, run)]
    return [Run(("systemctl", "restart", "--no-block", f"edge@{each}.service")) for each in begun]
