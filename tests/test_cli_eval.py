"""`edge eval` with several models."""

import io
import json
import os
import pty
import subprocess
import sys

import cv2
import pytest
from rich.console import Console

from edge.cli import scores

LETTERS = "abcdefghijkl"


@pytest.fixture
def data(tiny, tmp_path):
    """Four pictures, of which the tiny model gets three right at once and all within five."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = ["file,class_index"]
    for number, (best, second, truth) in enumerate(((5, 6, 5), (5, 6, 6), (1, 2, 1), (7, 8, 7))):
        picture = tiny.picture({best: 255, second: 245})
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        rows.append(f"{number}.png,{truth}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def unlabelled(tiny, tmp_path):
    path = tmp_path / "a_model_with_a_rather_long_name_that_does_not_fit_in_a_line_of_eighty_characters.tflite"
    path.write_bytes(tiny("int8"))
    return path


def test_json_tells_each_model_each_difference_and_each_class(cli, data, tiny_file, unlabelled):
    ran = cli("eval", "--data", data, "--model", tiny_file, "--against", unlabelled, "--against", tiny_file, "--json")
    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
    found = json.loads(ran.out)
    assert set(found) == {
        "top1", "top5", "images", "ms_per_image", "skipped", "models", "against", "classes"
    }  # fmt: skip
    assert (found["top1"], found["top5"], found["images"], found["skipped"]) == (0.75, 1.0, 4, 0)
    assert [(m["model"], m["file"], m["backend"], m["top1"]) for m in found["models"]] == [
        ("tiny", str(tiny_file), "litert-cpu", 0.75),
        (unlabelled.stem, str(unlabelled), "litert-cpu", 0.75),
        ("tiny", str(tiny_file), "litert-cpu", 0.75),
    ]
    assert found["against"] == [
        {"model": unlabelled.stem, "agreement": 1.0, "largest_difference": 0.0, "mean_difference": 0.0},
        {"model": "tiny", "agreement": 1.0, "largest_difference": 0.0, "mean_difference": 0.0},
    ]
    assert found["classes"][2] == {"label": "class g", "index": 6, "images": 1, "top1": [0.0, 0.0, 0.0]}


def test_why_another_interpreter_runs_is_told_with_the_score(cli, data, tiny_file, tmp_path):
    path = tmp_path / "two.toml"
    absent = f'kind = "scripted"\nscript = ["absent 9"]\nstate = "{tmp_path / "state"}"\n'
    litert = f'kind = "litert"\nmodel = "{tiny_file}"\n'
    path.write_text(f'name = "two"\n[[interpreter]]\n{absent}[[interpreter]]\n{litert}')
    why = "scripted interpreter: there is no device; the script says so"
    ran = cli("eval", "--data", data, "--profile", path, "--json")
    assert json.loads(ran.out)["models"][0]["instead_of"] == [why]
    assert f"litert-cpu because {why}" in cli("eval", "--data", data, "--profile", path).out
    both = cli("eval", "--data", data, "--profile", path, "--against", tiny_file)
    assert f"litert-cpu because {why}" in " ".join(both.out.split())


def test_json_tells_each_picture_where_that_is_asked(cli, data, tiny_file, unlabelled):
    (data / "2.png").write_bytes(b"no picture")
    arguments = ("--data", data, "--model", tiny_file, "--against", unlabelled, "--per-picture", "--json")
    pictures = json.loads(cli("eval", *arguments).out)["pictures"]
    assert [row["file"] for row in pictures] == [str(data / f"{n}.png") for n in (0, 1, 3)]
    assert pictures[1]["truth"] == "class g"
    answer = {"label": "class f", "index": 5, "score": pytest.approx(0.65, abs=0.02), "right": False}
    assert pictures[1]["answers"] == [answer, answer]


def test_a_table_fits_in_eighty_columns_and_says_what_it_is_of(command, data, tiny_file, unlabelled):
    (data / "3.png").write_bytes(b"no picture")
    ran = command("eval", "--data", data, "--model", tiny_file, "--against", unlabelled, "--per-class", "--per-picture")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["model", "top-1", "top-5", "ms", "agrees", "largest", "mean"]
    assert lines[3].split()[:4] == ["1", "tiny.tflite", "66.7%", "100.0%"]
    assert "on litert-cpu" in lines[4]
    assert "3 images, 1 skipped. Agreement and score differences are with model 1." in lines
    assert ["class", "images", "model", "1", "model", "2"] in [line.split() for line in lines]
    assert ["class", "f", "1", "100%", "100%"] in [line.split() for line in lines]
    assert "Worst: class g 0% of 1." in lines
    assert ["1.png", "class", "g", "class", "f", "0.65", "class", "f", "0.65"] in [line.split() for line in lines]
    assert "0.png" not in ran.out


def test_one_model_alone_stays_a_line_and_its_classes_come_below(cli, data, tiny_file):
    lines = cli("eval", "--data", data, "--model", tiny_file, "--per-class").out.splitlines()
    assert lines[0].startswith("tiny on litert-cpu: top-1 75.0%")
    assert ["class", "images", "top-1"] in [line.split() for line in lines]


def test_where_all_is_right_that_is_said(cli, data, tiny_file):
    (data / "labels.csv").write_text("file,class_index\n0.png,5\n")
    out = cli("eval", "--data", data, "--model", tiny_file, "--per-class", "--per-picture").out
    assert "All are right." in out
    assert "All models are right on all pictures." in out


def test_a_picture_to_which_a_model_gave_no_number_or_nothing_has_no_answer():
    text = io.StringIO()
    silent = {"label": None, "index": None, "score": None, "right": False}
    row = {"file": "folder/a.png", "truth": "cat", "answers": [silent, None]}
    scores.print_pictures(Console(file=text, width=80), [row])
    assert ["a.png", "cat", "no", "answer", "no", "answer"] in [line.split() for line in text.getvalue().splitlines()]


def test_models_that_cannot_be_compared_are_refused_before_any_runs(cli, data, tiny_file, tiny, tmp_path):
    path = tmp_path / "big.tflite"
    path.write_bytes(tiny(side=4))
    ran = cli("eval", "--data", data, "--model", tiny_file, "--against", path)
    assert (ran.code, ran.out) == (2, "")
    words = "48 classes cannot be compared with 12; give models of the same classes, under the same names"
    assert ran.err == f"edge: big against tiny: {words}\n"


def test_the_runtime_is_the_one_that_is_named_else_the_profile_s_else_the_format_s(
    cli, data, tiny_file, tiny_onnx, tmp_path, profile_file
):
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_onnx())
    refused = cli("eval", "--data", data, "--model", path, "--runtime", "litert")
    assert (refused.code, refused.out) == (2, "")
    assert "m.onnx: an ONNX file, which LiteRT cannot run; " in refused.err
    assert "which LiteRT cannot run" in cli("eval", "--data", data, "--model", path, "--profile", "cpu").err
    assert "no ONNX file, which ONNX Runtime needs" in cli("eval", "--data", data, "--runtime", "onnx").err
    path.with_suffix(".txt").write_text("\n".join(LETTERS))
    scripted = cli("eval", "--data", data, "--profile", profile_file(), "--against", path)
    assert "on scripted" in scripted.out
    own = profile_file(options='[[interpreter]]\nkind = "litert"\nthreads = 1')
    assert " on litert-cpu: " in cli("eval", "--data", data, "--profile", own, "--runtime", "litert").out
    missing = cli("eval", "--data", data, "--model", path)
    assert missing.code == 0 or "pip install onnxruntime" in missing.err


CHILD = "import sys, os; sys.argv[0] = 'edge'; from edge.cli import main; main()"


def test_a_backend_is_required_of_the_profile_and_an_interpreters_own_model_is_scored(
    cli, data, tiny_file, unlabelled, tmp_path
):
    path = tmp_path / "two.toml"
    own = f'kind = "litert"\nmodel = "{unlabelled}"\n'
    path.write_text(f'name = "two"\nmodel = "{tiny_file}"\n[[interpreter]]\nkind = "scripted"\n[[interpreter]]\n{own}')
    arguments = ("eval", "--data", data, "--profile", path, "--json")
    (model,) = json.loads(cli(*arguments, "--require", "litert").out)["models"]
    assert (model["backend"], model["file"]) == ("litert-cpu", str(unlabelled))
    (model,) = json.loads(cli(*arguments).out)["models"]
    assert (model["backend"], model["file"]) == ("scripted", str(tiny_file))
    (model,) = json.loads(cli(*arguments, "--require", "litert", "--model", tiny_file).out)["models"]
    assert (model["backend"], model["file"]) == ("litert-cpu", str(tiny_file))
    for refused in (("--require", "npu"), ("--require", "litert", "--runtime", "onnx")):
        ran = cli(*arguments, *refused)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_an_unnamed_profile_is_told_where_it_decides(cli, data, tiny_file):
    ran = cli("eval", "--data", data, "--profile", "auto", "--require", "litert", "--model", tiny_file)
    assert ran.code == 0 and ran.err.startswith("edge: profile ")


def test_on_a_terminal_a_bar_on_stderr_names_the_model_that_runs(data, tiny_file, unlabelled, tmp_path):
    ours, theirs = pty.openpty()
    line = ["eval", "--data", data, "--model", tiny_file, "--against", unlabelled, "--json"]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, line)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs
    )
    out, _ = child.communicate(timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert child.returncode == 0
    assert json.loads(out)["images"] == 4
    assert "8/8" in shown


def test_one_image_is_told_as_one_and_a_name_does_not_steer_the_terminal(cli, data, tiny_file, tmp_path):
    strange = tiny_file.rename(tmp_path / "a\x1b[2J.tflite")
    ran = cli("eval", "--data", data, "--model", strange, "--limit", 1)
    assert ran.code == 0 and "of 1 image, " in ran.out and "\x1b" not in ran.out
    ran = cli("eval", "--data", data, "--model", strange, "--against", strange, "--limit", 1)
    assert ran.code == 0 and "\n1 image. Agreement" in ran.out and "\x1b" not in ran.out
