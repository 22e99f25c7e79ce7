"""Several cameras of one process and a real broker: each is a device of its own. Skipped without a mosquitto."""

import json
from threading import Thread

from houses import until

from edge.host import Facts, State
from edge.host.scripted import Scripted
from edge.service.life import Life
from edge.service.opening import opened
from edge.service.reload import Reload
from edge.service.signals import Asked

FACTS = Facts(
    board=None, family="pc", cpu=None, machine="x86_64", cores=2, memory_bytes=None, kernel="", system="", python="",
    versions={},
)  # fmt: skip

GUARD_S = 20.0

PROFILE = """
name = "p"
[[interpreter]]
kind = "scripted"
script = ["class 3"]
size = 8
[camera]
kind = "scripted"
script = ["frames 100000000"]
"""

HOUSE = """
profile = "p.toml"
[rules]
smooth_s = 0
[recovery]
fps = 100
[mqtt]
host = "127.0.0.1"
port = {port}
[[camera]]
name = "door"
profile = "p.toml"
[[camera]]
name = "yard"
profile = "p.toml"
"""


def test_each_camera_is_a_device_of_its_own_and_is_paused_alone(mosquitto, listener, tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "p.toml").write_text(PROFILE)
    (tmp_path / "house.toml").write_text(HOUSE.format(port=mosquitto.port))
    life = Life(
        Reload(tmp_path / "house.toml", check=lambda settings: None),
        Asked(),
        work=lambda settings, ladder, shares: opened(settings, ladder, shares, isolated=False),
        host=Scripted(FACTS, [State(at_ns=0)]),
        meter=lambda settings: None,
    )
    thread = Thread(target=life.run)
    thread.start()
    try:
        for name in ("door", "yard"):
            until(lambda name=name: listener.of(f"edge/house-{name}/event"), f"an event of {name}")
            until(lambda name=name: announced(listener, name), "its announcement")
        listener.say("edge/house-door/command/pause", "ON")
        until(lambda: state(listener, "door")["condition"] == "paused", "the pause of one")
        frames = life.posts[1].vitals.frames
        until(lambda: life.posts[1].vitals.frames > frames + 5, "the other to go on")
        assert state(listener, "yard")["condition"] == "running" and not state(listener, "yard")["paused"]
    finally:
        life.stop()
        thread.join(GUARD_S)
    assert {each["device"]["name"] for each in announcements(listener)} == {"house-door", "house-yard"}
    identities = [each["unique_id"] for each in announcements(listener)]
    assert len(identities) == len(set(identities))
    until(lambda: listener.of("edge/house-yard/availability")[-1] == b"offline", "the end")
    assert listener.of("edge/house-door/availability")[-1] == b"offline"


def announcements(listener):
    """The newest of each topic."""
    newest = {topic: payload for topic, payload, _ in list(listener.heard) if topic.endswith("/config")}
    return [json.loads(payload) for payload in newest.values()]


def announced(listener, name):
    return [each for each in announcements(listener) if each["device"]["name"] == f"house-{name}"]


def state(listener, name):
    return json.loads(listener.of(f"edge/house-{name}/state")[-1])
