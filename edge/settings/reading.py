"""From the text of a camera's file to checked settings, or to all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge.errors import CONTROL, ConfigError, key_and_reason, one_line
from edge.files import printable, read_small
from edge.settings.keys import HOST, TABLES, Camera, Mqtt, Rules, Settings, Web
from edge.settings.schema import advice

MOST_BYTES = 64 << 10

UNKNOWN, MISSING = "unknown key", "this key is needed"
"""As `edge.errors.key_and_reason` says it."""

MODELS = (".tflite", ".onnx", ".pth", ".pt")

NAMED = re.compile(r"[A-Za-z][\w.+-]*:")
"""How a source begins that is no path."""


ENTRY, ANY_ENTRY = re.compile(r"(\[[^\]]*\])+$"), re.compile(r"\[[^\]]*\]")
"""Of a list, in the path of a key."""

EVERY = ("", "0.0.0.0", "[::]")
"""Addresses that stand for all of a machine."""

KEPT = ("ended", "controls.json", "events.sqlite", "events.sqlite-wal", "events.sqlite-shm", "snapshots")
"""What lies in a service's folder of state, in which each of several cameras has a folder of its name."""


class Fault(NamedTuple):
    """One thing that is wrong: the path of the key, such as "mqtt.port", and why; the key is "" for the whole file."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}" if self.key else self.reason


def load(path: Path, text: bytes | None = None) -> Settings:
    """Read and check the file of a camera; nothing that it names is opened.

    A path inside that is not absolute is taken from the folder of the file, so that it means the same to a service
    and at a prompt. text: of a file that is not written yet. Raises ConfigError, with the path of the key that is
    wrong.
    """
    settings, wrong = examine(path, text)
    if settings is None or wrong:
        more = f" ({len(wrong) - 1} more: `edge service check {printable(path)}`)" if len(wrong) > 1 else ""
        raise ConfigError(one_line(f"{printable(path)}: {wrong[0]}{more}"))
    return settings


def examine(path: Path, text: bytes | None = None) -> tuple[Settings | None, list[Fault]]:
    """As `load`, with all that is wrong instead of the first of it; the settings then are those that are right."""
    try:
        data = read_small(path, MOST_BYTES) if text is None else text
    except (OSError, ValueError) as error:
        reason = one_line(getattr(error, "strerror", None) or error)
        hint = "use sudo" if isinstance(error, PermissionError) else "give the TOML file of a camera"
        return None, [Fault("", f"cannot be read: {reason}; {hint}")]
    read, wrong = decode(data)
    if read is None:
        return None, wrong
    settings = _named(_placed(read, path.absolute().parent), path.stem)
    return settings, wrong or list(faults(settings))


def decode(data: bytes) -> tuple[Settings | None, list[Fault]]:
    """The text as it is written, checked key by key: what is right of it, and all that is wrong; None: no TOML."""
    try:
        raw: dict[str, Any] = msgspec.toml.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return None, [Fault("", f"not TOML: {one_line(error, 200)}; mend that line")]
    wrong = list(_unknown(raw))
    while True:
        try:
            settings = msgspec.convert(raw, Settings)
        except msgspec.ValidationError as error:
            fault = _fault(raw, error)
            if fault.key not in {each.key for each in wrong}:  # else it lacks only as what was there is wrong
                wrong.append(fault)
            continue
        return settings, wrong


def _unknown(raw: dict[str, Any]) -> Iterator[Fault]:
    """The keys that nobody knows; they are taken out of `raw`."""
    for table in ("", *TABLES):
        known = (TABLES[table] if table else Settings).__struct_fields__
        for where, inside in _tables(raw, table):
            for key in [key for key in inside if key not in known]:
                del inside[key]
                yield Fault(one_line(f"{where}{key}", 100), advice(table, key, UNKNOWN))


def _tables(raw: dict[str, Any], table: str) -> list[tuple[str, dict[str, Any]]]:
    """Each table of that name, which may be inside another one, and how the paths of its keys begin."""
    found = [("", raw)]
    for name in table.split(".") if table else ():
        there = [(f"{where}{name}", inside[name]) for where, inside in found if name in inside]
        alone = [(f"{where}.", one) for where, one in there if isinstance(one, dict)]
        listed = [
            (f"{where}[{i}].", one) for where, many in there if isinstance(many, list) for i, one in enumerate(many)
        ]
        found = alone + [(where, one) for where, one in listed if isinstance(one, dict)]
    return found


def _fault(raw: dict[str, Any], error: msgspec.ValidationError) -> Fault:
    """What is wrong first; it is taken out of `raw`, so that the next can be found."""
    key, reason = key_and_reason(error)
    where, _, last = ENTRY.sub("", key).rpartition(".")
    table = ANY_ENTRY.sub("", where)
    (inside,) = (inside for begins, inside in _tables(raw, table) if begins.removesuffix(".") == where)
    if reason == MISSING:
        del raw[table.partition(".")[0]]
    else:
        del inside[last]
    return Fault(key, advice(table, last, reason))


def _named(settings: Settings, stem: str) -> Settings:
    return settings if settings.name else msgspec.structs.replace(settings, name=stem)


def _placed(settings: Settings, folder: Path) -> Settings:
    """With every path absolute: those that are not are taken from `folder`."""

    def placed(given: str | None) -> str | None:
        return given if given is None else str(folder / given)

    def of(one: Settings | Camera) -> dict[str, Any]:
        changed: dict[str, Any] = {key: placed(getattr(one, key)) for key in ("labels", "source_password_file")}
        if one.source is not None and not NAMED.match(one.source):
            changed["source"] = placed(one.source)
        for key, endings in (("model", MODELS), ("profile", (".toml",))):
            given = getattr(one, key)
            if given is not None and ("/" in given or given.endswith(endings)):
                changed[key] = placed(given)
        return changed

    changed = of(settings)
    if settings.mqtt is not None:
        files = {key: placed(getattr(settings.mqtt, key)) for key in ("ca_file", "password_file")}
        changed["mqtt"] = msgspec.structs.replace(settings.mqtt, **files)
    if settings.web is not None:
        files = {key: placed(getattr(settings.web, key)) for key in ("token_file", "certificate", "key")}
        changed["web"] = msgspec.structs.replace(settings.web, **files)
    changed["camera"] = [msgspec.structs.replace(one, **of(one)) for one in settings.camera]
    return msgspec.structs.replace(settings, **changed)


def meet(one: str, other: str) -> bool:
    """Whether two addresses cannot both be listened on."""
    (host, _, port), (its_host, _, its_port) = (
        each.replace("localhost", "127.0.0.1").rpartition(":") for each in (one, other)
    )
    return port == its_port != "0" and (host == its_host or not {host, its_host}.isdisjoint(EVERY))


def faults(settings: Settings) -> Iterator[Fault]:
    """What no single key tells: settings that contradict each other, or that could not work."""
    yield from _unprintable(msgspec.to_builtins(settings), "")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", settings.name):
        yield Fault("name", f'the file\'s name {settings.name!r} is none for a camera; give one, such as "front-door"')
    yield from _of_rules(settings.rules, "")
    yield from _of_source(settings, "")
    yield from _of_cameras(settings)
    if settings.mqtt is not None:
        yield from _of_broker(settings.mqtt)
    if settings.web is not None:
        yield from _of_page(settings.web)
    listening = {key: part.listen for key, part in (("web", settings.web), ("metrics", settings.metrics)) if part}
    for key, address in listening.items():
        if int(address.rpartition(":")[2]) > 65_535:
            yield Fault(f"{key}.listen", f"{address} names no port; give one up to 65535")
    if len(listening) == 2 and meet(*listening.values()):
        yield Fault("metrics.listen", f"{listening['metrics']} is web.listen, too; give another port")


def _of_rules(rules: Rules, where: str) -> Iterator[Fault]:
    if rules.threshold_out > rules.threshold_in:
        reason = f"{rules.threshold_out:g} is above rules.threshold_in, {rules.threshold_in:g}; give less, or as much"
        yield Fault(f"{where}rules.threshold_out", reason)
    for i, hours in enumerate(rules.active):
        if hours[:5] == hours[6:]:
            reason = f"{hours} ends when it begins; give other hours, or none for the whole day"
            yield Fault(f"{where}rules.active[{i}]", reason)


def _of_source(one: Settings | Camera, where: str) -> Iterator[Fault]:
    user = re.match(r"\w+://([^/@]*)@", one.source or "")
    if user and ":" in user[1]:
        secret = "put it into a file of mode 0600, and name that as source_password_file"
        yield Fault(f"{where}source", f"holds a password, which has no place in this file: {secret}")
    if one.source_password_file and not (user and user[1]):
        words = "belongs to a source with a user, such as rtsp://user@host/…; name one there"
        yield Fault(f"{where}source_password_file", words)


def _of_cameras(settings: Settings) -> Iterator[Fault]:
    if settings.camera and settings.source is not None:
        yield Fault("source", "is of one camera, and there are tables [[camera]]; name it in one of these")
    names: set[str] = set()
    for i, one in enumerate(settings.camera):
        where = f"camera[{i}]."
        if one.name in KEPT:
            yield Fault(f"{where}name", f"{one.name} is what a file of the service is called; give another name")
        if one.name in names:
            yield Fault(f"{where}name", f"{one.name} is the name of one before; give each a name of its own")
        names.add(one.name)
        if one.source is None and one.profile is None and len(settings.camera) > 1:
            yield Fault(f"{where}source", "this key is needed where there are several cameras; say which one it is")
        yield from _of_source(one, where)
        if one.rules is not None:
            yield from _of_rules(one.rules, where)


def _of_broker(mqtt: Mqtt) -> Iterator[Fault]:
    if not re.search(HOST, mqtt.host):
        yield Fault("mqtt.host", "is more than a name; the port goes into mqtt.port, encryption into mqtt.tls")
    if mqtt.ca_file and not mqtt.tls:
        yield Fault("mqtt.ca_file", "is of no use without encryption; set mqtt.tls to true")
    if mqtt.password_file and not mqtt.username:
        yield Fault("mqtt.username", "this key is needed where there is a password_file")


def _of_page(web: Web) -> Iterator[Fault]:
    if bool(web.certificate) != bool(web.key):
        lacking, there = ("key", "certificate") if web.certificate else ("certificate", "key")
        yield Fault(f"web.{lacking}", f"this key is needed where there is a {there}")
    for i, host in enumerate(web.hosts):
        if not re.search(HOST, host) or not host.isascii() or "*" in host:
            words = 'is no name that a browser gives; give one alone, such as "door.example.org"'
            yield Fault(f"web.hosts[{i}]", words)
    if web.insecure and web.token_file:
        yield Fault("web.insecure", "is of no use with a token_file; leave one of them out")


def _unprintable(value: Any, key: str) -> Iterator[Fault]:
    """Text that steers a terminal, or breaks a line, would do so in every log."""
    if isinstance(value, str) and CONTROL.search(value):
        yield Fault(key, "holds a character that cannot be shown; give plain text")
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from _unprintable(each, f"{key}[{name}]" if isinstance(name, int) else f"{key}.{name}".lstrip("."))
