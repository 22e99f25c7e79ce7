"""How the cameras of this machine fare, as systemd tells it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from edge.errors import one_line
from edge.service.install.steps import Runner
from edge.service.install.system import System
from edge.service.voices import BETWEEN

SHOWN = (
    "ActiveState",
    "SubState",
    "StatusText",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "NRestarts",
    "ActiveEnterTimestamp",
    "MemoryCurrent",
)

ENDED = {
    "200": "its state folder cannot be entered",
    "203": "the environment that it runs from is gone, or cannot be entered; run `edge service install` from another",
    "216": "a group is missing; run `edge service install` again",
    "217": "its user is missing; run `edge service install` again",
    "226": "the environment that it runs from is gone, or a folder that it is shown; run `edge service install` again",
    "243": "its password or token cannot be read; see that the file belongs to root",
}
"""systemd's own exit codes: systemd.exec(5), "Process Exit Codes"."""

RESULTS = {
    "watchdog": "it hung, and the watchdog ended it",
    "oom-kill": "memory ran out",
    "timeout": "it did not start or stop in time",
    "start-limit-hit": "it was begun too often",
    "resources": "systemd could not give it what it needs",
}


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One service. running: it gives answers. words: what it does, or why not. cameras: that of each by its name, where
    it has several. restarts: since the board started. since: when it last began to run, as systemd writes it.
    memory_mb: what it and its children use."""

    name: str
    running: bool
    state: str
    words: str
    restarts: int | None = None
    since: str | None = None
    memory_mb: float | None = None
    cameras: dict[str, str] = {}


def read(names: Sequence[str], system: System, run: Runner) -> list[Status]:
    """The status of each camera. Raises EdgeError where systemd does not answer."""
    if not names:
        return []
    units = [f"edge@{name}.service" for name in names]
    told = run(("systemctl", "show", f"--property={','.join(SHOWN)}", *units))
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in told.split("\n\n")]
    return [_status(name, shown, system) for name, shown in zip(names, blocks, strict=False)]


def _status(name: str, shown: dict[str, Any], system: System) -> Status:
    state, sub = shown.get("ActiveState", ""), shown.get("SubState", "")
    running = state in ("active", "reloading")
    memory = shown.get("MemoryCurrent", "")
    restarts = shown.get("NRestarts", "")
    words = one_line(shown.get("StatusText", "") if running else _why_not(name, shown, system))
    return Status(
        name=name,
        running=running,
        state="waiting to be begun again" if sub.startswith("auto-restart") else state,
        words=words,
        cameras=_of_each(words),
        restarts=int(restarts) if restarts.isdigit() else None,
        since=shown.get("ActiveEnterTimestamp") or None,
        memory_mb=round(int(memory) / 1e6, 1) if memory.isdigit() else None,
    )


def _of_each(words: str) -> dict[str, str]:
    """What each of several cameras says, out of the line that all of them make; none where it is that of one."""
    found = [re.fullmatch(r"([\w.-]+): (.*)", part) for part in words.split(BETWEEN)]
    return {each[1]: each[2] for each in found if each} if len(found) > 1 and all(found) else {}


def _why_not(name: str, shown: dict[str, Any], system: System) -> str:
    if shown.get("SubState") == "start":
        return shown.get("StatusText") or "it starts"
    code, result = shown.get("ExecMainStatus", ""), shown.get("Result", "")
    if result == "exit-code" and code == "2":
        mended = f"; mend that, and `sudo systemctl restart edge@{name}`" if shown["ActiveState"] == "failed" else ""
        return refused(name, system) + mended
    if result == "exit-code" and code in ENDED:
        return ENDED[code]
    if result in RESULTS:
        return RESULTS[result]
    if result == "exit-code":
        return f"it ended with exit code {code}; `edge service logs {name}` says why"
    if result in ("signal", "core-dump"):
        return f"it was ended by signal {code}; `edge service logs {name}` tells more"
    if result == "success" and shown.get("SubState", "").startswith("auto-restart"):
        return "its recording has ended"
    enabled = name in system.enabled()
    return "it was stopped" if enabled else f"it is not installed; `sudo edge service install {name}`"


def refused(name: str, system: System) -> str:
    """Why a service ended with exit code 2, which says that its settings or its model cannot be right."""
    from edge.service.check import check

    path = system.settings(name)
    if path.exists() and not os.access(path, os.R_OK):
        return f"its settings or its model cannot be right; `sudo edge service status {name}` tells more"
    wrong = check(path).wrong
    if wrong:
        return f"its settings cannot be right: {path}: {one_line(wrong[0])}"
    return f"its settings or its model cannot be right; see `edge service check {path}` and `edge service logs {name}`"
