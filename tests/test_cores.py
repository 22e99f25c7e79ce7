"""Which cores a process may use, and which are the big ones, on made-up boards."""

import os

import pytest
import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import cores

CAPACITY, CLOCK = "cpu_capacity", "cpufreq/cpuinfo_max_freq"


def board(root, count=4):
    return trees.machine(root, cores=count, arch="aarch64", kernel="6.6", system="x")


@pytest.mark.parametrize(
    ("name", "speeds", "big"),
    [
        (CAPACITY, [381, 381, 381, 381, 1024, 1024], [4, 5]),  # RK3399: Cortex-A53 and A72
        (CAPACITY, [530] * 4 + [1000, 1000, 1024, 1024], [4, 5, 6, 7]),  # RK3588: its big cores are binned apart
        (CAPACITY, [1024] * 4, [0, 1, 2, 3]),
        (CLOCK, [1800000] * 4, [0, 1, 2, 3]),
        (CLOCK, [5100000, 4900000, 3800000, 3800000], [0, 1]),  # favoured cores are big ones, small ones are not
    ],
)
def test_the_big_cores_are_those_of_the_fastest_kind(tmp_path, name, speeds, big):
    made = board(tmp_path, len(speeds))
    trees.fast_and_slow(made, name, speeds)
    assert cores.big(made.root) == big


def test_capacity_counts_before_clocks(tmp_path):
    made = board(tmp_path)
    trees.fast_and_slow(made, CLOCK, [2000000, 2000000, 1000000, 1000000])
    trees.fast_and_slow(made, CAPACITY, [500, 500, 1024, 1024])
    assert cores.big(made.root) == [2, 3]


def test_where_the_kernel_does_not_tell_them_apart_all_are_big(tmp_path):
    made = board(tmp_path)
    assert cores.big(made.root) == [0, 1, 2, 3]
    trees.fast_and_slow(made, CLOCK, [1800000, 1800000, 1000000])  # and of the last core nothing is told
    assert cores.big(made.root) == [0, 1, 2, 3]


def test_only_cores_that_the_process_may_use_count(tmp_path):
    made = board(tmp_path, 6)
    trees.fast_and_slow(made, CAPACITY, [381, 381, 381, 381, 1024, 1024])
    status = (made.root / "proc/self/status").read_text()
    made.put("proc/self/status", status.replace("0-5", "0-4"))
    assert cores.big(made.root) == [4]
    made.put("proc/self/status", status.replace("0-5", "1-2"))
    assert cores.big(made.root) == [1, 2], "pinned to small cores, these are the fastest there are"


def test_this_process_has_big_cores_among_its_own():
    assert cores.usable() == sorted(os.sched_getaffinity(0))
    assert cores.big()
    assert set(cores.big()) <= os.sched_getaffinity(0)


@settings(max_examples=60)
@given(
    file=st.sampled_from(
        ["proc/self/status", "sys/devices/system/cpu/online", f"sys/devices/system/cpu/cpu0/{CAPACITY}"]
    ),
    noise=st.text(st.sampled_from("0123456789-, \n\u0663xCpus_allowed_list:\t"), max_size=40),
)
def test_whatever_the_files_hold_there_is_a_core(tmp_path_factory, file, noise):
    made = board(tmp_path_factory.mktemp("noise"), 2)
    made.put(file, noise)
    assert cores.big(made.root)


@pytest.mark.parametrize("line", ["0-99999999999999999999", "4294967295", "0-1,99999999-99999999"])
def test_a_range_of_cores_that_cannot_be_costs_no_memory(tmp_path, line):
    made = board(tmp_path)
    made.put("proc/self/status", f"Cpus_allowed_list:\t{line}")
    assert len(cores.usable(made.root)) < 10_000
