"""What makes a camera appear in Home Assistant by itself: one retained message an entity.

Home Assistant's documentation, "MQTT", "MQTT Discovery", and of each component "Configuration variables". What is used
here has been there since 2023.8; the tests check it against the schemas of Home Assistant itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import edge
from edge.sinks.mqtt.topics import Topics


class Extent(NamedTuple):
    """What a camera has, so that nothing appears that stays empty for ever."""

    pictures: bool
    snapshots: bool
    temperature: bool
    watts: bool


KINDS = ("appeared", "changed", "gone")

EVENT = (
    '{{ {"event_type": value_json.kind, "id": value_json.id, "label": value_json.label, "score": value_json.score,'
    ' "previous": value_json.previous, "lasted_s": value_json.lasted_s, "picture": value_json.picture} | tojson }}'
)

TROUBLE = "{{ 'ON' if value_json.problems or value_json.condition == 'recovering' else 'OFF' }}"

DIAGNOSTIC = {"entity_category": "diagnostic"}
CONFIG = {"entity_category": "config"}
MEASURED = {"state_class": "measurement"}


def announcements(topics: Topics, name: str, extent: Extent) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and payload of each entity of the camera."""
    common = {
        "availability_topic": topics.availability,
        "device": {
            "identifiers": [topics.identity],
            "name": name,
            "manufacturer": "edgekit",
            "model": "Camera that classifies what it sees",
            "sw_version": edge.__version__,
        },
        "origin": {"name": "edgekit", "sw_version": edge.__version__},
    }
    for component, key, own in _entities(topics, extent):
        yield topics.config(component, key), {"unique_id": f"{topics.identity}_{key}", **own, **common}


def _entities(topics: Topics, extent: Extent) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield from _seen(topics)
    yield from _commands(topics, extent)
    yield from _health(topics, extent)
    if extent.pictures:
        yield "image", "picture", {"name": "Picture", "image_topic": topics.picture, "content_type": "image/jpeg"}


def _seen(topics: Topics) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "sensor", "label", _of(topics, "Seen", "value_json.label or 'nothing'", icon="mdi:eye")
    yield "sensor", "score", _of(topics, "Score", _percent("score"), unit_of_measurement="%", **MEASURED)
    there = "'ON' if value_json.label else 'OFF'"
    yield "binary_sensor", "occupied", _of(topics, "Something there", there, device_class="occupancy")
    yield (
        "event",
        "event",
        {"name": "Event", "state_topic": topics.event, "event_types": list(KINDS), "value_template": EVENT},
    )


def _commands(topics: Topics, extent: Extent) -> Iterator[tuple[str, str, dict[str, Any]]]:
    paused = _of(topics, "Paused", "'ON' if value_json.paused else 'OFF'", icon="mdi:camera-off")
    yield "switch", "pause", {**paused, "command_topic": topics.command("pause")}
    threshold = _of(topics, "Threshold", "value_json.threshold", icon="mdi:tune", **CONFIG)
    bounds = {"min": 0, "max": 1, "step": 0.01, "mode": "slider"}
    yield "number", "threshold", {**threshold, **bounds, "command_topic": topics.command("threshold")}
    if extent.snapshots:
        yield (
            "button",
            "snapshot",
            {"name": "Snapshot", "command_topic": topics.command("snapshot"), "icon": "mdi:camera"},
        )


def _health(topics: Topics, extent: Extent) -> Iterator[tuple[str, str, dict[str, Any]]]:
    problems = {
        "json_attributes_topic": topics.state,
        "json_attributes_template": "{{ value_json.problems | tojson }}",
    }
    trouble = {"name": "Problem", "state_topic": topics.state, "value_template": TROUBLE, "device_class": "problem"}
    yield "binary_sensor", "problem", {**trouble, **problems, **DIAGNOSTIC}
    yield "sensor", "condition", _diagnostic(topics, "Condition", "condition", icon="mdi:heart-pulse")
    yield "sensor", "fps", _diagnostic(topics, "Frame rate", "fps", unit_of_measurement="fps", **MEASURED)
    age = {"unit_of_measurement": "ms", "device_class": "duration", **MEASURED}
    yield "sensor", "age", _diagnostic(topics, "Age of the answers", "age_ms", **age)
    yield "sensor", "spool", _diagnostic(topics, "Events that wait", "spool", **MEASURED)
    if extent.temperature:
        heat = {"unit_of_measurement": "°C", "device_class": "temperature", **MEASURED}
        yield "sensor", "temperature", _diagnostic(topics, "Temperature", "temperature_c", **heat)
    if extent.watts:
        power = {"unit_of_measurement": "W", "device_class": "power", **MEASURED}
        yield "sensor", "power", _diagnostic(topics, "Power", "watts", **power)


def _of(topics: Topics, name: str, expression: str, **more: Any) -> dict[str, Any]:
    """An entity whose value is in the state, by an expression of Jinja."""
    return {"name": name, "state_topic": topics.state, "value_template": f"{{{{ {expression} }}}}", **more}


def _diagnostic(topics: Topics, name: str, key: str, **more: Any) -> dict[str, Any]:
    return _of(topics, name, f"value_json.{key}", **more, **DIAGNOSTIC)


def _percent(key: str) -> str:
    return f"none if value_json.{key} is none else (100 * value_json.{key}) | round(1)"
