"""What a network costs, layer by layer: parameters, multiply-adds, and what splitting convolutions saves.

Counted as the MobileNetV2 paper counts (Sandler et al. 2018): a multiply-add is one product of a weight and an
activation; biases, additions, pooling, activations and softmax count nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from edge.models.parts import Network, Operator, Tensor


class Layer(NamedTuple):
    """One operator. Numbers that cannot be known are None, such as what a compiled operator holds.

    operator: in words. output: shape, or None. weights, biases: how many of each. multiply_adds: for one picture.
    full: what the full convolution would take that this layer and the depthwise one before it stand for, see `split`.
    split: multiply-adds of those two. stage: what the layer is part of, for a network that has a plan.
    """

    operator: str
    output: tuple[int, ...] | None
    weights: int | None
    biases: int | None
    multiply_adds: int | None
    full: int | None = None
    split: int | None = None
    stage: str = ""

    @property
    def parameters(self) -> int | None:
        """Weights and biases."""
        return None if self.weights is None or self.biases is None else self.weights + self.biases

    @property
    def factor(self) -> float | None:
        """How many times fewer multiply-adds the split takes: section 3.1's k*k*d_j / (k*k + d_j)."""
        return self.full / self.split if self.full and self.split else None


class Total(NamedTuple):
    """The sums over a network's layers; what is None in a layer is left out, and `unknown` counts such layers.

    full: multiply-adds of the same network with each depthwise and pointwise pair as one full convolution.
    """

    weights: int
    biases: int
    multiply_adds: int
    full: int
    unknown: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


def total(layers: Iterable[Layer]) -> Total:
    """Sums over layers."""
    each = list(layers)
    saved = sum(layer.full - layer.split for layer in each if layer.full is not None and layer.split is not None)
    adds = sum(layer.multiply_adds or 0 for layer in each)
    unknown = sum(layer.parameters is None or layer.multiply_adds is None for layer in each)
    return Total(sum(x.weights or 0 for x in each), sum(x.biases or 0 for x in each), adds, adds + saved, unknown)


def split(height: int, width: int, kernel: int, d_i: int, d_j: int) -> tuple[int, int]:
    """Multiply-adds of (a full convolution, its split), both with an output of height x width (section 3.1).

    The full one takes h*w*d_i*d_j*k*k; a depthwise one followed by a pointwise one h*w*d_i*(k*k + d_j). `kernel` is
    k*k, d_i the channels that come in and d_j those that go out. The stride is the depthwise one's in both.
    """
    area = height * width * d_i
    return area * d_j * kernel, area * (kernel + d_j)


UNCOUNTED = {
    "BATCH_MATMUL",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "CONV_3D",
    "CONV_3D_TRANSPOSE",
    "LSTM",
    "RNN",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
}
"""Builtin operators that multiply, and whose products are not counted here."""

FLOATS = {"float16", "float32", "float64", "bfloat16"}

LEARNT = UNCOUNTED | {
    "ADD",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEQUANTIZE",
    "DIV",
    "EMBEDDING_LOOKUP",
    "FULLY_CONNECTED",
    "GATHER",
    "MUL",
    "PRELU",
    "SUB",
    "TRANSPOSE_CONV",
}
"""Operators whose constants are parameters; those of others are limits, axes, borders or anchors."""

SIMPLE = {"RELU", "RELU6", "RELU_N1_TO_1", "MINIMUM", "MAXIMUM", "QUANTIZE"}
"""Operators that may stand between the two halves of a split convolution."""


def layers_of(network: Network) -> list[Layer]:
    """The layers of a .tflite network in the order that it runs. A constant that two share counts at the first."""
    seen: set[int] = set()
    made_by = {index: operator for operator in network.operators for index in operator.outputs}
    return [_layer(network, operator, seen, made_by) for operator in network.operators]


