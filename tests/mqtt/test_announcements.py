"""Where the topics of a camera lie, and what it announces; tests/tools asks the schemas of Home Assistant itself."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import settings
from edge.sinks.mqtt.discovery import Extent, announcements
from edge.sinks.mqtt.state import State
from edge.sinks.mqtt.topics import COMMANDS, Topics

FULL = Extent(pictures=True, snapshots=True, temperature=True, watts=True)
BARE = Extent(pictures=False, snapshots=False, temperature=False, watts=False)


def topics(name="front-door", **keys):
    return Topics(settings.Mqtt(host="broker", **keys), name)


def announced(extent=FULL, **keys):
    return {topic: msgspec.json.encode(payload) for topic, payload in announcements(topics(**keys), "Tür", extent)}


def test_topics_begin_with_the_prefix_and_the_name():
    found = topics(prefix="home/edge")
    assert found.state == "home/edge/front-door/state"
    assert found.command("pause") == "home/edge/front-door/command/pause"


@given(
    names=st.lists(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True), min_size=2, max_size=2, unique=True
    ),
    prefix=st.from_regex(r"[a-z_.ü]{1,4}(/[a-z_]{1,3})?", fullmatch=True),
)
def test_two_cameras_never_have_one_identity(names, prefix):
    found = [topics(name, prefix=prefix).identity for name in names]
    assert found[0] != found[1]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", identity) for identity in found)


def test_prefix_and_name_are_told_apart():
    assert topics("b_c", prefix="a").identity != topics("c", prefix="a_b").identity


def test_every_entity_has_an_identity_of_its_own_and_belongs_to_the_one_device():
    payloads = [json.loads(payload) for payload in announced().values()]
    assert len({payload["unique_id"] for payload in payloads}) == len(payloads) == 15
    assert {payload["device"]["identifiers"][0] for payload in payloads} == {"edge_front-door"}
    assert all(payload["availability_topic"] == "edge/front-door/availability" for payload in payloads)


def test_entities_read_what_the_state_has():
    fields = {field.name for field in msgspec.structs.fields(State)}
    used = set(re.findall(r"value_json\.(\w+)", b" ".join(announced().values()).decode()))
    assert used - fields <= {"kind", "id", "previous", "lasted_s", "picture"}


def test_entities_ask_what_a_camera_follows():
    asked = {json.loads(payload).get("command_topic") for payload in announced().values()} - {None}
    assert asked == {topics().command(name) for name in COMMANDS}


@pytest.mark.parametrize("key", ["picture", "snapshot", "temperature", "power"])
def test_what_a_camera_has_not_does_not_appear(key):
    assert any(topic.endswith(f"/{key}/config") for topic in announced())
    assert not any(topic.endswith(f"/{key}/config") for topic in announced(BARE))


def test_the_prefix_of_the_discovery_is_what_the_settings_say():
    assert all(topic.startswith("ha/") for topic in announced(discovery="ha"))
