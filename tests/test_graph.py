import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.models import graph

FLOAT32, UINT8 = 0, 3
RESHAPE, SQUEEZE, DEQUANTIZE, QUANTIZE, SOFTMAX, LOGISTIC, ADD, LATE = 22, 43, 6, 114, 25, 14, 0, 150


@pytest.fixture(scope="session")
def chain(tiny):
    """A model whose operators run one after the other from input to output."""

    def make(*codes, fields="both"):
        tensors = [tiny.Tensor((1, 4), FLOAT32) for _ in range(len(codes) + 1)]
        operators = [tiny.Operator(code, (i,), (i + 1,)) for i, code in enumerate(codes)]
        return tiny.build(tensors, operators, (0,), (len(codes),), fields)

    return make


@pytest.mark.parametrize(
    ("codes", "answer"),
    [
        ((SOFTMAX,), True),
        ((LOGISTIC,), True),
        ((ADD, SOFTMAX), True),
        ((SOFTMAX, DEQUANTIZE), True),
        ((SOFTMAX, QUANTIZE, RESHAPE, SQUEEZE), True),
        ((SOFTMAX, ADD), False),
        ((ADD,), False),
        ((RESHAPE,), False),
        ((SOFTMAX, LATE), False),
        ((ADD, DEQUANTIZE), False),
    ],
)
def test_probabilities_are_told_by_what_the_output_comes_out_of(chain, codes, answer):
    assert graph.gives_probabilities(chain(*codes)) is answer


def test_an_operator_code_above_127_is_not_mistaken_for_its_old_field(chain):
    # The old field of such a code holds 127; only the new one tells.
    assert graph.gives_probabilities(chain(SOFTMAX, 114)) is True
    assert graph.gives_probabilities(chain(SOFTMAX, 128)) is False


@pytest.mark.parametrize("fields", ["old", "new", "both"])
def test_a_code_is_read_from_whichever_field_a_converter_wrote(chain, fields):
    assert graph.gives_probabilities(chain(SOFTMAX, fields=fields)) is True
    assert graph.gives_probabilities(chain(LOGISTIC, DEQUANTIZE, fields=fields)) is True


def test_an_output_that_is_the_input_gives_no_probabilities(tiny):
    assert graph.gives_probabilities(tiny.build([tiny.Tensor((1, 4), FLOAT32)], [], (0,), (0,))) is False


def test_a_graph_that_goes_round_in_a_circle_comes_to_an_end(tiny):
    tensors = [tiny.Tensor((1, 4), FLOAT32)] * 3
    operators = [tiny.Operator(RESHAPE, (1,), (2,)), tiny.Operator(RESHAPE, (2,), (1,))]
    assert graph.gives_probabilities(tiny.build(tensors, operators, (0,), (2,))) is False


@pytest.mark.parametrize("model", [b"", b"1234", b"\xff" * 64, b"\0\0\0\0TFL3", b"\x08\0\0\0TFL3" + bytes(40)])
def test_a_file_that_does_not_tell_gives_none(model):
    assert graph.gives_probabilities(model) is None


def test_a_model_without_outputs_gives_none(tiny):
    assert graph.gives_probabilities(tiny.build([tiny.Tensor((1, 4), FLOAT32)], [], (0,), ())) is None


@settings(max_examples=400)
@given(data=st.data())
def test_a_damaged_file_never_raises(tiny, chain, data):
    model = bytearray(data.draw(st.sampled_from([tiny(), tiny("float32", softmax=False), chain(SOFTMAX, QUANTIZE)])))
    for _ in range(data.draw(st.integers(1, 8))):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.sampled_from([0, 1, 2, 4, 127, 128, 255]))
    cut = data.draw(st.none() | st.integers(0, len(model)))
    assert graph.gives_probabilities(bytes(model[:cut])) in (True, False, None)


@settings(max_examples=200)
@given(data=st.binary(max_size=120))
def test_arbitrary_bytes_never_raise(data):
    assert graph.gives_probabilities(data) in (True, False, None)
    assert graph.is_tflite(data) == (data[4:8] == b"TFL3")


def test_a_model_is_told_by_its_identifier(tiny):
    assert graph.is_tflite(tiny())
    assert not graph.is_tflite(b"TFL3")
    assert not graph.is_tflite(b"")


def test_a_compiled_model_is_told_by_its_operator(shared):
    models = shared / "models"
    for name in ("mobilenet_v2_1.0_224_quant", "deeplabv3_mnv2_dm05_pascal_quant"):
        assert not graph.compiled_for_edgetpu((models / f"{name}.tflite").read_bytes())
        assert graph.compiled_for_edgetpu((models / f"{name}_edgetpu.tflite").read_bytes())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("mobilenet_v2_1.0_224_quant", True),
        ("tf2_mobilenet_v2_1.0_224_ptq", True),
        ("mobilenet_v2_1.0_224_int8_per_tensor", True),
        ("mobilenet_v2_1.0_224_inat_bird_quant", True),
        ("mobilenet_v2_1.0_224_quant_logits", False),
    ],
)
def test_real_models_are_read_right(shared, name, answer):
    assert graph.gives_probabilities((shared / "models" / f"{name}.tflite").read_bytes()) is answer