def _layer(network: Network, operator: Operator, seen: set[int], made_by: dict[int, Operator]) -> Layer:
    output, adds = network.output(operator), _multiply_adds(network, operator)
    pair = _pair(network, operator, made_by)
    weights, biases = _parameters(network, operator, seen)
    return Layer(
        operator=_words(network, operator),
        output=output.shape if output else None,
        weights=None if operator.custom else weights,
        biases=None if operator.custom else biases,
        multiply_adds=adds,
        full=pair[0] if pair else None,
        split=pair[1] if pair else None,
    )


def _words(network: Network, operator: Operator) -> str:
    kernel = _kernel(network, operator)
    size = f" {kernel[0]}x{kernel[1]}" if kernel else ""
    stride = "" if operator.stride in ((1, 1), (0, 0)) else f" /{max(operator.stride)}"
    return f"{operator.name}{size}{stride} {operator.activation}".rstrip()


def _kernel(network: Network, operator: Operator) -> tuple[int, int] | None:
    weights = network.tensor(operator, 1)
    if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV") and weights and len(weights.shape) == 4:
        return weights.shape[1], weights.shape[2]
    if operator.name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return operator.options.get("window_h", 0), operator.options.get("window_w", 0)
    return None


def _parameters(network: Network, operator: Operator, seen: set[int]) -> tuple[int, int]:
    """(weights, biases): constants that stand for real numbers, told from sizes and axes, which are plain integers."""
    counts = [0, 0]
    weighted = operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
    for place, index in enumerate(operator.inputs):
        counts_here = index >= 0 and index not in seen and operator.name in LEARNT
        tensor = network.tensors[index] if counts_here else None
        if tensor and tensor.constant and (tensor.dtype in FLOATS or tensor.quantisation):
            seen.add(index)
            counts[weighted and place == len(operator.inputs) - 1 >= 2] += _size(tensor) or 0
    return counts[0], counts[1]


def _multiply_adds(network: Network, operator: Operator) -> int | None:
    weights, output, first = network.tensor(operator, 1), network.output(operator), network.tensor(operator, 0)
    if operator.custom or operator.name in UNCOUNTED:
        return None
    if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        if not weights or not output:
            return None
        kept = 3 if operator.name == "DEPTHWISE_CONV_2D" else 0  # the axis of the outputs; the rest is one output's
        return _times(_size(output), [size for axis, size in enumerate(weights.shape) if axis != kept])
    if operator.name == "TRANSPOSE_CONV":
        pictures = network.tensor(operator, 2)
        return _times(_size(pictures), weights.shape[:-1]) if weights and pictures else None
    return 0 if first or output else None


def _times(count: int | None, sizes: Sequence[int]) -> int | None:
    return None if count is None or min(sizes, default=0) < 0 else count * prod(sizes)


def _size(tensor: Tensor) -> int | None:
    return prod(tensor.shape) if min(tensor.shape, default=0) >= 0 else None


def _source(operator: Operator, made_by: dict[int, Operator]) -> Operator | None:
    """What made the first input of an operator, seen through activations that are operators of their own."""
    before = made_by.get(operator.inputs[0]) if operator.inputs else None
    for _ in range(4):
        if before is None or before.name not in SIMPLE or not before.inputs:
            return before
        before = made_by.get(before.inputs[0])
    return before


def _pair(network: Network, operator: Operator, made_by: dict[int, Operator]) -> tuple[int, int] | None:
    """`split` of a pointwise convolution and the depthwise one whose output it reads; None for any other operator."""
    before = _source(operator, made_by)
    if before is None or before.name != "DEPTHWISE_CONV_2D" or operator.name != "CONV_2D":
        return None
    deep, point, output = network.tensor(before, 1), network.tensor(operator, 1), network.output(operator)
    if not deep or not point or not output or {len(t.shape) for t in (deep, point, output)} != {4}:
        return None
    plain = operator.stride == (1, 1) and point.shape[1:3] == (1, 1) and deep.shape[3] == point.shape[3]
    if not plain or before.options.get("multiplier", 1) > 1 or min(*deep.shape, *point.shape, *output.shape) < 1:
        return None
    full, parts = split(output.shape[1], output.shape[2], deep.shape[1] * deep.shape[2], point.shape[3], point.shape[0])
    return full * output.shape[0], parts * output.shape[0]
