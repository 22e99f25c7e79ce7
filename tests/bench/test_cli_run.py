"""`edge-bench run` on a tiny model that LiteRT really runs."""

import json
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from edge.benchmarks import record as records
from edge.benchmarks.cli import completed

from edge import profile

FAST = ("--count", 20, "--power", "none")


def test_edge_bench_alone_is_edge_bench_run():
    assert completed([]) == ["run"]
    assert completed(["cpu", "--count", "3"]) == ["run", "cpu", "--count", "3"]
    assert completed(["compare", "a", "b"]) == ["compare", "a", "b"]
    assert completed(["--help"]) == ["--help"]
    assert completed(["--count", "3"]) == ["run", "--count", "3"]


def test_it_measures_saves_and_shows(bench, tiny_file, tmp_path):
    out = tmp_path / "r.json"
    ran = bench("--model", tiny_file, *FAST, "--scenario", "interpreter", "--threads", "1,2", "--output", out)
    assert ran.code == 0, ran.err
    record = records.read(out)
    assert [(r.scenario, r.threads) for r in record.results] == [("interpreter", 1), ("interpreter", 2)]
    for result in record.results:
        assert (result.backend, result.latency_ms.count, result.error) == ("litert-cpu", 20, None)
        assert result.fidelity.agreement == 1.0 and result.fidelity.pictures == 30
        assert result.model == tiny_file.stem and result.model_bytes == tiny_file.stat().st_size
        assert result.memory.peak_bytes > 10_000_000 and result.harness_us > 0
        assert result.power is None and result.power_not_measured == "not asked for"
        assert result.host_after.at_ns > result.host_before.at_ns
    assert record.complete and record.profile == profile.load("auto").name
    assert record.profile_text == profile.text_of("auto") and "litert" in record.profile_text
    assert record.host.cores >= 1 and record.host.versions["numpy"] == np.__version__
    assert ran.out.count("median") >= 2 and "1 of 2: interpreter" in ran.err


@pytest.mark.parametrize("scenario", ["camera", "offline", "streams"])
def test_the_scenarios_of_the_loop_run_it_for_real(bench, tiny_file, tmp_path, scenario):
    out = tmp_path / "r.json"
    ran = bench("--model", tiny_file, *FAST, "--scenario", scenario, "--streams", "2", "--fps", "200", "--output", out)
    assert ran.code == 0, ran.err
    (result,) = records.read(out).results
    assert result.latency_ms.count == 20 and set(result.stages_ms) == {"preprocess", "inference", "postprocess"}
    assert (result.age_ms is None) == (scenario == "offline")
    assert (result.streams is not None) == (scenario == "streams")
    if result.streams:
        assert sum(stream.answered for stream in result.streams) == result.frames.answered == 20
        assert result.at_s[0] >= 0 and all(stream.fps > 0 for stream in result.streams)


def test_a_recording_can_be_played_frame_by_frame(bench, tiny_file, tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number:04}.bmp"), np.full((8, 8, 3), number % 256, np.uint8))
    out = tmp_path / "r.json"
    ran = bench(
        "--model",
        tiny_file,
        *FAST,
        "--scenario",
        "camera",
        "--source",
        tmp_path,
        "--fps",
        0,
        "--output",
        out,
    )
    assert ran.code == 0, ran.err
    (camera,) = records.read(out).results
    assert camera.frames.replaced == 0 and camera.source == str(tmp_path)


def test_cold_starts_are_processes_of_their_own(bench, tiny_file, tmp_path):
    out = tmp_path / "r.json"
    ran = bench("--model", tiny_file, "--count", 2, "--scenario", "cold", "--power", "none", "--output", out)
    assert ran.code == 0, ran.err
    (result,) = records.read(out).results
    assert set(result.stages_ms) == {"process", "import", "load", "first_answer"}
    assert result.backend == "litert-cpu" and result.init_ms is None
    total = sum(stage.samples[0] for stage in result.stages_ms.values())
    assert result.latency_ms.samples[0] == pytest.approx(total)
    assert len(result.warmup.samples_ms) == 1


