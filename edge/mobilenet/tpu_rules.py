"""Whether the Edge TPU compiler maps a whole network: its documented limits, read against a .tflite file.

The source is Coral's page "TensorFlow models on the Edge TPU" (coral.ai/docs/edgetpu/models-intro): the list of
requirements and the table of supported operations with their known limitations, read from an early copy of it and a
later one. What is not in these is marked as a reading of ours:
- The newest version of each operator that compiler 16.0 (2021) knows: that of TensorFlow 2.6, by TensorFlow's own
  table of versions (tensorflow/lite/tools/versioning/runtime_version.cc). Reports agree with it: 16.0 refuses a whole
  model for CONV_2D 6, QUANTIZE 3, TRANSPOSE_CONV 4 and EXP 2 (issues 631, 879, 845 of google-coral/edgetpu and 71 of
  google-coral/libedgetpu).
- Weights of FULLY_CONNECTED quantised per channel in an int8 network. TensorFlow's converter makes them since 2024;
  what was written before took one scale for all (tensorflow/tflite-micro 2602). No report of 16.0 was found.
- More than one subgraph in the file: what is there is control flow, none of which is in the table.
- Operators in `DOUBTFUL`, and the limit of SPLIT: the later copy was cut off before them.
No compiler was run to make these rules. One that finds nothing is no promise: only the compiler's own log is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from edge.models import parts
from edge.models.graph import EDGETPU_OPERATOR
from edge.models.parts import Network, Operator, Tensor

EIGHT_BITS = ("int8", "uint8")
WIDTHS = (*EIGHT_BITS, "int32")  # the last is what biases have
DOUBTFUL = ("RSQRT", "SQUARED_DIFFERENCE", "SUM")
MOST_SOFTMAX = 16_000
DEPTH_STEP = 4

WHOLE = "quantise weights and activations to 8 bits, with `edge export` or the converter that made the model"
OTHERWISE = "it and all after it would run on the CPU; leave it out of the model, or express it otherwise"


class Finding(NamedTuple):
    """One reason why the compiler may not map all of a network.

    place: index of the operator in the file, or None for the whole model. operator: its name, or "model".
    reason, advice: what is wrong, and what to do. documented: it is in Coral's list; else it is our reading.
    """

    place: int | None
    operator: str
    reason: str
    advice: str
    documented: bool = True

    def __str__(self) -> str:
        where = "model" if self.place is None else f"operator {self.place}, {self.operator}"
        return f"{where}: {self.reason}{'' if self.documented else ' (our reading, not documented)'}; {self.advice}"


Reasons = Iterator[tuple[str, str]]
"""(reason, advice) of each limit of one operator that a network breaks."""


class Rule(NamedTuple):
    """One operator of Coral's list: the newest version that the compiler knows, and its known limitations."""

    newest: int
    limits: Callable[[Network, Operator], Reasons] | None = None


def check(model: bytes, name: str = "the file") -> list[Finding]:
    """Why the Edge TPU compiler would not map the whole network of a .tflite; empty where nothing is known against it.

    Raises:
        ModelError: the bytes are no .tflite, or damaged.
    """
    network = parts.read(model, name)
    if any(operator.custom and operator.name.encode() == EDGETPU_OPERATOR for operator in network.operators):
        reason = "already compiled for the Edge TPU"
        return [Finding(None, "model", reason, "run it as it is, or give the .tflite it was compiled from")]
    whole = list(_whole(network))
    if any(tensor.dtype in EIGHT_BITS and tensor.quantisation for tensor in network.tensors):
        for index, operator in enumerate(network.operators):
            whole += _operator(network, index, operator)
        return whole
    dtypes = ", ".join(sorted({network.tensors[i].dtype for i in network.inputs})) or "no input"
    return [Finding(None, "model", f"not quantised to 8 bits ({dtypes})", WHOLE), *whole]


def _whole(network: Network) -> Iterator[Finding]:
    sizes = [tensor.name for tensor in network.tensors if tensor.dynamic]
    if sizes:
        reason = f"{len(sizes)} tensors have a size that is known only when it runs, {sizes[0]} first"
        yield Finding(None, "model", reason, "convert the model again with a fixed input size and a batch of 1")
    if network.subgraphs > 1:
        reason = f"{network.subgraphs} subgraphs: control flow, which the compiler does not map"
        yield Finding(None, "model", reason, "convert the model without branches and loops", False)


