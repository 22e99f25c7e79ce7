"""An int8 .tflite changed or read as a whole: its ends, its metadata, its layers in real numbers. Nothing runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError

from .tflite import packed, parsed

Floats = NDArray[np.floating[Any]]

CONV_2D, DEPTHWISE_CONV_2D, ADD, MEAN, SOFTMAX, PAD, FULLY_CONNECTED = 3, 4, 0, 40, 25, 34, 9
RESHAPE, QUANTIZE = 22, 114
"""Operators by their code in schema.fbs."""

INT8_VERSIONS = {CONV_2D: 3, DEPTHWISE_CONV_2D: 3, ADD: 2, MEAN: 2, SOFTMAX: 2, PAD: 2, FULLY_CONNECTED: 4}
"""The first version of each operator that takes int8; the quantiser leaves that of the float one."""

INT32, UINT8, INT8 = 2, 3, 9
"""Types of tensors, as schema.fbs numbers them."""


def with_metadata(model: bytes, name: str, metadata: bytes) -> bytes:
    """A .tflite with one more buffer that its metadata table lists as ``name``."""
    return _changed(model, lambda whole: _add_metadata(whole, name, metadata))


def with_versions(model: bytes) -> bytes:
    """An int8 .tflite whose operators carry the versions that int8 needs, so that old compilers read them rightly."""
    return _changed(model, _set_versions)


def with_convolution(model: bytes) -> bytes:
    """An int8 .tflite whose FULLY_CONNECTED classifier is written as a 1x1 CONV_2D: the same integers, the same sums.

    Compilers that know scales by channel for convolutions alone, such as the Edge TPU's, then take the whole network.
    """
    return _changed(model, _convolve)


def with_pixels(model: bytes) -> bytes:
    """An int8 .tflite as one of uint8: QUANTIZE operators before and after all others, which add or subtract 128.

    Raises:
        ModelError: its input and output are not int8.
    """
    return _changed(model, _take_pixels)


def input_size(model: bytes) -> int:
    """Height and width in pixels of the picture that a .tflite takes. Raises ModelError where it takes none."""
    graph = parsed(model).subgraphs[0]
    shape = [int(n) for n in graph.tensors[graph.inputs[0]].shape]
    if len(shape) != 4 or shape[1] != shape[2]:
        raise ModelError(f"its input is {'x'.join(map(str, shape))}, not a square picture; {OURS}")
    return shape[1]


def classes(model: bytes) -> int:
    """How many classes a .tflite tells apart: the last number of its first output's shape."""
    graph = parsed(model).subgraphs[0]
    return int(graph.tensors[graph.outputs[0]].shape[-1])


def without_pixels(model: bytes) -> bytes:
    """What ``with_pixels`` made, as it was before: int8 in and out. Any other model comes back as it is."""
    return _changed(model, _take_levels)


def _changed(model: bytes, change: Callable[[Any], None]) -> bytes:
    found = parsed(model)
    change(found)
    return packed(found)


def _add_metadata(whole: Any, name: str, metadata: bytes) -> None:
    buffer, entry = type(whole.buffers[0])(), type(whole.metadata[0])()
    buffer.data = np.frombuffer(metadata, np.uint8)
    entry.name, entry.buffer = name, len(whole.buffers)
    whole.buffers.append(buffer)
    whole.metadata = [each for each in whole.metadata if each.name != name.encode()] + [entry]


def _set_versions(whole: Any) -> None:
    for code in whole.operatorCodes:
        code.version = INT8_VERSIONS.get(code.builtinCode, code.version)


