import json

import pytest

from edge.errors import ConfigError
from edge.mobilenet import describe, table
from edge.models import DEFAULT, cost


@pytest.mark.parametrize(
    ("width", "weights", "parameters", "before", "adds"),
    [
        (1.0, 3_469_760, 3_487_816, 3_504_872, 300_774_272),
        (1.4, 6_059_840, 6_084_808, 6_108_776, 582_195_824),
    ],
)
def test_the_totals_are_those_of_the_network_in_pytorch(width, weights, parameters, before, adds):
    layers = describe.layers(width)
    total = cost.total(layers)
    assert (total.weights, total.parameters, total.multiply_adds) == (weights, parameters, adds)
    assert describe.normalised(layers) == before


REFERENCE = {
    1.4: (6.06, {224: 582}),
    1.3: (5.34, {224: 509}),
    1.0: (3.47, {224: 300, 192: 221, 160: 154, 128: 99, 96: 56}),
    0.75: (2.61, {224: 209, 192: 153, 160: 107, 128: 69, 96: 39}),
    0.5: (1.95, {224: 97, 192: 71, 160: 50, 128: 32, 96: 18}),
    0.35: (1.66, {224: 59, 192: 43, 160: 30, 128: 20, 96: 11}),
}
"""Millions of parameters (rounded) and of multiply-adds (cut) in TensorFlow's list of its 22 trained networks."""


@pytest.mark.parametrize("width", REFERENCE)
def test_the_totals_are_those_that_the_reference_publishes(width):
    parameters, adds = REFERENCE[width]
    for resolution, millions in adds.items():
        total = cost.total(describe.layers(width, resolution))
        assert (round(total.weights / 1e6, 2), total.multiply_adds // 1_000_000) == (parameters, millions)


def test_the_paper_s_3_4_million_and_300_million_are_reached_to_their_rounding():
    total, paper = cost.total(describe.layers()), describe.paper(1.0, 224, 1000)
    assert total.weights // 100_000 / 10 == paper.parameters
    assert total.multiply_adds / 1e6 == pytest.approx(paper.multiply_adds, abs=1)


def test_where_the_paper_differs_from_its_own_network_that_is_said():
    total, paper = cost.total(describe.layers(1.4)), describe.paper(1.4, 224, 1000)
    assert total.multiply_adds / 1e6 == pytest.approx(paper.multiply_adds, rel=0.005)
    assert total.weights / 1e6 == pytest.approx(6.06, abs=0.005) and "6.06 M" in paper.why


@pytest.mark.parametrize(("width", "resolution", "classes"), [(0.5, 224, 1000), (1.0, 192, 1000), (1.4, 224, 10)])
def test_where_the_paper_s_table_has_no_figure_none_is_given(width, resolution, classes):
    assert describe.paper(width, resolution, classes) is None


@pytest.mark.parametrize("width", table.WIDTHS)
@pytest.mark.parametrize("resolution", table.RESOLUTIONS)
def test_every_network_of_the_reference_has_its_layers(width, resolution):
    layers = describe.layers(width, resolution, 7)
    assert layers[-1].output == (7,)
    assert layers[-4].output[:2] == (resolution // 32, resolution // 32)
    assert sum(layer.operator == "add" for layer in layers) == 10
    assert sum(layer.operator.startswith("depthwise") for layer in layers) == 17


def test_each_pair_saves_what_section_3_1_says():
    for layer in describe.layers():
        if layer.operator.startswith("project"):
            outputs = layer.output[2]
            assert layer.factor == pytest.approx(9 * outputs / (9 + outputs))
        else:
            assert layer.factor is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"width": 0.6}, "width 0.6: the widths are 0.35, 0.5"),
        ({"width": float("nan")}, "width nan"),
        ({"resolution": 100}, "resolution 100: the resolutions are 96, 128"),
        ({"resolution": 256}, "resolution 256"),
        ({"classes": 0}, "0 classes: choose from 1 to 1,000,000"),
        ({"classes": 1_000_001}, "1000001 classes"),
    ],
)
def test_a_network_that_is_not_is_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        describe.layers(**arguments)


