"""What a .tflite file says of its own network, read without running it: the questions that loading a model asks.

The format is a flatbuffer (schema.fbs of TensorFlow Lite, version 3). Only the few fields that the toolkit decides by
are read here; `edge.models.parts` reads the whole network. A damaged file gives None instead of facts: the runtime,
which checks the whole buffer, has the last word on whether it can be loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.models.flat import Row

# Field numbers in schema.fbs.
MODEL_CODES, MODEL_SUBGRAPHS = 1, 2
CODE_OLD, CODE_NEW = 0, 3
SUBGRAPH_OUTPUTS, SUBGRAPH_OPERATORS = 2, 3
OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS = 0, 1, 2

LOGISTIC, SOFTMAX = 14, 25
# RESHAPE, SQUEEZE, DEQUANTIZE and QUANTIZE change how an answer is written down, not what it says.
PASS_THROUGH = {22, 43, 6, 114}
EDGETPU_OPERATOR = b"edgetpu-custom-op"


def is_tflite(data: bytes) -> bool:
    """Whether the bytes carry the identifier of a TensorFlow Lite model."""
    return data[4:8] == b"TFL3"


def compiled_for_edgetpu(data: bytes) -> bool:
    """Whether the Edge TPU compiler made this file; told by its operator, whatever the file is called."""
    return EDGETPU_OPERATOR in data


def gives_probabilities(data: bytes) -> bool | None:
    """Whether the first output comes out of a softmax or a sigmoid; None where the file does not tell."""
    from edge.models.flat import DAMAGED, root

    try:
        model = root(data)
        codes = [code_of(row) for row in model.rows(MODEL_CODES)]
        graph = next(model.rows(MODEL_SUBGRAPHS))
        made_by = {
            out: (codes[op.scalar(OPERATOR_CODE, "I")], op.numbers(OPERATOR_INPUTS))
            for op in graph.rows(SUBGRAPH_OPERATORS)
            for out in op.numbers(OPERATOR_OUTPUTS)
        }
        return _ends_in_probabilities(made_by, graph.numbers(SUBGRAPH_OUTPUTS)[0])
    except DAMAGED:
        return None


def code_of(row: Row) -> int:
    """The operator that a row of the model's operator codes names, as the schema numbers it.

    Codes above 127 did not fit the first field, so a second one was added; the larger of the two holds.
    """
    old, new = row.scalar(CODE_OLD, "b"), row.scalar(CODE_NEW, "i")
    return int(max(old, new))


def _ends_in_probabilities(made_by: dict[int, tuple[int, tuple[int, ...]]], tensor: int) -> bool:
    for _ in range(len(made_by)):  # bounded: a damaged file may go round in a circle
        code, inputs = made_by.get(tensor, (-1, ()))
        if code not in PASS_THROUGH:
            return code in (LOGISTIC, SOFTMAX)
        tensor = inputs[0]
    return False
