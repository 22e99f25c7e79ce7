"""Processes that may crash or hang, and end with the one that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge import children
from edge.children import Child, Ended


def test_the_kernel_tells_the_child_that_its_parent_has_gone():
    told = []
    before = signal.signal(signal.SIGIO, lambda number, frame: told.append(number))
    alive, living = os.pipe()
    try:
        children.belong(alive)
        assert not told
        os.close(living)
        for _ in range(100):
            if told:
                break
            time.sleep(0.01)
        assert told == [signal.SIGIO]
    finally:
        os.close(alive)
        signal.signal(signal.SIGIO, before)


@pytest.mark.parametrize(("code", "words"), [(-11, "SIGSEGV"), (-60, "signal 60"), (3, "exit code 3")])
def test_how_a_process_ended_is_told_by_its_code(code, words):
    assert children.death(code) == words


def test_the_last_words_of_a_child_are_those_of_its_errors_or_of_its_end():
    assert Ended(1, b"", b"first\n\x1b[31mlast\n").last_words == "[31mlast"
    assert Ended(-11, b"", b"").last_words == "SIGSEGV"
    assert Ended(None, b"", b"").last_words == "no answer"


def test_a_child_is_given_its_input_and_what_it_wrote_is_kept():
    code = "import sys; print(sys.stdin.read() + '!'); print('why', file=sys.stderr); sys.exit(2)"
    assert children.run(code, 60, b"word") == Ended(2, b"word!\n", b"why\n")


def test_a_child_that_hangs_is_ended_with_what_it_started_and_what_it_said_is_kept():
    code = (
        "import os, signal, sys, time; started = os.fork(); "
        "print(started, signal.getsignal(signal.SIGTERM).name, flush=True) if started else None; time.sleep(600)"
    )
    ended = children.run(code, 1.0)
    number, handler = ended.out.split()
    assert (ended.code, handler) == (None, b"SIG_IGN")
    for _ in range(100):
        if not running(int(number)):
            break
        time.sleep(0.01)
    assert not running(int(number))


def running(process):
    """Whether a process is there, and no mere entry for whoever asks how it ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_where_memory_runs_out_a_child_goes_before_its_parent_from_its_first_moment_on():
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = Child("import time; time.sleep(60)", **quiet)
    try:
        own, its = (int(Path(f"/proc/{each}/oom_score_adj").read_text()) for each in ("self", child.process.pid))
        assert its == max(own, 500)
    finally:
        child.end()


def test_one_that_no_signal_ends_is_left_behind_after_a_while():
    class Stuck(Child):
        def kill(self):
            """As where a driver holds it."""

    child = Stuck("import time; time.sleep(600)", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=None)
    assert child.end(0.01) is False
    Child.kill(child)
    child.process.wait(10)


LOW = """
import os, sys
sys.path[:] = {path!r}
for number in (0, 1, 2): os.close(number)
from edge import children
ended = children.run("import sys; print(sys.stdin.read(), alive > 2)", 60, b"hears")
os.write(os.open({place!r}, os.O_WRONLY | os.O_CREAT), ended.out + ended.err)
"""


def test_a_process_without_standard_streams_has_children_all_the_same(tmp_path):
    place = tmp_path / "said"
    subprocess.run([sys.executable, "-c", LOW.format(path=sys.path, place=str(place))], check=True, cwd=tmp_path)
    assert place.read_text() == "hears True\n"
