"""What settings come to on this machine: what will run, what may surprise, and what cannot work."""

from __future__ import annotations

import difflib
import stat
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from socket import gethostname
from typing import Literal, NamedTuple

from edge import models
from edge import profile as profiles
from edge import source as sources
from edge.adapters import Adapter
from edge.engine import requiring
from edge.errors import AdapterError, ConfigError, ModelError, one_line
from edge.files import printable, read_small
from edge.models import ModelFile, graph
from edge.profile import DeviceProfile
from edge.settings import Mqtt, Rules, Settings, Web, mqtt_password, source_of
from edge.settings.reading import EVERY
from edge.settings.schema import quoted


class Remark(NamedTuple):
    """said: what will run; note: what is right and may surprise; wrong: what must be mended. key: in the file."""

    kind: Literal["said", "note", "wrong"]
    key: str
    words: str


class Choice(NamedTuple):
    """An interpreter of the profile's order with its model, or why it does not run that, and the key that is about."""

    kind: str
    model: ModelFile | None
    key: str
    why_not: str


def remarks(settings: Settings, known: Container[str] = (), thorough: bool = False) -> Iterator[Remark]:
    """All that can be said without opening a camera, an interpreter or a connection.

    known: keys that are wrong already; what depends on them is not looked at. thorough: read the network of the model,
    too, which takes longer than a frame.
    """
    yield from _of_source(settings)
    if not any(key in known for key in ("profile", "model", "labels")):
        yield from _of_profile(settings, thorough)
    if settings.mqtt is not None:
        yield from _of_broker(settings, settings.mqtt)
    yield from _of_outputs(settings)
    if settings.web is not None:
        yield from _of_page(settings.web, "web.token_file" in known)


def _of_source(settings: Settings) -> Iterator[Remark]:
    if settings.source is None:
        return
    shown = printable(settings.source)
    try:
        adapter = sources.parse(settings.source)
    except ConfigError as error:
        yield Remark("wrong", "source", f"{shown}: {str(error).removeprefix(f'source {settings.source}: ')}")
        return
    yield Remark("said", "source", f"{shown}{', again and again' if settings.repeat else ''}")
    if sources.recorded(settings.source) and not settings.repeat:
        words = "a recording, and the service ends with it, to be begun again by systemd; `repeat = true` goes on"
        yield Remark("note", "source", words)
    device = adapter.options.get("device") if adapter.kind == "v4l2" else None
    if device is not None and not _is(Path(device), stat.S_ISCHR):
        yield Remark("note", "source", f"{device} is not there now; the service waits for it at its start")
    try:
        source_of(settings)
    except ConfigError as error:
        yield of_secret("source_password_file", error)


def _of_profile(settings: Settings, thorough: bool) -> Iterator[Remark]:
    try:
        profile = profiles.load(settings.profile)
    except (ConfigError, AdapterError) as error:
        yield Remark("wrong", "profile", str(error).removeprefix(f"profile {settings.profile}: "))
        return
    yield Remark("said", "profile", f"{profile.name}{f' ({profile.because})' if profile.because else ''}")
    if settings.source is None:
        yield from _of_cameras(profile)
    try:
        profile = requiring(profile, settings.require)
    except ConfigError as error:
        yield Remark("wrong", "require", str(error).removeprefix(f"--require {settings.require}: "))
        return
    choices = [_choice(settings, profile, adapter) for adapter in profile.interpreters]
    yield from _of_choices(choices, thorough)
    yield from _of_labels(settings.rules, [each for each in choices if each.model])


def _of_cameras(profile: DeviceProfile) -> Iterator[Remark]:
    if profile.cameras:
        kinds = ", else ".join(adapter.kind for adapter in profile.cameras)
        yield Remark("said", "source", f"{kinds}, as the profile says")
        return
    found = sources.default()
    if found == "sample:":  # which no service takes unless it is named
        yield Remark("said", "source", "the first camera there is")
        yield Remark("note", "source", "no camera is here now; the service waits for one")
    else:
        yield Remark("said", "source", f"{found}, the first camera there is")


def _choice(settings: Settings, profile: DeviceProfile, adapter: Adapter) -> Choice:
    """As the engine chooses; see `edge.engine.open_engine`."""
    name = settings.model or adapter.model or profile.model
    labels = settings.labels or adapter.labels or profile.labels
    key = "profile" if name and not settings.model else "model"
    try:
        model = models.load(name, labels)
    except (ModelError, OSError) as error:
        about = "labels" if settings.labels and str(error).startswith("labels ") else key
        return Choice(adapter.kind, None, about, one_line(error).removeprefix(f"{about} "))
    if adapter.kind == "edgetpu" and not graph.compiled_for_edgetpu(model.data):
        return Choice(adapter.kind, None, key, f"model {model.name}: not compiled for the Edge TPU; give one that is")
    return Choice(adapter.kind, model, key, "")


def _of_choices(choices: list[Choice], thorough: bool) -> Iterator[Remark]:
    """Where one of them can run, the others are passed over; else nothing can."""
    for number, each in enumerate(choices, 1):
        if each.model is not None:
            labels = f"{len(each.model.labels)} labels" if each.model.labels else "no labels"
            yield Remark("said", f"interpreter {number}", f"{each.kind}, model {each.model.name}, {labels}")
            if thorough:
                yield from _of_classes(each.model)
    if any(each.model for each in choices):
        for each in choices:
            if each.model is None:
                yield Remark("note", each.key, f"{each.kind} cannot run as it stands: {each.why_not}")
    else:
        yield Remark("wrong", choices[0].key, choices[0].why_not)


