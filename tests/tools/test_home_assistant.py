"""What a camera announces, checked by Home Assistant's own schemas and rendered by its own templates.

It needs the package `homeassistant` (2025.4 is the newest for Python 3.13.0; 2024.3 still takes Python 3.11) beside
this toolkit, in an environment of its own: it pins many packages.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest

pytest.importorskip("homeassistant", reason="needs homeassistant")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Home Assistant's own

from edge import settings  # noqa: E402
from edge.sinks.mqtt.discovery import Extent, announcements  # noqa: E402
from edge.sinks.mqtt.state import look  # noqa: E402
from edge.sinks.mqtt.topics import Topics  # noqa: E402
from edge.types import Event  # noqa: E402
from edge.vitals import Controls, Vitals  # noqa: E402

NAME = "front-door"
TOPICS = Topics(settings.Mqtt(host="broker"), NAME)
ALL = dict(announcements(TOPICS, NAME, Extent(pictures=True, snapshots=True, temperature=True, watts=True)))
AT = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
SEEN = Event(id="0" * 32, kind="appeared", label='the "cat"', score=0.876, at=AT, frame=1)


@pytest.fixture(autouse=True, scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The heart of a Home Assistant, which its schemas want to know; nothing runs in it."""
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers import frame

    async def begin() -> HomeAssistant:
        heart = HomeAssistant(str(tmp_path_factory.mktemp("house")))
        if hasattr(frame, "async_setup"):
            frame.async_setup(heart)
        return heart

    with asyncio.Runner() as runner:
        heart = runner.run(begin())
        yield
        runner.run(heart.async_stop(force=True))


def component(topic: str) -> str:
    return topic.split("/")[1]


def of(key: str) -> dict[str, Any]:
    return next(payload for topic, payload in ALL.items() if topic.split("/")[3] == key)


def rendered(template: str, value: bytes) -> str:
    """As Home Assistant does with a message that arrives: `value_json` is the payload (MqttValueTemplate)."""
    from homeassistant.helpers.template import TemplateEnvironment

    text: str = TemplateEnvironment(None).from_string(template).render(value_json=json.loads(value)).strip()
    return text


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: "/".join(topic.split("/")[1::2]))
def test_home_assistant_takes_the_announcement(topic: str) -> None:
    schema = importlib.import_module(f"homeassistant.components.mqtt.{component(topic)}").DISCOVERY_SCHEMA
    taken = schema(json.loads(msgspec.json.encode(ALL[topic])))
    assert taken["unique_id"].startswith("edge_front-door_")
    assert taken["device"]["name"] == NAME


@pytest.mark.parametrize("topic", ALL, ids=lambda topic: "/".join(topic.split("/")[1::2]))
def test_home_assistant_finds_the_announcement_where_it_is(topic: str) -> None:
    from homeassistant.components.mqtt.discovery import TOPIC_MATCHER

    matched = TOPIC_MATCHER.match(topic.partition("/")[2])
    assert matched is not None
    assert matched["component"] == component(topic)


def test_a_schema_refuses_what_is_wrong() -> None:
    from homeassistant.components.mqtt.number import DISCOVERY_SCHEMA
    from voluptuous import Invalid

    with pytest.raises(Invalid):
        DISCOVERY_SCHEMA({**of("threshold"), "max": 0, "min": 1})
    with pytest.raises(Invalid):
        DISCOVERY_SCHEMA({**of("threshold"), "command_topic": "edge/+/command"})


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("label", "nothing", 'the "cat"'),
        ("score", "None", "87.6"),
        ("occupied", "OFF", "ON"),
        ("pause", "OFF", "ON"),
        ("threshold", "0.6", "0.75"),
        ("problem", "OFF", "ON"),
        ("condition", "starting", "running"),
        ("fps", "None", "None"),
        ("spool", "0", "3"),
        ("temperature", "None", "51.2"),
        ("power", "None", "4.25"),
    ],
)
def test_home_assistant_reads_the_state(key: str, before: str, after: str) -> None:
    vitals, controls = Vitals(NAME), Controls()
    template = of(key)["value_template"]
    assert rendered(template, msgspec.json.encode(look(vitals, controls, 0.6))) == before
    vitals.happened(SEEN)
    vitals.score = SEEN.score
    vitals.problem("web", 'it is "broken"')
    vitals.condition, vitals.spool, vitals.temperature_c, vitals.watts = "running", 3, 51.21, 4.25
    controls.paused, controls.threshold = True, 0.75
    state = msgspec.json.encode(look(vitals, controls, 0.6))
    assert rendered(template, state) == after
    assert json.loads(rendered(of("problem")["json_attributes_template"], state)) == {"web": 'it is "broken"'}


@pytest.mark.parametrize("kind", ["appeared", "changed", "gone"])
def test_home_assistant_reads_an_event(kind: str) -> None:
    event = msgspec.structs.replace(SEEN, kind=kind)
    told = json.loads(rendered(of("event")["value_template"], msgspec.json.encode(event)))
    assert told["event_type"] == kind
    assert kind in of("event")["event_types"]
    assert (told["label"], told["score"], told["picture"]) == ('the "cat"', 0.876, None)
