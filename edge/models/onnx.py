"""What an ONNX file says of its own network, read without running it.

The format is a protocol buffer (onnx.proto3 of ONNX, ModelProto). Only the few fields that the toolkit decides by are
read, by their number there; weights are stepped over. The runtime, which checks the whole file, has the last word.
"""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple, cast, get_args

from edge.models.card import Input
from edge.models.labels import split
from edge.types import Fit

# Numbers of fields in onnx.proto3.
MODEL_VERSION, MODEL_GRAPH, MODEL_METADATA = 1, 7, 14
MODEL_FIELDS = {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR = 1, 2, 4
TENSOR_TYPE, TENSOR_FLOATS, TENSOR_INTEGERS, TENSOR_NAME, TENSOR_RAW = 2, 4, 5, 8, 9
TENSOR_ELSEWHERE, TENSOR_LOCATION = 13, 14
KEY, VALUE, NAME = 1, 2, 1

PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Each kind of message, and its fields that have tensors somewhere below, with the kind of these."""

UINT8, INT8 = 2, 3
"""Types of a tensor."""


class Grids(Enum):
    """How the tensors of a network are quantised inside: not at all, with zero points of 0, or with others."""

    NONE = "none"
    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"


QDQ = {"QuantizeLinear", "DequantizeLinear"}
"""Operators between real numbers and the integers that stand for them."""

PASS_THROUGH = {"QuantizeLinear", "DequantizeLinear", "Reshape", "Squeeze", "Flatten", "Identity", "Cast"}
"""Operators that change how an answer is written down, not what it says."""

DAMAGED = (ValueError, IndexError, KeyError, struct.error)

Field = tuple[int, Any]


class Facts(NamedTuple):
    """What the maker of a file wrote into its metadata: keys "labels" (one a line), "fit", and "mean" and "std" (three
    numbers each, by commas, in pixels of 0 to 255 and the order of RGB). None where it did not."""

    labels: tuple[str, ...] | None
    fit: Fit | None
    input: Input | None


def is_onnx(data: bytes) -> bool:
    """Whether the bytes are, from end to end, the fields of an ONNX model: the format has no identifier."""
    try:
        numbers = set()
        for number, _ in _fields(data):
            if number not in MODEL_FIELDS:
                return False
            numbers.add(number)
        return {MODEL_VERSION, MODEL_GRAPH} <= numbers
    except DAMAGED:
        return False


def facts(data: bytes) -> Facts:
    """The metadata of a model. What is damaged, or means something else to whoever wrote it, is left out."""
    found: dict[str, bytes] = {}
    with contextlib.suppress(*DAMAGED):
        for entry in _of(data, MODEL_METADATA):
            pair = dict(_fields(entry))
            found[_text(pair[KEY])] = bytes(pair[VALUE])
    fit = found.get("fit", b"").decode("utf-8", "replace")
    mean, std = (_three(found.get(key, b"")) for key in ("mean", "std"))
    return Facts(
        labels=split(found["labels"]) if found.get("labels") else None,
        fit=cast(Fit, fit) if fit in get_args(Fit) else None,
        input=Input(mean=mean, std=std) if mean and std else None,
    )


def gives_probabilities(data: bytes) -> bool | None:
    """True where the first output comes out of a softmax or a sigmoid; None where the file does not tell."""
    try:
        graph = next(_of(data, MODEL_GRAPH))
        tensor = _text(dict(_fields(next(_of(graph, GRAPH_OUTPUT))))[NAME])
        made_by = {_text(out): node for node in _of(graph, GRAPH_NODE) for out in _of(node, NODE_OUTPUT)}
        for _ in range(len(made_by)):  # bounded: a damaged file may go round in a circle
            operator = _text(next(_of(made_by[tensor], NODE_OPERATOR)))
            if operator not in PASS_THROUGH:
                return True if operator in ("Softmax", "Sigmoid") else None
            tensor = _text(next(_of(made_by[tensor], NODE_INPUT)))
    except (*DAMAGED, StopIteration):
        pass
    return None


def needs_other_files(data: bytes) -> bool:
    """Whether a tensor is kept in a file beside the model's, as ONNX allows ("External Data"), or cannot be looked at.

    Such files are looked for from the working folder, and no hash of the model is a hash of them.
    """
    ahead: list[tuple[str, Any]] = [("model", data)]
    try:
        while ahead:
            kind, message = ahead.pop()
            for number, value in _fields(message):
                if kind == "tensor" and (number == TENSOR_ELSEWHERE or (number == TENSOR_LOCATION and value != 0)):
                    return True
                if number in PARTS[kind]:
                    ahead.append((PARTS[kind][number], value))
    except (*DAMAGED, TypeError):
        return True
    return False


def grids(data: bytes) -> Grids:
    """How a network is quantised, by its Q/DQ nodes; zero points that are no constants beside it count as 0."""
    with contextlib.suppress(*DAMAGED, StopIteration):
        graph = next(_of(data, MODEL_GRAPH))
        nodes = [node for node in _of(graph, GRAPH_NODE) if _text(next(_of(node, NODE_OPERATOR))) in QDQ]
        zeros = {_text(inputs[2]) for node in nodes if len(inputs := list(_of(node, NODE_INPUT))) > 2}
        tensors = (dict(_fields(part)) for part in _of(graph, GRAPH_INITIALIZER))
        shifted = (_is_shifted(each) for each in tensors if _text(each.get(TENSOR_NAME, b"")) in zeros)
        return Grids.ASYMMETRIC if any(shifted) else Grids.SYMMETRIC if nodes else Grids.NONE
    return Grids.NONE


def _is_shifted(tensor: dict[int, Any]) -> bool:
    values = tensor.get(TENSOR_RAW, tensor.get(TENSOR_INTEGERS, b""))
    return tensor.get(TENSOR_TYPE) == UINT8 or any(bytes(values) if isinstance(values, memoryview) else [values])


def input_quantisation(data: bytes, name: str) -> tuple[float, int] | None:
    """Scale and zero point of the input `name`, from the DequantizeLinear that takes it; None where there is none."""
    try:
        graph = next(_of(data, MODEL_GRAPH))
        for node in _of(graph, GRAPH_NODE):
            inputs = [_text(part) for part in _of(node, NODE_INPUT)]
            if inputs[:1] == [name] and _text(next(_of(node, NODE_OPERATOR))) == "DequantizeLinear":
                tensors = {_text(next(_of(part, TENSOR_NAME))): part for part in _of(graph, GRAPH_INITIALIZER)}
                scale, zero = _number(tensors[inputs[1]]), _number(tensors[inputs[2]]) if len(inputs) > 2 else 0
                return (float(scale), int(zero)) if math.isfinite(scale) and scale > 0 else None
    except (*DAMAGED, StopIteration):
        pass
    return None


def _number(tensor: Any) -> float:
    """The only number of a tensor of float32, uint8 or int8; as raw bytes or in its typed field."""
    parts = dict(_fields(tensor))
    kind, raw = parts[TENSOR_TYPE], bytes(parts.get(TENSOR_RAW, b""))
    if kind in (UINT8, INT8):
        if raw:
            return int(struct.unpack("B" if kind == UINT8 else "b", raw)[0])
        value, _ = _varint(parts[TENSOR_INTEGERS], 0)
        return value - (1 << 64) if value >> 63 else value
    return float(struct.unpack("<f", raw or bytes(parts[TENSOR_FLOATS]))[0])


def _three(text: bytes) -> list[float] | None:
    try:
        numbers = [float(part) for part in text.split(b",")]
    except ValueError:
        return None
    return numbers if len(numbers) == 3 and all(map(math.isfinite, numbers)) else None


def _text(data: Any) -> str:
    return bytes(data).decode("utf-8", "replace")


def _of(message: Any, wanted: int) -> Iterator[Any]:
    return (value for number, value in _fields(message) if number == wanted)


def _fields(message: Any) -> Iterator[Field]:
    """The fields of a message (protobuf.dev, Encoding): numbers as int, the rest as views of its bytes."""
    view, at = memoryview(message), 0
    while at < len(view):
        key, at = _varint(view, at)
        wire, length = key & 7, 0
        if wire == 0:
            value, at = _varint(view, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(view, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"no wire type {wire}")
        if at + length > len(view):
            raise ValueError("a field that runs past the end of its message")
        yield key >> 3, view[at : at + length]
        at += length


def _varint(view: Any, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = view[at + shift // 7]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + shift // 7 + 1
    raise ValueError("a number of more than ten bytes")
