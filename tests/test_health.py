"""How a camera fares, in one value."""

from datetime import datetime, timezone

import shots

from edge.health import health
from edge.types import Event
from edge.vitals import Vitals


def running(at_s, **more):
    vitals = Vitals("front-door")
    vitals.seen(*shots.shot(at_s=at_s, **more))
    vitals.condition, vitals.words = "running", "running at 30 FPS"
    return vitals


def test_health_tells_what_is_known_and_null_for_the_rest():
    vitals = running(1.0, instead_of=("edgetpu: no device",))
    vitals.lost("frames", 3)
    vitals.problem("mqtt", "the broker is away")
    at = datetime(2026, 11, 23, 14, 5, 9, tzinfo=timezone.utc)
    vitals.happened(Event(id="0" * 32, kind="appeared", label="tabby", score=0.5, at=at, frame=1))
    vitals.score = 0.72131
    found = health(vitals, lambda: 2_005_000_000)
    assert (found.backend, found.model, found.instead_of) == ("litert-cpu", "mobilenet", ("edgetpu: no device",))
    assert (found.since_answer_s, found.fps, found.temperature_c, found.watts) == (1.0, None, None, None)
    assert (found.label, found.score, found.since) == ("tabby", 0.7213, at)
    assert found.dropped == {"frames": 3} and found.problems == {"mqtt": "the broker is away"} and found.healthy


def test_a_camera_without_a_fresh_answer_is_not_healthy():
    vitals = running(0.0)
    assert health(vitals, lambda: 29_000_000_000).healthy
    assert not health(vitals, lambda: 31_000_000_000).healthy
    vitals.rate_limit = 0.05
    assert health(vitals, lambda: 59_000_000_000).healthy, "three frames at that rate take a minute"
    vitals.condition = "paused"
    assert not health(vitals, lambda: 1_000_000_000).healthy
    starting = health(Vitals("door"))
    assert not starting.healthy and starting.since_answer_s is None and starting.backend is None
