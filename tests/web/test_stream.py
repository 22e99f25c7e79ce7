"""Answers that go on: pictures, and what happens, for viewers of every kind."""

import asyncio
import json
import re
import socket
import time
from contextlib import asynccontextmanager, closing
from datetime import datetime, timezone
from threading import Event as Flag
from threading import Thread

import asking
import cv2
import numpy as np
import pytest
import shots

from edge.listening import listening
from edge.types import Event
from edge.vitals import Controls, Vitals
from edge.web.asgi import begin, part
from edge.web.serving import serve

GUARD_S = 30.0


HEAD = re.compile(
    rb"--edge-frame\r\nContent-Type: image/jpeg\r\nContent-Length: (\d+)\r\n"
    rb"X-Frame: (\d+)\r\nX-Age-Ms: ([\d.]+)\r\nX-Sent-Ms: ([\d.]+)\r\n\r\n"
)
"""Of each part."""


class Viewer:
    """Takes what is sent, while it is open; what is sent meanwhile waits, as behind a socket that is full."""

    def __init__(self, app, path, method="GET", client="192.0.2.7"):
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "root_path": "",
            "path": path.partition("?")[0], "raw_path": path.encode(), "query_string": path.partition("?")[2].encode(),
            "client": (client, 50_000), "server": ("x", 80), "headers": [(b"host", asking.HOME.encode())],
        }  # fmt: skip
        self.messages = []
        self.reads, self._left = asyncio.Event(), asyncio.Event()
        self.reads.set()
        self._full = False
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self):
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if not self.reads.is_set():  # one part is taken by the socket, as uvicorn does; the next one waits
            if self._full:
                await self.reads.wait()
            self._full = bool(message.get("body")) or self._full
        else:
            self._full = False
        self.messages.append(message)

    @property
    def status(self):
        return self.messages[0]["status"]

    @property
    def header(self):
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def text(self):
        return b"".join(each.get("body", b"") for each in self.messages[1:])

    @property
    def ended(self):
        return len(self.messages) > 1 and not self.messages[-1].get("more_body", False)

    @property
    def pictures(self):
        """(number, JPEG) of each part that is whole."""
        found, text = [], self.text
        while head := HEAD.search(text):
            end = head.end() + int(head[1])
            assert text[end:].startswith(b"\r\n--edge-frame\r\n"), "the boundary ends each part"
            found.append((int(head[2]), text[head.end() : end]))
            text = text[end + 2 :]
        return found

    @property
    def news(self):
        """(name, value) of each event."""
        found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", self.text.decode())
        return [(name, json.loads(value)) for name, value in found]

    def told(self, name):
        return [value for each, value in self.news if each == name]

    async def leave(self):
        self._left.set()
        self.reads.set()
        await asyncio.wait_for(self.task, GUARD_S)


async def until(true):
    end = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        await asyncio.sleep(0.001)


class Door:
    """A camera that runs."""

    def __init__(self):
        self.vitals, self.controls = Vitals("door"), Controls()
        self.vitals.condition = self.vitals.words = "running"
        self.count = 0

    def see(self, **more):
        self.vitals.seen(*shots.shot(self.count, time.monotonic(), **more))
        self.count += 1

    def watched(self, desk=None):
        return asking.watched(self.vitals, self.controls, desk)


@asynccontextmanager
async def house(door, desk=None, **asked):
    with asking.page(door.watched(desk), fps=120.0, **asked) as app:
        yield app


def run(work):
    """Do it in a loop, in which nothing is left to be done afterwards."""

    async def whole():
        await asyncio.wait_for(work(), GUARD_S)
        await until(lambda: len(asyncio.all_tasks()) == 1)

    asyncio.run(whole())


# --- pictures


def test_each_new_frame_is_shown_to_all_who_look_and_made_once():
    async def work():
        door = Door()
        door.see()
        async with house(door) as app:
            viewers = [Viewer(app, "/api/v1/stream.mjpg"), Viewer(app, "/stream.mjpg")]
            await until(lambda: all(viewer.pictures for viewer in viewers))
            assert viewers[0].header["content-type"] == "multipart/x-mixed-replace; boundary=edge-frame"
            assert viewers[0].header["cache-control"] == "no-store"
            door.see(picture=np.full((20, 30, 3), 9, np.uint8))
            await until(lambda: all(len(viewer.pictures) == 2 for viewer in viewers))
            assert [number for number, _ in viewers[0].pictures] == [0, 1]
            assert viewers[0].pictures == viewers[1].pictures, "byte by byte"
            data = np.frombuffer(viewers[0].pictures[1][1], np.uint8)
            assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (20, 30, 3)
            for viewer in viewers:
                await viewer.leave()

    run(work)


