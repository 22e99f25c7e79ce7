import hashlib
import json
from pathlib import Path

import cv2
import pytest

import edge.cli
from edge import boards, models, profile


def said(ran, code, *words):
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert ran.err.count("\n") == 1 and ran.err.startswith("edge: "), ran.err
    for word in words:
        assert str(word) in ran.err


# --- the group


def test_help_lists_the_commands(cli):
    for flag in ("--help", "-h"):
        ran = cli(flag)
        assert ran.code == 0
        for name, words in edge.cli.COMMANDS.items():
            assert name in ran.out and words in " ".join(ran.out.split())
    assert ran.err == ""


def test_the_help_of_every_command_says_what_its_list_says(cli):
    for name in edge.cli.COMMANDS:
        ran = cli(name, "--help")
        assert ran.code == 0
        assert ran.out.startswith(f"Usage: edge {name}")


def test_the_version_is_printed(cli):
    assert cli("--version") == (0, f"edge {edge.__version__}\n", "")


def test_a_command_that_does_not_exist_is_refused(cli):
    said(cli("rnu"), 2, "rnu", "See `edge --help`.")


def test_the_interrupt_of_the_keyboard_has_its_own_code(cli, tmp_path, monkeypatch):
    (tmp_path / "interrupted").mkdir()
    (tmp_path / "interrupted" / "__init__.py").touch()
    (tmp_path / "interrupted" / "npu.py").write_text("INSTALL = ''\ndef open(model): raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "i.toml"
    file.write_text('name = "x"\n[[interpreter]]\nkind = "interrupted.npu"\n')
    ran = cli("run", "sample:", "--profile", file)
    assert ran.code == 130
    assert "Traceback" not in ran.err


# --- profiles


def test_profiles_list_names_every_profile_that_ships(cli):
    ran = cli("profiles", "list")
    assert ran.code == 0
    for name in profile.shipped():
        assert name in ran.out
    assert "litert" in ran.out


def test_profiles_show_prints_a_profile_to_begin_ones_own_with(cli, tmp_path):
    ran = cli("profiles", "show", "cpu")
    assert ran.out == profile.shipped()["cpu"].read_text()
    (tmp_path / "own.toml").write_text(ran.out)
    ran = cli("profiles", "check", tmp_path / "own.toml")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == f"{tmp_path / 'own.toml'}: good"


def test_profiles_list_marks_the_one_that_auto_takes(cli):
    choice = boards.recognise()
    ran = cli("profiles", "list")
    assert f"{choice.profile} (auto)" in ran.out
    assert ran.out.count("(auto)") == 1
    assert ran.err == f"edge: auto takes {choice.profile} ({choice.because})\n"


def test_profiles_show_knows_auto_and_paths(cli, tmp_path):
    choice = boards.recognise()
    ran = cli("profiles", "show", "auto")
    assert ran.out == profile.shipped()[choice.profile].read_text()
    assert ran.err == f"edge: profile {choice.profile} ({choice.because})\n"
    (tmp_path / "own.toml").write_text("# mine\n")
    assert cli("profiles", "show", tmp_path / "own.toml").out == "# mine\n"


def test_profiles_show_refuses_one_that_does_not_ship(cli):
    said(cli("profiles", "show", "nano"), 2, "profile nano: no such profile or file; shipped are: ", "cpu")


def test_profiles_check_says_what_will_be_tried_in_order_and_notes_models_that_are_not_here(cli, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(
        'name = "x"\nthreads = 2\n[[camera]]\nkind = "v4l2"\ndevice = "/dev/video9"\n[[camera]]\nkind = "sample"\n'
        '[[interpreter]]\nkind = "litert"\nmodel = "mobilenet_v2_1.0_224_quant"\n'
        '[[interpreter]]\nkind = "litert"\nthreads = 1\n[power]\nkind = "rapl"\n'
    )
    ran = cli("profiles", "check", file)
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"{file}: good",
        '  camera 1: v4l2 (device = "/dev/video9")',
        "  camera 2: sample",
        "  interpreter 1: litert (threads = 2), model mobilenet_v2_1.0_224_quant",
        f"  interpreter 2: litert (threads = 1), model {models.DEFAULT} (the default)",
        "  power: rapl",
    ]
    assert ran.err.startswith(
        "note: model mobilenet_v2_1.0_224_quant: not fetched yet; fetch it with `edge models pull"
    )
    assert ran.err.count("note: ") == 1


def test_profiles_check_shows_a_list_as_one(cli):
    assert 'onnx (providers = ["tensorrt","cuda"]), model' in cli("profiles", "check", "jetson-orin-nx").out


def test_profiles_check_tells_where_no_interpreter_can_run_as_it_stands(cli, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('name = "x"\n[[interpreter]]\nkind = "edgetpu"\nusb_always_dfu = false\n')
    ran = cli("profiles", "check", file)
    assert ran.out.startswith(f"{file}: good, but no interpreter of it can run as it stands\n")
    assert "edgetpu (usb_always_dfu = false), model" in ran.out
    assert ran.err.startswith(f"note: model {models.DEFAULT}: not compiled for the Edge TPU")


def test_profiles_check_knows_auto_and_what_a_profile_leaves_open(cli):
    choice = boards.recognise()
    ran = cli("profiles", "check", "auto")
    assert ran.out.splitlines()[0] == f"auto: good; it is {choice.profile} here ({choice.because})"
    lines = cli("profiles", "check", "cpu").out.splitlines()
    assert lines[1:] == [
        "  camera: the first there is",
        f"  interpreter 1: litert, model {models.DEFAULT} (the default)",
        "  power: the first meter that gives a reading",
    ]


def test_profiles_check_names_what_is_wrong(cli, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('name = "x"\n[[interpreter]]\nkind = "litert"\nthread = 4\n')
    said(
        cli("profiles", "check", file), 2, f"profile {file}: interpreter[0].thread: unknown key; litert takes: threads"
    )
    said(cli("profiles", "check", tmp_path / "none.toml"), 2, "no such profile or file")


def test_profiles_check_opens_nothing(cli, tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(
        'name = "x"\nmodel = "/nowhere.tflite"\n[camera]\nkind = "v4l2"\ndevice = "/dev/video987"\n'
        '[[interpreter]]\nkind = "litert"\n'
    )
    assert cli("profiles", "check", file).code == 0


# --- models


def test_models_list_names_the_default(cli):
    ran = cli("models", "list")
    assert ran.code == 0
    assert f"{models.DEFAULT} (default)" in " ".join(ran.out.split())
    assert "BSD-3-Clause" in ran.out


def test_models_info_describes_the_default_model(cli):
    ran = cli("models", "info")
    assert ran.code == 0
    rows = dict(line.split(maxsplit=1) for line in ran.out.splitlines())
    file = models.load()
    assert rows["sha256"] == f"{file.sha256} (as the card says)"
    assert str(file.path) in rows["file"]
    assert "1x224x224x3" in rows["input"]
    assert rows["labels"].startswith("1000 (tench")
    assert rows["fit"] == file.card.fit
    assert float(rows["accuracy.top1"]) == file.card.accuracy.top1


def test_models_info_describes_a_file(cli, tiny_file):
    rows = dict(line.split(maxsplit=1) for line in cli("models", "info", tiny_file).out.splitlines())
    assert rows["file"] == f"{tiny_file} ({len(tiny_file.read_bytes())} bytes)"
    assert rows["sha256"] == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    assert rows["input"] == "tensor0: 1x2x2x3 uint8, real = 0.0625 * (q - 0)"
    assert rows["output"] == "tensor2: 1x12 uint8, real = 0.00390625 * (q - 0)"
    assert rows["labels"] == "12 (class a, class b, class c, …)"
    assert rows["card"] == "none"


def test_models_info_describes_a_float_model_without_labels(cli, tiny, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny("float32"))
    rows = dict(line.split(maxsplit=1) for line in cli("models", "info", path).out.splitlines())
    assert rows["input"] == "tensor0: 1x2x2x3 float32"
    assert rows["labels"] == "none"


def test_models_info_refuses_what_is_no_model(cli, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"")
    said(cli("models", "info", path), 2, f"model {path}: the file is empty")
    said(cli("models", "info", "nano"), 2, "model nano: no such file", models.DEFAULT)


# --- eval


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


def test_eval_prints_one_object_with_the_documented_keys(cli, data, tiny_file):
    ran = cli("eval", "--data", data, "--model", tiny_file, "--json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert {"top1", "top5", "images", "ms_per_image"} <= set(found)
    assert (found["top1"], found["top5"], found["images"], found["skipped"]) == (0.75, 1.0, 4, 0)
    assert found["ms_per_image"] > 0


def test_eval_says_it_in_words(cli, data, tiny_file):
    ran = cli("eval", "--data", data / "labels.csv", "--model", tiny_file)
    assert ran.out.startswith("tiny on litert-cpu: top-1 75.0%, top-5 100.0% of 4 images, ")
    assert ran.out.endswith(" ms an image\n")


def test_eval_scores_only_the_first_pictures_of_a_limit(cli, data, tiny_file):
    assert json.loads(cli("eval", "--data", data, "--model", tiny_file, "--limit", 1, "--json").out)["images"] == 1


def test_eval_counts_what_cannot_be_decoded(cli, data, tiny_file):
    (data / "2.png").write_bytes(b"no picture")
    ran = cli("eval", "--data", data, "--model", tiny_file)
    assert "of 3 images, 1 skipped, " in ran.out


def test_eval_takes_class_folders(cli, data, tiny_file):
    (data / "labels.csv").unlink()
    for number, name in ((0, "class f"), (3, "class h")):
        (data / name).mkdir()
        (data / f"{number}.png").rename(data / name / "a.png")
    found = json.loads(cli("eval", "--data", data, "--model", tiny_file, "--json").out)
    assert (found["top1"], found["images"]) == (1.0, 2)


def test_eval_refuses_data_that_is_wrong(cli, tmp_path, data, tiny_file):
    said(cli("eval", "--data", tmp_path / "none", "--model", tiny_file), 2, tmp_path / "none", "no such folder")
    (data / "labels.csv").write_text("file,class_index\n0.png,12\n")
    said(cli("eval", "--data", data, "--model", tiny_file), 2, "0.png: class 12, but the model has 12")
    (data / "labels.csv").write_text("file,class_index\n0.png,x\n")
    said(cli("eval", "--data", data, "--model", tiny_file), 2, "labels.csv: line 2: ")
    said(cli("eval", "--model", tiny_file), 2, "--data", "See `edge eval --help`.")


def test_eval_of_pictures_that_are_not_there_is_an_error(command, tmp_path, tiny_file):
    (tmp_path / "labels.csv").write_text("file,class_index\nnone.png,1\n")
    said(command("eval", "--data", tmp_path, "--model", tiny_file), 1, "none.png")


def test_eval_uses_the_default_model_where_none_is_named(cli, shared):
    ran = cli("eval", "--data", shared / "imagenet300", "--limit", 6)
    assert ran.out.startswith(f"{models.DEFAULT} on litert-cpu: top-1 ")


def test_eval_of_real_pictures_gives_the_published_score(cli, shared):
    model = shared / "models" / "mobilenet_v2_1.0_224_quant.tflite"
    labels = shared / "labels" / "imagenet_labels.txt"
    ran = cli(
        "eval", "--data", shared / "imagenet300", "--model", model, "--labels", labels, "--fit", "squash", "--json"
    )
    found = json.loads(ran.out)
    assert found["images"] == 300
    assert found["top1"] == pytest.approx(0.843, abs=0.02)  # on x86-64; 0.86 on ARM
    assert found["top5"] == pytest.approx(0.973, abs=0.015)


def test_nothing_is_left_behind(cli, tmp_path, monkeypatch, data, tiny_file):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    for arguments in (
        ("run", data, "--model", tiny_file),
        ("run", "none"),
        ("models", "list"),
        ("eval", "--data", "x"),
    ):
        cli(*arguments)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["models"], ["profiles"]])
def test_without_a_command_the_help_is_shown_in_lines(arguments, capfd):
    assert edge.cli.execute(arguments, False) == 0
    shown = capfd.readouterr()
    assert shown.out.startswith("Usage: edge") and shown.out.count("\n") > 5
    assert shown.err == ""
