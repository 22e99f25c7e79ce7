"""What happens at a camera, told to all who listen: made once, and only while somebody listens."""

import asyncio
import json
import threading
from datetime import datetime, timezone

import numpy as np
from asking import Desk, watched

from edge.events.store import Store
from edge.service.recorder import Recorder
from edge.settings import Events
from edge.types import Classification, Event, Frame, Result, Timing
from edge.vitals import NEWEST, Controls, Vitals
from edge.web.news import KEPT, STATUS_S, News

GUARD_S = 60


class Steps:
    """A share of the processor that goes on when it is told to: one look at the camera each time."""

    used_s = 0.0

    def __init__(self):
        self.looked, self.again, self.least_s = asyncio.Event(), asyncio.Event(), []

    async def rest(self, since, used_s, least_s):
        self.least_s.append(least_s)
        self.looked.set()
        await self.again.wait()
        self.again.clear()


class Records(Desk):
    """A desk that has events, or a disk that fails."""

    def __init__(self):
        super().__init__()
        self.events, self.asked, self.fails = [], [], False

    def store(self, number):
        self.events.insert(0, event(number))

    def recent(self, most, before=None):
        if self.fails:
            raise OSError("the disk is gone")
        self.asked.append(most)
        return self.events[:most]


class Scene:
    def __init__(self):
        self.vitals, self.controls, self.desk = Vitals("door"), Controls(), Records()
        self.now_ns, self.share, self.told = 10_000_000_000, Steps(), 0
        self.news = News(
            watched(self.vitals, self.controls, self.desk), self.chosen, self.share, clock=lambda: self.now_ns
        )

    chosen_fails = False

    def chosen(self, camera):
        if self.chosen_fails:
            raise KeyError("which")
        self.told += 1
        return {"paused": camera.controls.paused}

    async def look(self, seconds=0.1):
        """Time passes, and the camera is looked at once more."""
        self.now_ns += int(seconds * 1e9)
        self.share.looked.clear()
        self.share.again.set()
        await self.share.looked.wait()

    def answer(self, label="cat"):
        frame = Frame(pixels=np.zeros((2, 2, 3), np.uint8), index=3, captured_at_ns=self.now_ns, size=(2, 2))
        result = Result(
            frame=3, answer=(Classification(label, 0, 0.9),), captured_at_ns=self.now_ns,
            finished_at_ns=self.now_ns, timing=Timing(1, 2, 3), backend="scripted", model="m",
        )  # fmt: skip
        self.vitals.seen(frame, result)

    def happen(self, number, stored=True):
        if stored:
            self.desk.store(number)
        self.vitals.happened(event(number))


def event(number):
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return Event(id=f"{number:032x}", kind="appeared", label=f"cat {number}", score=0.9, at=at, frame=number)


def read(data):
    """Server-sent events: their names and values."""
    found = []
    for block in data.decode().split("\n\n")[:-1]:
        name, value = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(value.removeprefix("data: "))))
    return found


def names(data):
    return [name for name, _ in read(data)]


def run(test):
    async def main():
        await asyncio.wait_for(test(Scene()), GUARD_S)

    asyncio.run(main())


def test_who_comes_is_told_at_once_how_the_camera_fares_and_what_it_sees():
    async def test(scene):
        assert names(scene.news.now()) == ["status"]
        scene.answer()
        (_, status), (_, answer) = read(scene.news.now())
        assert status["name"] == "door" and status["frames"] == 1
        assert answer["answer"][0]["label"] == "cat"
        scene.controls.paused = True
        assert names(scene.news.now()) == ["status"], "nobody sees anything from then on"

    run(test)


def test_each_answer_is_told_once_to_all_who_listen():
    async def test(scene):
        with scene.news.heard() as one, scene.news.heard() as two:
            await scene.look()
            assert one.take(True) == two.take(True) == b""
            scene.answer()
            await scene.look()
            told = one.take(True)
            assert names(told) == ["answer"] and two.take(True) is told, "the very same bytes"
            await scene.look()
            assert one.take(True) == b"", "there is no other one"

    run(test)


def test_who_wants_fewer_answers_gets_the_newest_when_it_is_time():
    async def test(scene):
        with scene.news.heard() as ear:
            for label in ("cat", "dog"):
                scene.answer(label)
                await scene.look()
                assert ear.take(False) == b""
            assert [value["answer"][0]["label"] for _, value in read(ear.take(True))] == ["dog"]

    run(test)


def test_how_it_fares_is_told_each_second():
    async def test(scene):
        with scene.news.heard() as ear:
            counts = []
            for _ in range(25):
                await scene.look(0.1)
                counts.append(names(ear.take(True)).count("status"))
            assert sum(counts) == 2

    run(test)


def test_events_are_told_in_the_order_in_which_they_happened():
    async def test(scene):
        scene.happen(0)
        with scene.news.heard() as ear:
            await scene.look()
            assert ear.take(True) == b"", "that was before"
            scene.happen(1)
            scene.happen(2)
            await scene.look()
            assert [value["label"] for name, value in read(ear.take(True)) if name == "happened"] == ["cat 1", "cat 2"]
            assert scene.desk.asked == [2]

    run(test)


def happened(data):
    return [value["label"] for name, value in read(data) if name == "happened"]


