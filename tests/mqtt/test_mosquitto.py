"""A camera and a real broker that dies, freezes, refuses and comes back. Skipped where there is no mosquitto."""

import json
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from houses import Spool, until

from edge import settings
from edge.events.store import Store
from edge.service.recorder import Recorder
from edge.vitals import Vitals

VERSIONS = ["5", "3.1.1"]

each_version = pytest.mark.parametrize("version", VERSIONS)

LIVES = """
import sys, time
from edge import settings
from edge.sinks.mqtt import Mqtt
from edge.vitals import Controls, Vitals

class Nothing:
    def waiting(self, most): return []
    def delivered(self, ids): pass

port, version = sys.argv[1:]
given = settings.Mqtt(host="127.0.0.1", port=int(port), version=version)
Mqtt(given, None, "front-door", Vitals("front-door"), Controls(), Nothing()).start()
time.sleep(60)
"""


def ids(payloads):
    return [json.loads(payload)["id"] for payload in payloads]


@each_version
def test_the_house_hears_of_a_camera_and_the_camera_of_the_house(mosquitto, listener, house, version):
    camera = house(mosquitto.port, version=version)
    camera.jpeg = b"\xff\xd8" + bytes(200_000)
    until(lambda: listener.of("/state") and listener.of("/picture"), "state and picture")
    event = camera.tell()
    until(lambda: listener.of("/event"), "the event")
    assert ids(listener.of("/event")) == [event.id]
    listener.say("edge/front-door/command/threshold", "0.75")
    until(lambda: camera.controls.threshold == 0.75, "the command")
    until(lambda: json.loads(listener.of("/state")[-1])["threshold"] == 0.75, "the state")
    assert camera.trouble is None


@each_version
def test_the_broker_says_that_a_camera_is_offline_that_was_killed(mosquitto, listener, tmp_path, version):
    process = subprocess.Popen([sys.executable, "-c", LIVES, str(mosquitto.port), version], cwd=tmp_path)
    try:
        until(lambda: listener.of("/availability") == [b"online"], "the camera")
    finally:
        process.kill()
        process.wait()
    until(lambda: listener.of("/availability")[-1] == b"offline", "the last will")


@each_version
@pytest.mark.parametrize("kill", [True, False])
def test_nothing_is_lost_while_the_broker_is_away(mosquitto, listener, house, version, kill):
    camera = house(mosquitto.port, version=version)
    wanted = [camera.tell().id for _ in range(30)]
    until(lambda: not camera.spool.events, "the delivery")
    # What it has taken and not handed on yet, a broker that is killed forgets.
    until(lambda: len(set(ids(listener.of("/event")))) == 30, "the first events")
    camera.may_connect.clear()
    listener.subscribed.clear()
    mosquitto.stop(kill)
    until(lambda: camera.trouble, "the problem")
    wanted += [camera.tell().id for _ in range(200)]
    assert len(camera.spool.events) == 200
    mosquitto.start()
    assert listener.subscribed.wait(20)
    camera.may_connect.set()
    wanted.append(camera.tell("gone").id)
    until(lambda: not camera.spool.events, "the delivery")
    until(lambda: wanted[-1] in ids(listener.of("/event")), "the last event")
    assert list(dict.fromkeys(ids(listener.of("/event")))) == wanted


@each_version
def test_what_a_long_outage_drops_is_counted_and_the_newest_arrive(mosquitto, listener, house, tmp_path, version):
    store = Store(tmp_path / "events.sqlite", settings.Events(spool=25))
    vitals = Vitals("front-door")
    recorder = Recorder(store, vitals)
    camera = house(mosquitto.port, spool=recorder, started=False, version=version)
    recorder.adopt(None, [camera.mqtt])
    recorder.start()
    try:
        mosquitto.stop()
        made = [Spool().add(label=f"label {number}") for number in range(100)]
        wanted = [msgspec.structs.replace(event, id=f"{number:032x}") for number, event in enumerate(made)]
        for event in wanted:
            recorder.put(event, None, None)
        until(lambda: store.counts() == (100, 25, 75), "the count")
        until(lambda: vitals.dropped.get("spool") == 75, "the count of what was dropped")
        camera.mqtt.start()
        until(lambda: camera.trouble, "the problem")
        camera.may_connect.clear()
        listener.subscribed.clear()
        mosquitto.start()
        assert listener.subscribed.wait(20)
        camera.may_connect.set()
        until(lambda: store.counts().waiting == 0, "the delivery")
        until(lambda: len(listener.of("/event")) >= 25, "the events")
        assert ids(listener.of("/event")) == [event.id for event in wanted[75:]]
        assert store.counts() == (100, 0, 75)
    finally:
        camera.mqtt.close()
        recorder.close()
        store.close()


