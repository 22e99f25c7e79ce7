import gc
import os
import time
import weakref
from pathlib import Path

from edge.service import heap
from edge.vitals import Vitals


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_large_blocks_are_given_back_as_soon_as_they_are_free():
    heap.settle()
    held = [bytes([1]) * (8 << 20) for _ in range(8)]
    most = resident()
    del held[:]
    assert resident() < most - (48 << 20)


def test_what_is_free_below_something_in_use_is_given_back_all_the_same_now_and_then():
    heap.settle()
    held = [bytearray(b"x") * 100_000 for _ in range(640)]  # each less than is given back at once
    above = held[::64]
    most = resident()
    del held[:]
    tidy = heap.Tidy(Vitals("door"), every_s=0.01)
    tidy.start()
    deadline = time.monotonic() + 10
    while resident() > most - (40 << 20) and time.monotonic() < deadline:
        time.sleep(0.01)
    tidy.close()
    assert resident() < most - (40 << 20)
    assert len(above) == 10


def test_what_hangs_together_in_circles_is_given_back_now_and_then():
    class Link:
        other = None

    gc.disable()
    try:
        one, other = Link(), Link()
        one.other, other.other = other, one
        gone = weakref.ref(one)
        del one, other
        assert gone() is not None
        heap.give_back()
        assert gone() is None
    finally:
        gc.enable()


def test_a_library_that_cannot_be_told_goes_on_as_it_does():
    heap.settle(object())
    heap.give_back(object())
