"""What can be said of a camera's file without opening anything: whether what it names is there, and fits."""

from __future__ import annotations

from pathlib import Path

from edge.settings import Settings
from edge.settings.differs import Part
from edge.settings.secret import MQTT_PASSWORD, credential


def files(settings: Settings) -> dict[Part, tuple[Path, ...]]:
    """The files that settings name, by the part that reads them."""
    pipeline = [Path(given) for given in (settings.profile, settings.model, settings.labels) if given and "/" in given]
    found: dict[Part, tuple[Path, ...]] = {"pipeline": tuple(pipeline)}
    if settings.mqtt is not None:
        given = (settings.mqtt.ca_file, settings.mqtt.password_file)
        passed = credential(MQTT_PASSWORD)
        found["mqtt"] = (*(Path(each) for each in given if each), *([passed] if passed else []))
    return found


def refuse(settings: Settings) -> None:
    """Raise the first thing that is wrong."""
