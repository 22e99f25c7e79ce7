import logging

import pytest

from edge.tireless import Tireless
from edge.vitals import Vitals

GUARD_S = 10.0


def test_work_that_fails_is_a_problem_until_it_gets_through_and_is_logged_once_each(caplog):
    vitals, seen, pauses = Vitals("door"), [], []

    def work(over):
        seen.append(dict(vitals.problems))
        if len(seen) < 4:
            raise OSError("no broker")
        thread.well()

    thread = Tireless("mqtt", work, vitals, wait=lambda seconds: pauses.append(seconds))
    thread._run()
    assert seen == [{}, *[{"mqtt": "no broker"}] * 3] and vitals.problems == {}
    assert pauses == [pytest.approx(pause, rel=0.25) for pause in (1, 2, 4)]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["mqtt: no broker", "mqtt works again"]


def test_what_fails_after_the_end_is_no_problem_any_more(caplog):
    vitals = Vitals("door")
    thread = Tireless("mqtt", lambda over: over.wait(GUARD_S) and 1 / 0, vitals)
    thread.start()
    thread.close()
    assert vitals.problems == {} and caplog.text == ""


def test_whoever_reads_the_log_finds_the_problems_as_it_tells():
    vitals, told = Vitals("door"), []

    class Reader(logging.Handler):
        def emit(self, record):
            told.append((record.getMessage(), dict(vitals.problems)))

    def work(over):
        if not told:
            raise OSError("no broker")
        thread.well()

    log, reader = logging.getLogger("edge"), Reader(logging.WARNING)
    log.addHandler(reader)
    try:
        thread = Tireless("mqtt", work, vitals, wait=lambda seconds: None)
        thread._run()
    finally:
        log.removeHandler(reader)
    assert told == [("mqtt: no broker", {"mqtt": "no broker"}), ("mqtt works again", {})]
