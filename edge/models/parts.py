"""The whole network of a .tflite file, read without running it: its tensors, its operators and their options.

The format is a flatbuffer (schema.fbs of TensorFlow Lite, version 3). The file is not trusted: whatever is wrong with
it becomes one ModelError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edge.errors import ModelError
from edge.models import graph, operators
from edge.models.flat import DAMAGED, Row, root

# Field numbers in schema.fbs.
MODEL_CODES, MODEL_SUBGRAPHS, MODEL_BUFFERS = 1, 2, 4
CODE_CUSTOM, CODE_VERSION = 1, 2
GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS = 0, 1, 2, 3
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME, TENSOR_QUANTISATION, TENSOR_SIGNATURE = 0, 1, 2, 3, 4, 7
SCALES, ZERO_POINTS, AXIS = 2, 3, 6
BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE = 0, 1, 2
OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS, OPTIONS_TYPE, OPTIONS = 0, 1, 2, 3, 4

MOST_AXES = 16

FIELDS: Mapping[int, Mapping[str, tuple[int, str, int]]] = {
    1: {
        "padding": (0, "b", 0),
        "stride_w": (1, "i", 0),
        "stride_h": (2, "i", 0),
        "activation": (3, "b", 0),
        "dilation_w": (4, "i", 1),
        "dilation_h": (5, "i", 1),
    },
    2: {
        "padding": (0, "b", 0),
        "stride_w": (1, "i", 0),
        "stride_h": (2, "i", 0),
        "multiplier": (3, "i", 0),
        "activation": (4, "b", 0),
        "dilation_w": (5, "i", 1),
        "dilation_h": (6, "i", 1),
    },
    5: {
        "padding": (0, "b", 0),
        "stride_w": (1, "i", 0),
        "stride_h": (2, "i", 0),
        "window_w": (3, "i", 0),
        "window_h": (4, "i", 0),
        "activation": (5, "b", 0),
    },
    8: {"activation": (0, "b", 0), "weights_format": (1, "b", 0), "keep_dims": (2, "?", 0)},
    10: {"axis": (0, "i", 0), "activation": (1, "b", 0)},
    11: {"activation": (0, "b", 0)},
    12: {"activation": (0, "b", 0)},
    21: {"activation": (0, "b", 0)},
    27: {"keep_dims": (0, "?", 0)},
    28: {"activation": (0, "b", 0)},
    29: {"activation": (0, "b", 0)},
    32: {"ellipsis_mask": (2, "i", 0), "new_axis_mask": (3, "i", 0)},
    49: {"padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0), "activation": (3, "b", 0)},
    59: {"axis": (1, "i", 0)},
}
"""The options that are read, by the schema's union BuiltinOptions: (field, how it is written, the default)."""


class Quantisation(NamedTuple):
    """real = scale * (number - zero point); one of each, or one for each index along `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


class Tensor(NamedTuple):
    """One tensor. `data`: its bytes, little-endian, where it is constant; `dynamic`: its size is known only later."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantisation: Quantisation | None
    data: memoryview | None
    dynamic: bool

    @property
    def constant(self) -> bool:
        """Whether its values stand in the file."""
        return self.data is not None


class Operator(NamedTuple):
    """One operator, by the name of its builtin code, or of its own where it is a custom one.

    inputs, outputs: indices of tensors; -1 is an input that was left out. options: those in `FIELDS`, by name.
    """

    name: str
    custom: bool
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]

    @property
    def activation(self) -> str:
        """The activation that it applies to its own output, such as "relu6"; empty for none."""
        return operators.name(operators.ACTIVATIONS, self.options.get("activation", 0), "activation")

    @property
    def stride(self) -> tuple[int, int]:
        """Steps down and across, in pixels; (1, 1) where it has none."""
        return self.options.get("stride_h", 1), self.options.get("stride_w", 1)


