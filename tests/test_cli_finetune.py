"""What of `edge finetune` needs no PyTorch: its display, and what it says where PyTorch is missing."""

import importlib.util
import io

import pytest
from rich.console import Console

from edge.cli import progress


def test_without_pytorch_the_command_says_what_to_install(cli, tmp_path):
    if importlib.util.find_spec("torch"):
        pytest.skip("PyTorch is here")
    ran = cli("finetune", tmp_path, "-o", tmp_path / "m.tflite")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "edge: torch is not installed; install what makes models with `pip install './edgekit[train]'`\n"


@pytest.mark.parametrize(
    "wrong",
    [("--width", "0.4"), ("--resolution", "100"), ("--unfreeze", "18"), ("--epochs", "0"), ("--time-limit", "nan")],
)
def test_what_no_network_has_is_refused_by_name(cli, tmp_path, wrong):
    ran = cli("finetune", tmp_path, "-o", tmp_path / "m.tflite", *wrong)
    assert ran.code == 2 and wrong[0] in ran.err and ran.err.count("\n") == 1


def test_lines_tell_now_and_then_how_far_a_long_step_is(capsys):
    times = iter([0.0, 1.0, 16.0, 16.0, 17.0, 40.0, 40.0])
    plain = progress.Plain(lambda: next(times))
    assert list(plain.watch("abcd", "features")) == list("abcd")
    plain.say("done")
    assert capsys.readouterr().err == "edge: features: 1 of 4\nedge: features: 3 of 4\nedge: done\n"


def test_a_terminal_gets_a_bar_and_lines_above_it():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with progress.shown(console) as live:
        assert list(live.watch("abc", "features")) == list("abc")
        live.say("head: [80.0% right]")
    assert "features" in console.file.getvalue() and "head: [80.0% right]" in console.file.getvalue()


def test_where_there_is_no_terminal_there_are_lines():
    with progress.shown(Console(file=io.StringIO())) as display:
        assert isinstance(display, progress.Plain)