def _operator(network: Network, index: int, operator: Operator) -> Iterator[Finding]:
    """What speaks against one operator."""
    rule = RULES.get(operator.name)
    if rule is None or operator.custom:
        yield Finding(index, operator.name, "not in Coral's list of supported operations", OTHERWISE)
        return
    if operator.version > rule.newest:
        reason = f"version {operator.version}, where compiler 16.0 knows {rule.newest} and refuses the whole model"
        yield Finding(index, operator.name, reason, "convert with an older converter, or without its option", False)
    for reason, advice in _tensors(network, operator):
        yield Finding(index, operator.name, reason, advice)
    sure = operator.name not in (*DOUBTFUL, "SPLIT")
    for reason, advice in rule.limits(network, operator) if rule.limits else ():
        yield Finding(index, operator.name, reason, advice, sure)
    if operator.name in DOUBTFUL:
        yield Finding(index, operator.name, "perhaps not a supported operation", "see the compiler's log", False)
    if operator.name == "FULLY_CONNECTED" and _per_channel(network.tensor(operator, 1)):
        advice = "quantise these weights per tensor, or write the layer as a convolution with a 1x1 kernel"
        yield Finding(index, operator.name, "its weights are quantised per channel", advice, False)


def _tensors(network: Network, operator: Operator) -> Reasons:
    every = [network.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    moving = [tensor for tensor in every if not tensor.constant]
    wrong = sorted({each.dtype for each in moving if each.dtype not in EIGHT_BITS or not each.quantisation})
    fixed = [tensor for tensor in every if tensor.constant]
    wide = [t for t in fixed if t.dtype.startswith("float") or (t.quantisation and t.dtype not in WIDTHS)]
    if wrong:
        yield f"works on {', '.join(wrong)} that {'is' if len(wrong) == 1 else 'are'} not quantised to 8 bits", WHOLE
    if wide:
        yield "a constant of it is not quantised to 8 bits", WHOLE
    for tensor in moving:
        if any(size != 1 for size in tensor.shape[:-3]):
            shape = "x".join(map(str, tensor.shape))
            yield f"{shape}: only the three innermost sizes may be larger than 1", "convert with a batch of 1"
            return


def _per_channel(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.quantisation is not None and len(tensor.quantisation.scales) > 1


def _integers(tensor: Tensor | None) -> list[int] | None:
    """The values of a constant of plain integers; None where it is none."""
    if tensor is None or tensor.data is None or tensor.dtype not in ("int32", "int64"):
        return None
    width = 4 if tensor.dtype == "int32" else 8
    usable = tensor.data[: len(tensor.data) // width * width]
    return [int(value) for value in np.frombuffer(usable, f"<i{width}")]


def _plain(network: Network, operator: Operator) -> Reasons:
    if operator.activation:
        yield f"a fused activation ({operator.activation})", "leave the activation out, or make it an operator"


def _dilation(network: Network, operator: Operator) -> Reasons:
    across, down = operator.options.get("dilation_w", 1), operator.options.get("dilation_h", 1)
    if across != down:
        yield f"dilation {down} down and {across} across; it must be the same", "use one dilation for both"
    yield from _constants(network, operator)


def _constants(network: Network, operator: Operator) -> Reasons:
    if any(tensor and not tensor.constant for tensor in (network.tensor(operator, 1), network.tensor(operator, 2))):
        yield "weights or biases that are not constant", "convert with weights that stand in the file"


def _vector(network: Network, operator: Operator) -> Reasons:
    output = network.output(operator)
    if output and any(size != 1 for size in output.shape[:-1]):
        yield f"an output of {'x'.join(map(str, output.shape))}; it must be one-dimensional", "use a batch of 1"


def _linear(network: Network, operator: Operator) -> Reasons:
    if operator.options.get("weights_format", 0):
        yield "weights in a shuffled format; only the default one is supported", "convert without shuffled weights"
    yield from _constants(network, operator)
    yield from _vector(network, operator)


def _softmax(network: Network, operator: Operator) -> Reasons:
    output = network.output(operator)
    count = int(np.prod(output.shape, dtype=object)) if output else 0
    if count > MOST_SOFTMAX:
        yield f"{count:,} elements; at most {MOST_SOFTMAX:,}", "leave it out, and take the largest logit"
    yield from _vector(network, operator)


def _concatenation(network: Network, operator: Operator) -> Reasons:
    constants = [network.tensors[i] for i in operator.inputs if i >= 0 and network.tensors[i].constant]
    if constants and (len(operator.inputs) != 2 or not all(_zero(tensor) for tensor in constants)):
        yield "a constant among its inputs: then there must be two, and the constant all zero", "pad instead"
    yield from _plain(network, operator)


def _zero(tensor: Tensor) -> bool:
    points = tensor.quantisation.zero_points if tensor.quantisation else ()
    return tensor.data is not None and set(tensor.data) <= {(points[0] if points else 0) % 256}


def _reduction(network: Network, operator: Operator) -> Reasons:
    """MEAN, SUM, REDUCE_MAX and REDUCE_MIN: no reduction over the batch; MEAN over channels only in fours."""
    pictures, axes = network.tensor(operator, 0), _integers(network.tensor(operator, 1))
    if axes is None or pictures is None:
        yield "axes that are not constant", "convert with constant axes"
        return
    rank = len(pictures.shape)
    over = {axis % rank for axis in axes} if rank else set()
    if rank == 4 and 0 in over:
        yield "a reduction over the batch", "reduce over height, width or channels only"
    if operator.name == "MEAN" and rank == 4 and 3 in over and pictures.shape[3] % DEPTH_STEP:
        yield f"a mean over {pictures.shape[3]} channels; it must be a multiple of 4", "use a multiple of 4 channels"


def _padding(network: Network, operator: Operator) -> Reasons:
    sides = _integers(network.tensor(operator, 1))
    if sides is None:
        yield "a padding that is not constant", "convert with a constant padding"
    elif len(sides) == 8 and any(sides[:2]):
        yield "padding of the batch", "pad height, width or channels only"


def _batch_axis(network: Network, operator: Operator) -> Reasons:
    """PACK along, or SPLIT of, the batch."""
    place = _integers(network.tensor(operator, 0)) if operator.name == "SPLIT" else [operator.options.get("axis", 0)]
    rank = max((len(network.tensors[i].shape) for i in (*operator.inputs, *operator.outputs) if i >= 0), default=0)
    if place and rank == 4 and place[0] % rank == 0:
        yield "it works along the batch", "use height, width or channels"


def _alpha(network: Network, operator: Operator) -> Reasons:
    alpha = network.tensor(operator, 1)
    if alpha and any(size != 1 for size in alpha.shape[:-1]):
        yield "more than one slope a channel", "share the slopes over height and width"


def _resize(network: Network, operator: Operator) -> Reasons:
    output = network.output(operator)
    shape = "x".join(map(str, output.shape)) if output else "unknown"
    reason = f"an output of {shape}: depending on its size the compiler leaves it on the CPU"
    yield reason, "see the compiler's log; where it does, resize outside the model"


def _squeeze(network: Network, operator: Operator) -> Reasons:
    before, after = network.tensor(operator, 0), network.output(operator)
    if before and after and _without_ones(before.shape) != _without_ones(after.shape):
        yield "it removes a size of 1 that is not in front", "use a reshape"


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((place for place, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]


def _slice(network: Network, operator: Operator) -> Reasons:
    strides = _integers(network.tensor(operator, 3))
    masks = operator.options.get("ellipsis_mask", 0) or operator.options.get("new_axis_mask", 0)
    if strides is None or set(strides) - {1} or masks:
        yield "strides that are not all 1, or an ellipsis or new-axis mask", "slice with constant strides of 1"


RULES: Mapping[str, Rule] = {
    "ADD": Rule(4),
    "AVERAGE_POOL_2D": Rule(3, _plain),
    "CONCATENATION": Rule(3, _concatenation),
    "CONV_2D": Rule(5, _dilation),
    "DEPTHWISE_CONV_2D": Rule(6, _dilation),
    "EXPAND_DIMS": Rule(1),
    "FULLY_CONNECTED": Rule(9, _linear),
    "L2_NORMALIZATION": Rule(2),
    "LOGISTIC": Rule(3),
    "MAXIMUM": Rule(4),
    "MAX_POOL_2D": Rule(3, _plain),
    "MEAN": Rule(3, _reduction),
    "MINIMUM": Rule(4),
    "MUL": Rule(5),
    "PACK": Rule(3, _batch_axis),
    "PAD": Rule(4, _padding),
    "PRELU": Rule(1, _alpha),
    "QUANTIZE": Rule(2),
    "REDUCE_MAX": Rule(3, _reduction),
    "REDUCE_MIN": Rule(3, _reduction),
    "RELU": Rule(3),
    "RELU6": Rule(3),
    "RELU_N1_TO_1": Rule(1),
    "RESHAPE": Rule(1),
    "RESIZE_BILINEAR": Rule(4, _resize),
    "RESIZE_NEAREST_NEIGHBOR": Rule(4, _resize),
    "RSQRT": Rule(2),
    "SLICE": Rule(5),
    "SOFTMAX": Rule(3, _softmax),
    "SPACE_TO_DEPTH": Rule(2),
    "SPLIT": Rule(4, _batch_axis),
    "SQUARED_DIFFERENCE": Rule(2),
    "SQUEEZE": Rule(2, _squeeze),
    "STRIDED_SLICE": Rule(6, _slice),
    "SUB": Rule(5),
    "SUM": Rule(2, _reduction),
    "TANH": Rule(3),
    "TRANSPOSE": Rule(5),
    "TRANSPOSE_CONV": Rule(3),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Rule(3),
}
"""Coral's table of supported operations, and those in `DOUBTFUL`."""
