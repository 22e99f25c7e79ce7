"""`edge doctor`: the system."""

from pathlib import Path

import pytest
import trees
from patients import HERE, NOW, made

from edge.doctor import case, system
from edge.doctor.case import Disk


def disk(free, read_only=False):
    return Disk(folder=HERE, free_bytes=free, read_only=read_only)


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        (disk(8 << 30), "good", "8,192 MiB free for /home/ada/edge"),
        (disk(300 << 20), "note", "300 MiB free for /home/ada/edge, which is little"),
        (disk(1 << 20), "bad", "1 MiB free"),
        (disk(8 << 30, read_only=True), "note", "/home/ada/edge cannot be written"),
        (None, "note", "no home"),
    ],
)
def test_a_disk_is_told_by_what_is_left_of_it(tmp_path, found, state, said):
    told = system.disk(made(trees.pi4(tmp_path), disk=found))
    assert told.state == state and said in told.seen


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above(tmp_path):
    found = case.disk_of(tmp_path / "not" / "yet")
    assert found.folder == tmp_path / "not" / "yet"
    assert found.free_bytes == pytest.approx(case.disk_of(tmp_path).free_bytes, rel=0.2) and not found.read_only
    assert case.disk_of(None) is None
    assert case.disk_of(Path("/proc/nowhere")).read_only


@pytest.mark.parametrize(
    ("now", "answer", "state", "said"),
    [
        (NOW, "yes\n", "good", "synchronised"),
        (NOW, "no\n", "note", "not synchronised with any server"),
        (NOW, None, "n/a", "nothing here tells"),
        (86400.0 * 3, "no\n", "bad", "1970-01-04 00:00 UTC, which cannot be"),
    ],
)
def test_a_clock_is_told_by_whether_it_can_be_right(tmp_path, now, answer, state, said):
    patient = made(trees.pi4(tmp_path), now=now, run=lambda line: answer if line[0] == "timedatectl" else None)
    found = system.clock(patient)
    assert found.state == state and said in found.seen
    assert (found.command == "sudo timedatectl set-ntp true") == (state in ("note", "bad"))


def test_timesyncd_leaves_a_mark(tmp_path):
    machine = trees.pi4(tmp_path)
    machine.put("run/systemd/timesync/synchronized", "")
    assert system.clock(made(machine)).state == "good"


@pytest.mark.parametrize(
    ("lines", "swaps", "state", "said"),
    [
        ("MemTotal: 3884360 kB\nMemAvailable: 1220000 kB\nSwapTotal: 0 kB", "", "good", "3,793 MiB, 1,191 MiB free"),
        ("MemTotal: 427000 kB\nMemAvailable: 300000 kB\nSwapTotal: 0 kB", "", "note", "there is no swap"),
        (
            "MemTotal: 427000 kB\nMemAvailable: 300000 kB\nSwapTotal: 204800 kB",
            "/dev/zram0 partition",
            "good",
            "200 MiB of swap in memory (zram)",
        ),
        ("MemTotal: 3884360 kB\nMemAvailable: 20000 kB\nSwapTotal: 0 kB", "", "note", "19 MiB free"),
        ("MemTotal: 3884360 kB", "", "good", "3,793 MiB"),
        ("", "", "n/a", "does not tell"),
    ],
)
def test_memory_is_told_with_its_swap(tmp_path, lines, swaps, state, said):
    machine = trees.pi4(tmp_path)
    machine.put("proc/meminfo", lines)
    machine.put("proc/swaps", f"Filename Type Size Used Priority\n{swaps}")
    found = system.memory(made(machine))
    assert found.state == state and said in found.seen
