import struct

import flatbuffers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.models import cost, parts
from edge.models.flat import DAMAGED, root

FLOAT32, INT32, UINT8, INT8 = 0, 2, 3, 9
CONV_2D, RESHAPE, SOFTMAX, CUSTOM, YOUNG = 3, 22, 25, 32, 250
CONV_OPTIONS = (1, {0: ("Int8", 1), 1: ("Int32", 3), 2: ("Int32", 2), 3: ("Int8", 3), 4: ("Int32", 5)})


@pytest.fixture(scope="session")
def convolution(tiny):
    """A model of one convolution with constants, per-channel scales and options that are all different."""
    tensors = [
        tiny.Tensor((1, 8, 8, 3), INT8, 0.5, -3),
        tiny.Tensor((2, 1, 1, 3), INT8, (0.25, 0.75), 0, bytes(range(6)), axis=0),
        tiny.Tensor((2,), INT32, (0.125, 0.375), 0, struct.pack("<2i", 7, -7)),
        tiny.Tensor((1, 4, 3, 2), INT8, 1.0, 5, signature=(-1, 4, 3, 2)),
    ]
    return tiny.build(tensors, [tiny.Operator(CONV_2D, (0, 1, 2), (3,), CONV_OPTIONS, version=5)], (0,), (3,))


def test_tensors_are_read_whole(convolution):
    network = parts.read(convolution)
    picture, weights, biases, output = network.tensors
    assert (picture.name, picture.shape, picture.dtype, picture.constant) == ("tensor0", (1, 8, 8, 3), "int8", False)
    assert picture.quantisation == ((0.5,), (-3,), 0)
    assert bytes(weights.data) == bytes(range(6)) and weights.quantisation.scales == (0.25, 0.75)
    assert biases.dtype == "int32" and biases.constant
    assert (output.dynamic, picture.dynamic) == (True, False)
    assert (network.inputs, network.outputs, network.subgraphs) == ((0,), (3,), 1)


def test_an_operator_is_read_with_its_options(convolution):
    (operator,) = parts.read(convolution).operators
    assert (operator.name, operator.custom, operator.version) == ("CONV_2D", False, 5)
    assert (operator.stride, operator.activation) == ((2, 3), "relu6")
    assert operator.options["padding"] == 1
    assert (operator.options["dilation_w"], operator.options["dilation_h"]) == (5, 1)


def test_what_the_schema_has_no_name_for_is_told_by_its_number(tiny):
    tensors = [tiny.Tensor((2,), 77), tiny.Tensor((2,), FLOAT32)]
    network = parts.read(tiny.build(tensors, [tiny.Operator(YOUNG, (0,), (1,))], (0,), (1,)))
    assert network.operators[0].name == "OPERATOR_250" and network.tensors[0].dtype == "type_77"


@pytest.mark.parametrize(("custom", "name"), [("mine", "mine"), ("", "CUSTOM"), ("a\x1b[31mb\n", "a?[31mb?")])
def test_a_custom_operator_goes_by_its_own_name_without_what_would_steer_a_terminal(tiny, custom, name):
    tensors = [tiny.Tensor((2,), FLOAT32)] * 2
    model = tiny.build(tensors, [tiny.Operator(CUSTOM, (0,), (1,), custom=custom)], (0,), (1,))
    assert parts.read(model).operators[0].name == name


def test_an_input_that_was_left_out_is_none(tiny):
    tensors = [tiny.Tensor((2,), FLOAT32)] * 2
    network = parts.read(tiny.build(tensors, [tiny.Operator(SOFTMAX, (-1, 0), ())], (0,), (1,)))
    (operator,) = network.operators
    assert network.tensor(operator, 0) is None and network.tensor(operator, 9) is None
    assert network.tensor(operator, 1) == network.tensors[0]
    assert network.output(operator) is None


@pytest.mark.parametrize(
    ("inputs", "outputs", "operator"),
    [
        ((5,), (0,), ()),
        ((0,), (-1,), ()),
        ((0,), (0,), ((2,), (1,))),
        ((0,), (0,), ((-2,), (1,))),
        ((0,), (0,), ((0,), (-1,))),
    ],
)
def test_an_index_of_no_tensor_is_damage(tiny, inputs, outputs, operator):
    operators = [tiny.Operator(SOFTMAX, *operator)] if operator else []
    model = tiny.build([tiny.Tensor((2,), FLOAT32)] * 2, operators, inputs, outputs)
    with pytest.raises(ModelError, match=r"model m\.tflite: the file is damaged; copy it again"):
        parts.read(model, "m.tflite")


def test_a_tensor_of_seventeen_axes_is_damage(tiny):
    with pytest.raises(ModelError, match="damaged"):
        parts.read(tiny.build([tiny.Tensor((1,) * 17, FLOAT32)], [], (0,), (0,)))