def test_a_camera_shows_itself_anew_to_a_broker_that_forgot_everything(mosquitto, listens, house):

    camera = house(mosquitto.port)
    until(lambda: not camera.spool.events and camera.trouble is None)
    mosquitto.stop(kill=True)
    for store in mosquitto.folder.glob("mosquitto.db*"):
        store.unlink()
    mosquitto.start()
    late = listens(name="late")
    until(lambda: late.of("/pause/config") and late.of("/availability")[-1:] == [b"online"] and late.of("/state"))


@each_version
def test_a_broker_that_freezes_is_noticed_when_it_answers_no_ping(mosquitto, house, version):
    camera = house(mosquitto.port, version=version)
    camera.tell()
    until(lambda: not camera.spool.events, "the delivery")
    mosquitto.signal(signal.SIGSTOP)
    try:
        for _ in range(50):
            camera.tell()
        begun = time.monotonic()
        camera.mqtt.close()
        assert time.monotonic() - begun < 3.5
        assert len(camera.spool.events) == 50
    finally:
        mosquitto.signal(signal.SIGCONT)


@each_version
def test_a_wrong_password_is_told_and_the_right_one_is_taken(mosquitto, house, version):
    passwords = mosquitto.folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "camera", "right"], check=True)
    mosquitto.stop()
    mosquitto.configure(f"allow_anonymous false\npassword_file {passwords}")
    mosquitto.start()
    wrong = house(mosquitto.port, "wrong", username="camera", version=version)
    event = wrong.tell()
    words = until(lambda: wrong.trouble, "the problem")
    assert words.startswith("the broker refuses the user 'camera': ")
    assert wrong.spool.events == [event]
    right = house(mosquitto.port, "right", name="back-door", username="camera", version=version)
    right.tell()
    until(lambda: not right.spool.events, "the delivery")
    assert right.trouble is None


def test_events_that_the_broker_may_not_take_stay(mosquitto, house):
    rules = mosquitto.folder / "rules"
    rules.write_text("topic read #\n")
    mosquitto.stop()
    mosquitto.configure(f"allow_anonymous true\nacl_file {rules}")
    mosquitto.start()
    camera = house(mosquitto.port)
    event = camera.tell()
    assert until(lambda: camera.trouble, "the problem") == "the broker refuses events: Not authorized"
    assert camera.spool.events == [event]


@each_version
def test_a_picture_that_is_too_large_for_the_broker_does_not_keep_events_away(mosquitto, house, version):
    mosquitto.stop()
    mosquitto.configure("allow_anonymous true\nmax_packet_size 50000")
    mosquitto.start()
    camera = house(mosquitto.port, version=version)
    camera.jpeg = b"\xff\xd8" + bytes(200_000)
    until(lambda: "takes no picture of 200 kB" in (camera.trouble or ""), "the problem")
    camera.tell()
    until(lambda: not camera.spool.events, "the delivery")


def test_tls_with_the_right_authority_and_with_none(mosquitto, house):
    folder = mosquitto.folder
    key = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run([*key, *names], check=True, capture_output=True)
    mosquitto.stop()
    mosquitto.configure(f"allow_anonymous true\ncertfile {folder}/cert\nkeyfile {folder}/key")
    mosquitto.start()
    trusting = house(mosquitto.port, tls=True, ca_file=str(folder / "cert"))
    trusting.jpeg = b"\xff\xd8" + bytes(300_000)
    for _ in range(50):
        trusting.tell()
    until(lambda: not trusting.spool.events, "the delivery")


# paho-mqtt leaves a socket whose handshake failed to the collection of garbage.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_nobody_vouches_for_is_not_told_anything(mosquitto, house):
    test_tls_with_the_right_authority_and_with_none(mosquitto, house)
    doubting = house(mosquitto.port, name="back-door", tls=True)
    assert "no trust in the broker" in until(lambda: doubting.trouble, "the problem")


def test_two_cameras_of_one_name_are_told_of(mosquitto, house):
    one, other = house(mosquitto.port), house(mosquitto.port)
    until(lambda: "named edge_front-door" in ((one.trouble or "") + (other.trouble or "")), "the problem")


def test_thousands_of_fuzzed_commands_leave_a_camera_that_follows_the_next_one(mosquitto, listener, house):
    from tests.mqtt.test_commands import FUZZED, fuzzed

    camera = house(mosquitto.port)
    until(lambda: listener.of("/availability") == [b"online"])
    given = [(name, payload) for name, payload in fuzzed(FUZZED) if name.strip("\u2028")]
    for name, payload in given:
        listener.client.publish(f"edge/front-door/command/{name}", payload, qos=1)
    listener.say("edge/front-door/command/threshold", "0.123")
    until(lambda: camera.controls.threshold == 0.123, "the last command")
    assert camera.trouble is None
    camera.tell()
    until(lambda: not camera.spool.events, "the delivery")
    assert listener.of("/refused")
    assert listener.of("/availability") == [b"online"]
