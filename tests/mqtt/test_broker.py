"""A camera and its broker, by a scripted broker that does what each test says."""

import json
import logging
import os
import socket
import struct
from contextlib import suppress

import pytest
from houses import PUBLISH, text, until

from edge import settings
from edge.sinks.mqtt import MOST_REFUSALS
from edge.types import Classification, Event, Result, Timing

VERSIONS = ["5", "3.1.1"]

each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture
def log():
    """What is logged, in lines; the logger's own handlers are left alone."""
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    handler = Keep()
    logging.getLogger("edge").addHandler(handler)
    yield lines
    logging.getLogger("edge").removeHandler(handler)


def result(**more):
    given = {
        "frame": 1,
        "answer": (Classification("tabby", 281, 0.8),),
        "captured_at_ns": 0,
        "finished_at_ns": 5_000_000,
        "timing": Timing(1, 1, 1),
        "backend": "litert-cpu",
        "model": "mobilenet",
    }
    return Result(**{**given, **more})


@each_version
def test_it_says_that_it_is_online_announces_itself_and_tells_its_state(broker, house, version):
    camera = house(broker.port, version=version)
    guest = broker.guest()
    assert guest.said[0] == ("edge/front-door/availability", b"online", True)
    state = json.loads(guest.of("/state")[0])
    assert state["condition"] == "starting"
    assert state["label"] is None
    assert state["threshold"] == settings.Rules().threshold_in
    announced = {topic: json.loads(payload) for topic, payload, _ in guest.said if topic.endswith("/config")}
    assert "homeassistant/switch/edge_front-door/pause/config" in announced
    assert all(retained for topic, _, retained in guest.said if topic.endswith(("/config", "/state")))
    assert camera.trouble is None


@each_version
def test_the_last_will_says_that_it_is_offline(broker, house, version):
    house(broker.port, version=version)
    connect = broker.guest().connect
    assert b"edge_front-door" in connect
    assert b"edge/front-door/availability" + struct.pack(">H", 7) + b"offline" in connect


def test_it_says_that_it_is_offline_when_it_ends(broker, house):
    camera = house(broker.port)
    broker.guest()
    camera.mqtt.close()
    camera.mqtt.close()
    assert broker.guest().said[-1] == ("edge/front-door/availability", b"offline", True)
    camera.mqtt.told(camera.spool.add())


@each_version
def test_events_go_out_in_order_and_are_done_with_when_they_are_acknowledged(broker, house, version):
    camera = house(broker.port, version=version, started=False)
    wanted = [camera.spool.add().id for _ in range(70)]
    camera.mqtt.start()
    until(lambda: not camera.spool.events, "the delivery")
    wanted.append(camera.tell("gone", lasted_s=3.0).id)
    until(lambda: not camera.spool.events, "the delivery of the last one")
    told = [json.loads(payload) for payload in broker.said("/event")]
    assert [event["id"] for event in told] == wanted
    assert told[-1]["kind"] == "gone"
    assert told[-1]["lasted_s"] == 3.0


def test_what_was_not_acknowledged_goes_out_again_with_the_next_connection(broker, house):
    camera = house(broker.port, started=False)
    event = camera.spool.add()
    broker.answers = lambda guest, topic, number: guest.end() if topic.endswith("/event") else None
    camera.mqtt.start()
    until(lambda: len(broker.said("/event")) > 2, "another try")
    assert camera.spool.events == [event]
    assert "was lost" in camera.trouble
    broker.answers = broker.acknowledge
    until(lambda: not camera.spool.events, "the delivery")
    assert {json.loads(payload)["id"] for payload in broker.said("/event")} == {event.id}


def test_no_more_is_under_way_than_the_broker_allows(broker, house):
    broker.greets = lambda guest: broker.welcome(guest, b"\x21\x00\x05")  # Receive Maximum
    held = []
    broker.answers = lambda guest, topic, number: held.append((guest, number)) if topic.endswith("/event") else None
    camera = house(broker.port, started=False)
    for _ in range(9):
        camera.spool.add()
    camera.mqtt.start()
    until(lambda: len(held) == 4, "four events")
    broker.answers = broker.acknowledge
    for guest, number in held:
        broker.acknowledge(guest, "", number)
    until(lambda: not camera.spool.events, "the delivery")


