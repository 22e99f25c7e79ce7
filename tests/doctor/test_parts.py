"""`edge doctor`: what the profile names."""

import pytest
import trees
from patients import HANGS, SEGFAULT, WELL, made

from edge.doctor import parts
from edge.doctor.trials import Told


def test_a_model_that_is_not_fetched_is_fetched_by_the_command_that_is_told(tmp_path):
    text = """
        [[interpreter]]
        kind = "litert"
        model = "mobilenet_v2_1.0_224_quant"
        [[interpreter]]
        kind = "litert"
        [[interpreter]]
        kind = "onnx"
        model = "/nowhere/m.onnx"
        [[interpreter]]
        kind = "tensorrt"
        model = "mobilenet_v2_1.0_224_int8_qdq"
    """
    missing, here, nowhere, unmade = parts.model_files(made(trees.pi4(tmp_path), text))
    assert missing.state == "bad" and missing.command == "edge models pull mobilenet_v2_1.0_224_quant"
    assert (here.state, here.seen) == ("good", "mobilenet_v2_1.0_224_int8, for litert")
    assert nowhere.state == "bad" and nowhere.command is None and "no such file" in nowhere.seen
    assert unmade.command.startswith("pip install onnx && edge export ")


def test_the_power_meter_is_read(tmp_path):
    found = parts.power_meter(made(trees.jetson(tmp_path / "jetson", milliamps=1856)))
    assert found.seen == "hwmon ina3221 VDD_IN: the whole module, at its input; 9.28 W now"
    assert parts.power_meter(made(trees.pc(tmp_path / "pc"))).seen.startswith("rapl: the processor package")
    found = parts.power_meter(made(trees.pi4(tmp_path / "pi4")))
    assert (found.state, "this board measures no currents" in found.seen) == ("n/a", True)


def test_a_power_meter_that_this_user_may_not_read_is_a_note(plain_user):
    found = parts.power_meter(made(trees.pc(plain_user, readable=False)))
    assert found.state == "note" and "no permission to read" in found.seen and "sudo chmod a+r" in found.advice


def test_a_power_meter_that_the_profile_names_and_that_is_not_there_is_bad(tmp_path):
    found = parts.power_meter(made(trees.pi4(tmp_path), '[power]\nkind = "hwmon"'))
    assert found.state == "bad" and found.seen == "hwmon: the kernel knows no INA power sensor"
    assert found.advice == "wire one, and load its device tree overlay"
    scripted = parts.power_meter(made(trees.pi4(tmp_path), '[power]\nkind = "scripted"\nscript = ["watts 3.5"]'))
    assert scripted.seen == "scripted: what the script says; 3.50 W now"


FELL_BACK = Told(how="well", found={**WELL.found, "instead of 0": "edgetpu: no accelerator"})


@pytest.mark.parametrize(
    ("told", "state", "said"),
    [
        (WELL, "good", "litert-cpu answered a photograph with m"),
        (FELL_BACK, "note", "litert-cpu answered a photograph with m; before it: edgetpu: no accelerator"),
        (Told(how="failed", said="no LiteRT runtime works here; install it"), "bad", "no LiteRT runtime works here"),
        (Told(how="failed", said="it was not tried"), "bad", "it was not tried"),
        (SEGFAULT, "bad", "running the model crashes (SIGSEGV)"),
        (HANGS, "bad", "running the model hangs (no answer within 20 s)"),
    ],
)
def test_the_interpreter_is_told_by_what_it_did(tmp_path, told, state, said):
    found = parts.interpreter(made(trees.pi4(tmp_path), tried={"engine": told}))
    assert (found.state, found.seen) == (state, said)
