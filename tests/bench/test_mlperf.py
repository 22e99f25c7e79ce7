"""What LoadGen is told, what it may call, and what is read of its logs; the end of the file needs LoadGen itself."""

import json
import os
import signal
import sys
import threading
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from edge.benchmarks import mlperf
from edge.benchmarks.cli import cli as edge_bench
from edge.benchmarks.cli.mlperf import invalid
from edge.benchmarks.mlperf import Plan, Subject

from edge import profile as profiles
from edge.cli import execute
from edge.engine import open_engine
from edge.errors import CameraError, ConfigError, EdgeError, InferenceError

HAS_LOADGEN = find_spec("mlperf_loadgen") is not None

PHOTOGRAPHS = mlperf.pictures(None)

SUMMARY = """================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : SingleStream
Mode     : PerformanceOnly
90.0th percentile latency (ns) : 2146455
Result is : VALID

================================================
Test Parameters Used
================================================
samples_per_query : 1

No warnings encountered during test.

1 ERROR encountered. See detailed log.
"""


@pytest.fixture
def bench(capfd):
    """`edge-bench ...` in this process: exit code, stdout, stderr."""

    def run(*arguments):
        code = execute([str(argument) for argument in arguments], False, edge_bench, "edge-bench")
        sys.stdout.flush()
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def engine(profile_file):
    """Opens an engine whose interpreter plays a script."""
    opened = []

    def of(*steps):
        opened.append(open_engine(profiles.load(profile_file(json.dumps(steps or ["class 1"])))))
        return opened[-1]

    yield of
    for each in opened:
        each.close()


def query(*indices):
    return [SimpleNamespace(id=100 + place, index=index) for place, index in enumerate(indices)]


def plan(scenario="SingleStream", duration_s=None, count=None):
    return Plan(scenario=scenario, duration_s=duration_s, count=count)


def test_a_duration_and_a_count_become_the_minima_of_loadgen():
    told = mlperf.settings(plan(duration_s=2.5, count=70), 4e6)
    assert (told["min_duration_ms"], told["min_query_count"]) == (2500, 70)
    alone = mlperf.settings(plan(count=70), 4e6)
    assert (alone["min_duration_ms"], alone["min_query_count"]) == (0, 70)
    timed = mlperf.settings(plan(duration_s=0.0001), 4e6)
    assert (timed["min_duration_ms"], timed["min_query_count"]) == (1, 1)


def test_loadgen_expects_a_faster_model_so_that_its_queries_do_not_run_out():
    told = mlperf.settings(plan(duration_s=1), 4e6)
    assert told["single_stream_expected_latency_ns"] < 4e6
    assert told["offline_expected_qps"] > 250
    assert mlperf.settings(plan(count=1), 0)["single_stream_expected_latency_ns"] == 1


def test_more_queries_than_memory_has_room_for_are_refused():
    with pytest.raises(ConfigError, match=r"--duration 600: .* more than 2,000,000; give at most 3 seconds"):
        mlperf.settings(plan(duration_s=600), 2e3)


def test_the_bounds_are_told_in_words():
    assert plan(duration_s=2, count=3).least == "2 s and 3 samples"
    assert plan(count=3).least == "3 samples"


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(seconds):
    with pytest.raises(ConfigError, match=r"--duration .*: LoadGen cannot run for so long; give more than 0"):
        plan(duration_s=seconds)


def test_the_samples_are_those_of_a_folder_or_a_table_or_the_photographs_that_ship(tmp_path):
    picture = tmp_path / "a.jpg"
    picture.write_bytes(PHOTOGRAPHS[0].read_bytes())
    (tmp_path / "labels.csv").write_text("file,class_index\na.jpg,3\n")
    assert len(PHOTOGRAPHS) > 3
    assert mlperf.pictures(str(tmp_path)) == [picture]
    assert mlperf.pictures(str(tmp_path / "labels.csv")) == [picture]
    with pytest.raises(ConfigError, match="no pictures there"):
        mlperf.pictures(str(tmp_path / "nowhere"))


