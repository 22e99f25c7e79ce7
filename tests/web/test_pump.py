"""Pictures for all who look: made once, only while somebody looks, and always of the newest frame."""

import asyncio
import os
import threading
import time

import numpy as np

from edge.types import Frame
from edge.vitals import Controls, Vitals
from edge.web.pump import LOOK_S, NICE, Pump
from edge.web.share import BUSY, MOST_S, Share

GUARD_S = 60


class Free:
    """A share of the processor that is never used up. waits: what it was asked for."""

    used_s = 0.0

    def __init__(self):
        self.waits, self.counted = [], 0

    def add(self, seconds):
        assert seconds >= 0
        self.counted += 1

    async def rest(self, since, used_s, least_s):
        self.waits.append(least_s)
        await asyncio.sleep(0)


class Scene:
    """A camera, the pump of its pictures, and how many were made of each frame."""

    def __init__(self, fps=20.0, silent_s=GUARD_S, share=None):
        self.vitals, self.controls, self.share = Vitals("door"), Controls(), share or Free()
        self.made = []
        self.gate = threading.Event()
        self.gate.set()
        self.pump = Pump(
            self.vitals, self.controls, fps, self.share, silent_s=silent_s, clock=lambda: 7_000_000, encode=self.encode
        )

    def encode(self, pixels, quality):
        assert self.gate.wait(GUARD_S)
        self.made.append(int(pixels[0, 0, 0]))
        return b"picture %d" % pixels[0, 0, 0]

    def see(self, number, **changes):
        pixels = np.full((4, 4, 3), number, np.uint8)
        given = {"pixels": pixels, "index": number, "captured_at_ns": 2_000_000, "size": (4, 4), **changes}
        self.vitals.latest = (Frame(**given), None)
        return self.vitals.latest[0]


def run(test, **given):
    async def main():
        scene = Scene(**given)
        with scene.pump:
            await asyncio.wait_for(test(scene), GUARD_S)
        assert not [each for each in threading.enumerate() if each.name.startswith("edge-web-picture")]

    asyncio.run(main())


def test_a_picture_is_made_once_for_all_who_look():
    async def test(scene):
        scene.see(1)
        with scene.pump.looking(20), scene.pump.looking(20):
            seen = await asyncio.gather(*(scene.pump.next(None) for _ in range(50)))
            assert len(set(map(id, seen))) == 1 and seen[0].data == b"picture 1"
            assert await scene.pump.shot(seen[0].frame) is seen[0]
            scene.see(2)
            assert (await scene.pump.next(seen[0])).data == b"picture 2"
        assert scene.made == [1, 2] and scene.share.counted == 2

    run(test)


def test_who_comes_later_has_the_picture_that_is_there():
    async def test(scene):
        scene.see(1)
        with scene.pump.looking(20):
            first = await scene.pump.next(None)
            assert await scene.pump.next(None) is first
        assert scene.made == [1]

    run(test)


def test_no_picture_is_made_where_nobody_looks():
    async def test(scene):
        scene.see(1)
        await asyncio.sleep(0.02)
        assert scene.made == []
        with scene.pump.looking(20):
            await scene.pump.next(None)
        scene.see(2)
        await asyncio.sleep(0.02)
        assert scene.made == [1]
        with scene.pump.looking(20):  # somebody comes again
            shot = await scene.pump.next(None)
            while shot is None or shot.frame.index != 2:
                shot = await scene.pump.next(shot)
        assert scene.made == [1, 2]

    run(test)


def test_the_newest_frame_wins_over_those_that_came_while_a_picture_was_made():
    async def test(scene):
        scene.gate.clear()
        scene.see(1)
        with scene.pump.looking(20):
            next_ = asyncio.ensure_future(scene.pump.next(None))
            await asyncio.sleep(0.01)
            for number in range(2, 9):
                scene.see(number)
            scene.gate.set()
            first = await next_
            assert first.frame.index == 1
            assert (await scene.pump.next(first)).frame.index == 8
        assert scene.made == [1, 8]

    run(test)


def test_pictures_come_as_often_as_the_one_who_wants_most_and_never_more_than_is_allowed():
    async def test(scene):
        shot = None
        for number, wanted in enumerate(((2, 5), (2, 5, 10), (50, 2)), 1):
            scene.see(number)
            with scene.pump.looking(wanted[0]):
                others = [scene.pump.looking(fps) for fps in wanted[1:]]
                for each in others:
                    each.__enter__()
                while shot is None or shot.frame.index != number:
                    shot = await scene.pump.next(shot)
                for each in others:
                    each.__exit__(None, None, None)
        rates = [round(1 / (wait + 0.0025)) for wait in scene.share.waits]
        assert rates == [5, 10, 20]

    run(test)


