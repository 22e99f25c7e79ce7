"""Where the file, the state and the pictures of a camera lie."""

from __future__ import annotations

import os
from pathlib import Path

from edge.errors import ConfigError
from edge.files import data_folder

SETTINGS = Path("/etc/edge")
STATE = Path("/var/lib/edge")

EVENTS = "events.sqlite"
PICTURES = "snapshots"


def settings_file(given: str | Path) -> Path:
    """The file of a camera, by path, or by the name that it has in /etc/edge."""
    path = Path(given)
    return path if path.suffix or len(path.parts) > 1 else SETTINGS / f"{path}.toml"


def state_folder(name: str) -> Path:
    """Where a camera of that name keeps events and pictures: what systemd says, else below the user's data.

    Raises ConfigError for a user without a home.
    """
    told = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if told:
        return Path(told)
    data = data_folder()
    if data is None:
        raise ConfigError("there is no home to keep events in; set XDG_DATA_HOME to a folder")
    return data / "cameras" / name
