"""The table of the peers, and how they are asked: with workers that are written here, no environments, no network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from edge.benchmarks.peers import __main__ as command
from edge.benchmarks.peers import environments, known, table, turns
from edge.benchmarks.peers.known import BARE, OURS, Peer
from edge.benchmarks.peers.turns import Measured, Turn, Worker
from rich.console import Console

from edge.cli.progress import Plain, shown
from edge.errors import EdgeError

TINY = """
def open(model, threads):
    print("libraries print")
    assert (model, threads) == ("the model", 2)
    def prepare(frame):
        return frame[0, 0]
    def infer(tensor):
        return tensor
    def classify(frame):
        return int(infer(prepare(frame))[0])
    return prepare, infer, classify
"""

HIDDEN = TINY.replace("return prepare, infer, classify", "return None, None, classify")

DIES = TINY.replace("    def infer(tensor):", "    left = [60]\n    def infer(tensor):").replace(
    "        return tensor",
    "        left[0] -= 1\n        if not left[0]: raise RuntimeError('out of luck')\n        return tensor",
)


STUCK = (
    TINY.replace("    def infer(tensor):", "    left = [60]\n    def infer(tensor):")
    .replace("        return tensor", "        left[0] -= 1\n        while not left[0]: pass\n        return tensor")
    .replace("return int(infer(prepare(frame))[0])", "infer(prepare(frame)); import os; return os.getpid()")
)


@pytest.fixture
def line(tmp_path):
    """Writes a worker's file; returns the command that runs it on three frames."""
    frames = tmp_path / "frames.npy"
    np.save(frames, np.arange(3 * 12, dtype=np.uint8).reshape(3, 2, 2, 3))

    def of(text):
        file = tmp_path / f"{abs(hash(text))}.py"
        file.write_text(text)
        return [sys.executable, "-I", str(turns.WORKER), str(file), "numpy", "the model", str(frames), "2"]

    return of


def peer(name=BARE, file="litert", **more):
    return Peer(name=name, file=file, package="numpy", **more)


def measured(name, inference, whole, first=(), **more):
    """One turn for each pair, in milliseconds; None is a round that it missed."""
    rounds = {
        number: Turn(None if inference is None else [round(inference[number] * 1e6)] * 3, [round(ms * 1e6)] * 3)
        for number, ms in enumerate(whole)
        if ms is not None
    }
    return Measured(peer=peer(name), version="1.0", first=list(first), turns=rounds, **more)


def test_a_worker_says_what_it_is_and_takes_as_many_samples_as_it_is_asked_for(line):
    one = Measured(peer=peer())
    worker = turns.opened(one, line(TINY))
    try:
        assert (one.version, one.first, one.why_not) == (np.__version__, [0, 12, 24], None)
        turns.rounds([(one, worker)], range(2), 5, Plain().watch)
    finally:
        worker.close()
    assert sorted(one.turns) == [0, 1]
    for turn in one.turns.values():
        assert (len(turn.inference), len(turn.whole)) == (5, 5)
        assert min(turn.inference + turn.whole) > 0


def test_a_peer_that_hides_its_steps_gives_the_whole_path_alone(line):
    one = Measured(peer=peer())
    worker = turns.opened(one, line(HIDDEN))
    turns.rounds([(one, worker)], range(1), 4, Plain().watch)
    worker.close()
    worker.close()
    assert one.turns[0].inference is None
    assert len(one.turns[0].whole) == 4


def test_a_peer_that_cannot_start_says_why_and_takes_no_part(line):
    one = Measured(peer=peer())
    assert turns.opened(one, line("import not_there")) is None
    assert one.why_not == "ModuleNotFoundError: No module named 'not_there'"


def test_a_peer_that_ends_without_a_word_is_told_by_its_exit_code():
    one = Measured(peer=peer())
    assert turns.opened(one, [sys.executable, "-c", "raise SystemExit(3)"]) is None
    assert one.why_not == "it ended with exit code 3"


def test_a_peer_that_says_nonsense_takes_no_part():
    one = Measured(peer=peer())
    assert turns.opened(one, [sys.executable, "-c", "print('hello')"]) is None
    assert "JSON" in one.why_not


def test_a_peer_that_is_silent_is_not_waited_for_for_ever():
    worker = Worker([sys.executable, "-c", "input()"])
    with pytest.raises(EdgeError, match="no answer within 0 s"):
        worker.ask("", 0.01)
    worker.close()


def test_a_peer_that_dies_half_way_keeps_its_turns_and_the_others_go_on(line):
    dying, well = Measured(peer=peer("dying")), Measured(peer=peer("well"))
    workers = [(one, turns.opened(one, line(text))) for one, text in ((dying, DIES), (well, TINY))]
    turns.rounds(workers, range(4), 2, Plain().watch)
    for _, worker in workers:
        worker.close()
    assert sorted(well.turns) == [0, 1, 2, 3]
    assert sorted(dying.turns) == [0]
    assert dying.why_not == "it ended after 1 turns: RuntimeError: out of luck"


def test_a_peer_that_falls_silent_half_way_is_ended_and_takes_no_time_of_the_others(line):
    stuck, well = Measured(peer=peer("stuck")), Measured(peer=peer("well"))
    workers = [(one, turns.opened(one, line(text))) for one, text in ((stuck, STUCK), (well, TINY))]
    turns.rounds(workers, range(4), 2, Plain().watch, limit_s=1)
    assert not Path(f"/proc/{stuck.first[0]}").exists()
    workers[1][1].close()
    assert sorted(well.turns) == [0, 1, 2, 3]
    assert stuck.why_not == "it ended after 1 turns: no answer within 1 s"


