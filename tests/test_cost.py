import pytest

from edge.models import cost, parts

FLOAT32, FLOAT16, INT32, INT8 = 0, 1, 2, 9
ADD, POOL, CONV_2D, DEPTHWISE, LINEAR, RELU6, RESHAPE, CUSTOM, MINIMUM, TRANSPOSED, MATMUL = (
    0,
    1,
    3,
    4,
    9,
    21,
    22,
    32,
    57,
    67,
    126,
)
DEQUANTIZE = 6


def stride(step, kind=1):
    return kind, {1: ("Int32", step), 2: ("Int32", step)}


@pytest.fixture(scope="session")
def layers(tiny):
    """The layers of a model of these tensors (shape, type, whether constant) and operators."""

    def make(tensors, *operators):
        made = [
            tiny.Tensor(s, dtype, data=bytes([i + 1]) if constant else None)
            for i, (s, dtype, constant) in enumerate(tensors)
        ]
        model = tiny.build(made, [tiny.Operator(*operator) for operator in operators], (0,), (0,))
        return cost.layers_of(parts.read(model))

    return make


PICTURE = ((1, 8, 8, 4), FLOAT32, False)


def test_a_convolution_costs_its_kernel_for_each_output(layers):
    tensors = [PICTURE, ((6, 3, 3, 4), FLOAT32, True), ((6,), FLOAT32, True), ((1, 4, 4, 6), FLOAT32, False)]
    (layer,) = layers(tensors, (CONV_2D, (0, 1, 2), (3,), stride(2)))
    assert (layer.operator, layer.output) == ("CONV_2D 3x3 /2", (1, 4, 4, 6))
    assert (layer.weights, layer.biases, layer.parameters) == (216, 6, 222)
    assert layer.multiply_adds == 4 * 4 * 6 * 3 * 3 * 4
    assert layer.factor is None


def split(deep=(1, 3, 3, 4), point=(6, 1, 1, 4)):
    middle = ((1, 4, 4, 4), FLOAT32, False)
    return [PICTURE, (deep, FLOAT32, True), middle, (point, FLOAT32, True), ((1, 4, 4, 6), FLOAT32, False), middle]


PAIR = ((DEPTHWISE, (0, 1), (2,), stride(2, 2)), (CONV_2D, (2, 3), (4,), stride(1)))


def test_a_split_convolution_saves_what_section_3_1_says(layers):
    deep, point = layers(split(), *PAIR)
    assert deep.multiply_adds == 4 * 4 * 4 * 9 and deep.factor is None
    assert point.multiply_adds == 4 * 4 * 6 * 4
    assert point.split == deep.multiply_adds + point.multiply_adds
    assert point.full == 4 * 4 * 6 * 9 * 4
    assert point.factor == pytest.approx(9 * 6 / (9 + 6))
    assert cost.total([deep, point]).full == point.full


def test_an_activation_that_is_an_operator_may_stand_between_the_halves(layers):
    between = ((RELU6, (2,), (5,)), (CONV_2D, (5, 3), (4,), stride(1)))
    assert layers(split(), PAIR[0], *between)[-1].factor == pytest.approx(3.6)
    assert layers(split(), PAIR[0], (RESHAPE, (2,), (5,)), between[1])[-1].factor is None
    assert layers(split(), (RELU6, (), (5,)), between[1])[-1].factor is None


def test_activations_in_a_circle_come_to_an_end(layers):
    assert layers(split(), (RELU6, (2,), (2,)), (CONV_2D, (2, 3), (4,), stride(1)))[-1].factor is None


@pytest.mark.parametrize(
    ("point", "step"), [((6, 3, 3, 4), 1), ((6, 1, 1, 5), 1), ((6, 1, 1, 4), 2), ((6, 4), 1), ((0, 1, 1, 4), 1)]
)
def test_only_a_plain_pointwise_convolution_makes_the_second_half(layers, point, step):
    found = layers(split(point=point), PAIR[0], (CONV_2D, (2, 3), (4,), stride(step)))
    assert found[-1].factor is None


def test_a_depth_multiplier_is_no_split(layers):
    several = (2, {1: ("Int32", 1), 2: ("Int32", 1), 3: ("Int32", 2)})
    assert layers(split(), (DEPTHWISE, (0, 1), (2,), several), PAIR[1])[-1].factor is None


def test_a_linear_layer_costs_its_weights(layers):
    tensors = [((1, 4), FLOAT32, False), ((5, 4), FLOAT32, True), ((5,), FLOAT32, True), ((1, 5), FLOAT32, False)]
    (layer,) = layers(tensors, (LINEAR, (0, 1, 2), (3,)))
    assert (layer.parameters, layer.multiply_adds) == (25, 20)


def test_a_transposed_convolution_costs_its_kernel_for_each_input(layers):
    tensors = [((4,), INT32, True), ((6, 2, 2, 4), FLOAT32, True), PICTURE, ((1, 16, 16, 6), FLOAT32, False)]
    (layer,) = layers(tensors, (TRANSPOSED, (0, 1, 2), (3,)))
    assert (layer.parameters, layer.multiply_adds) == (96, 8 * 8 * 4 * 2 * 2 * 6)
    assert layers(tensors, (TRANSPOSED, (0, 1), (3,)))[0].multiply_adds is None


def test_what_has_no_weights_costs_nothing(layers):
    window = (5, {1: ("Int32", 1), 2: ("Int32", 1), 3: ("Int32", 7), 4: ("Int32", 5), 5: ("Int8", 1)})
    (layer,) = layers([PICTURE, PICTURE], (POOL, (0,), (1,), window))
    assert layer.operator == "AVERAGE_POOL_2D 5x7 relu"
    assert (layer.parameters, layer.multiply_adds) == (0, 0)


def test_sizes_and_limits_are_no_parameters_and_halves_of_floats_are(layers):
    tensors = [PICTURE, ((2,), INT32, True), ((4,), FLOAT32, True), ((4,), FLOAT16, True)]
    found = layers(
        tensors, (RESHAPE, (0, 1), (0,)), (MINIMUM, (0, 2), (0,)), (ADD, (0, 2), (0,)), (DEQUANTIZE, (3,), (0,))
    )
    assert [layer.parameters for layer in found] == [0, 0, 4, 4]


def test_weights_that_two_layers_share_count_once(layers):
    tensors = [PICTURE, ((4, 1, 1, 4), FLOAT32, True)]
    found = layers(tensors, *[(CONV_2D, (0, 1), (0,), stride(1))] * 2)
    assert [layer.parameters for layer in found] == [16, 0]
    assert found[0].multiply_adds == found[1].multiply_adds > 0


def test_what_cannot_be_known_is_unknown_and_counted_as_such(layers):
    tensors = [PICTURE, ((-1, 8, 8, 4), FLOAT32, False), ((4, 1, 1, 4), FLOAT32, True)]
    found = layers(
        tensors,
        (CUSTOM, (0,), (0,), None, 1, "mine"),
        (MATMUL, (0, 0), (0,)),
        (CONV_2D, (0, 2), (1,)),
        (CONV_2D, (0,), (0,)),
        (CUSTOM, (), ()),
    )
    assert [layer.multiply_adds for layer in found] == [None] * 5
    assert found[0].parameters is None and found[4].output is None
    assert cost.total(found).unknown == 5