def test_a_frame_that_can_be_no_picture_is_passed_over():
    async def work():
        door = Door()
        door.see(picture=np.full(9, 7, np.uint8), pixel_format="MJPG")
        async with house(door) as app:
            viewer = Viewer(app, "/stream.mjpg")
            await until(lambda: viewer.messages)
            door.see()
            await until(lambda: viewer.pictures)
            assert [number for number, _ in viewer.pictures] == [1]
            await viewer.leave()

    run(work)


def test_a_viewer_that_reads_slowly_gets_the_newest_picture_and_keeps_no_other():
    async def work():
        door = Door()
        door.see()
        async with house(door) as app:
            slow, quick = Viewer(app, "/stream.mjpg"), Viewer(app, "/stream.mjpg")
            await until(lambda: slow.pictures)
            slow.reads.clear()
            for number in range(1, 9):
                door.see()
                await until(lambda: quick.pictures[-1][0] == number)  # noqa: B023 - it is called at once
            slow.reads.set()
            await until(lambda: slow.pictures[-1][0] == 8)
            assert [number for number, _ in slow.pictures] == [0, 1, 8], "one was on its way, the others are gone"
            for viewer in (slow, quick):
                await viewer.leave()

    run(work)


def test_a_viewer_gets_no_more_pictures_a_second_than_it_asks_for():
    async def work():
        door = Door()
        door.see()
        async with house(door) as app:
            rare, often = Viewer(app, "/stream.mjpg?fps=1"), Viewer(app, "/stream.mjpg?fps=120")
            await until(lambda: rare.pictures and often.pictures)
            for number in range(1, 9):
                door.see()
                await until(lambda: often.pictures[-1][0] == number)  # noqa: B023 - it is called at once
            assert len(rare.pictures) < len(often.pictures) == 9
            for viewer in (rare, often):
                await viewer.leave()

    run(work)


def test_nothing_is_seen_from_the_moment_of_a_pause_and_nothing_old_afterwards():
    async def work():
        door = Door()
        door.see()
        async with house(door) as app:
            early = Viewer(app, "/stream.mjpg")
            await until(lambda: early.pictures)
            door.controls.paused = True
            door.see()
            late = Viewer(app, "/stream.mjpg")
            await until(lambda: late.messages)
            assert len(early.pictures) == 1 and not late.pictures
            door.controls.paused = False
            door.see()
            await until(lambda: late.pictures)
            assert late.pictures[0][0] == 2, "not the one before the pause"
            for viewer in (early, late):
                await viewer.leave()
            door.see()
            again = Viewer(app, "/stream.mjpg")
            await until(lambda: again.pictures)
            assert again.pictures[0][0] == 3, "not the one that was looked at last"
            await again.leave()

    run(work)


# --- what happens


def happening(frame):
    at = datetime(2026, 11, 23, tzinfo=timezone.utc)
    return Event(id=f"{frame:032x}", kind="appeared", label="tabby", score=0.5, at=at, frame=frame)


class Desk(asking.Desk):
    def __init__(self, broken=False):
        super().__init__()
        self.events = []
        self.broken = broken

    def recent(self, most, before=None):
        if self.broken:
            raise OSError("the disk fails")
        return self.events[:most]


def test_how_it_fares_and_what_it_answers_are_told_at_once_and_then_as_they_change():
    async def work():
        door = Door()
        door.see()
        async with house(door) as app:
            listener = Viewer(app, "/api/v1/updates")
            await until(lambda: listener.told("answer"))
            assert listener.header["content-type"] == "text/event-stream"
            assert listener.text.startswith(b"retry: 1000\n\nevent: status\n")
            assert listener.told("status")[0]["name"] == "door" and listener.told("answer")[0]["frame"] == 0
            door.see()
            await until(lambda: listener.told("answer")[-1]["frame"] == 1)
            door.controls.threshold = 0.25
            await until(lambda: listener.told("settings"))
            assert listener.told("settings")[0]["threshold"] == 0.25
            door.controls.paused = True
            door.see()
            await until(lambda: len(listener.told("settings")) == 2)
            assert listener.told("answer")[-1]["frame"] == 1, "nobody hears what a paused camera saw"
            await listener.leave()

    run(work)


@pytest.mark.parametrize("broken", [False, True])
def test_events_are_told_as_they_happen_to_all_and_a_disk_that_fails_ends_nothing(broken):
    async def work():
        door, desk = Door(), Desk(broken)
        async with house(door, desk) as app:
            listeners = [Viewer(app, "/api/v1/updates") for _ in range(2)]
            await until(lambda: all(each.told("status") for each in listeners))
            for number in (1, 2):
                desk.events.insert(0, happening(number))
                door.vitals.happened(desk.events[0])
            door.controls.threshold = 0.5
            await until(lambda: all(each.told("settings") for each in listeners))
            for each in listeners:
                assert [told["frame"] for told in each.told("happened")] == ([] if broken else [1, 2])
                await each.leave()

    run(work)