class Network(NamedTuple):
    """The first subgraph of a model; `subgraphs` says how many there are. The rest is in the order of the file."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int

    def tensor(self, operator: Operator, place: int) -> Tensor | None:
        """The input of an operator at a place; None where it was left out."""
        index = operator.inputs[place] if place < len(operator.inputs) else -1
        return self.tensors[index] if index >= 0 else None

    def output(self, operator: Operator) -> Tensor | None:
        """The first output of an operator; None where it has none."""
        return self.tensors[operator.outputs[0]] if operator.outputs else None


def read(data: bytes, name: str = "the file") -> Network:
    """The network in the bytes of a .tflite; `name` is for the message. Raises ModelError where it is damaged."""
    if not graph.is_tflite(data):
        raise ModelError(f"model {name}: not a TensorFlow Lite model; give a .tflite file")
    try:
        model = root(data)
        subgraphs = list(model.rows(MODEL_SUBGRAPHS))
        first = subgraphs[0]
        found = Network(
            tuple(_tensors(data, model, first)),
            tuple(_operators(model, first)),
            first.numbers(GRAPH_INPUTS),
            first.numbers(GRAPH_OUTPUTS),
            len(subgraphs),
        )
        _check(found)
    except DAMAGED as error:
        raise ModelError(f"model {name}: the file is damaged; copy it again, or convert the model again") from error
    return found


def _check(network: Network) -> None:
    """Every index names a tensor; only an operator's input may be left out."""
    count = len(network.tensors)
    there = [*network.inputs, *network.outputs, *(i for each in network.operators for i in each.outputs)]
    inputs = [i for each in network.operators for i in each.inputs]
    if not all(0 <= i < count for i in there) or not all(-1 <= i < count for i in inputs):
        raise ValueError("an operator of a tensor that is not there")


def _tensors(data: bytes, model: Row, first: Row) -> list[Tensor]:
    contents = [_content(data, buffer) for buffer in model.rows(MODEL_BUFFERS)]
    return [_tensor(row, contents) for row in first.rows(GRAPH_TENSORS)]


def _content(data: bytes, buffer: Row) -> memoryview | None:
    inside = buffer.blob(BUFFER_DATA)
    offset, size = buffer.scalar(BUFFER_OFFSET, "Q"), buffer.scalar(BUFFER_SIZE, "Q")
    if inside is not None or offset <= 1 or not size:  # models over 2 GB keep their data behind the flatbuffer
        return inside
    if offset + size > len(data):
        raise ValueError("data behind the end of the file")
    return memoryview(data)[offset : offset + size]


def _tensor(row: Row, contents: list[memoryview | None]) -> Tensor:
    shape, signature, buffer = row.numbers(TENSOR_SHAPE), row.numbers(TENSOR_SIGNATURE), row.scalar(TENSOR_BUFFER, "I")
    if len(shape) > MOST_AXES:
        raise ValueError("a tensor of too many axes")
    return Tensor(
        name=row.text(TENSOR_NAME),
        shape=shape,
        dtype=operators.name(operators.TYPES, row.scalar(TENSOR_TYPE, "b"), "type"),
        quantisation=_quantisation(row.row(TENSOR_QUANTISATION)),
        data=contents[buffer] if buffer else None,  # the first buffer is empty by the schema's rule
        dynamic=min((*shape, *signature), default=0) < 0,
    )


def _quantisation(row: Row | None) -> Quantisation | None:
    scales = row.numbers(SCALES, "f") if row else ()
    if row is None or not scales:
        return None
    return Quantisation(scales, row.numbers(ZERO_POINTS, "q"), row.scalar(AXIS, "i"))


def _operators(model: Row, first: Row) -> list[Operator]:
    codes = [
        (graph.code_of(row), row.text(CODE_CUSTOM), row.scalar(CODE_VERSION, "i", 1)) for row in model.rows(MODEL_CODES)
    ]
    return [_operator(row, *codes[row.scalar(OPERATOR_CODE, "I")]) for row in first.rows(GRAPH_OPERATORS)]


def _operator(row: Row, code: int, custom: str, version: int) -> Operator:
    options, fields = row.row(OPTIONS), FIELDS.get(row.scalar(OPTIONS_TYPE, "B"), {})
    own = code == operators.CUSTOM
    return Operator(
        name=(custom or "CUSTOM") if own else operators.name(operators.NAMES, code, "OPERATOR"),
        custom=own,
        version=version,
        inputs=row.numbers(OPERATOR_INPUTS),
        outputs=row.numbers(OPERATOR_OUTPUTS),
        options={key: int(options.scalar(*how)) for key, how in fields.items()} if options else {},
    )