def _of_classes(model: ModelFile) -> Iterator[Remark]:
    if model.format != "tflite":
        return
    from edge.models import parts  # needs a library that is slow to load

    try:
        network = parts.read(model.data, model.name)
    except ModelError as error:
        yield Remark("wrong", "model", str(error))
        return
    classes = network.tensors[network.outputs[0]].shape[-1:] if network.outputs else ()
    if model.labels and classes and classes[0] != len(model.labels):
        yield Remark("wrong", "labels", f"{len(model.labels)} labels for {classes[0]} classes; give those of the model")


def _of_labels(rules: Rules, choices: list[Choice]) -> Iterator[Remark]:
    """Whether the labels that count are ones that the models know."""
    yield Remark("said", "rules", _how_many(rules.labels))
    for number, label in enumerate(rules.labels):
        lacking = [each for each in choices if each.model and not _knows(each.model, label)]
        key = f"rules.labels[{number}]"
        if lacking and len(lacking) == len(choices):
            yield Remark("wrong", key, _unknown(lacking[0].model, label))
        elif lacking:
            yield Remark("note", key, f'"{label}" is no label of the model that {lacking[0].kind} runs')


def _how_many(labels: list[str]) -> str:
    if len(labels) == 1:
        return f'"{labels[0]}" counts'
    return f"{len(labels)} labels count" if labels else "every label counts"


def _knows(model: ModelFile, label: str) -> bool:
    return label in model.labels if model.labels else label.startswith("class ")


def _unknown(model: ModelFile | None, label: str) -> str:
    if model is None or not model.labels:
        return f'"{label}" cannot be told: the model has no labels, so its classes are "class 0", "class 1", …'
    inside = [each for each in model.labels if label.lower() in each.lower().split()]
    same = [each for each in model.labels if each.lower() == label.lower()]
    near = same or inside or difflib.get_close_matches(label[:100], model.labels, 3, 0.5)
    advice = f"do you mean {' or '.join(map(quoted, near[:3]))}?" if near else "give one of its labels"
    return f'"{label}" is no label of the model {model.name}; {advice}'


def _of_broker(settings: Settings, mqtt: Mqtt) -> Iterator[Remark]:
    user = f"{mqtt.username}@" if mqtt.username else ""
    home = f", Home Assistant's discovery below {mqtt.discovery}/" if mqtt.discovery else ""
    yield Remark("said", "mqtt", f"{user}{mqtt.host}:{mqtt.port}, topics below {mqtt.prefix}/{settings.name}/{home}")
    try:
        mqtt_password(settings)
    except ConfigError as error:
        yield of_secret("mqtt.password_file", error)
    if mqtt.ca_file is not None:
        import ssl  # slow to load

        try:
            read_small(Path(mqtt.ca_file))  # a pipe never ends
            ssl.create_default_context(cafile=mqtt.ca_file)
        except (OSError, ValueError) as error:
            reason = one_line(getattr(error, "strerror", None) or error)
            yield Remark("wrong", "mqtt.ca_file", f"{printable(mqtt.ca_file)}: {reason}; give certificates as PEM")
    if mqtt.port == {True: 1883, False: 8883}[mqtt.tls]:
        usual = "without encryption" if mqtt.tls else "with encryption"
        yield Remark("note", "mqtt.port", f"{mqtt.port} is usual {usual}, and mqtt.tls is {str(mqtt.tls).lower()}")


def of_secret(key: str, error: ConfigError) -> Remark:
    """What is wrong with a secret: less, where whoever checks may not read it; the service is another user."""
    words = one_line(error).removeprefix(f"{key}: ")
    unreadable = isinstance(error.__cause__, PermissionError)
    return Remark("note", key, f"{words}, or pass it as a credential") if unreadable else Remark("wrong", key, words)


def _of_outputs(settings: Settings) -> Iterator[Remark]:
    events = settings.events
    yield Remark("said", "events", f"kept for {events.keep_days:g} days, {events.keep_mb:g} MB at most")
    if settings.snapshots is not None:
        yield Remark("said", "snapshots", f"{settings.snapshots.quota_mb:g} MB at most")
    if settings.metrics is not None:
        yield Remark("said", "metrics", f"http://{_reached(settings.metrics.listen)}/")


def _of_page(web: Web, passed: bool) -> Iterator[Remark]:
    """passed: a token comes as a credential, which is looked at elsewhere."""
    from edge.listening import is_local
    from edge.web import kept_of
    from edge.web.tls import context_of

    local, has_token = is_local(web.listen), passed
    try:
        has_token = passed or kept_of(web) is not None
    except ConfigError as error:
        has_token = True  # or it is said that there is none
        yield of_secret("web.token_file", error)
    if web.certificate and web.key:
        try:
            context_of(Path(web.certificate), Path(web.key))
        except ConfigError as error:
            yield of_secret("web.certificate", error)
    whom = "whoever has the token" if has_token else "whoever uses this machine" if local else "everybody"
    yield Remark("said", "web", f"http{'s' if web.certificate else ''}://{_reached(web.listen)}/, for {whom}")
    if not (local or has_token):
        yield Remark("note", "web.insecure", "whoever reaches this machine sees what the camera sees, and steers it")
    elif not (local or web.certificate):
        yield Remark("note", "web.certificate", "without one, who is on the way can read token and pictures")


def _reached(listen: str) -> str:
    """An address that can be opened: where it is every one of this machine, its name stands for them."""
    host, _, port = listen.rpartition(":")
    return f"{gethostname()}:{port}" if host in EVERY else listen


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.stat().st_mode)
    except (OSError, ValueError):
        return False