def test_the_record_can_go_to_stdout_and_strict_exits_1_unless_every_result_is_valid(bench, tiny_file):
    ran = bench("--model", tiny_file, *FAST, "--scenario", "interpreter", "--output", "-", "--strict")
    assert ran.code == 1 and "median" in ran.err and "too few samples" in ran.err
    assert json.loads(ran.out)["results"][0]["latency_ms"]["count"] == 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--threads", "0"), "give whole numbers from 1 to 256"),
        (("--threads", "1,x"), "give whole numbers from 1 to 256"),
        (("--streams", "²"), "give whole numbers from 1 to 256"),
        (("--scenario", "server"), "'server' is none of interpreter"),
        (("--duration", "0"), "--duration"),
        (("--duration", "nan"), "nan is no number of seconds"),
        (("--duration", "inf"), "inf is no number of seconds"),
        (("nowhere",), "profile nowhere: no such profile"),
        (("--model", "nowhere.tflite"), "nowhere.tflite"),
        (("--source", "nowhere.mp4", "--count", "3"), "nowhere.mp4: no such file"),
        (("--data", "nowhere"), "nowhere"),
        (("--power", "nowhere.csv", "--count", "3"), "nowhere.csv"),
        (
            (
                "--power",
                "watts",
            ),
            "watts",
        ),
        (
            (
                "--output",
                "/proc/none/r.json",
            ),
            "cannot be written",
        ),
        (
            (
                "--output",
                "/tmp",
            ),
            "a folder; name a file in it",
        ),
        (("--output", "/dev/null"), "a device or a pipe"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_measured(bench, tiny_file, arguments, said):
    model = () if "--model" in arguments else ("--model", tiny_file)
    ran = bench(*model, *arguments)
    assert ran.code == 2, ran
    assert said in ran.err and ran.err.count("\n") == 1
    assert ran.out == ""


def test_a_meter_that_is_named_and_not_there_is_told(bench, tiny_file):
    ran = bench("--model", tiny_file, "--count", 3, "--power", "hwmon")
    if ran.code == 0:
        pytest.skip("this machine has a power sensor")
    assert ran.code == 1 and ran.err.count("\n") == 1 and "hwmon" in ran.err


def test_a_wrong_backend_shows(bench, tiny_file, tmp_path):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "wrong.py").write_text(
        "from edge.interpreters import litert\n"
        "INSTALL = 'nothing'\n"
        "class Wrong:\n"
        "    def __init__(self, inner): self.inner, self.inputs, self.outputs = inner, inner.inputs, inner.outputs\n"
        "    backend = 'wrong'\n"
        "    def infer(self, tensor): return [output[:, ::-1].copy() for output in self.inner.infer(tensor)]\n"
        "    def close(self): self.inner.close()\n"
        "def open(model) -> Wrong: return Wrong(litert.open(model))\n"
    )
    (tmp_path / "wrong.toml").write_text('name = "wrong"\n[[interpreter]]\nkind = "acme.wrong"\n')
    sys.path.insert(0, str(tmp_path))
    try:
        out = tmp_path / "r.json"
        ran = bench(tmp_path / "wrong.toml", "--model", tiny_file, *FAST, "--scenario", "interpreter", "--output", out)
    finally:
        sys.path.remove(str(tmp_path))
    assert ran.code == 0, ran.err
    for result in records.read(out).results:
        assert (result.backend, result.threads) == ("wrong", None)
        assert result.verdict == "invalid" and result.fidelity.agreement < 0.5


def test_a_reference_of_other_classes_is_told_and_loses_nothing(bench, tiny_file, tmp_path):
    out = tmp_path / "r.json"
    reference = "mobilenet_v2_1.0_224_int8"
    ran = bench("--model", tiny_file, *FAST, "--scenario", "interpreter", "--reference", reference, "--output", out)
    assert ran.code == 0, ran.err
    (result,) = records.read(out).results
    assert result.fidelity is None and "1000 classes" in result.fidelity_not_measured


def test_ctrl_c_keeps_what_was_measured(tiny_file, tmp_path):
    out = tmp_path / "r.json"
    line = [sys.executable, "-m", "edge.benchmarks", "--model", tiny_file, "--duration", "60", "--power", "none",
            "--scenario", "interpreter", "--output", out]  # fmt: skip
    # A shell in the background leaves its children deaf to SIGINT, and what runs the tests may be one.
    hear = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    line = [sys.executable, "-c", hear, *map(str, line)]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    assert process.stderr.readline().startswith(b"edge-bench: profile ")
    assert b"1 of 1" in process.stderr.readline()
    time.sleep(2.5)  # into the timed window; the warm-up takes less than two seconds
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    (result,) = records.read(out).results
    assert result.error == "interrupted" and result.latency_ms.count > 0
    assert b"median" in stdout