def test_what_is_no_tflite_is_refused():
    with pytest.raises(ModelError, match="not a TensorFlow Lite model"):
        parts.read(b"PK\x03\x04 a zip file")


def far(offset, size, behind=b""):
    """A model whose only tensor has its data behind the flatbuffer, as in models of more than 2 GB."""
    b = flatbuffers.Builder(256)

    def vector(*offsets):
        b.StartVector(4, len(offsets), 4)
        for each in reversed(offsets):
            b.PrependUOffsetTRelative(each)
        return b.EndVector()

    def table(slots, **fields):
        b.StartObject(slots)
        for name, value in fields.items():
            kind, slot = name.rsplit("_", 1)
            getattr(b, f"Prepend{kind}Slot")(int(slot), value, 0)
        return b.EndObject()

    tensors = vector(table(8, Uint32_2=1))
    graphs = vector(table(5, UOffsetTRelative_0=tensors))
    buffers = vector(table(3), table(3, Uint64_1=offset, Uint64_2=size))
    b.Finish(table(8, UOffsetTRelative_2=graphs, UOffsetTRelative_4=buffers), b"TFL3")
    return bytes(b.Output()) + behind


def test_data_behind_the_flatbuffer_is_found():
    length = len(far(100, 4))
    (tensor,) = parts.read(far(length, 4, b"data")).tensors
    assert bytes(tensor.data) == b"data"
    assert not parts.read(far(1, 4)).tensors[0].constant


def test_data_behind_the_end_of_the_file_is_damage():
    with pytest.raises(ModelError, match="damaged"):
        parts.read(far(100, 1 << 60))


def hostile(operators, inputs):
    """A small file in which very many operators are one and the same, with very many inputs."""
    b = flatbuffers.Builder(256)

    def same(kind, value, count):
        b.StartVector(4, count, 4)
        for _ in range(count):
            getattr(b, f"Prepend{kind}")(value)
        return b.EndVector()

    def table(slots, *fields):
        b.StartObject(slots)
        for slot, value in fields:
            b.PrependUOffsetTRelativeSlot(slot, value, 0)
        return b.EndObject()

    operator = table(5, (1, same("Int32", -1, inputs)))
    every = same("UOffsetTRelative", operator, operators)
    graph = same("UOffsetTRelative", table(5, (3, every)), 1)
    codes = same("UOffsetTRelative", table(4), 1)
    b.Finish(table(8, (1, codes), (2, graph)), b"TFL3")
    return bytes(b.Output())


def test_a_small_file_that_claims_to_hold_very_much_is_refused_soon():
    assert len(parts.read(hostile(10, 10)).operators) == 10
    model = hostile(20_000, 20_000)
    assert len(model) < 200_000
    with pytest.raises(ModelError, match="damaged"):
        parts.read(model)


def test_a_vector_past_the_end_is_told_by_one_of_the_known_errors(tiny):
    beyond = struct.pack("<I4sHHHxxiII", 16, b"TFL3", 6, 8, 4, 8, 4, 1000)
    with pytest.raises(DAMAGED, match="past the end"):
        root(beyond).numbers(0)
    assert root(tiny()).numbers(60) == ()
    assert root(tiny()).row(60) is None


@settings(max_examples=400)
@given(data=st.data())
def test_a_damaged_file_gives_a_model_error_or_a_network(tiny, convolution, data):
    model = bytearray(data.draw(st.sampled_from([tiny(), tiny("int8"), tiny("float32", softmax=False), convolution])))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(8, len(model) - 1))
        model[place] = data.draw(st.sampled_from([0, 1, 2, 4, 127, 128, 255]))
    cut = data.draw(st.none() | st.integers(8, len(model)))
    try:
        network = parts.read(bytes(model[:cut]))
    except ModelError:
        return
    layers = cost.layers_of(network)
    assert len(layers) == len(network.operators)
    assert cost.total(layers).multiply_adds >= 0


@settings(max_examples=200)
@given(data=st.binary(max_size=120))
def test_arbitrary_bytes_give_a_model_error(data):
    with pytest.raises(ModelError):
        parts.read(data[:4] + b"TFL3" + data[4:])


def test_real_models_are_read_whole(shared):
    network = parts.read((shared / "models" / "tf2_mobilenet_v2_1.0_224_ptq.tflite").read_bytes())
    names = [operator.name for operator in network.operators]
    assert [names.count(name) for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "QUANTIZE")] == [36, 17, 10, 2]
    assert network.tensors[network.inputs[0]].shape == (1, 224, 224, 3)
    assert all(len(t.quantisation.scales) > 1 for t in network.tensors if t.constant and t.quantisation)
