import json
import logging
import os
import pty
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge.cli
from edge import models, profile

AUTO = r"edge: profile [\w-]+ \(.+\)\n"
"""The line that tells which profile was taken where none was named."""

KEYS = ["frame", "source", "backend", "model", "captured_at", "age_ms", "timing_ms", "predictions"]
GUARD_S = 60


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def pictures(tiny, tmp_path):
    """A folder of three pictures, of which the middle one is broken."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, best in (("a", 5), ("c", 7)):
        cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(tiny.picture({best: 255}), cv2.COLOR_RGB2BGR))
    (folder / "b.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    dice = np.random.default_rng(0)
    for _ in range(20):
        writer.write(dice.integers(0, 256, (120, 160, 3), np.uint8))
    writer.release()
    return path


# --- answers


def test_json_lines_have_exactly_the_documented_keys(cli, tiny_file):
    ran = cli("run", "scripted:frames 3", "--model", tiny_file, "--json", "--top-k", 2)
    assert ran.code == 0
    found = objects(ran.out)
    assert [list(each) for each in found] == [KEYS] * 3
    assert [each["frame"] for each in found] == [0, 1, 2]
    for each in found:
        assert (each["source"], each["backend"], each["model"]) == ("scripted:frames 3", "litert-cpu", "tiny")
        assert list(each["timing_ms"]) == ["preprocess", "inference", "postprocess"]
        assert all(isinstance(value, float | int) and value >= 0 for value in each["timing_ms"].values())
        assert each["age_ms"] >= 0
        assert len(each["predictions"]) == 2
        assert [list(c) for c in each["predictions"]] == [["label", "index", "score"]] * 2
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["captured_at"])


def test_a_run_ends_with_a_summary_on_stderr(cli, tiny_file):
    ran = cli("run", "scripted:frames 3", "--model", tiny_file, "--json")
    assert re.fullmatch(AUTO + r"3 frames in \d+\.\d s, \d+\.\d FPS, 0 dropped, litert-cpu\n", ran.err)


def test_without_json_each_result_is_a_plain_line(cli, profile_file):
    ran = cli("run", "scripted:frames 2", "--profile", profile_file('["class 1 0.9", "class 2"]'), "--top-k", 1)
    assert ran.code == 0
    assert [re.sub(r"[\d.]+ ms", "T ms", line) for line in ran.out.splitlines()] == [
        "frame 0: class b 0.90 (T ms, scripted)",
        "frame 1: class c 1.00 (T ms, scripted)",
    ]


def test_a_threshold_leaves_classes_out(cli, profile_file):
    ran = cli("run", "scripted:frames 1", "--profile", profile_file(), "--threshold", "0.5", "--json")
    assert [c["label"] for c in objects(ran.out)[0]["predictions"]] == ["class b"]
    ran = cli("run", "scripted:frames 1", "--profile", profile_file(), "--threshold", "0.95")
    assert "nothing above the threshold" in ran.out


def test_a_limit_ends_the_run(cli, profile_file):
    ran = cli("run", "sample:", "--profile", profile_file(), "--limit", 4, "--json")
    assert ran.code == 0
    assert [each["frame"] for each in objects(ran.out)] == [0, 1, 2, 3]
    assert {each["file"].endswith(".jpg") for each in objects(ran.out)} == {True}


def test_a_folder_with_a_broken_picture_is_run_to_its_end_and_the_picture_counted(command, pictures, tiny_file):
    ran = command("run", pictures, "--model", tiny_file, "--json", "--top-k", 1)
    assert ran.code == 0
    assert [Path(each["file"]).name for each in objects(ran.out)] == ["a.png", "c.png"]
    assert [each["predictions"][0]["label"] for each in objects(ran.out)] == ["class f", "class h"]
    *told, last = ran.err.splitlines()
    assert f"edge: {pictures / 'b.png'}: cannot be read or decoded, so it is skipped" in told
    assert re.fullmatch(r"2 frames in .*, 0 dropped, 1 skipped, litert-cpu", last)
    assert len(told) == 2


def test_without_a_source_it_says_what_it_takes(cli, profile_file):
    from edge import source

    ran = cli("run", "--profile", profile_file(), "--limit", 1, "--json")
    chosen = source.default()
    why = "no camera was found" if chosen == "sample:" else "the first camera there is"
    assert ran.err.splitlines()[0] == f"edge: source {chosen} ({why})"
    assert objects(ran.out)[0]["source"] == chosen


def test_a_profiles_camera_is_used_without_a_word(cli, profile_file):
    file = profile_file(extra='[camera]\nkind = "scripted"\nscript = ["frames 2"]\n')
    ran = cli("run", "--profile", file, "--json")
    assert len(objects(ran.out)) == 2
    assert ran.err.count("\n") == 1


def test_where_no_profile_is_named_it_says_which_it_took_and_why(cli):
    chosen = profile.load("auto")
    ran = cli("run", "sample:", "--limit", 1, "--json")
    assert ran.err.splitlines()[0] == f"edge: profile {chosen.name} ({chosen.because})"
    ran = cli("run", "--profile", "auto", "--limit", 1, "--json")
    assert re.match(rf"edge: profile {chosen.name} \(.+\), source .+ \(.+\)\n", ran.err)
    assert cli("run", "sample:", "--profile", "cpu", "--limit", 1).err.count("\n") == 1


def test_a_backend_that_is_required_is_the_one_that_runs_or_nothing_does(cli, tmp_path, tiny_file):
    path = tmp_path / "two.toml"
    tables = "".join(f'[[interpreter]]\nkind = "{kind}"\n' for kind in ("scripted", "litert"))
    path.write_text(f'name = "two"\nmodel = "{tiny_file}"\n{tables}')
    for kind, backend in (("scripted", "scripted"), ("litert", "litert-cpu")):
        ran = cli("run", "scripted:frames 1", "--profile", path, "--require", kind, "--json")
        (found,) = objects(ran.out)
        assert found["backend"] == backend and "instead_of" not in found
    ran = cli("run", "scripted:frames 1", "--profile", path, "--require", "edgetpu")
    said(ran, 2, "--require edgetpu: the profile two lists no such interpreter, only scripted, litert; choose another")


REHEARSAL = """
name = "rehearsal"
[camera]
kind = "scripted"
live = true
script = ["frames 1", "stall 0.1", "frames 1", "stall 0.1", "fail cable pulled", "absent 1", "frames 1", "stall 0.1"]
state = "{folder}/camera"
[[interpreter]]
kind = "scripted"
script = ["class 1", "fail x", "fail y", "fail z", "absent 99"]
state = "{folder}/npu"
[[interpreter]]
kind = "litert"
model = "{model}"
threads = 1
"""


def test_what_is_lost_and_returns_stands_in_every_record_and_in_the_log(command, tmp_path, tiny_file):
    path = tmp_path / "rehearsal.toml"
    path.write_text(REHEARSAL.format(folder=tmp_path, model=tiny_file))
    ran = command("run", "--profile", path, "--json", "--patience", 20)
    assert ran.code == 0, ran.err
    first, *others = objects(ran.out)
    assert list(first) == KEYS and (first["backend"], first["model"]) == ("scripted", models.DEFAULT)
    assert [(each["frame"], each["backend"], each["model"]) for each in others] == [
        (1, "litert-cpu", "tiny"),
        (2, "litert-cpu", "tiny"),
    ]
    for each in others:
        assert list(each) == [*KEYS[:3], "instead_of", *KEYS[3:]]
        assert re.fullmatch("scripted .* z; .* it failed 3 times in a row, opened anew each time", *each["instead_of"])
    lines = ran.err.splitlines()
    assert [re.sub(r"^edge: | [\d.]+ s$", "", line) for line in lines if " is back " in line] == [
        "scripted is back after",
        "scripted is back after",
        "scripted is back after",
    ]
    assert (
        "edge: scripted: scripted camera: cable pulled; the script says so; waiting up to 20 s for it to return"
        in lines
    )
    assert lines[-1].endswith("dropped, scripted, litert-cpu")


def test_the_default_model_answers_on_the_sample(command):
    ran = command("run", "sample:", "--limit", 2, "--json")
    assert ran.code == 0
    assert {each["model"] for each in objects(ran.out)} == {models.DEFAULT}
    assert objects(ran.out)[0]["predictions"][0]["score"] > 0.2
    assert re.fullmatch(AUTO + r"2 frames in .*\n", ran.err)


def test_drops_of_a_live_source_are_counted_in_the_summary(cli, tmp_path, profile_file):
    extra = '[camera]\nkind = "scripted"\nlive = true\nscript = ["frames 300"]\n'
    ran = cli("run", "--profile", profile_file(extra=extra), "--json")
    assert ran.code == 0
    shown = len(objects(ran.out))
    dropped = int(re.search(r"(\d+) dropped", ran.err)[1])
    assert shown + dropped == 300
    assert objects(ran.out)[-1]["frame"] == 299


def test_a_recording_is_shown_whole_and_in_order(command, shared, tiny_file):
    video = shared / "video" / "bottle-detection.mp4"
    ran = command("run", video, "--model", tiny_file, "--json", "--top-k", 1)
    assert ran.code == 0
    assert [each["frame"] for each in objects(ran.out)] == list(range(1189))
    assert re.fullmatch(AUTO + r"1189 frames in .*, 0 dropped, litert-cpu\n", ran.err)


@pytest.mark.parametrize(
    ("file", "label", "score"),
    [
        ("cat.bmp", "Egyptian cat", 0.79),
        ("parrot.jpg", "macaw", 0.996),
        ("grace_hopper.bmp", "military uniform", 0.92),
        ("hot_dog.jpg", "hotdog", 0.89),
    ],
)
def test_the_published_answers_come_out_of_the_command(cli, shared, file, label, score):
    ran = cli(
        "run", shared / "images" / file, "--model", shared / "models" / "mobilenet_v2_1.0_224_quant.tflite",
        "--labels", shared / "labels" / "imagenet_labels.txt", "--fit", "squash", "--json",
    )  # fmt: skip
    best = objects(ran.out)[0]["predictions"][0]
    assert best["label"].split(",")[0] == label
    assert best["score"] == pytest.approx(score, abs=0.03)


# --- bad input: one line that names the thing, nothing on stdout, the exit code of the design


def said(ran, code, *words, out=""):
    """With an answer before it, a line tells what was chosen; the error is one line more."""
    err = re.sub(f"^{AUTO}", "", ran.err) if out else ran.err
    assert ran.code == code, err
    assert ran.out == out
    assert err.count("\n") == 1, err
    assert err.startswith("edge: ")
    assert "Traceback" not in err
    for word in words:
        assert str(word) in err


def model_cases():
    return {
        "empty": (b"", "the file is empty; copy it again"),
        "random bytes": (
            bytes(np.random.default_rng(1).integers(0, 256, 5000, np.uint8)),
            "no TensorFlow Lite model",
        ),
        "only an identifier": (b"\x1c\0\0\0TFL3" + bytes(60), "fetch or export it again"),
    }


@pytest.mark.parametrize("kind", model_cases())
def test_a_model_that_is_none_is_refused(command, tmp_path, kind):
    data, words = model_cases()[kind]
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    said(command("run", "sample:", "--limit", 1, "--json", "--model", path), 2, f"model {path}: ", words)


def test_a_model_that_is_not_there_is_refused(command):
    said(command("run", "sample:", "--model", "none.tflite"), 2, "model none.tflite: no such file; give the path of")


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_model_is_refused(command, tmp_path, share):
    data = models.shipped()[models.DEFAULT].read_bytes()
    path = tmp_path / "m.tflite"
    path.write_bytes(data[: int(len(data) * share)])
    ran = command("run", "sample:", "--limit", 1, "--model", path)
    if share == 0.999 and ran.code == 0:
        pytest.skip("what was cut off is only the list of labels behind the network")
    said(ran, 2, f"model {path}: ", "fetch or export it again")


def test_a_model_compiled_for_the_edge_tpu_is_refused_on_a_processor(command, shared):
    path = shared / "models" / "mobilenet_v2_1.0_224_quant_edgetpu.tflite"
    said(command("run", "sample:", "--model", path), 2, path, "compiled for the Edge TPU", "give the model it was")


def test_a_model_that_fails_on_invoke_is_refused(command, shared):
    path = shared / "models" / "model_invoking_error.tflite"
    ran = command("run", "sample:", "--model", path)
    said(ran, ran.code, path, "again")
    assert ran.code in (1, 2)


@pytest.mark.parametrize("name", ["ssd_mobilenet_v2_fpnlite_10_256_int8", "deeplabv3_mnv2_dm05_pascal_quant"])
def test_a_model_that_is_no_classifier_is_refused(cli, shared, name):
    path = shared / "models" / f"{name}.tflite"
    said(cli("run", "sample:", "--model", path), 2, path, "no classifier")


def test_labels_that_do_not_match_the_classes_are_refused(cli, tmp_path, tiny_file):
    labels = tmp_path / "few.txt"
    labels.write_text("a\nb\n")
    said(cli("run", "sample:", "--model", tiny_file, "--labels", labels), 2, "2 labels for 12 classes", "--labels")
    said(cli("run", "sample:", "--labels", tmp_path / "none.txt"), 2, tmp_path / "none.txt", "No such file")


def test_a_video_that_ends_early_is_an_error_after_the_frames_there_are(command, clip, profile_file):
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 6 // 10])
    ran = command("run", clip, "--profile", profile_file(), "--json")
    frames = [each["frame"] for each in objects(ran.out)]
    assert frames == list(range(len(frames)))
    assert 5 <= len(frames) < 20
    said(ran, 1, clip, f"ended after {len(frames)} of 20 frames; the file is cut off", out=ran.out)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.mp4", b"no video at all" * 100),
        ("a.txt", b"no video at all\n" * 100),
        ("a.py", b"import this\n" * 100),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:1,\nb.ts\n#EXT-X-ENDLIST\n"),
        ("a.csv", b"file,class_index\n" * 100),
        ("a.bin", bytes(4000)),
        ("a", b""),
    ],
)
def test_a_video_that_is_none_is_refused(command, tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    said(command("run", path), 2, path, "no video that FFmpeg can read; give a video")


def test_a_folder_without_pictures_is_refused(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    said(cli("run", tmp_path / "empty"), 2, tmp_path / "empty", "no pictures there; give")


def test_a_picture_that_is_broken_is_an_error(command, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:200])
    said(command("run", path), 1, path, "cannot be read or decoded")


@pytest.mark.parametrize("source", ["camera:987", "v4l2:///dev/video987", "/dev/video987"])
def test_a_camera_that_is_absent_is_an_error(cli, source):
    said(cli("run", source), 1, "/dev/video987: there is no such camera", "plug it in")


def test_a_device_that_is_no_camera_is_an_error(cli):
    said(cli("run", "/dev/null"), 1, "/dev/null: this is no camera")


def test_a_stream_that_nobody_sends_is_an_error(command):
    said(
        command("run", "rtsp://127.0.0.1:9/x"),
        1,
        "rtsp://127.0.0.1:9/x: no video comes from there",
        "check the address",
    )


@pytest.mark.parametrize("source", ["kinect:0", "nowhere.jpg", "", "nowhere/*.jpg", "a" * 300])
def test_a_source_that_nobody_understands_is_refused(cli, source):
    said(cli("run", source), 2, source, "give ")


def test_an_unknown_profile_is_refused(cli):
    said(cli("run", "--profile", "nano"), 2, "profile nano: no such profile or file; shipped are: ", "cpu")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ("size = 8\nsise = 9", "interpreter[0].sise: unknown key"),
        ("size = 'x'", "interpreter[0].size: Expected `int`, got `str`"),
        ("size = 0", "interpreter[0].size: Expected `int` >= 1"),
    ],
)
def test_a_profile_with_a_wrong_key_is_refused_by_its_path(cli, profile_file, options, key):
    file = profile_file(options=options)
    said(cli("run", "sample:", "--profile", file, "--limit", 1), 2, f"profile {file}: {key}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--threshold", "2"), ["--threshold", "2"]),
        (("--threshold", "-0.1"), ["--threshold"]),
        (("--threshold", "nan"), ["threshold", "nan"]),
        (("--top-k", "0"), ["--top-k", "0"]),
        (("--limit", "0"), ["--limit"]),
        (("--threads", "0"), ["--threads"]),
        (("--threads", "two"), ["--threads", "two"]),
        (("--fit", "stretch"), ["--fit", "squash"]),
        (("--task", "detect"), ["--task"]),
        (("--colour",), ["--colour"]),
        (("again",), ["again"]),
    ],
)
def test_an_option_that_cannot_be_is_refused(cli, arguments, words):
    said(cli("run", "sample:", *arguments), 2, *words, "See `edge run --help`." if "nan" not in arguments else "")


def test_an_interpreter_that_fails_is_an_error_after_the_answers_there_were(command, profile_file):
    file = profile_file('["class 1", "class 2", "fail device lost"]')
    ran = command("run", "sample:", "--profile", file, "--json")
    assert [each["frame"] for each in objects(ran.out)] == list(range(6))
    *again, last = ran.err.splitlines()
    assert (ran.code, len(again)) == (1, 4)  # lost, and back
    assert re.fullmatch("edge: scripted .*device lost.* failed 3 times in a row, opened anew each time", last)


def test_a_camera_that_fails_is_an_error_after_the_answers_there_were(cli, profile_file):
    ran = cli("run", "scripted:frames 2; fail cable pulled", "--profile", profile_file(), "--json")
    assert len(objects(ran.out)) == 2
    said(ran, 1, "cable pulled", out=ran.out)


def test_a_fault_of_ours_is_one_line_too(cli, tmp_path, monkeypatch, profile_file):
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "__init__.py").touch()
    (tmp_path / "faulty" / "npu.py").write_text("INSTALL = ''\ndef open(model): raise ZeroDivisionError('a\\nb')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "faulty.toml"
    file.write_text('name = "x"\n[[interpreter]]\nkind = "faulty.npu"\n')
    said(cli("run", "sample:", "--profile", file), 1, "ZeroDivisionError: a b; a fault of edge: see more with --debug")


def test_debug_shows_the_traceback_and_the_same_line(command, cli):
    ran = cli("run", "kinect:0", debug=True)
    assert "Traceback" in ran.err and "ConfigError" in ran.err
    assert ran.err.splitlines()[-1].startswith("edge: source kinect:0")
    for arguments in (("--debug", "run", "kinect:0"), ("run", "kinect:0", "--debug")):
        ran = command(*arguments)
        assert ran.code == 2
        assert "Traceback" in ran.err


# --- the process


def start(*arguments, **options):
    line = [sys.executable, "-m", "edge", *map(str, arguments)]
    place = os.environ["XDG_CACHE_HOME"]
    # Without a buffer: reading one line must leave all that follows for `communicate`.
    return subprocess.Popen(line, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **options)


@pytest.mark.parametrize("json_or_not", [["--json"], []])
def test_a_reader_that_goes_away_ends_the_run_quietly(profile_file, json_or_not):
    process = start("run", "sample:", "--profile", profile_file(), *json_or_not)
    try:
        assert process.stdout.readline().strip()
        process.stdout.close()
        assert process.wait(GUARD_S) == 0
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def test_a_disk_that_is_full_is_an_error(profile_file):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        line = [sys.executable, "-m", "edge", "run", "scripted:frames 3", "--profile", str(profile_file()), "--json"]
        env = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
        where = {"cwd": env["XDG_CACHE_HOME"], "env": env}
        done = subprocess.run(line, **where, stdout=full, stderr=subprocess.PIPE, timeout=GUARD_S, check=False)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr


def test_without_a_stderr_it_answers_all_the_same(tiny_file):
    line = f"{sys.executable} -m edge run 'scripted:frames 2' --model {tiny_file} --json 2>&-"
    done = subprocess.run(
        line, shell=True, cwd=os.environ["XDG_CACHE_HOME"], stdout=subprocess.PIPE, timeout=GUARD_S, check=False
    )
    assert done.returncode == 0
    assert len(objects(done.stdout.decode())) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_a_summary(profile_file, number):
    process = start("run", "sample:", "--profile", profile_file(), "--json")
    first = process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, err
    frames = [each["frame"] for each in objects((first + out).decode())]
    assert frames == list(range(len(frames)))
    assert re.fullmatch(rb"%d frames?( in .*)?, 0 dropped, scripted\n" % len(frames), err)


def test_a_signal_ends_a_run_whose_camera_is_silent(profile_file):
    script = '[camera]\nkind = "scripted"\nlive = true\nscript = ["frames 1", "stall 9"]\n'
    process = start("run", "--profile", profile_file(extra=script), "--json")
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, err
    assert err.startswith(b"1 frame")


def test_on_a_terminal_the_view_is_drawn(profile_file):
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "edge", "run", "scripted:frames 3", "--profile", str(profile_file())]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        line, cwd=os.environ["XDG_CACHE_HOME"], stdout=theirs, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    drawn = b""
    try:
        while chunk := os.read(ours, 65536):
            drawn += chunk
    except OSError:  # the terminal's other side was closed
        pass
    finally:
        os.close(ours)
    _, err = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, err
    text = drawn.decode()
    for words in ("class b", "90.0%", "FPS", "latency", "age", "dropped 0", "scripted:frames 3"):
        assert words in text
    assert "frame 2" in text
    assert err.startswith(b"3 frames in ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["edge", "--version"], 0, f"edge {edge.__version__}\n"),
        (["edge", "run", "kinect:0"], 2, "edge: source kinect:0"),
    ],
)
def test_the_module_is_the_command(monkeypatch, capfd, arguments, code, words):
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "SILENT")
    monkeypatch.setenv("OPENCV_FFMPEG_LOGLEVEL", "-8")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("edge", run_name="__main__")
    assert ended.value.code == code
    captured = capfd.readouterr()
    assert (captured.out or captured.err).startswith(words)


def test_a_video_whose_name_is_no_text_or_has_a_colon_is_no_crash(tmp_path, tiny_file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video = cv2.VideoWriter("a.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 32))
    for _ in range(3):
        video.write(np.zeros((32, 32, 3), np.uint8))
    video.release()
    for name, code, lines in (("12:30:00.avi", 0, 2), (os.fsdecode(b"odd\xff.avi"), 2, 1)):
        Path(name).write_bytes(Path("a.avi").read_bytes())
        line = [sys.executable, "-m", "edge", "run", name, "--model", str(tiny_file), "--json"]
        done = subprocess.run(line, capture_output=True, timeout=GUARD_S, check=False)
        assert (done.returncode, done.stderr.count(b"\n")) == (code, lines), done.stderr


def test_pictures_with_a_name_that_is_no_text_are_shown_and_written(tmp_path, tiny_file):
    for name in (b"a\xff.png", b"b.png"):
        (tmp_path / os.fsdecode(name)).write_bytes(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    process = start("run", tmp_path, "--model", tiny_file, "--json")
    out, err = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, err
    assert [Path(each["file"]).name for each in objects(out.decode())] == ["a\ufffd.png", "b.png"]


def test_a_reader_that_stops_for_a_while_gets_every_line_of_a_recording(profile_file):
    process = start("run", "scripted:frames 3000", "--profile", profile_file(), "--json")
    first = process.stdout.readline()
    time.sleep(1)  # the pipe and the queue are full by now
    out, err = process.communicate(timeout=GUARD_S)
    assert [each["frame"] for each in objects((first + out).decode())] == list(range(3000))
    assert b"3000 frames" in err


def test_with_closed_streams_the_error_takes_no_others_place(tiny_file):
    where = {"cwd": os.environ["XDG_CACHE_HOME"], "shell": True, "timeout": GUARD_S, "check": False}
    mute = subprocess.run(f"{sys.executable} -m edge run nowhere.jpg 2>&-", stdout=subprocess.PIPE, **where)
    assert (mute.returncode, mute.stdout) == (2, b"")
    line = f"{sys.executable} -m edge run 'scripted:frames 1' --model {tiny_file} --json >&-"
    closed = subprocess.run(line, stderr=subprocess.PIPE, **where)
    assert (closed.returncode, closed.stderr.count(b"\n")) == (2, 1)
    assert b"standard output is closed" in closed.stderr


def test_under_a_hard_limit_of_memory_a_stranger_is_tried_within_it(tiny_file, tmp_path):
    line = f"ulimit -v 3000000; {sys.executable} -m edge run 'scripted:frames 1' --model {tiny_file} --threads 1 --json"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        line, shell=True, cwd=tmp_path, env=environment, capture_output=True, timeout=GUARD_S, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_warning_goes_to_what_stderr_is_at_the_moment(capsys, monkeypatch):
    handler = edge.cli.ToStderr()
    record = logging.LogRecord("edge", logging.WARNING, "x.py", 1, "camera:0 is %s", ("back",), None)
    handler.emit(record)
    assert capsys.readouterr().err == "camera:0 is back\n"
    monkeypatch.setattr(sys, "stderr", None)
    handler.emit(record)
