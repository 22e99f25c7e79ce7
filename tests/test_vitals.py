"""How a service fares, as others read it."""

import numpy as np
import pytest

from edge.types import Classification, Frame, Result, Timing
from edge.vitals import BOUNDS_S, WINDOW_S, Controls, Histogram, Vitals

SECOND = 10**9


def result(at_ns, age_ns=0, timing=(1, 2, 3)):
    return Result(
        frame=0,
        answer=(Classification("cat", 0, 1.0),),
        captured_at_ns=at_ns - age_ns,
        finished_at_ns=at_ns,
        timing=Timing(*timing),
        backend="scripted",
        model="m",
    )


FRAME = Frame(pixels=np.zeros((2, 2, 3), np.uint8), index=0, captured_at_ns=0, size=(2, 2))


def test_a_duration_is_counted_in_the_first_bucket_that_holds_it():
    found = Histogram()
    for seconds in (0.0005, 0.0006, 9.0):
        found.add(round(seconds * SECOND))
    assert found.counts[0] == 1 and found.counts[1] == 1 and found.counts[-1] == 1
    assert sum(found.counts) == 3 and len(found.counts) == len(BOUNDS_S) + 1
    assert found.total_s == pytest.approx(9.0011)


def test_a_result_is_the_newest_and_its_times_are_counted_by_stage():
    vitals = Vitals("door")
    newest = result(5 * SECOND, age_ns=2 * SECOND, timing=(SECOND // 100, SECOND // 10, SECOND))
    vitals.seen(FRAME, result(4 * SECOND))
    vitals.seen(FRAME, newest)
    assert vitals.latest == (FRAME, newest) and vitals.frames == 2
    assert {stage: found.total_s for stage, found in vitals.stages.items()} == pytest.approx(
        {"preprocess": 0.01, "inference": 0.1, "postprocess": 1.0, "age": 2.0}, abs=1e-6
    )


def test_the_rate_is_over_the_last_seconds_and_none_where_nothing_came():
    now = [0]
    vitals = Vitals("door", clock=lambda: now[0])
    assert vitals.fps is None
    for tenth in range(300):
        vitals.seen(FRAME, result(tenth * SECOND // 10))
    now[0] = 30 * SECOND
    assert vitals.fps == pytest.approx(10.0)
    assert len(vitals._times) <= 10 * WINDOW_S + 1
    now[0] = 60 * SECOND
    assert vitals.fps is None


def test_what_is_lost_and_what_does_not_work_is_told_by_name():
    vitals = Vitals("door")
    vitals.lost("frames")
    vitals.lost("frames", 2)
    vitals.lost("heat")
    assert vitals.dropped == {"frames": 3, "heat": 1}
    before = vitals.problems
    vitals.problem("mqtt", "no broker")
    vitals.problem("web", "port taken")
    vitals.problem("mqtt", None)
    assert vitals.problems == {"web": "port taken"} and before == {}


def test_nothing_is_asked_of_a_camera_at_first():
    controls = Controls()
    assert not controls.paused and controls.threshold is None and not controls.snapshot.is_set()