def test_a_peer_that_closes_its_output_and_goes_on_is_ended():
    worker = Worker([sys.executable, "-c", "import os; os.write(1, b'%d\\n' % os.getpid()); os.close(1); input()"])
    pid = int(worker.ask("", 10))
    with pytest.raises(EdgeError, match="it closed its output and went on"):
        worker.ask("", 0.01)
    assert not Path(f"/proc/{pid}").exists()
    worker.close()


def test_ratios_are_taken_round_by_round_so_that_drift_cancels():
    bare = measured(BARE, [1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    twice = measured("twice", [2.0, 4.0, 8.0], [3.0, 6.0, 12.0])
    row = table.row(twice, bare, bare)
    assert (row.inference_ratio.median, row.whole_ratio.median) == (2.0, 1.5)
    assert (row.inference_ms, row.whole_ms) == (4.0, 6.0)
    assert row.inference_ratio.interval is None
    late = measured("late", [9.0, 4.0, 8.0], [None, 4.0, 8.0])
    assert table.row(late, bare, bare).inference_ratio.median == 2.0


def test_an_interval_is_given_where_the_rounds_bear_it():
    ones = [1.0] * 40
    bare = measured(BARE, ones, ones)
    slow = measured("slow", [1 + n / 100 for n in range(40)], ones)
    ratio = table.row(slow, bare, bare).inference_ratio
    low, high = ratio.interval
    assert 1.0 < low < ratio.median < high < 1.39
    assert str(ratio) == f"{ratio.median:.2f} ({low:.2f} to {high:.2f})"


def test_agreement_is_with_bare_litert_frame_by_frame():
    bare = measured(BARE, [1.0], [1.0], first=[1, 2, 3, 4])
    other = measured("other", [1.0], [1.0], first=[1, 9, 3, 9])
    assert table.row(other, bare, bare).agreement == (2, 4)
    assert table.row(other, measured(BARE, [1.0], [1.0]), bare).agreement is None


def test_the_table_is_markdown_with_a_line_a_peer_and_says_why_one_did_not_run():
    found = [
        measured(OURS, [1.0], [1.2], first=[1, 2]),
        measured(BARE, [1.0], [1.5], first=[1, 2]),
        Measured(peer=peer("TensorOther"), why_not="no wheel for this machine"),
        Measured(
            peer=peer("whole only", note="it hides its steps"),
            version="2",
            first=[1, 9],
            turns={0: Turn(None, [2400000])},
        ),
    ]
    lines = table.markdown(table.rows(found)).splitlines()
    assert len({len(line) for line in lines[:6]}) == 1
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:6]] == [
        ["edgekit", "1.0", "1.00", "1.00", "1.20", "1.00", "2 of 2"],
        ["LiteRT, bare", "1.0", "1.00", "1.00", "1.50", "1.25", "2 of 2"],
        ["TensorOther", "-", "not run: see below", "-", "-", "-", "-"],
        ["whole only", "2", "-", "-", "2.40", "2.00", "1 of 2"],
    ]
    assert lines[6:] == ["", "- TensorOther: no wheel for this machine", "- whole only: it hides its steps"]


def test_an_environment_that_was_made_of_the_same_packages_is_used_again(tmp_path):
    python = tmp_path / "litert" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "litert" / environments.MADE_OF).write_text("one==1\ntwo")
    said = []
    assert environments.python_of(peer(packages=("one==1", "two")), tmp_path, said.append) == str(python)
    assert environments.python_of(peer(), tmp_path, said.append) == sys.executable
    assert said == []


def test_a_runtime_without_wheels_for_this_python_is_run_by_an_older_one_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    old = peer(newest=11)
    assert environments.suitable(old, (3, 11)) == sys.executable
    with pytest.raises(EdgeError, match=r"wheels up to Python 3\.11, and none so old is installed"):
        environments.suitable(old, (3, 12))
    (tmp_path / "python3.10").touch(mode=0o755)
    assert environments.suitable(old, (3, 12)) == str(tmp_path / "python3.10")
    assert environments.suitable(peer(), (3, 14)) == sys.executable


def test_a_command_that_fails_is_told_by_its_last_error():
    assert environments.ran([sys.executable, "-c", "print(3)"]) == "3\n"
    with pytest.raises(EdgeError, match=r"^ERROR: no wheel$"):
        environments.ran([sys.executable, "-c", "raise SystemExit('WARNING: x\\nERROR: no wheel\\nnotice: y')"])
    with pytest.raises(EdgeError, match="ended with exit code 4"):
        environments.ran([sys.executable, "-c", "raise SystemExit(4)"])
    with pytest.raises(EdgeError, match="took more than 0 s"):
        environments.ran([sys.executable, "-c", "input()"], 0.0)
    with pytest.raises(EdgeError, match="cannot be run: No such file"):
        environments.ran(["/not/there"])


def test_every_peer_has_its_file_and_the_two_that_others_are_held_against_are_there():
    peers = known.peers()
    workers = Path(turns.WORKER).parent / "workers"
    assert {each.file for each in peers} == {path.stem for path in workers.glob("*.py")} - {"__init__"}
    assert [each.name for each in peers][:2] == [OURS, BARE]


def test_the_command_refuses_a_peer_that_does_not_exist(tmp_path):
    line = [sys.executable, "-m", "edge.benchmarks.peers", "--only", "nothing"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--only nothing: no such peer; there are edgekit, litert, mediapipe," in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_it_says_of_its_progress_begins_with_the_name_of_the_program(capsys):
    with shown(Console(force_terminal=False), command.NAME) as display:
        display.say("exporting the network as ONNX")
    assert capsys.readouterr().err == "python -m edge.benchmarks.peers: exporting the network as ONNX\n"