def test_the_command_tells_the_network_in_eighty_columns(cli):
    ran = cli("models", "describe")
    lines = ran.out.splitlines()
    assert ran.code == 0 and ran.err == ""
    assert max(map(len, lines)) <= 80
    assert lines[0].strip() == "MobileNetV2, width 1.0, 224x224 pixels, 1,000 classes"
    assert lines[1].split() == ["block", "t", "c", "n", "s", "layer", "output", "parameters", "multiply-adds", "split"]
    assert lines[3].split() == [
        "1.1",
        "1",
        "16",
        "1",
        "1",
        "depthwise",
        "3x3",
        "relu6",
        "112x112x32",
        "320",
        "3,612,672",
    ]
    assert lines[5].split()[:5] == ["2.1", "6", "24", "2", "2"]
    assert "3,487,816: 3,469,760 weights and 18,056 biases" in ran.out
    assert "3.4 M parameters, 300 M multiply-adds (table 4)" in ran.out


def test_a_wider_network_tells_that_the_paper_differs(cli):
    out = " ".join(cli("models", "describe", "--width", 1.4).out.split())
    assert "6,084,808" in out and "582,195,824" in out
    assert "6.9 M parameters, 585 M multiply-adds (table 4)" in out and "does not follow" in out


def test_a_network_without_figures_in_the_paper_tells_none(cli):
    ran = cli("models", "describe", "--width", 0.35, "--resolution", 96, "--classes", 10)
    assert ran.code == 0 and "paper" not in ran.out


def test_json_holds_the_same(cli):
    told = json.loads(cli("models", "describe", "--json").out)
    assert told["total"]["parameters"] == 3_487_816 == sum(layer["parameters"] for layer in told["layers"])
    assert told["total"]["multiply_adds"] == 300_774_272 == sum(layer["multiply_adds"] for layer in told["layers"])
    assert told["paper"] == {"parameters_m": 3.4, "multiply_adds_m": 300}
    assert told["layers"][2]["split_saves"] == pytest.approx(5.76)


def test_the_default_model_is_the_network_that_the_table_describes(cli):
    file, network = (json.loads(cli("models", "describe", *name, "--json").out)["total"] for name in ((DEFAULT,), ()))
    assert file == network


def test_a_file_is_told_by_its_operators(cli, tiny_file):
    ran = cli("models", "describe", tiny_file)
    assert ran.code == 0
    assert [line.split()[:3] for line in ran.out.splitlines()[2:4]] == [
        ["0", "RESHAPE", "1x12"],
        ["1", "SOFTMAX", "1x12"],
    ]
    assert json.loads(cli("models", "describe", tiny_file, "--json").out)["model"] == "tiny"


def test_what_a_custom_operator_holds_is_unknown(cli, tiny, tmp_path):
    tensors = [tiny.Tensor((1, 4), 3), tiny.Tensor((), 3)]
    path = tmp_path / "compiled.tflite"
    path.write_bytes(tiny.build(tensors, [tiny.Operator(32, (0,), (1,), custom="edgetpu-custom-op")], (0,), (1,)))
    ran = cli("models", "describe", path)
    assert ran.out.splitlines()[2].split() == ["0", "edgetpu-custom-op", "scalar", "unknown", "unknown"]
    assert "not counted: what is in 1 of the 1 operators" in ran.out


def test_more_than_one_subgraph_is_mentioned(cli, tiny, tmp_path):
    path = tmp_path / "two.tflite"
    path.write_bytes(tiny.build([tiny.Tensor((1, 4), 0)], [], (0,), (0,), graphs=2))
    assert "2, of which this is the first" in cli("models", "describe", path).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--width", "0.6"], "width 0.6"),
        (["--resolution", "100"], "resolution 100"),
        (["--classes", "0"], "0 classes"),
        (["--width", "wide"], "not a valid float"),
        (["{model}", "--classes", "10"], "give either FILE or those options"),
        (["missing.tflite"], "no such file"),
        (["{text}"], "TensorFlow Lite model, or a damaged one"),
        (["{damaged}"], "the file is damaged; copy it again"),
    ],
)
def test_what_cannot_be_described_gives_one_line(cli, tmp_path, tiny_file, arguments, said):
    (tmp_path / "text.tflite").write_text("a text that is no model")
    (tmp_path / "damaged.tflite").write_bytes(tiny_file.read_bytes()[:100])
    files = {"model": tiny_file, "text": tmp_path / "text.tflite", "damaged": tmp_path / "damaged.tflite"}
    ran = cli("models", "describe", *(argument.format(**files) for argument in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err and ran.err.count("\n") == 1


def test_real_models_are_counted_alike(cli, shared):
    for name in ("mobilenet_v2_1.0_224_quant", "tf2_mobilenet_v2_1.0_224_ptq"):
        told = json.loads(cli("models", "describe", shared / "models" / f"{name}.tflite", "--json").out)["total"]
        assert (told["weights"], told["multiply_adds"]) == (3_469_760 + 1280, 300_774_272 + 1280)  # a class more
