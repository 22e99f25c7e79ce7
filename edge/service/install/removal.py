"""What takes an installation away again."""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import ConfigError
from edge.service.install.plan import example, made_groups, reloaded_rules
from edge.service.install.steps import Keep, Remove, RemoveEmpty, Run, Step
from edge.service.install.system import BACKOFF, CACHE, FETCHED, MODES, RULES, UNIT, USER, USERS, System, named
from edge.service.places import SETTINGS, STATE

YOURS = "it is yours; --purge removes it"


def uninstall(names: list[str], system: System, purge: bool = False) -> list[Step]:
    """The steps that remove these cameras, and with the last one all that came with it.

    Settings that were changed, passwords, events and pictures are kept, and so is the user who owns them. purge: these
    go as well. Raises ConfigError for a camera that is not there.
    """
    there = system.cameras()
    for name in names:
        if named(name) not in there and not system.state(name).exists():
            told = f"there are {', '.join(there)}" if there else "there is none"
            raise ConfigError(f"no camera {name} is installed here; {told}")
    steps: list[Step] = []
    kept: list[Step] = []
    for name in names:
        steps += _stopped(name, system)
        for step in _owned(name, system, purge):
            (kept if isinstance(step, Keep) else steps).append(step)
    if set(system.enabled()) - set(names):
        return [*steps, *_reloaded(system), *kept]
    return [*steps, *_shared(system, purge), *_user(names, system, purge), *kept]


def _stopped(name: str, system: System) -> list[Step]:
    unit = f"edge@{name}.service"
    steps: list[Step] = []
    if system.running:
        steps += [Run(("systemctl", "stop", unit), must=False), Run(("systemctl", "reset-failed", unit), must=False)]
    if name in system.enabled():
        steps.append(system.tool("systemctl", "disable", unit))
    return steps


def _owned(name: str, system: System, purge: bool) -> list[Step]:
    """What belongs to one camera."""
    folder = system.drop_in(name)
    settings, state = system.settings(name), system.state(name)
    yours = [*system.passwords(name), state, *(path for path in folder.glob("*") if path.name != "reboot.conf")]
    steps: list[Step] = [Remove(folder / "reboot.conf")] if (folder / "reboot.conf").exists() else []
    if settings.exists() and unchanged(settings):
        steps.append(Remove(settings))
    else:
        yours.insert(0, settings)
    steps += [Remove(path) if purge else Keep(path, YOURS) for path in yours if path.exists()]
    return [*steps, RemoveEmpty(folder)] if folder.is_dir() else steps


def unchanged(settings: Path) -> bool:
    """Whether settings are as they were written, but for the source."""
    text = settings.read_text("utf-8", "replace")
    source = re.search(r'^source = "(.*)"$', text, re.MULTILINE)
    plain = source is not None and "\\" not in source[1]
    return source is not None and plain and text == example(source[1])


def _reloaded(system: System) -> list[Step]:
    return [Run(("systemctl", "daemon-reload"))] if system.running else []


def _shared(system: System, purge: bool) -> list[Step]:
    """What all cameras share."""
    files = [system.at(place) for place in (UNIT, BACKOFF, RULES, MODES)]
    steps: list[Step] = [Remove(path) for path in files if path.exists()]
    if system.running and steps:
        steps += [*_reloaded(system), *reloaded_rules()]
    cache, fetched = system.at(CACHE), system.at(STATE / FETCHED)
    if cache.exists():
        steps.append(Remove(cache))
    if fetched.exists():
        steps.append(Remove(fetched) if purge else Keep(fetched, YOURS))
    folders = [path for path in (system.at(BACKOFF).parent, system.at(SETTINGS), system.at(STATE)) if path.is_dir()]
    return [*steps, *(RemoveEmpty(folder) for folder in folders)]


def _user(names: list[str], system: System, purge: bool) -> list[Step]:
    """The user, and the groups that were made for it, where nothing is left that they own."""
    user, record = system.user(), system.at(USERS)
    left = [path for path in system.at(STATE).glob("*") if not (purge and path.name in {*names, FETCHED})]
    if left:
        told = ", ".join(str(path) for path in left)
        return [Keep(record, f"the user {USER} owns {told}")] if record.exists() else []
    prefix = () if system.running else (f"--prefix={system.root}",)
    steps: list[Step] = []
    if user is not None and user[5] == str(STATE):
        steps.append(Run(("userdel", *prefix, USER)))
    made = [group for group in (USER, *made_groups(system)) if group in system.groups()]
    steps += [Run(("groupdel", *prefix, group), must=False) for group in made]  # with the user goes its own
    return [*steps, Remove(record), RemoveEmpty(record.parent)] if record.exists() else steps