def test_every_sample_that_is_asked_for_is_inferred_and_reported_as_done(engine):
    loaded, done = engine(), []
    subject = Subject(loaded, PHOTOGRAPHS, done.append)
    subject.load([0, 2])
    subject.issue(query(0, 2, 0))
    subject.flush()
    assert (done, subject.asked, loaded.interpreter.asked, subject.failure) == ([100, 101, 102], 3, 3, None)
    subject.unload([0, 2])
    subject.issue(query(2))
    assert isinstance(subject.failure, KeyError)


def test_after_a_failure_the_rest_is_answered_without_asking_the_model(engine):
    loaded, done = engine("class 1", "fail device lost"), []
    subject = Subject(loaded, PHOTOGRAPHS, done.append)
    subject.load([0])
    subject.issue(query(0, 0, 0, 0))
    assert (len(done), subject.asked, loaded.interpreter.asked) == (4, 1, 2)
    with pytest.raises(InferenceError, match="device lost"):
        raise subject.failure


def test_a_picture_that_cannot_be_decoded_fails_the_test_and_not_loadgen(engine, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    done = []
    subject = Subject(engine(), [broken], done.append)
    subject.load([0])
    subject.issue(query(0))
    assert done == [100]
    assert isinstance(subject.failure, CameraError)


def test_the_warm_up_runs_the_model_a_few_times_and_gives_the_median(engine):
    loaded = engine()
    ticks = iter(range(0, 10**9, 5))
    assert mlperf.warmed(loaded, PHOTOGRAPHS[0], lambda: next(ticks)) == 5
    assert loaded.interpreter.asked == mlperf.WARM_RUNS


def test_the_warm_up_of_a_slow_model_is_short(engine):
    loaded = engine()
    ticks = iter(range(0, 10**14, 10**10))
    mlperf.warmed(loaded, PHOTOGRAPHS[0], lambda: next(ticks))
    assert loaded.interpreter.asked == mlperf.LEAST_WARM_RUNS


def test_the_result_is_in_loadgens_own_words(tmp_path):
    (tmp_path / mlperf.SUMMARY).write_text(SUMMARY)
    lines = mlperf.outcome(tmp_path)
    assert lines[0] == "MLPerf Results Summary"
    assert "90.0th percentile latency (ns) : 2146455" in lines
    assert "Result is : VALID" in lines
    assert lines[-2:] == ["No warnings encountered during test.", "1 ERROR encountered. See detailed log."]
    assert not any("samples_per_query" in line for line in lines)


FEW = """Result is : INVALID
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: NO
Recommendations:
Early Stopping Result:
 * Only processed 10 queries.
 * Need to process at least 64 queries for early stopping."""

SHORT = """Result is : INVALID
  Min duration satisfied : NO
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
Recommendations:
 * Increase expected QPS so the loadgen pre-generates a larger (coalesced) query.
Early Stopping Result:
 * Processed at least 64 queries (70)."""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Result is : VALID\n  Min queries satisfied : Yes", None),
        (
            FEW,
            "Early stopping satisfied: NO; Only processed 10 queries; "
            "Need to process at least 64 queries for early stopping",
        ),
        (
            SHORT,
            "Min duration satisfied : NO; "
            "Increase expected QPS so the loadgen pre-generates a larger (coalesced) query",
        ),
        ("Result is : INVALID", "it does not say"),
    ],
)
def test_why_a_result_is_invalid_is_what_loadgen_says_of_it(said, reason):
    assert invalid(said.splitlines()) == reason


def test_where_loadgen_left_no_result_that_is_said(tmp_path):
    with pytest.raises(EdgeError, match="left no result: No such file"):
        mlperf.outcome(tmp_path)
    (tmp_path / mlperf.SUMMARY).write_text("")
    with pytest.raises(EdgeError, match="its other logs there tell why"):
        mlperf.outcome(tmp_path)


def test_old_logs_go_and_other_files_stay(tmp_path):
    for name in (mlperf.SUMMARY, "mine.txt"):
        (tmp_path / name).write_text("")
    mlperf.without_logs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written_is_refused_before_loadgen_would_end_the_process(plain_user):
    file = plain_user / "file"
    file.touch()
    plain_user.chmod(0o500)
    with pytest.raises(ConfigError, match=r"--output .*: cannot be written: Permission denied; name another folder"):
        mlperf.writable(plain_user / "logs")
    with pytest.raises(ConfigError, match="needs a name that is UTF-8"):
        mlperf.writable(plain_user / os.fsdecode(b"\xff"))
    with pytest.raises(ConfigError, match="cannot be written: File exists"):
        mlperf.writable(file)


