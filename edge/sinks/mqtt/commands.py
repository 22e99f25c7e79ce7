"""What the house may ask of a camera, by MQTT: pause, snapshot, threshold."""

from __future__ import annotations

import re

from edge.errors import one_line
from edge.sinks.mqtt.topics import COMMANDS
from edge.vitals import Controls

MOST_BYTES = 64
"""No command is longer."""

NUMBER = re.compile(r"(\d{1,20}\.?\d{0,20}|\.\d{1,20})(e-?\d{1,2})?", re.ASCII)


def obey(controls: Controls, name: str, payload: bytes, snapshots: bool = True) -> str | None:
    """Do what the command `name` with that payload asks; returns why not, where it cannot be done.

    pause: ON or OFF. snapshot: PRESS or nothing. threshold: a number from 0 to 1, or "default" for what the settings
    say. snapshots: whether pictures are kept.
    """
    if name not in COMMANDS:
        return f"there is no command {one_line(name, 40)!r}; there are {', '.join(COMMANDS)}"
    if len(payload) > MOST_BYTES:
        return f"{len(payload)} bytes are too many; a command has at most {MOST_BYTES}"
    try:
        text = payload.decode("utf-8").strip().lower()
    except UnicodeDecodeError:
        return "it is not UTF-8"
    if name == "pause":
        return _pause(controls, text)
    if name == "snapshot":
        return _snapshot(controls, text, snapshots)
    return _threshold(controls, text)


def _pause(controls: Controls, text: str) -> str | None:
    if text not in ("on", "off"):
        return f"{one_line(text, 40)!r} is neither ON nor OFF"
    controls.paused = text == "on"
    return None


def _snapshot(controls: Controls, text: str, snapshots: bool) -> str | None:
    if text not in ("press", ""):
        return f"{one_line(text, 40)!r} is not PRESS"
    if not snapshots:
        return "this camera keeps no pictures; add a section [snapshots] to its settings"
    controls.snapshot.set()
    return None


def _threshold(controls: Controls, text: str) -> str | None:
    if text == "default":
        controls.threshold = None
        return None
    value = float(text) if NUMBER.fullmatch(text) else -1.0
    if not 0 <= value <= 1:
        return f"{one_line(text, 40)!r} is not a number from 0 to 1, nor default"
    controls.threshold = value
    return None
