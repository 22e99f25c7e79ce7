"""The settings that count: those of the file, with what was chosen on a page in place of their words."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from edge.settings import Settings
from edge.vitals import Choice


class InForce(NamedTuple):
    """The settings that count, and what they were made of: the file, and what was chosen in place of its words."""

    settings: Settings
    written: Settings
    choice: Choice = Choice()


def chosen(written: Settings, choice: Choice) -> Settings:
    """Settings with another camera and model than they say. The list of labels that they name goes with their model,
    and a password with their camera."""
    settings = written
    if choice.source is not None:
        settings = msgspec.structs.replace(settings, source=choice.source, source_password_file=None)
    if choice.model is not None:
        settings = msgspec.structs.replace(settings, model=choice.model, labels=None)
    return settings