def test_one_camera_cannot_be_opened_for_several_streams(bench, tiny_file):
    streams = ("--scenario", "streams", "--streams", "2", "--source", "/dev/video9")
    ran = bench("--model", tiny_file, *FAST, *streams)
    assert ran.code == 2
    assert "/dev/video9: a camera can be opened once, and streams is to have 2; give --source for each" in ran.err


def test_the_debug_flag_may_stand_before_the_command():
    assert completed(["--debug", "compare", "a"]) == ["--debug", "compare", "a"]
    assert completed(["--debug"]) == ["run", "--debug"]


def test_a_profile_may_name_its_meter(bench, tiny_file, tmp_path):
    profile, out = tmp_path / "p.toml", tmp_path / "r.json"
    profile.write_text(
        'name = "metered"\n[[interpreter]]\nkind = "litert"\n[power]\nkind = "scripted"\nscript = ["watts 2"]\n'
    )
    ran = bench(
        profile, "--model", tiny_file, "--duration", 0.5, "--scenario", "interpreter", "--idle", 0.4, "--output", out
    )
    assert ran.code == 0, ran.err
    (result,) = records.read(out).results
    assert (result.power.watts, result.power.idle_watts) == (pytest.approx(2), pytest.approx(2))
    assert "everything that is real" in ran.out


def test_a_meter_of_the_profile_that_is_not_here_is_told_and_all_else_is_measured(bench, tiny_file, tmp_path, caplog):
    profile, out = tmp_path / "p.toml", tmp_path / "r.json"
    profile.write_text('name = "m"\n[[interpreter]]\nkind = "litert"\n[power]\nkind = "pmic"\n')
    ran = bench(profile, "--model", tiny_file, "--count", 3, "--scenario", "interpreter", "--output", out)
    assert ran.code == 0, ran.err
    (result,) = records.read(out).results
    assert result.power is None and "pmic" in result.power_not_measured
    assert "power is not measured: pmic" in caplog.text


def test_the_schema_is_printed(bench):
    ran = bench("schema")
    assert json.loads(ran.out)["$defs"]["Result"]


def test_help_names_every_command(bench):
    ran = bench("--help")
    assert ran.code == 0
    assert all(name in ran.out for name in ("compare", "mlperf", "power", "report", "run", "schema"))


def test_each_interpreter_has_its_own_model_and_the_record_tells_why_it_runs(bench, tiny_file, tmp_path, caplog):
    path, out = tmp_path / "two.toml", tmp_path / "r.json"
    absent = f'kind = "scripted"\nscript = ["absent 99"]\nstate = "{tmp_path / "state"}"\n'
    own = f'kind = "litert"\nmodel = "{tiny_file}"\nthreads = 1\n'
    path.write_text(f'name = "two"\n[[interpreter]]\n{absent}[[interpreter]]\n{own}')
    why = ["scripted interpreter: there is no device; the script says so"]
    for required, reasons, scenarios in ((), why, "single-stream,cold"), (("--require", "litert"), [], "single-stream"):
        count = ("--count", 1, "--power", "none")
        ran = bench(path, *count, *required, "--scenario", scenarios, "--output", out)
        assert ran.code == 0, ran.err
        for result in records.read(out).results:
            assert (result.model, result.backend, result.backend_reasons) == ("tiny", "litert-cpu", reasons)
    assert caplog.text.count("litert-cpu runs instead") == 1
    refused = bench(path, *FAST, "--require", "npu")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_the_loop_runs_on_the_first_camera_of_the_profile_that_opens(bench, tiny_file, tmp_path):
    path, out = tmp_path / "cameras.toml", tmp_path / "r.json"
    gone = '[[camera]]\nkind = "v4l2"\ndevice = "/dev/video987"\n'
    there = '[[camera]]\nkind = "scripted"\nscript = ["frames 500"]\n'
    litert = '[[interpreter]]\nkind = "litert"\nthreads = 1\n'
    path.write_text(f'name = "c"\nmodel = "{tiny_file}"\n{gone}{there}{litert}')
    ran = bench(path, *FAST, "--scenario", "camera", "--fps", "200", "--output", out)
    assert ran.code == 0, ran.err
    (result,) = records.read(out).results
    assert result.source == "scripted"
