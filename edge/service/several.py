"""What the file of several cameras comes to: what is to be said of each, told apart where they differ."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Hashable, Iterator
from contextlib import suppress

from edge import profile as profiles
from edge import source as sources
from edge.errors import EdgeError
from edge.files import printable
from edge.service.remarks import Remark, remarks
from edge.settings import Settings, each

OF_EACH = re.compile(r"source|profile|interpreter|rules|mqtt")
"""How the keys begin of what is said of each camera; the rest is said once."""


def remarks_of_all(settings: Settings, known: Collection[str], thorough: bool = False) -> Iterator[Remark]:
    """As `remarks`, of a file with however many cameras; known: with keys of single ones, as "camera[0].source"."""
    if not settings.camera:
        yield from remarks(settings, known, thorough)
        return
    found = [list(remarks(one, {*known, *_own(known, place)}, thorough)) for place, one in enumerate(each(settings))]
    told: set[Remark] = set()
    for place, its in enumerate(found):
        for remark in its:
            one = remark if all(remark in others for others in found) else _told_apart(settings, place, remark)
            one = _placed(settings, place, one)
            if one not in told:
                told.add(one)
                yield one
    yield from _of_sources(settings)
    yield from _of_turns(settings)


def _own(known: Collection[str], place: int) -> set[str]:
    """The keys of one camera, as those of a file that has it alone."""
    begins = f"camera[{place}]."
    return {key.removeprefix(begins) for key in known if key.startswith(begins)}


def _placed(settings: Settings, place: int, remark: Remark) -> Remark:
    """A remark with the key as it stands in the file; what is said of each camera has its name before it."""
    one = settings.camera[place]
    if remark.kind == "said":
        return remark._replace(key=f"{one.name}: {remark.key}") if OF_EACH.match(remark.key) else remark
    top = re.split(r"[.\[]", remark.key)[0]
    return remark._replace(key=f"camera[{place}].{remark.key}") if getattr(one, top, None) is not None else remark


def _told_apart(settings: Settings, place: int, remark: Remark) -> Remark:
    """One that is not true of every camera, with the name of this one, where no key of its own tells it."""
    placed = _placed(settings, place, remark)
    name = settings.camera[place].name
    return remark if placed != remark or remark.kind == "said" else remark._replace(words=f"of {name}: {remark.words}")


def _of_sources(settings: Settings) -> Iterator[Remark]:
    """Two cameras on one device: only one of them gets it."""
    names: dict[str, str] = {}
    for place, one in enumerate(settings.camera):
        if one.source is None or sources.recorded(one.source):
            continue
        device = _device(one.source)
        if device in names:
            words = f"{printable(one.source)} is the source of {names[device]}, too"
            yield Remark("note", f"camera[{place}].source", words)
        names.setdefault(device, one.name)


def _device(source: str) -> str:
    """The same for all names of one device."""
    with suppress(EdgeError):
        device = sources.parse(source).options.get("device")
        return source if device is None else os.path.realpath(device)
    return source


def _of_turns(settings: Settings) -> Iterator[Remark]:
    """Who takes turns on one interpreter."""
    turns: dict[Hashable, list[str]] = {}
    alone: list[str] = []
    for place, one in enumerate(each(settings)):
        with suppress(EdgeError):
            sharing, name = profiles.load(one.profile).sharing, settings.camera[place].name
            if sharing is None:
                alone.append(name)
            else:
                turns.setdefault((sharing, one.model, one.labels), []).append(name)
    for names in turns.values():
        if len(names) > 1:
            yield Remark("said", "interpreter", f"{', '.join(names)} take turns on one, as the profile says")
    if len(alone) > 1:
        yield Remark("said", "interpreter", f"{', '.join(alone)} have one each, as the profile says")
