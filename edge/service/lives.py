"""How the lives of the process before this one ended, counted by cause.

systemd starts another one for most of them. The unit's ExecStopPost leaves $SERVICE_RESULT, $EXIT_CODE and $EXIT_STATUS
in the file `ended` (systemd.exec(5)), and how many of its processes the kernel killed to get memory. A service that
ends by itself notes why, and one that says nothing at all was cut off with its board.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Protocol

from edge.errors import one_line
from edge.sysfs import text

log = logging.getLogger("edge")

ENDED = "ended"

RESULTS = {"watchdog", "signal", "core-dump", "oom-kill", "timeout", "exit-code", "protocol", "resources", "success"}
"""What $SERVICE_RESULT may be of a process that ran."""

BOOT = Path("/proc/sys/kernel/random/boot_id")

COUNTS, RUNS, WHY = "restarts", "runs", "why"

RENAMED = "renamed"
"""Why a life ends that goes on under another name: no restart."""


class Notes(Protocol):
    """Small things that outlive the process."""

    def note(self, key: str, value: str) -> None:
        """Keep a value under a key."""
        ...

    def noted(self, key: str) -> str | None:
        """The value that was kept last; None where there is none."""
        ...


def begun(folder: Path, notes: Notes, boot: Path = BOOT) -> tuple[str | None, dict[str, int]]:
    """Note that a life begins; returns how the one before ended, None for the first, and how many ended how.

    Where the disk fails that is said, and what could be read is returned.
    """
    cause, counts, now = None, dict[str, int](), text(boot) or ""
    try:
        cause, counts = _cause(folder / ENDED, notes, now), _counts(notes.noted(COUNTS))
        if cause is not None:
            counts[cause] = counts.get(cause, 0) + 1
            notes.note(COUNTS, json.dumps(counts))
        notes.note(RUNS, now)
        notes.note(WHY, "")
        (folder / ENDED).unlink(missing_ok=True)
    except OSError as error:
        log.warning("restarts cannot be counted: %s", one_line(error))
    return cause, counts


def ending(notes: Notes, why: str) -> None:
    """Note why this life ends, in a word or two: "stopped", "camera", "settings". Raises OSError."""
    notes.note(WHY, why)


def _cause(ended: Path, notes: Notes, boot: str) -> str | None:
    why, ran = notes.noted(WHY), notes.noted(RUNS)
    told = (text(ended) or "").split()
    result = told[0] if told and told[0] in RESULTS else None
    if result == "signal" and told[2:3] == ["KILL"] and told[3:] and told[3] != "0":
        return "oom-kill"  # systemd itself says so only where it ends all for it (OOMPolicy)
    if result in (None, "success", "exit-code") and why:
        return None if why == RENAMED else why
    if told[:3] == ["exit-code", "exited", "2"]:
        return "settings"
    if result is not None:
        return "stopped" if result == "success" else result
    return None if ran is None else "killed" if ran == boot else "power"


def _counts(noted: str | None) -> dict[str, int]:
    try:
        found = json.loads(noted or "{}")
    except ValueError:
        return {}
    return (
        {str(cause): count for cause, count in found.items() if isinstance(count, int)}
        if isinstance(found, dict)
        else {}
    )
