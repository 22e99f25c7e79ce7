"""The fresh processes of the scenario `cold`: what they tell of themselves, and that none is left behind."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from edge.benchmarks.scenarios import cold
from edge.benchmarks.scenarios.cold import Cold

from edge.errors import InferenceError


@pytest.fixture
def job(whole, tiny_file):
    """A job on the tiny model, with two threads."""
    return whole.job("cold", model=msgspec.structs.replace(whole.model, path=tiny_file), threads=2)


@pytest.fixture
def begun_by(tmp_path, monkeypatch):
    """Has every fresh Python run these lines first; `note` is a file."""

    def write(lines):
        note = tmp_path / "note"
        folder = tmp_path / "first"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(f"import os, signal, sys, time\nnote = {str(note)!r}\n{lines}")
        monkeypatch.setenv("PYTHONPATH", str(folder))
        return note

    return write


HANGS = """
child = os.fork()  # as the process that tries a stranger's model
if child:
    with open(note, "w") as file:
        file.write(f"{os.getpid()} {child}")
    %s
time.sleep(60)
"""


def ended(note):
    """Whether the first process is gone, and the second too, or dead and left to whoever has it now."""
    first, second = (Path(f"/proc/{pid}/stat") for pid in note.read_text().split())
    try:
        return not first.exists() and second.read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return not first.exists()


def eventually_ended(note):
    return any(ended(note) for _ in range(200_000))  # the kernel may still be taking the second one down


def test_it_tells_threads_and_memory_of_the_fresh_processes_and_not_its_own(job):
    own = np.ones(1 << 25)  # 256 MiB, more than a fresh process takes
    scenario = Cold(job, cold_clock())
    assert (scenario.backend, scenario.threads, scenario.peak_bytes) == ("unknown", None, None)
    next(iter(scenario))
    assert (scenario.backend, scenario.threads) == ("litert-cpu", 2)
    assert 1 << 20 < scenario.peak_bytes < own.nbytes


def test_what_is_answered_by_another_backend_or_model_is_no_sample(job):
    scenario = Cold(job, cold_clock())
    scenario.backend = "npu"
    with pytest.raises(InferenceError, match="tiny on npu was measured, and now tiny on litert-cpu would be; a figure"):
        next(iter(scenario))
    own = Cold(msgspec.structs.replace(job, own=True), cold_clock())
    told = cold.Told(times_ns=(0, 1, 2, 3), backend="cpu", model="tiny", threads=1, peak_bytes=1, instead_of=("gone",))
    with pytest.raises(InferenceError, match=r"made up on cpu was .* tiny on cpu would be, because gone; a figure"):
        own._check(told)


def cold_clock():
    ticks = iter(range(10**9))
    return lambda: next(ticks)


def test_a_fresh_process_that_is_waited_for_too_long_is_ended_with_its_children(job, begun_by):
    note = begun_by(HANGS % "pass")
    with pytest.raises(InferenceError, match=r"made up: a fresh process gave no answer within 1 s"):
        next(iter(Cold(job, cold_clock(), limit_s=1)))
    assert eventually_ended(note)


def test_whoever_ends_the_run_at_once_ends_the_fresh_process_too(job, begun_by):
    note = begun_by(HANGS % "os.kill(os.getppid(), signal.SIGINT)")
    with pytest.raises(KeyboardInterrupt):
        next(iter(Cold(job, cold_clock())))
    assert eventually_ended(note)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("os._exit(3)", "ended with code 3 and said: nothing"),
        ("sys.stderr.write('one\\nit is broken\\n'); sys.stderr.flush(); os._exit(1)", "said: it is broken"),
        ("print('hello', flush=True); os._exit(0)", "gave no answer: JSON is malformed"),
        ("os._exit(0)", "gave no answer: Input data was truncated"),
    ],
)
def test_a_fresh_process_without_an_answer_is_one_clear_line(job, begun_by, lines, reason):
    begun_by(lines)
    with pytest.raises(InferenceError, match=f"^made up: a fresh process .*{reason}[^\\[\\]]*$"):
        next(iter(Cold(job, cold_clock())))


def test_what_libraries_print_is_no_answer(job, begun_by):
    begun_by("print('loading the delegate')")
    scenario = cold.open(job, type("Bench", (), {"clock": staticmethod(cold_clock())}))
    next(iter(scenario))
    assert scenario.backend == "litert-cpu"


AS_A_TERMINAL = """
def interrupt():
    begun = open(note, "a+")
    begun.write("x")
    begun.seek(0)
    if len(begun.read()) == 2:  # the first one goes before
        os.killpg(os.getpgid(os.getppid()), signal.SIGINT)
if "-c" in sys.orig_argv:
    interrupt()
"""


def test_an_interrupt_from_the_terminal_is_no_failure_of_the_sample_in_hand(tiny_file, tmp_path, begun_by):
    begun_by(AS_A_TERMINAL)
    out = tmp_path / "out.json"
    line = ["--scenario", "cold", "--model", tiny_file, "--count", "5", "--power", "none", "--output", out]
    command = [sys.executable, "-m", "edge.benchmarks", "run", *map(str, line)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, start_new_session=True)
    assert (done.returncode, "ended with code" in done.stderr) == (130, False)
    result = json.loads(out.read_text())["results"][0]
    assert (result["latency_ms"]["count"], result["error"]) == (1, "interrupted")