def test_events_that_the_disk_stores_later_are_told_then_each_once_and_none_in_their_place():
    async def test(scene):
        scene.happen(0)
        with scene.news.heard() as ear:
            await scene.look()
            scene.happen(1, stored=False)
            await scene.look()
            scene.happen(2, stored=False)
            await scene.look()
            assert happened(ear.take(True)) == [], "the one before them is none of them"
            scene.desk.store(1)
            await scene.look()
            assert happened(ear.take(True)) == ["cat 1"]
            scene.desk.store(2)
            await scene.look()
            await scene.look()
            assert happened(ear.take(True)) == ["cat 2"]

    run(test)


def test_an_event_that_is_stored_late_is_looked_for_each_second_until_a_newer_one_is_there():
    async def test(scene):
        with scene.news.heard() as ear:
            await scene.look()
            scene.happen(1, stored=False)
            for _ in range(100):
                await scene.look(0.1)
            assert len(scene.desk.asked) < 25, "ten times in the first second"
            scene.desk.store(1)
            await scene.look(1)
            assert happened(ear.take(True)) == ["cat 1"]
            scene.happen(2, stored=False)  # was dropped: too many waited
            scene.happen(3)
            await scene.look()
            assert happened(ear.take(True)) == ["cat 3"]
            asked = len(scene.desk.asked)
            await scene.look(1)
            assert len(scene.desk.asked) == asked, "nothing is owed"

    run(test)


def test_a_disk_that_is_full_for_a_while_costs_no_event(tmp_path):
    """With the recorder and the store that the service has."""

    class Full:
        """A store on a disk that is full, or not."""

        is_full = True

        def __getattr__(self, name):
            return getattr(store, name)

        def add(self, *given):
            if self.is_full:
                tried.set()
                raise OSError(28, "No space left on device")
            return store.add(*given)

    async def test(scene):
        scene.desk.recent = store.recent
        recorder = Recorder(full, scene.vitals, retry_s=0.001)
        recorder.start()
        try:
            with scene.news.heard() as ear:
                await scene.look()
                recorder.put(event(1))
                assert tried.wait(GUARD_S)
                await scene.look()
                assert happened(ear.take(True)) == []
                full.is_full = False
                recorder.put(event(2))
                told = []
                while len(told) < 2:
                    await scene.look(1)
                    told += happened(ear.take(True))
                assert told == ["cat 1", "cat 2"]
        finally:
            recorder.close()

    full, tried = Full(), threading.Event()
    store = Store(tmp_path / "events.sqlite", Events())
    run(test)
    store.close()


def test_whatever_cannot_be_told_is_said_once_and_all_who_listen_hear_the_rest():
    async def test(scene):
        said = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: said.append(what["message"]))
        with scene.news.heard() as ear:
            await scene.look()
            scene.chosen_fails = True
            scene.controls.threshold = 0.5
            scene.answer()
            await scene.look()
            assert names(ear.take(True)) == ["answer"]
            assert said == ["a fault of edge: news: KeyError('which')"] and scene.share.least_s[-1] == STATUS_S
            scene.chosen_fails = False
            scene.answer("dog")
            await scene.look()
            assert names(ear.take(True)) == ["settings", "answer"], "it was tried again"

    run(test)


def test_an_answer_that_waits_is_not_told_when_a_pause_is_asked_for():
    async def test(scene):
        with scene.news.heard() as ear:
            await scene.look()
            scene.answer()
            await scene.look()
            scene.controls.paused = True
            assert ear.take(True) == b""

    run(test)


def test_a_disk_that_fails_costs_the_events_and_nothing_else():
    async def test(scene):
        with scene.news.heard() as ear:
            await scene.look()
            scene.desk.fails = True
            scene.happen(1)
            scene.answer()
            await scene.look()
            assert names(ear.take(True)) == ["answer"]

    run(test)


def test_what_is_chosen_is_told_when_it_is_another_thing():
    async def test(scene):
        with scene.news.heard() as ear:
            await scene.look()
            scene.controls.paused = True
            await scene.look()
            assert read(ear.take(True)) == [("settings", {"paused": True})]
            scene.controls.threshold = 0.5
            await scene.look()
            scene.controls.labels = ("cat",)
            await scene.look()
            assert names(ear.take(True)) == ["settings", "settings"]
            assert scene.told == 3, "however many listen"

    run(test)


def test_who_falls_far_behind_misses_what_is_old_and_nothing_grows():
    async def test(scene):
        with scene.news.heard() as slow, scene.news.heard() as quick:
            heard = 0
            await scene.look(0)
            for number in range(2 * KEPT):
                scene.happen(number)
                await scene.look(0)
                heard += len(read(quick.take(True)))
            assert heard == 2 * KEPT
            labels = [value["label"] for _, value in read(slow.take(True))]
            assert labels == [f"cat {number}" for number in range(KEPT, 2 * KEPT)]

    run(test)


def test_many_events_at_once_are_told_up_to_a_limit():
    async def test(scene):
        with scene.news.heard() as ear:
            await scene.look()
            for number in range(NEWEST + 9):
                scene.happen(number)
            await scene.look()
            labels = [value["label"] for _, value in read(ear.take(True))]
            assert labels == [f"cat {number}" for number in range(9, NEWEST + 9)]

    run(test)


def test_nothing_is_made_where_nobody_listens():
    async def test(scene):
        with scene.news.heard():
            await scene.look()
        scene.share.again.set()
        await asyncio.sleep(0)
        scene.happen(1)
        scene.controls.paused = True
        for _ in range(5):
            scene.share.again.set()
            await asyncio.sleep(0.001)
        assert scene.news.count == 0 and scene.told == 0
        with scene.news.heard() as ear:  # somebody comes again
            await scene.look()
            scene.happen(2)
            await scene.look()
            assert [value["label"] for _, value in read(ear.take(True))] == ["cat 2"]

    run(test)