def _convolve(whole: Any) -> None:
    graph, codes = whole.subgraphs[0], whole.operatorCodes
    kinds = [codes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    if kinds[-3:] != [MEAN, FULLY_CONNECTED, SOFTMAX]:
        return
    pooling, linear, softmax = graph.operators[-3:]
    # The last 1x1 convolution has the options that this one needs; a fused ReLU6 is all that must go.
    pointwise = next(op for op, kind in zip(graph.operators[::-1], kinds[::-1], strict=True) if kind == CONV_2D)
    linear.opcodeIndex, linear.builtinOptionsType = pointwise.opcodeIndex, pointwise.builtinOptionsType
    linear.builtinOptions = copy.deepcopy(pointwise.builtinOptions)
    linear.builtinOptions.fusedActivationFunction = 0
    pooling.builtinOptions.keepDims = True
    for index in (pooling.outputs[0], linear.inputs[1], linear.outputs[0]):
        tensor = graph.tensors[index]
        first, last = tensor.shape
        tensor.shape, tensor.shapeSignature = [first, 1, 1, last], None
    softmax.inputs = [_flattened(whole, linear.outputs[0])]


def _flattened(whole: Any, index: int) -> int:
    """Add a RESHAPE of a tensor (1, 1, 1, n) to (1, n) before the last operator; the index of what it gives."""
    graph = whole.subgraphs[0]
    shape, flat = copy.deepcopy(graph.tensors[index]), copy.deepcopy(graph.tensors[index])
    buffer, code = type(whole.buffers[0])(), type(whole.operatorCodes[0])()
    flat.name, flat.shape = b"logits", [1, graph.tensors[index].shape[-1]]
    buffer.data = np.asarray(flat.shape, np.int32).view(np.uint8)
    shape.name, shape.shape, shape.type, shape.quantization = b"shape", [2], INT32, None
    shape.buffer, code.builtinCode, code.deprecatedBuiltinCode = len(whole.buffers), RESHAPE, RESHAPE
    operator = type(graph.operators[0])()
    operator.opcodeIndex, operator.outputs = len(whole.operatorCodes), [len(graph.tensors) + 1]
    operator.inputs = [index, len(graph.tensors)]
    whole.buffers.append(buffer)
    whole.operatorCodes.append(code)
    graph.tensors += [shape, flat]
    graph.operators.insert(-1, operator)
    return len(graph.tensors) - 1


def _take_pixels(whole: Any) -> None:
    graph = whole.subgraphs[0]
    code = type(whole.operatorCodes[0])()
    code.builtinCode = code.deprecatedBuiltinCode = QUANTIZE
    whole.operatorCodes.append(code)
    inner, last = graph.inputs[0], graph.outputs[0]
    outer, answer = _as_uint8(graph, inner, b"image"), _as_uint8(graph, last, b"probability")
    graph.operators.insert(0, _operator(whole, outer, inner))
    graph.operators.append(_operator(whole, last, answer))
    graph.inputs, graph.outputs = [outer], [answer]
    for signature in whole.signatureDefs or []:
        signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = outer, answer


def _take_levels(whole: Any) -> None:
    graph = whole.subgraphs[0]
    ends = [graph.operators[0], graph.operators[-1]]
    if any(whole.operatorCodes[operator.opcodeIndex].builtinCode != QUANTIZE for operator in ends):
        return
    graph.operators = graph.operators[1:-1]
    graph.inputs, graph.outputs = list(ends[0].outputs), list(ends[1].inputs)
    for signature in whole.signatureDefs or []:
        signature.inputs[0].tensorIndex, signature.outputs[0].tensorIndex = graph.inputs[0], graph.outputs[0]


def _as_uint8(graph: Any, index: int, name: bytes) -> int:
    """Add a uint8 tensor that stands for the same numbers as an int8 one; its index."""
    tensor = copy.deepcopy(graph.tensors[index])
    if tensor.type != INT8:
        raise ModelError("only int8 inputs and outputs can be made uint8; quantise the model first")
    tensor.type, tensor.name = UINT8, name
    tensor.quantization.zeroPoint = tensor.quantization.zeroPoint + 128
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(whole: Any, tensor: int, made: int) -> Any:
    """An operator of the last code, without options, from one tensor to another."""
    operator = type(whole.subgraphs[0].operators[0])()
    operator.opcodeIndex, operator.inputs, operator.outputs = len(whole.operatorCodes) - 1, [tensor], [made]
    return operator


STRIDED = 5
"""Convolutions of stride 2 in MobileNetV2, each with a PAD before it: PyTorch pads both sides, TensorFlow one."""

OURS = "give an int8 model that `edge finetune` or `edge export` made"


class Layer(NamedTuple):
    """One convolution of an int8 .tflite in real numbers.

    weight: (outputs, inputs / groups, height, width), multiples of ``scales`` (outputs,). bias: (outputs,). ``output``:
    scale and zero point of what it gives; ``after``: of the sum or mean that follows, where one does.
    """

    weight: Floats
    scales: Floats
    bias: Floats
    output: tuple[float, int]
    after: tuple[float, int] | None


def layers(model: bytes) -> list[Layer]:
    """The convolutions of an int8 .tflite, in the order they run.

    Raises:
        ModelError: it is not int8, or not such a MobileNetV2 as this toolkit makes.
    """
    whole = parsed(model)
    graph = whole.subgraphs[0]
    codes = [whole.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    _grid(graph.tensors[graph.operators[-1].inputs[0]])
    if codes.count(PAD) != STRIDED:
        raise ModelError(f"its layers of stride 2 pad as TensorFlow does, or are not {STRIDED}; {OURS}")
    found: list[Layer] = []
    for operator, code in zip(graph.operators, codes, strict=True):
        if code in (CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED):
            found.append(_layer(graph, whole.buffers, operator, code))
        elif code in (ADD, MEAN) and found:
            found[-1] = found[-1]._replace(after=_grid(graph.tensors[operator.outputs[0]]))
        elif code not in (PAD, RESHAPE, SOFTMAX, QUANTIZE):
            raise ModelError(
                f"operator {code} is in no MobileNetV2; give a model that `edge finetune` or `export` made"
            )
    return found


def _grid(tensor: Any) -> tuple[float, int]:
    if tensor.type != INT8:
        raise ModelError(f"not an int8 model; {OURS}")
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])


def _layer(graph: Any, buffers: Any, operator: Any, code: int) -> Layer:
    taken, weight, bias = (graph.tensors[index] for index in operator.inputs[:3])
    levels = np.frombuffer(buffers[weight.buffer].data, np.int8).reshape(weight.shape).astype(np.float64)
    # Stored as (1, height, width, outputs) where depthwise, else (outputs, height, width, inputs) or (outputs, inputs).
    levels = levels.transpose(3, 0, 1, 2) if code == DEPTHWISE_CONV_2D else np.moveaxis(levels, -1, 1)
    levels = levels.reshape(*levels.shape, *[1] * (4 - levels.ndim))
    scales = np.broadcast_to(np.asarray(weight.quantization.scale, np.float64), len(levels))
    steps = scales * _grid(taken)[0]
    return Layer(
        weight=levels * scales[:, None, None, None],
        scales=scales,
        bias=np.frombuffer(buffers[bias.buffer].data, np.int32) * steps,
        output=_grid(graph.tensors[operator.outputs[0]]),
        after=None,
    )
