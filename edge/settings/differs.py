"""What a change of settings touches, so that all else goes on."""

from __future__ import annotations

from typing import Literal

from edge.settings.keys import Settings

Part = Literal["name", "pipeline", "rules", "events", "recovery", "mqtt", "web", "snapshots", "metrics"]

PIPELINE = (
    "profile",
    "source",
    "source_password_file",
    "repeat",
    "model",
    "labels",
    "fit",
    "threads",
    "require",
    "task",
)
"""The keys for which camera and interpreter are opened again."""

SECTIONS: tuple[Part, ...] = ("name", "rules", "events", "recovery", "mqtt", "web", "snapshots", "metrics")


def differs(old: Settings, new: Settings) -> frozenset[Part]:
    """The parts that have other settings: sections by their names, and "pipeline" for what opens camera and model.

    Another list of cameras is another "name".
    """
    parts: set[Part] = {part for part in SECTIONS if getattr(old, part) != getattr(new, part)}
    if [one.name for one in old.camera] != [one.name for one in new.camera]:
        parts.add("name")
    if any(getattr(old, key) != getattr(new, key) for key in PIPELINE):
        parts.add("pipeline")
    return frozenset(parts)