@pytest.mark.skipif(HAS_LOADGEN, reason="LoadGen is installed")
def test_without_loadgen_the_command_says_how_to_install_it(bench, tmp_path):
    code, out, err = bench("mlperf", "--output", tmp_path / "logs")
    assert (code, out) == (1, "")
    assert err.startswith("edge-bench: LoadGen cannot run here: No module named 'mlperf_loadgen'; install it with")
    assert "`pip install './edgekit[mlperf]'`" in err
    assert not (tmp_path / "logs").exists()


needs_loadgen = pytest.mark.skipif(not HAS_LOADGEN, reason="needs the mlperf extra")


@needs_loadgen
@pytest.mark.parametrize(
    ("scenario", "figure"), [("SingleStream", "90.0th percentile latency (ns) :"), ("Offline", "Samples per second:")]
)
def test_loadgen_asks_so_often_as_it_was_told_and_leaves_its_logs(bench, profile_file, tmp_path, scenario, figure):
    logs = tmp_path / "logs"
    code, out, err = bench("mlperf", profile_file(), "--scenario", scenario, "--count", 70, "--output", logs)
    assert (code, err) == (0, f"edge-bench: LoadGen, {scenario}: at least 70 samples\n")
    lines = out.splitlines()
    assert lines[0].startswith("LoadGen ")
    assert "tiny on scripted, 6 pictures" in lines[0]
    assert {f"Scenario : {scenario}", "Result is : VALID"} <= set(lines)
    assert any(line.startswith(figure) for line in lines)
    assert "no official MLPerf submission" in lines[-2]
    detail = (logs / "mlperf_log_detail.txt").read_text()
    counted = "result_query_count" if scenario == "SingleStream" else "effective_samples_per_query"
    said = [json.loads(line.partition(" ")[2]) for line in detail.splitlines() if f'"{counted}"' in line]
    assert [each["value"] for each in said] == [70]
    assert lines[-1].startswith(f"Logs: {logs} (mlperf_log_summary.txt")


@needs_loadgen
def test_a_result_of_too_few_samples_is_invalid_and_the_last_line_says_why(bench, profile_file, tmp_path):
    code, out, _ = bench("mlperf", profile_file(), "--count", 10, "--output", tmp_path)
    assert code == 0
    assert "Result is : INVALID" in out.splitlines()
    last = out.splitlines()[-1]
    assert last.startswith("The result is INVALID: Early stopping satisfied: NO; Only processed 10 queries; ")


@needs_loadgen
@pytest.mark.parametrize("scenario", mlperf.SCENARIOS)
def test_a_model_that_fails_half_way_ends_in_one_line_and_leaves_no_result(bench, profile_file, tmp_path, scenario):
    steps = ["class 1"] * (mlperf.WARM_RUNS + 20) + ["fail device lost"]
    profile = profile_file(json.dumps(steps))
    code, out, err = bench("mlperf", profile, "--scenario", scenario, "--count", 70, "--output", tmp_path)
    assert (code, out) == (1, "")
    assert err.splitlines()[1:] == ["edge-bench: scripted interpreter: device lost; the script says so"]
    assert not list(tmp_path.glob("mlperf_log_*"))


@needs_loadgen
def test_an_interrupt_ends_the_test_and_not_the_process(bench, profile_file, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    profile = profile_file('["sleep 0.001", "class 1"]')
    code, out, err = bench("mlperf", profile, "--duration", 30, "--output", tmp_path)
    timer.join()
    assert (code, out, err.splitlines()[-1]) == (130, "", "edge-bench: stopped")
    assert signal.getsignal(signal.SIGINT) is before


@needs_loadgen
def test_a_duration_of_nothing_is_one_clear_line(bench, tmp_path):
    code, _, err = bench("mlperf", "--duration", 0, "--output", tmp_path / "logs")
    assert (code, err) == (
        2,
        "edge-bench: --duration 0: LoadGen cannot run for so long; give more than 0 and at most 86400 seconds\n",
    )
    assert not (tmp_path / "logs").exists()