def test_an_event_that_the_broker_refuses_stays_and_is_tried_again(broker, house):
    broker.answers = lambda guest, topic, number: guest.send(4, number + b"\x87\0")
    camera = house(broker.port)
    event = camera.tell()
    until(lambda: camera.trouble, "the problem")
    assert camera.trouble == "the broker refuses events: Not authorized"
    assert camera.spool.events == [event]
    broker.answers = broker.acknowledge
    camera.late_s = 60.0
    until(lambda: not camera.spool.events, "the delivery")
    until(lambda: camera.trouble is None, "the end of the problem")


def test_an_event_is_told_without_waiting_for_a_turn(broker, house):
    camera = house(broker.port)
    broker.guest()
    for number in range(10):
        camera.tell()
        until(lambda count=number: len(broker.said("/event")) > count, "the event")


def test_events_that_nobody_told_of_are_found(broker, house):
    camera = house(broker.port)
    broker.guest()
    camera.spool.add()
    camera.late_s = 11.0
    until(lambda: not camera.spool.events, "the delivery")


@each_version
def test_commands_are_followed_and_the_state_tells_it_at_once(broker, house, version):
    camera = house(broker.port, version=version)
    guest = broker.guest()
    guest.command("pause", b"ON")
    guest.command("threshold", b"0.85")
    guest.command("snapshot", b"PRESS")
    until(camera.controls.snapshot.is_set)
    last = until(lambda: [s for s in map(json.loads, guest.of("/state")) if s["paused"] and s["threshold"] == 0.85])
    assert last
    assert camera.controls.paused
    assert camera.controls.threshold == 0.85


@each_version
def test_a_command_that_is_refused_is_answered_and_logged_once(broker, house, log, version):
    camera = house(broker.port, version=version)
    guest = broker.guest()
    for _ in range(3):
        guest.command("pause", b"perhaps")
    until(lambda: len(guest.of("/refused")) == 3, "the answers")
    assert json.loads(guest.of("/refused")[0]) == {"command": "pause", "reason": "'perhaps' is neither ON nor OFF"}
    assert not camera.controls.paused
    assert [line for line in log if "refused" in line] == [
        "mqtt: command pause refused: 'perhaps' is neither ON nor OFF"
    ]


def test_a_retained_command_is_left_alone(broker, house):
    camera = house(broker.port)
    guest = broker.guest()
    guest.command("pause", b"ON", retain=True)
    assert "retained" in json.loads(until(lambda: guest.of("/refused"))[0])["reason"]
    assert not camera.controls.paused


def test_a_flood_of_wrong_commands_piles_nothing_up(broker, house):
    house(broker.port)
    guest = broker.guest()
    with socket.socket() as _:
        body = b"".join(_packet(b"edge/front-door/command/pause", b"x" * (n % 70)) for n in range(1000))
        guest.sock.sendall(body)
        guest.command("pause", b"last")
        until(lambda: b"'last'" in b"".join(guest.of("/refused")), "the last answer")
    assert MOST_REFUSALS > 0


