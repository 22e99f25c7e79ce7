"""What of `edge export` needs no PyTorch: options that do not fit, and the Edge TPU."""

import os
import stat
import sys

import pytest

from edge import models
from edge.models import card as cards

LOG = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 100 ms.

Number of Edge TPU subgraphs: 1
Total number of operations: 72
Operation log: model_edgetpu.log
"""


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A program in the place of `edgetpu_compiler`, whose output is the compiled model of the shared data."""

    def install(output: bytes, log: str = LOG) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "output").write_bytes(output)
        program = folder / "edgetpu_compiler"
        program.write_text(
            f"#!{sys.executable}\nimport sys, pathlib\n"
            f"pathlib.Path(sys.argv[sys.argv.index('-o') + 1], 'model_edgetpu.tflite').write_bytes("
            f"pathlib.Path({str(folder / 'output')!r}).read_bytes())\nprint({log!r})\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "nothing to do"),
        (("-o", "x.bin"), "must end in .tflite or .onnx"),
        (("-o", "x.onnx", "--check", "edgetpu"), "must end in .tflite"),
        (("--check", "edgetpu", "--qat"), "export it first"),
        (("--compile", "edgetpu", "-o", "y.tflite", "--type", "float"), "export it first"),
        (("--store", "-o", "x.onnx"), "--store says itself where the model goes"),
        (("--for", "coral", "-o", "x.onnx"), "coral"),
        (("--type", "int4"), "int4"),
        (("--every", "0"), "0"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_done(
    cli, tmp_path, monkeypatch, arguments, word
):
    monkeypatch.chdir(tmp_path)
    ran = cli("export", models.DEFAULT, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert word in ran.err and ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_all_of_the_default_model_fits_the_edge_tpu(cli):
    ran = cli("export", models.DEFAULT, "--check", "edgetpu")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{models.DEFAULT}: all of it fits the Edge TPU\n"


def test_what_does_not_fit_the_edge_tpu_is_told_and_gives_exit_code_1(cli, shared):
    ran = cli("export", shared / "models" / "deeplabv3_mnv2_dm05_pascal_quant.tflite", "--check", "edgetpu")
    assert ran.code == 1
    assert "against the Edge TPU" in ran.out and "RESIZE_BILINEAR" in ran.out


def test_without_the_compiler_it_is_said_what_to_install_and_where(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ran = cli("export", models.DEFAULT, "--compile", "edgetpu")
    assert ran.code == 1 and "edgetpu_compiler is not installed" in ran.err and ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_ships_is_compiled_into_the_working_folder_with_its_labels_and_card(
    cli, shared, tmp_path, monkeypatch, compiler
):
    compiler((shared / "models" / "mobilenet_v2_1.0_224_quant_edgetpu.tflite").read_bytes())
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    before = sorted(models.FOLDER.iterdir())
    ran = cli("export", models.DEFAULT, "--compile", "edgetpu")
    assert ran.code == 0, ran.err
    assert sorted(models.FOLDER.iterdir()) == before
    made = place / f"{models.DEFAULT}_edgetpu.tflite"
    card = cards.read(cards.path_beside(made))
    assert card.name.endswith("Edge TPU") and card.accuracy is None
    assert models.load(made).labels == models.load().labels


def test_a_compiler_that_says_nothing_of_operators_is_quoted_with_no_number(cli, shared, tmp_path, compiler):
    compiler((shared / "models" / "mobilenet_v2_1.0_224_quant_edgetpu.tflite").read_bytes(), "done\n")
    ran = cli("export", models.DEFAULT, "--compile", "edgetpu", "-o", tmp_path / "c.tflite")
    assert ran.code == 0 and "does not tell" in ran.out and "None" not in ran.out


def test_the_form_for_tensorrt_needs_onnx_alone_and_where_that_is_missing_it_is_said(cli, tmp_path, monkeypatch):
    (tmp_path / "onnx.py").write_text("raise ModuleNotFoundError('no', name='onnx')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnx"]:
        monkeypatch.delitem(sys.modules, name)
    ran = cli("export", models.DEFAULT, "--store")
    assert (ran.code, ran.out) == (1, "")
    assert "onnx is not installed; install what makes models with `pip install onnx`" in ran.err
    assert not (tmp_path / "data").exists()