def test_a_listener_that_reads_slowly_hears_the_newest_answer_only():
    async def work():
        door = Door()
        door.see()
        async with house(door) as app:
            slow, quick = Viewer(app, "/api/v1/updates"), Viewer(app, "/api/v1/updates")
            await until(lambda: slow.told("answer") and quick.told("answer"))
            slow.reads.clear()
            for number in (1, 2, 3):
                door.see()
                await until(lambda: quick.told("answer")[-1]["frame"] == number)  # noqa: B023 - it is called at once
            slow.reads.set()
            await until(lambda: slow.told("answer")[-1]["frame"] == 3)
            assert [each["frame"] for each in slow.told("answer")] == [0, 1, 3]
            for viewer in (slow, quick):
                await viewer.leave()

    run(work)


# --- how many, and the end


def test_no_more_are_let_in_than_may_be_and_one_that_leaves_makes_room():
    async def work():
        door = Door()
        door.see()
        async with house(door, viewers=1) as app:
            first = Viewer(app, "/stream.mjpg")
            await until(lambda: first.messages)
            for path in ("/stream.mjpg", "/api/v1/updates"):
                second = Viewer(app, path)
                await until(lambda: second.task.done())  # noqa: B023 - it is called at once
                assert second.status == 503 and second.header["retry-after"] == "1"
                assert b"all 1 viewers are there" in second.text
            head = Viewer(app, "/stream.mjpg", "HEAD")
            await until(lambda: head.task.done())
            assert head.status == 200 and head.text == b"", "it takes no place"
            assert head.header["content-type"] == "multipart/x-mixed-replace"
            await first.leave()
            third = Viewer(app, "/stream.mjpg")
            await until(lambda: third.pictures)
            await third.leave()

    run(work)


def test_where_all_places_are_taken_one_who_has_far_more_than_another_makes_room():
    async def work():
        door = Door()
        door.see()
        async with house(door, viewers=4) as app:
            many = [Viewer(app, path) for path in ("/stream.mjpg", "/api/v1/updates") * 2]
            many[1].reads.clear()
            await until(lambda: all(each.messages for each in many))
            one = Viewer(app, "/stream.mjpg", client="192.0.2.8")
            await until(lambda: one.pictures and many[0].task.done())
            assert sum(each.task.done() for each in many) == 1, "the one that came first"
            other = Viewer(app, "/api/v1/updates", client="192.0.2.8")
            await until(lambda: other.task.done())
            assert other.status == 503, "what the pages of two people take is no more than they may have"
            for each in (*many[1:], one):
                each.reads.set()
                await each.leave()

    run(work)


@pytest.mark.parametrize("path", ["/stream.mjpg?fps=0", "/api/v1/updates?answers=99", "/stream.mjpg?camera=shed"])
def test_a_stream_that_cannot_be_is_refused(path):
    with asking.page() as app:
        assert asking.ask(app, path).status in (404, 422)


def test_streams_end_with_the_service():
    async def work():
        door, over = Door(), Flag()
        door.see()
        async with house(door, over=over) as app:
            viewers = [Viewer(app, path) for path in ("/stream.mjpg", "/api/v1/updates")]
            await until(lambda: all(len(viewer.messages) > 2 for viewer in viewers))
            over.set()
            door.see()
            await until(lambda: all(viewer.task.done() for viewer in viewers))
            assert all(viewer.ended for viewer in viewers)

    run(work)


def test_little_waits_in_the_kernel_for_one_who_reads_slowly():
    sent, over = [], Flag()

    async def app(scope, receive, send):
        await begin(send, 200, {})
        for _ in range(1000):
            await send(part(bytes(8192)))
            sent.append(8192)

    with listening("127.0.0.1:0") as ours, closing(socket.socket()) as deaf:
        thread = Thread(target=serve, args=(app, ours, over), kwargs={"most": 9, "stall_s": GUARD_S})
        thread.start()
        try:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(ours.getsockname())
            deaf.sendall(b"GET / HTTP/1.1\r\nHost: door\r\n\r\n")
            before, still = -1, Flag()
            while before != len(sent) or not sent:
                before = len(sent)
                still.wait(0.05)
            assert sum(sent) < 100_000
        finally:
            over.set()
            deaf.close()
            thread.join(GUARD_S)
