import os
from pathlib import Path

from edge.service import heap


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_large_blocks_are_given_back_as_soon_as_they_are_free():
    heap.settle()
    held = [bytes([1]) * (8 << 20) for _ in range(8)]
    most = resident()
    del held[:]
    assert resident() < most - (48 << 20)


def test_a_library_that_cannot_be_told_goes_on_as_it_does():
    heap.settle(object())
