"""What libraries print past Python is held back."""

import os
import subprocess
import sys

from edge.stderr import held_back


def test_only_the_lines_that_may_pass_reach_stderr(capfd):
    with held_back(lambda line: "two" in line):
        os.write(2, b"one\ntwo\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "two\nafter\n"


def test_an_error_comes_through_and_stderr_is_back(capfd):
    try:
        with held_back():
            os.write(2, b"noise\n")
            raise ValueError
    except ValueError:
        os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_without_a_stderr_nothing_is_in_the_way(tmp_path):
    code = "import os; os.close(2); from edge.stderr import held_back\nwith held_back(): print('ran')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ran\n")