def _packet(topic, payload):
    body = struct.pack(">H", len(topic)) + topic + b"\0" + payload
    size = len(body)
    return bytes([0x30]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + body


def test_a_topic_that_is_no_text_is_left_alone(broker, house):
    camera = house(broker.port)
    guest = broker.guest()
    guest.send(3, struct.pack(">H", 2) + b"\xff\xfe" + b"\0" + b"ON")
    guest.command("pause", b"ON")
    until(lambda: camera.controls.paused)


def test_a_change_is_told_at_once_and_the_rest_at_its_time(broker, house):
    camera = house(broker.port)
    guest = broker.guest()
    camera.vitals.problem("web", "no page")
    until(lambda: json.loads(guest.of("/state")[-1])["problems"] == {"web": "no page"})
    said = len(guest.of("/state"))
    camera.vitals.frames = 77
    camera.late_s = 11.0
    until(lambda: len(guest.of("/state")) > said)
    assert json.loads(guest.of("/state")[-1])["frames"] == 77


def test_the_state_tells_what_is_there_and_what_is_known(broker, house):
    camera = house(broker.port, started=False)
    camera.vitals.happened(camera.spool.add(label="Egyptian cat"))
    camera.vitals.seen(None, result(instead_of=("no Coral",)))
    camera.vitals.watts, camera.vitals.condition, camera.vitals.score = 3.456, "running", 0.71236
    camera.mqtt.start()
    state = json.loads(broker.guest().of("/state")[0])
    assert (state["label"], state["score"], state["since"]) == ("Egyptian cat", 0.7124, "2026-05-01T12:00:00Z")
    assert (state["backend"], state["instead_of"]) == ("litert-cpu", ["no Coral"])
    assert (state["age_ms"], state["watts"], state["temperature_c"]) == (5.0, 3.46, None)


def test_a_sensor_is_announced_when_it_is_first_known(broker, house):
    camera = house(broker.port)
    guest = broker.guest()
    assert not guest.of("/temperature/config")
    camera.vitals.temperature_c = 51.0
    until(lambda: guest.of("/temperature/config"))
    camera.vitals.temperature_c, camera.vitals.watts = None, 4.0
    until(lambda: guest.of("/power/config"))
    assert len(guest.of("/temperature/config")) == 2


def test_nothing_is_announced_where_nobody_wants_it(broker, house):
    house(broker.port, discovery="")
    assert not broker.guest().of("/config")


def test_the_newest_picture_is_shown_once(broker, house):
    camera = house(broker.port)
    guest = broker.guest()
    camera.jpeg = b"\xff\xd8one"
    until(lambda: guest.of("/picture") == [b"\xff\xd8one"])
    camera.jpeg = b"\xff\xd8two"
    until(lambda: guest.of("/picture") == [b"\xff\xd8one", b"\xff\xd8two"])
    assert ("edge/front-door/picture", b"\xff\xd8two", True) in guest.said


def test_while_it_is_to_be_paused_the_picture_is_taken_away_also_from_a_broker_that_begins_again(broker, house):
    camera = house(broker.port)
    camera.jpeg = b"\xff\xd8one"
    guest = broker.guest("/picture")
    camera.controls.paused = True
    until(lambda: guest.of("/picture") == [b"\xff\xd8one", b""])
    guest.end()
    until(lambda: len(broker.guests) > 1 and broker.guests[-1].of("/picture") == [b""])
    camera.controls.paused = False
    until(lambda: broker.guests[-1].of("/picture") == [b"", b"\xff\xd8one"])


def test_no_picture_is_shown_where_none_is_wanted(broker, house):
    camera = house(broker.port, pictures=False)
    camera.jpeg = b"\xff\xd8one"
    guest = broker.guest()
    camera.tell()
    until(lambda: not camera.spool.events)
    assert not guest.of("/picture")
    assert not guest.of("picture/config")


def test_a_picture_that_the_broker_says_is_too_large_is_not_sent(broker, house):
    broker.greets = lambda guest: broker.welcome(guest, b"\x27\x00\x00\x10\x00")  # Maximum Packet Size 4096
    camera = house(broker.port)
    camera.jpeg = b"\xff\xd8" + bytes(5000)
    assert until(lambda: camera.trouble).startswith("the broker takes no picture of 5 kB")
    camera.jpeg = b"\xff\xd8small"
    until(lambda: broker.said("/picture") == [b"\xff\xd8small"])


def test_a_picture_that_ends_the_connection_again_and_again_is_given_up_for_a_while(broker, house):
    def answers(guest, topic, number):
        if topic.endswith("/picture") and len(guest.of("/picture")[-1]) > 1000:
            guest.end()
        else:
            broker.acknowledge(guest, topic, number)

    broker.answers = answers
    camera = house(broker.port, version="3.1.1")
    camera.jpeg = b"\xff\xd8" + bytes(2000)
    until(lambda: "takes no picture" in (camera.trouble or ""), "giving up")
    assert len(broker.said("/picture")) == 3
    camera.tell()
    until(lambda: not camera.spool.events, "an event beside it")
    broker.answers = broker.acknowledge
    camera.late_s = 4000.0
    broker.guests[-1].end()
    until(lambda: len(broker.said("/picture")) == 4, "another try")


def test_a_picture_that_is_refused_is_said(broker, house):
    broker.answers = lambda guest, topic, number: guest.send(4, number + b"\x97\0")
    camera = house(broker.port)
    camera.jpeg = b"\xff\xd8one"
    until(lambda: camera.trouble == "the broker refuses the picture: Quota exceeded")


@pytest.mark.parametrize(
    ("version", "code", "username", "words"),
    [
        (
            "3.1.1",
            4,
            "cam",
            "the broker refuses the user 'cam': Bad user name or password; mend username and password_",
        ),
        ("5", 0x86, "cam", "the broker refuses the user 'cam': Bad user name or password"),
        ("5", 0x87, None, "the broker refuses clients without a user name: Not authorized"),
        ("5", 0x84, None, 'the broker does not speak MQTT 5; set version = "3.1.1" in [mqtt]'),
        ("3.1.1", 1, None, "does not speak MQTT 3.1.1; see host, port and version in [mqtt]"),
        ("5", 0x88, None, "refuses the connection: Server unavailable"),
    ],
)
def test_a_broker_that_refuses_is_told_of_in_words_and_asked_again(broker, house, version, code, username, words):
    broker.greets = broker.refuse(code)
    camera = house(broker.port, "secret" if username else None, version=version, username=username)
    assert words in until(lambda: camera.trouble)
    broker.greets = broker.welcome
    broker.guest()
    camera.late_s = 6.0
    until(lambda: camera.trouble is None, "the end of the problem")
    assert camera.pauses


def test_a_broker_of_before_mqtt_5_is_told_of(broker, house):
    broker.greets = lambda guest: (guest.send(2, b"\0\1"), guest.end())
    camera = house(broker.port)
    assert "does not speak MQTT 5" in until(lambda: camera.trouble)


def test_user_and_password_are_given(broker, house):
    house(broker.port, "pass word", username="cam")
    assert broker.guest().connect.endswith(b"\0\3cam\0\x09pass word")


def test_no_broker_at_all_is_a_problem_in_words(house):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    camera = house(port)
    assert until(lambda: camera.trouble) == f"no broker answers at 127.0.0.1:{port}: Connection refused"
    assert camera.vitals.problems == {"mqtt": camera.trouble}


def test_a_name_that_cannot_be_one_is_a_problem_in_words(house):
    camera = house(1883, host="a..b")
    assert "no broker answers at a..b:1883" in until(lambda: camera.trouble)


def test_a_name_that_is_not_known_is_a_problem_in_words(house):
    camera = house(1883, host="no-such-host.invalid")
    assert until(lambda: camera.trouble).startswith("the broker's name no-such-host.invalid is not known")


def test_what_is_no_broker_is_told_of(broker, house):
    broker.greets = lambda guest: guest.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    camera = house(broker.port)
    until(lambda: broker.guests and broker.guests[0].connect)
    camera.late_s = 11.0
    assert "gives no answer: is it a broker, and does it run?" in until(lambda: camera.trouble)


@each_version
@pytest.mark.parametrize("noise", [b"\x20\xff\xff\xff\xff\xff", b"\x20\x01\0", b"\0" * 64])
def test_noise_in_place_of_an_answer_is_told_of(broker, house, version, noise):
    broker.greets = lambda guest: guest.sock.sendall(noise)
    camera = house(broker.port, version=version)
    assert until(lambda: camera.trouble)


@each_version
@pytest.mark.parametrize(
    "noise", [b"\x40\x01\0", b"\x30\x01\0", b"\x36\x04\0\2ab", b"\x90\x01\0", b"\xf0\xff\xff\xff\xff\xff"]
)
def test_noise_amid_a_connection_ends_only_that(broker, house, version, noise):
    camera = house(broker.port, version=version)
    guest = broker.guest()
    guest.sock.sendall(noise)
    guest.end()
    until(lambda: len(broker.guests) > 1 and broker.guests[-1].of("/state"))
    camera.late_s = 6.0
    until(lambda: camera.trouble is None)


def test_two_cameras_of_one_name_are_told_of(broker, house):
    camera = house(broker.port)
    guest = broker.guest()
    guest.send(14, b"\x8e\0")
    guest.end()
    assert "another client of the broker is named edge_front-door" in until(lambda: camera.trouble)


def test_why_the_broker_ended_it_is_told(broker, house):
    camera = house(broker.port)
    guest = broker.guest()
    guest.send(14, b"\x8b\0")
    guest.end()
    assert "ended the connection: Server shutting down" in until(lambda: camera.trouble)


def test_a_broker_that_lets_no_command_through_is_told_of(broker, house):
    broker.grants = 0x87
    camera = house(broker.port)
    assert "no command arrives" in until(lambda: camera.trouble)
    camera.tell()
    until(lambda: not camera.spool.events)


def test_it_works_again_only_when_a_connection_has_lasted(broker, house, log):
    broker.greets = lambda guest: guest.end()
    camera = house(broker.port)
    until(lambda: len(camera.pauses) > 3)
    assert all(later > 0.9 * earlier for earlier, later in zip(camera.pauses, camera.pauses[1:], strict=False))
    broker.greets = broker.welcome
    broker.guest()
    assert camera.trouble
    camera.late_s = 6.0
    until(lambda: camera.trouble is None)
    assert log.count("mqtt works again") == 1
    assert len([line for line in log if "was lost" in line]) == 1


def test_it_ends_at_once_while_a_broker_says_nothing(broker, house):
    broker.greets = lambda guest: None
    camera = house(broker.port)
    until(lambda: broker.guests and broker.guests[0].connect)
    camera.mqtt.close()
    assert not broker.said("availability")


def test_certificates_that_are_none_are_told_of(broker, house, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    wrong = house(broker.port, tls=True, ca_file=str(tmp_path / "ca.pem"))
    assert "ca.pem: not a file of certificates" in until(lambda: wrong.trouble)
    missing = house(broker.port, tls=True, ca_file=str(tmp_path / "none.pem"))
    assert "none.pem: not a file of certificates: No such file" in until(lambda: missing.trouble)


def test_certificates_that_would_never_come_or_are_not_there_at_all_are_told_of(broker, house, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").touch()
    for name, words in (("fifo", "no regular file"), ("empty", "not a file of certificates")):
        camera = house(broker.port, tls=True, ca_file=str(tmp_path / name))
        assert words in until(lambda camera=camera: camera.trouble)


FLOODS = {
    "sends with QoS 2": lambda guest: guest.send(PUBLISH, text("a") + b"\0\1" + b"\0" * guest.five, flags=4),
    "a packet of more than 16 KiB": lambda guest: guest.sock.sendall(b"\x30\xff\xff\xff\x7f" + bytes(1000)),
}


@each_version
@pytest.mark.parametrize("words", FLOODS)
def test_a_broker_that_sends_what_nobody_asked_for_is_left_alone_for_a_while(broker, house, version, words):
    camera = house(broker.port, version=version)
    guest = broker.guest()
    camera.may_connect.clear()
    with suppress(OSError):
        FLOODS[words](guest)
    assert words in until(lambda: camera.trouble)


# paho-mqtt leaves a socket whose handshake failed to the collection of garbage.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_speaks_no_tls_is_told_of(house):
    with socket.create_server(("127.0.0.1", 0)) as plain:
        camera = house(plain.getsockname()[1], tls=True)
        sock, _ = plain.accept()
        sock.sendall(b"this is not TLS at all")
        assert "no trust in the broker at 127.0.0.1" in until(lambda: camera.trouble)
        sock.close()


def test_an_event_is_json_as_the_toolkit_writes_it(broker, house):
    camera = house(broker.port)
    event = camera.tell("changed", previous="dog", picture="2026-05-01_x.jpg")
    import msgspec

    assert msgspec.json.decode(until(lambda: broker.said("/event"))[0], type=Event) == event
