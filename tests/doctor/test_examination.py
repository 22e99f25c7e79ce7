"""`edge doctor`: the whole examination."""

import json

import msgspec
import trees
from patients import HANGS, SEEING, SEGFAULT, TOOK, WELL, examined, of

from edge.doctor.environment import Package
from edge.doctor.trials import Told


def test_a_healthy_board_can_run(tmp_path):
    report, tried = examined(trees.pi4(tmp_path))
    assert report.can_run and report.verdict == "profile cpu can run: litert-cpu"
    assert (report.board, report.backend, report.because) == ("Raspberry Pi 4 Model B Rev 1.4", "litert-cpu", None)
    assert {name for name, _ in tried} == {"modules", "engine"}
    checks = [finding.check for finding in report.findings]
    assert checks[:3] == ["python.numpy", "python.opencv", "python.version"]
    assert checks[-2:] == ["run.interpreter", "run.camera"]


def test_every_finding_of_every_board_has_its_topic_and_a_line_of_words(tmp_path):
    boards = (trees.pi4, trees.pi5, trees.jetson, trees.pc)
    for number, make in enumerate(boards):
        for finding in examined(make(tmp_path / str(number)))[0].findings:
            assert finding.check.partition(".")[0] in TOPICS and finding.seen and "\n" not in finding.seen


TOPICS = {"python", "runtime", "model", "coral", "jetson", "camera", "board", "system", "power", "run"}


def test_the_board_chooses_the_profile(tmp_path):
    report, _ = examined(trees.pc(tmp_path), "auto")
    assert (report.profile, report.because) == ("pc", "Acme Workstation 3")


def test_what_is_installed_or_asked_for_is_tried(tmp_path):
    machine = library(trees.pi5(tmp_path))
    profile = tmp_path / "p.toml"
    profile.write_text(
        'name = "p"\n[[camera]]\nkind = "picamera"\n[[interpreter]]\nkind = "edgetpu"\n'
        '[[interpreter]]\nkind = "onnx"\n[[interpreter]]\nkind = "litert"\n'
    )
    packages = {name: Package("1") for name in ("ai-edge-litert", "tflite-runtime", "onnxruntime")}
    seen = msgspec.structs.replace(SEEING, packages=packages)
    _, tried = examined(machine, str(profile), seen=seen, camera=TOOK)
    asked = {name: about for name, about in tried if name not in ("engine", "litert", "modules")}
    assert asked.keys() == {"camera", "onnx", "library"}
    assert asked["library"] == str(tmp_path / "usr/lib/aarch64-linux-gnu/libedgetpu.so.1")
    assert [about for name, about in tried if name == "litert"] == ["ai_edge_litert", "tflite_runtime"]
    assert ("modules", "libcamera,picamera2") in tried


def two(tmp_path):
    profile = tmp_path / "two.toml"
    profile.write_text('name = "two"\n[[interpreter]]\nkind = "onnx"\n[[interpreter]]\nkind = "litert"\n')
    return str(profile)


def test_an_interpreter_that_takes_the_process_with_it_is_passed_over(tmp_path):
    report, tried = examined(trees.pi4(tmp_path), two(tmp_path), engine=[SEGFAULT, WELL])
    assert report.verdict == "profile two can run: litert-cpu"
    assert "before it: onnx crashes (SIGSEGV)" in of(report.findings, "run.interpreter").seen
    asked = [json.loads(about)["interpreters"] for name, about in tried if name == "engine"]
    assert [[adapter["kind"] for adapter in each] for each in asked] == [["onnx", "litert"], ["litert"]]


def test_where_all_of_them_do_the_profile_cannot_run(tmp_path):
    report, _ = examined(trees.pi4(tmp_path), two(tmp_path), engine=[SEGFAULT, HANGS])
    assert not report.can_run and report.backend is None
    assert report.verdict == "profile two cannot run: running the model hangs (no answer within 20 s)"


def test_without_numpy_nothing_else_is_tried(tmp_path):
    broken = Told(how="well", found={"numpy error": "ImportError: x", "cv2 error": "ImportError: x"})
    report, tried = examined(trees.pi4(tmp_path), "pi4", modules=broken)
    assert tried == [("modules", "numpy,cv2")]
    assert report.verdict.startswith("profile pi4 cannot run: NumPy cannot be imported: ImportError: x")


def test_a_litert_that_is_missing_is_bad_where_no_other_works(tmp_path):
    report, _ = examined(trees.pi4(tmp_path))
    assert of(report.findings, "runtime.ai-edge-litert").state == "bad"
    assert of(report.findings, "runtime.tflite-runtime").state == "n/a"
    seen = msgspec.structs.replace(SEEING, packages={"tflite-runtime": Package("2.14.0")})
    report, _ = examined(trees.pi4(tmp_path / "b"), seen=seen)
    assert of(report.findings, "runtime.ai-edge-litert").state == "n/a"
