"""What can be said of a camera's file without opening anything: whether what it names is there, and fits."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge.errors import ConfigError, one_line
from edge.files import printable
from edge.service.places import SETTINGS, STATE
from edge.service.remarks import Remark, of_secret, remarks
from edge.settings import Fault, Settings
from edge.settings.differs import Part
from edge.settings.reading import examine, meet
from edge.settings.secret import MQTT_PASSWORD, SOURCE_PASSWORD, credential, private

MOST_NEIGHBOURS = 100

DATA = "XDG_DATA_HOME"

HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")
"""What ProtectHome= and PrivateTmp= of the unit keep from the service; systemd.exec(5)."""


class Checked(NamedTuple):
    """What a file comes to. settings: those of it that are right; None where it cannot be read.

    said: what will run, a line each. notes: what is right and may surprise. wrong: what must be mended.
    """

    settings: Settings | None
    said: list[str]
    notes: list[str]
    wrong: list[Fault]


def check(path: Path, text: bytes | None = None, etc: Path = SETTINGS) -> Checked:
    """All that can be said of a file. Raises nothing for what may stand in it.

    text: of a file that is not written yet. etc: where the systemd unit looks for the files of cameras; elsewhere only
    in tests.
    """
    settings, wrong = examine(path, text)
    if settings is None:
        return Checked(None, [], [], wrong)
    known = {fault.key for fault in wrong}
    place = path.absolute()
    with _models_of_unit() if place.parent == etc else contextlib.nullcontext():
        found = [*remarks(settings, known, thorough=True)]
    found += [*_of_unit(settings, place, etc), *_of_neighbours(settings, place)]
    return Checked(
        settings,
        [f"{each.key}: {each.words}" for each in found if each.kind == "said"],
        [f"{each.key}: {each.words}" for each in found if each.kind == "note"],
        wrong + [Fault(each.key, each.words) for each in found if each.kind == "wrong" and each.key not in known],
    )


def refuse(settings: Settings) -> None:
    """Raise ConfigError for the first thing for which settings could not run here."""
    for each in remarks(settings):
        if each.kind == "wrong":
            raise ConfigError(one_line(Fault(each.key, each.words)))


def files(settings: Settings) -> dict[Part, tuple[Path, ...]]:
    """The files that settings name, by the part that reads them; systemd's credentials are among them."""
    named = (settings.profile, settings.model, settings.labels, settings.source_password_file)
    given: dict[Part, list[str | None]] = {"pipeline": [name if name and "/" in name else None for name in named]}
    if settings.mqtt is not None:
        given["mqtt"] = [settings.mqtt.ca_file, settings.mqtt.password_file]
    passed = {"pipeline": credential(SOURCE_PASSWORD), "mqtt": credential(MQTT_PASSWORD)}
    return {part: tuple(Path(each) for each in (passed[part], *names) if each) for part, names in given.items()}


@contextlib.contextmanager
def _models_of_unit() -> Iterator[None]:
    """Models that were fetched are looked for where the systemd unit has the service look."""
    before = os.environ.get(DATA)
    os.environ[DATA] = str(STATE)
    try:
        yield
    finally:
        os.environ.pop(DATA)
        if before is not None:
            os.environ[DATA] = before


def _of_unit(settings: Settings, path: Path, etc: Path) -> Iterator[Remark]:
    """What the systemd unit makes of a file below /etc/edge: it passes secrets that lie beside it, and hides homes."""
    if path.parent != etc:
        return
    for name, key in ((MQTT_PASSWORD, "mqtt.password_file"), (SOURCE_PASSWORD, "source_password_file")):
        beside = path.with_suffix(f".{name}")
        with contextlib.suppress(OSError):
            if beside.is_file():
                try:
                    private(beside, key)
                    yield Remark("said", key, f"{printable(beside)}, as a credential of the service")
                except ConfigError as error:
                    yield of_secret(key, error)
    named = {key: getattr(settings, key) for key in ("source", "model", "labels", "profile", "source_password_file")}
    if settings.mqtt is not None:
        named |= {f"mqtt.{key}": getattr(settings.mqtt, key) for key in ("ca_file", "password_file")}
    for key, given in named.items():
        if given and given.startswith(HIDDEN) and not Path(given).is_relative_to(sys.prefix):
            yield Remark("wrong", key, f"{printable(given)} is hidden from the service; put it below {etc} or /srv")


def _of_neighbours(settings: Settings, path: Path) -> Iterator[Remark]:
    """What two cameras of one machine cannot both have."""
    for other in sorted(path.parent.glob("*.toml"))[:MOST_NEIGHBOURS]:
        theirs = None if other == path else _settings(other)
        if theirs is None:
            continue
        where = printable(other.name)
        if theirs.name == settings.name:
            yield Remark("note", "name", f"{settings.name} is the name in {where}, too; their topics would mix")
        if settings.source is not None and theirs.source == settings.source:
            yield Remark("note", "source", f"{printable(settings.source)} is the source in {where}, too")
        used = [part.listen for part in (theirs.web, theirs.metrics) if part]
        for key, part in (("web", settings.web), ("metrics", settings.metrics)):
            if part is not None and any(meet(part.listen, other) for other in used):
                yield Remark("wrong", f"{key}.listen", f"{part.listen} is taken by {where}, too; give another port")


def _settings(path: Path) -> Settings | None:
    settings, wrong = examine(path)
    return None if wrong else settings