def test_who_waits_is_told_that_there_is_none():
    async def test(scene):
        with scene.pump.looking(20):
            assert await scene.pump.next(None) is None, "no frame came yet"
            scene.see(1)
            shot = await scene.pump.next(None)
            while shot is None:
                shot = await scene.pump.next(None)
            assert await scene.pump.next(shot) is None, "no other one came"

    run(test, silent_s=0.01)


def test_nobody_sees_anything_from_the_moment_that_a_pause_is_asked_for():
    async def test(scene):
        scene.see(1)
        with scene.pump.looking(20):
            while (await scene.pump.next(None)) is None:
                pass
            scene.controls.paused = True
            assert scene.pump.frame is None
            assert await scene.pump.next(None) is None

    run(test, silent_s=0.01)


def test_a_frame_that_can_be_no_picture_is_passed_over():
    async def test(scene):
        bad = scene.see(1, pixels=np.zeros(9, np.uint8), pixel_format="MJPG", size=(9999, 9999))
        with scene.pump.looking(20):
            assert await scene.pump.next(None) is None
            assert (await scene.pump.shot(bad)).data is None
            scene.see(2)
            shot = await scene.pump.next(None)
            while shot is None:
                shot = await scene.pump.next(None)
            assert shot.frame.index == 2

    run(test, silent_s=0.01)


def test_the_age_of_a_picture_is_that_of_its_frame():
    async def test(scene):
        assert scene.pump.age_ms(scene.see(1)) == 5.0

    run(test)


def test_the_dearer_a_picture_is_the_later_the_next_one_comes():
    async def test(scene):
        scene.pump._encode = dear
        shot = None
        with scene.pump.looking(20):
            for number in range(1, 4):
                scene.see(number)
                while shot is None or shot.frame.index != number:
                    shot = await scene.pump.next(shot)
            while len(slept) < 6:
                await asyncio.sleep(0)

    def dear(pixels, quality):
        """Takes a millisecond of the processor, or two or three."""
        end = time.thread_time() + pixels[0, 0, 0] / 1000
        while time.thread_time() < end:
            pass
        return b"picture"

    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        await asyncio.sleep(0)

    # where its clock stands still, nothing is taken off the rests: until it is due, and until it was not too dear
    run(test, share=Share([Vitals("door")], 2, clock=lambda: 0.0, used=lambda: 0.0, sleep=sleep))
    least_s = 1 / 20 - LOOK_S / 2
    for number, (due, dear_until) in enumerate(zip(slept[::2], slept[1::2], strict=False), 1):
        assert dear_until - (due - least_s) >= min(number / 1000 / BUSY, MOST_S) - 1e-6


def test_who_asks_for_single_pictures_takes_none_from_those_who_look():
    async def test(scene):
        shot = None
        with scene.pump.looking(20):
            for number in range(1, 6):
                waiting = asyncio.ensure_future(scene.pump.next(shot))
                await asyncio.sleep(0)
                await scene.pump.shot(scene.see(number))
                shot = await waiting
                assert shot is not None and shot.frame.index == number
        assert scene.made == [1, 2, 3, 4, 5]

    run(test)


def test_pictures_are_made_where_the_loop_leaves_the_processor_free():
    async def test(scene):
        nice = []
        scene.pump._encode = lambda pixels, quality: nice.append(os.getpriority(os.PRIO_PROCESS, 0)) or b"picture"
        await scene.pump.shot(scene.see(1))
        assert nice == [min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)], "of that thread alone"

    run(test)


def test_whatever_becomes_of_one_picture_it_is_said_and_those_who_look_see_the_next():
    async def test(scene):
        said = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: said.append(what["message"]))
        scene.see(1)
        broken, scene.pump._encode = scene.pump._encode, lambda pixels, quality: 1 // 0
        with scene.pump.looking(20):
            assert await scene.pump.next(None) is None
            scene.pump._encode = broken
            scene.see(2)
            shot = None
            while shot is None:
                shot = await scene.pump.next(None)
            assert shot.frame.index == 2
        assert said[0].startswith("a fault of edge: pictures: ZeroDivisionError(")

    run(test, silent_s=0.01)
