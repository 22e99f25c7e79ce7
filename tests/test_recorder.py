"""From the loop to the disk, and to whoever is told."""

import logging
import os
import sqlite3
import time
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag

import numpy as np
import pytest

from edge.events.store import Counts, Store
from edge.service.recorder import FRAMES, HELD, Recorder
from edge.settings import Events
from edge.types import Event, Frame, Result, Timing
from edge.vitals import Vitals

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)


def event(number, label="cat", kind="appeared"):
    return Event(id=f"{number:032x}", kind=kind, label=label, score=0.5, at=NOON, frame=number)


def frame(number):
    return Frame(pixels=np.zeros((2, 2, 3), np.uint8), index=number, captured_at_ns=number, size=(2, 2))


def result(number):
    return Result(
        frame=number,
        answer=(),
        captured_at_ns=number,
        finished_at_ns=number,
        timing=Timing(0, 0, 0),
        backend="scripted",
        model="m",
    )


def until(so):
    """Wait for what another thread does."""
    for _ in range(2000):
        if so():
            return
        time.sleep(0.005)
    raise AssertionError("it never happened")


@pytest.fixture
def tmp_path():
    """In memory where that can be: every event is synced, and a disk that others use takes its time for that."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        yield Path(name)


class House:
    """An output that notes what it is told, and what was on the disk by then."""

    def __init__(self, store):
        self.heard = []
        self.kept = []
        self._store = store

    def start(self):
        pass

    def told(self, event):
        self.heard.append(event)
        with suppress(OSError):
            self.kept.append(self._store.last())

    def close(self):
        pass


class Photographs:
    def __init__(self, store):
        self.taken = []
        self.kept = []
        self._store = store

    def name(self, event_id, at):
        return f"{at:%H%M}-{event_id[-4:]}.jpg"

    def take(self, name, frame, result, event):
        self.kept.append(self._store.last())
        self.taken.append((name, frame.index, result.frame, event))


class Scene:
    """A recorder with all that is around it."""

    def __init__(self, path, spool=100, retry_s=0.002):
        self.path = path
        self.store = Store(path, Events(spool=spool))
        self.vitals = Vitals("door")
        self.house = House(self.store)
        self.pictures = None
        self.recorder = Recorder(self.store, self.vitals, outputs=[self.house], retry_s=retry_s)

    def put(self, *numbers, **more):
        for number in numbers:
            self.recorder.put(event(number, **more), frame(number), result(number))

    def heard(self, *numbers):
        until(lambda: len(self.house.heard) >= len(numbers))
        return [each.frame for each in self.house.heard] == list(numbers)

    def settled(self, **counts):
        until(lambda: self.store.counts() == Counts(**{"dropped": 0, **counts}))
        until(lambda: self.vitals.spool == counts["waiting"])

    def waiting(self, most=99):
        return [each.frame for each in self.recorder.waiting(most)]

    def close(self):
        self.recorder.close()
        self.store.close()


@pytest.fixture
def scene(tmp_path):
    with closing(Scene(tmp_path / "state" / "events.sqlite")) as scene:
        yield scene


@pytest.fixture
def broken(scene):
    """No event can be stored, until the test mends it."""
    scene.path.mkdir(parents=True)
    scene.recorder.start()
    until(lambda: scene.vitals.problems)
    yield scene


def mend(scene):
    scene.path.rmdir()


def test_an_event_is_on_the_disk_before_anybody_is_told(scene):
    scene.recorder.start()
    scene.put(1, 2)
    assert scene.heard(1, 2)
    assert [each.frame for each in scene.house.kept] == [1, 2]
    assert scene.vitals.events == {"appeared": 2}
    scene.settled(stored=2, waiting=2)
    assert scene.waiting(1) == [1]


def test_what_the_broker_has_waits_no_more_and_the_disk_learns_it(scene):
    scene.recorder.start()
    scene.put(1, 2, 3)
    scene.heard(1, 2, 3)
    scene.recorder.delivered([event(1).id, event(3).id])
    assert scene.waiting() == [2]
    scene.settled(stored=3, waiting=1)


def test_a_picture_has_its_name_before_the_event_is_stored(scene):
    album = Photographs(scene.store)
    scene.recorder.adopt(album, [scene.house])
    scene.recorder.start()
    scene.put(1)
    scene.heard(1)
    [(name, picture, answer, told)] = album.taken
    assert (name, picture, answer) == ("1200-0001.jpg", 1, 1)
    assert album.kept == scene.house.heard == [told] == scene.recorder.waiting(1)
    assert told.picture == name
    scene.recorder.put(event(2))
    scene.heard(1, 2)
    assert len(album.taken) == 1 and scene.house.heard[1].picture is None, "nothing to show"


def test_the_loop_never_waits_and_what_is_too_much_is_counted(scene):
    album = Photographs(scene.store)
    scene.recorder.adopt(album, [])
    scene.put(*range(HELD + 5))
    assert scene.vitals.dropped == {"events": 5, "pictures": HELD + 5 - FRAMES}
    assert scene.vitals.events == {"appeared": HELD + 5}


def test_what_was_put_is_stored_at_the_end(scene):
    scene.put(*range(20))
    scene.recorder.start()
    scene.recorder.close()
    scene.recorder.close()
    assert scene.store.counts().stored == 20


def test_what_the_broker_confirms_after_the_end_is_kept_too(scene):
    scene.recorder.start()
    scene.put(1, 2)
    scene.recorder.close()
    assert scene.waiting() == [1, 2]
    scene.recorder.delivered([event(1).id])
    assert scene.store.counts() == Counts(stored=2, waiting=1, dropped=0)
    assert scene.waiting() == [2]


def test_what_the_broker_never_gets_is_counted_over_all_lives(tmp_path):
    for life in range(2):
        with closing(Scene(tmp_path / "e", spool=3)) as scene:
            scene.recorder.start()
            scene.put(*range(10 * life, 10 * life + 5))
            scene.heard(*range(10 * life, 10 * life + 5))
            scene.settled(stored=5 + 5 * life, waiting=3, dropped=2 + 5 * life)
            until(lambda life=life, scene=scene: scene.vitals.dropped == {"spool": 2 + 5 * life})


# --- a disk that fails


def test_while_the_disk_fails_events_are_held_and_told(broken, caplog):
    with caplog.at_level(logging.WARNING, "edge"):
        broken.put(1, 2, 3)
        assert broken.heard(1, 2, 3)
        assert broken.waiting() == [1, 2, 3]
        until(lambda: broken.vitals.spool == 3)
        broken.recorder.delivered([event(2).id])
        assert broken.waiting() == [1, 3]
        assert "unable to open database file" in broken.vitals.problems["events"]
        mend(broken)
        broken.settled(stored=3, waiting=2)
    assert broken.waiting() == [1, 3]
    assert broken.heard(1, 2, 3), "nobody is told twice"
    until(lambda: not broken.vitals.problems)
    assert caplog.messages == ["events works again"], "it was said once when it came, and once when it went"


def test_a_disk_that_fills_while_it_runs_holds_up_nothing(scene):
    scene.recorder.start()
    scene.put(1)
    scene.settled(stored=1, waiting=1)
    with closing(sqlite3.connect(scene.path, isolation_level=None)) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
        scene.put(2, 3)
        assert scene.heard(1, 2, 3)
        assert scene.waiting() == [1, 2, 3]
        other.execute("DROP TRIGGER full")
    scene.settled(stored=3, waiting=3)


def test_what_is_held_comes_before_what_is_new(broken):
    broken.put(1)
    broken.heard(1)
    mend(broken)
    broken.put(2)
    broken.settled(stored=2, waiting=2)
    assert broken.waiting() == [1, 2]


def test_of_too_many_that_are_held_the_oldest_go_and_are_counted(broken):
    broken.put(0)
    broken.heard(0)
    broken.recorder.delivered([event(0).id])
    for first in range(1, HELD + 3, 500):
        last = min(first + 500, HELD + 3)
        broken.put(*range(first, last))
        until(lambda last=last: len(broken.house.heard) == last)
    assert broken.vitals.dropped == {"events": 2}, "the broker has the oldest one of all"
    assert broken.waiting(2) == [3, 4]
    assert broken.vitals.spool == HELD


def test_what_cannot_be_stored_at_the_end_is_said(tmp_path, caplog):
    with closing(Scene(tmp_path / "e")) as scene, caplog.at_level(logging.WARNING, "edge"):
        scene.path.mkdir()
        scene.recorder.start()
        scene.put(1, 2)
        scene.recorder.close()
    assert caplog.messages[-1] == "events: 2 could not be stored, and are lost"
    assert scene.vitals.dropped == {"events": 2}


def test_a_disk_that_is_well_again_is_tried_once_more_at_the_end(tmp_path):
    with closing(Scene(tmp_path / "e", retry_s=3600.0)) as scene:
        scene.path.mkdir()
        scene.recorder.start()
        scene.put(1)
        scene.heard(1)
        mend(scene)
        scene.recorder.close()
        assert scene.store.counts() == Counts(stored=1, waiting=1, dropped=0)
    assert scene.vitals.dropped == {}


def test_while_the_disk_hangs_the_broker_has_what_is_new_all_the_same_and_once(scene):
    database, goes_on, hangs = scene.store._database, Flag(), Flag()
    database._hangs_s = 0.01

    def hang():
        hangs.set()
        return goes_on.wait(60.0)

    def hung(connection):
        connection.create_function("hang", 0, hang)
        connection.execute("CREATE TEMP TRIGGER hung BEFORE INSERT ON events BEGIN SELECT hang(); END")

    database.read(hung)
    scene.recorder.start()
    scene.put(1, 2, 3)
    assert hangs.wait(60.0)
    assert scene.waiting() == [1, 2, 3]
    scene.recorder.delivered([event(1).id, event(3).id])
    assert scene.waiting() == [2]
    goes_on.set()
    database._hangs_s = 60.0
    scene.settled(stored=3, waiting=1)
    assert scene.waiting() == [2]


def test_what_the_broker_has_is_not_offered_again_where_the_disk_cannot_learn_it(scene):
    scene.recorder.start()
    scene.put(1, 2, 3)
    scene.settled(stored=3, waiting=3)
    with closing(sqlite3.connect(scene.path, isolation_level=None)) as other:
        other.execute("CREATE TRIGGER full BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
        scene.recorder.delivered([event(1).id, event(2).id])
        until(lambda: "disk is full; free some space" in scene.vitals.problems.get("events", ""))
        assert scene.waiting(1) == [3]
        scene.put(4)
        scene.heard(1, 2, 3, 4)
        assert scene.waiting() == [3, 4]
        other.execute("DROP TRIGGER full")
    scene.settled(stored=4, waiting=2)
    assert scene.waiting() == [3, 4]


def test_an_event_that_no_database_takes_is_dropped_and_the_others_get_by(scene, caplog):
    scene.recorder.start()
    with caplog.at_level(logging.WARNING, "edge"):
        scene.put(1, label="\udcff")
        scene.put(2)
        scene.settled(stored=1, waiting=1)
    assert scene.vitals.dropped == {"events": 1}
    assert "cannot be stored, and is dropped" in caplog.text
