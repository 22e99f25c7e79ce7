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
from edge.service.several import remarks_of_all
from edge.settings import Fault, Settings
from edge.settings import each as each_of
from edge.settings.differs import Part
from edge.settings.reading import examine, meet
from edge.settings.secret import MQTT_PASSWORD, SOURCE_PASSWORD, WEB_TOKEN, credential, own_password, private

MOST_NEIGHBOURS = 100

DATA = "XDG_DATA_HOME"

HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")
"""What ProtectHome= and PrivateTmp= of the unit keep from the service; systemd.exec(5)."""

PASSED = {MQTT_PASSWORD: "mqtt.password_file", SOURCE_PASSWORD: "source_password_file", WEB_TOKEN: "web.token_file"}
"""The credentials of the unit, and the keys in whose place they come."""


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
    passed = place.parent == etc and _beside(place, WEB_TOKEN).is_file()
    with _models_of_unit() if place.parent == etc else contextlib.nullcontext():
        found = [*remarks_of_all(settings, known | ({"web.token_file"} if passed else set()), thorough=True)]
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
    if settings.web is not None:
        given["web"] = [settings.web.token_file, settings.web.certificate, settings.web.key]
    own = own_password(settings)
    passed = {
        "pipeline": (own and credential(own)) or credential(SOURCE_PASSWORD),
        "mqtt": credential(MQTT_PASSWORD),
        "web": credential(WEB_TOKEN),
    }
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
    for name, key in PASSED.items():
        beside = _beside(path, name)
        with contextlib.suppress(OSError):
            if beside.is_file():
                yield _of_credential(key, beside)
    yield from _of_passwords(settings, _beside(path, SOURCE_PASSWORD))
    keys = ("source", "model", "labels", "profile", "source_password_file")
    tables = {"": settings, **{f"camera[{place}].": one for place, one in enumerate(settings.camera)}}
    named = {f"{where}{key}": getattr(one, key) for where, one in tables.items() for key in keys}
    if settings.mqtt is not None:
        named |= {f"mqtt.{key}": getattr(settings.mqtt, key) for key in ("ca_file", "password_file")}
    if settings.web is not None:
        named |= {f"web.{key}": getattr(settings.web, key) for key in ("token_file", "certificate", "key")}
    for key, given in named.items():
        if given and given.startswith(HIDDEN) and not Path(given).is_relative_to(sys.prefix):
            yield Remark("wrong", key, f"{printable(given)} is hidden from the service; put it below {etc} or /srv")


def _of_passwords(settings: Settings, folder: Path) -> Iterator[Remark]:
    """A folder in place of the one password, with one for each of several cameras, by its name."""
    names = [one.name for one in settings.camera]
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name in names:
                yield _of_credential(f"camera[{names.index(path.name)}].source_password_file", path)
            else:
                words = f"{printable(path)} belongs to no camera of this file; name it after one"
                yield Remark("note", "source_password_file", words)


def _of_credential(key: str, path: Path) -> Remark:
    try:
        return Remark("said", key, f"{printable(private(path, key))}, as a credential of the service")
    except ConfigError as error:
        return of_secret(key, error)


def _beside(path: Path, name: str) -> Path:
    """The file of a secret that systemd passes on; path: of the settings."""
    return path.with_suffix(f".{name}")


def _of_neighbours(settings: Settings, path: Path) -> Iterator[Remark]:
    """What two cameras of one machine cannot both have."""
    for other in sorted(path.parent.glob("*.toml"))[:MOST_NEIGHBOURS]:
        theirs = None if other == path else _settings(other)
        if theirs is None:
            continue
        where = printable(other.name)
        names, sources = ({getattr(one, key) for one in each_of(theirs)} for key in ("name", "source"))
        for one in each_of(settings):
            if one.name in names:
                yield Remark("note", "name", f"{one.name} is the name in {where}, too; their topics would mix")
            if one.source is not None and one.source in sources:
                yield Remark("note", "source", f"{printable(one.source)} is the source in {where}, too")
        used = [part.listen for part in (theirs.web, theirs.metrics) if part]
        for key, part in (("web", settings.web), ("metrics", settings.metrics)):
            if part is not None and any(meet(part.listen, other) for other in used):
                yield Remark("wrong", f"{key}.listen", f"{part.listen} is taken by {where}, too; give another port")


def _settings(path: Path) -> Settings | None:
    settings, wrong = examine(path)
    return None if wrong else settings
