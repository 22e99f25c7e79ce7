"""`edge doctor`: the whole examination."""

import json
from threading import Event

import msgspec
import pytest
import trees
from patients import HANGS, HIDING, PICAMERA, SEEING, SEGFAULT, TOOK, TOOK_SECOND, WELL, examined, of

from edge import doctor, probe
from edge.adapters import Adapter
from edge.cameras import picamera
from edge.doctor import limits
from edge.doctor.environment import Package
from edge.doctor.trials import Told
from edge.interpreters import tensorrt
from edge.pipeline import STALL_S


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
    machine = trees.pi5(tmp_path)
    profile = tmp_path / "p.toml"
    profile.write_text(
        'name = "p"\n[[camera]]\nkind = "picamera"\n[[interpreter]]\nkind = "edgetpu"\n'
        '[[interpreter]]\nkind = "onnx"\n[[interpreter]]\nkind = "litert"\n'
    )
    packages = {name: Package("1") for name in ("ai-edge-litert", "tflite-runtime", "onnxruntime")}
    seen = msgspec.structs.replace(SEEING, packages=packages)
    _, tried = examined(machine, str(profile), seen=seen, camera=TOOK)
    asked = {name: about for name, about in tried if name not in ("engine", "litert", "modules")}
    assert asked.keys() == {"camera", "onnx", "picamera", "library"}
    assert asked["library"] == "libedgetpu.so.1"
    assert [about for name, about in tried if name == "litert"] == ["ai-edge-litert", "tflite-runtime"]


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
    assert report.verdict == "profile two cannot run: see run.interpreter"


def test_without_numpy_nothing_else_is_tried(tmp_path):
    broken = Told(how="well", found={"numpy error": "ImportError: x", "cv2 error": "ImportError: x"})
    report, tried = examined(trees.pi4(tmp_path), "pi4", modules=broken)
    assert tried == [("modules", "numpy,cv2")]
    assert report.verdict == "profile pi4 cannot run: see python.numpy"


def test_a_litert_that_is_missing_is_bad_where_no_other_works(tmp_path):
    report, _ = examined(trees.pi4(tmp_path))
    assert of(report.findings, "runtime.ai-edge-litert").state == "bad"
    assert of(report.findings, "runtime.tflite-runtime").state == "n/a"
    seen = msgspec.structs.replace(SEEING, packages={"tflite-runtime": Package("2.14.0")})
    report, _ = examined(trees.pi4(tmp_path / "b"), seen=seen)
    assert of(report.findings, "runtime.ai-edge-litert").state == "n/a"


def test_a_camera_is_tried_as_a_run_opens_it_for_the_models_input(tmp_path):
    profile = tmp_path / "p.toml"
    profile.write_text('name = "p"\n[[camera]]\nkind = "picamera"\n[[interpreter]]\nkind = "litert"\n')
    sized = Told(how="well", found={**WELL.found, "size": "224x160"})
    _, tried = examined(trees.pi5(tmp_path), str(profile), engine=sized, camera=TOOK)
    wanted = json.loads(dict(tried)["camera"])
    assert (wanted["cameras"][0]["kind"], wanted["covers"]) == ("picamera", [224, 160])


def test_nothing_is_given_less_time_than_it_gives_itself():
    listed = [Adapter("tensorrt"), Adapter("edgetpu", {"load_limit_s": 300}), Adapter("litert")]
    for number, least in enumerate([tensorrt.LOAD_S, 300, probe.LIMIT_S]):
        assert limits.of_interpreters(listed[number : number + 1]) > least
    assert limits.of_interpreters(listed) > tensorrt.LOAD_S + 300 + probe.LIMIT_S
    assert limits.of_cameras([Adapter("picamera"), Adapter("v4l2")]) > picamera.OPEN_S + picamera.FIRST_S + STALL_S


def test_words_of_a_profile_reach_the_terminal_as_words(tmp_path):
    profile = tmp_path / "p.toml"
    profile.write_text('name = "a\\u001b[2J\\nb"\nmodel = "m\\u001b]0;x\\u0007"\n[[interpreter]]\nkind = "litert"\n')
    report, _ = examined(trees.pi4(tmp_path), str(profile))
    words = [report.verdict, report.profile, *(finding.seen for finding in report.findings)]
    assert not [each for each in words if "\x1b" in each or "\n" in each]


def test_a_venv_may_hide_the_system_where_another_camera_than_the_systems_gives_frames(tmp_path):
    profile = tmp_path / "p.toml"
    profile.write_text(f'name = "p"\n{PICAMERA}[[interpreter]]\nkind = "litert"\n')
    for number, (camera, state) in enumerate(((TOOK_SECOND, "good"), (HANGS, "bad"))):
        report, _ = examined(trees.pi4(tmp_path / str(number)), str(profile), seen=HIDING, camera=camera)
        assert of(report.findings, "python.venv").state == state


def test_ctrl_c_waits_for_no_library_that_hangs(tmp_path):
    profile = tmp_path / "p.toml"
    profile.write_text('name = "p"\n[[interpreter]]\nkind = "edgetpu"\n')
    hangs, begun = Event(), Event()

    def attempt(name, about, limit_s):
        if name == "library":
            begun.set()
            hangs.wait(60)
        if name == "engine":
            begun.wait(60)
            raise KeyboardInterrupt
        return Told(how="well", found={"numpy": "2", "cv2": "4"})

    machine = trees.pi4(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        doctor.examine(str(profile), root=machine.root, run=machine.run, attempt=attempt, seen=SEEING)
    assert not hangs.is_set()
    hangs.set()
