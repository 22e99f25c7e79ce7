"""What a .tflite file says of its own network, read without running it.

The format is a flatbuffer (schema.fbs of TensorFlow Lite, version 3). Only the few fields that the toolkit decides by
are read, by their number in that schema. A damaged file gives None instead of facts: the runtime, which checks
the whole buffer, has the last word on whether it can be loaded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

# Field numbers in schema.fbs, as vtable offsets (4 + 2 * number).
MODEL_CODES, MODEL_SUBGRAPHS = 6, 8
CODE_OLD, CODE_NEW = 4, 10
SUBGRAPH_OUTPUTS, SUBGRAPH_OPERATORS = 8, 10
OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS = 4, 6, 8

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
    from flatbuffers.table import Table

    try:
        root = Table(bytearray(data), struct.unpack_from("<I", data)[0])
        codes = [_code(row) for row in _tables(root, MODEL_CODES)]
        graph = next(_tables(root, MODEL_SUBGRAPHS))
        made_by = {
            out: (codes[_scalar(op, OPERATOR_CODE)], _integers(op, OPERATOR_INPUTS))
            for op in _tables(graph, SUBGRAPH_OPERATORS)
            for out in _integers(op, OPERATOR_OUTPUTS)
        }
        return _ends_in_probabilities(made_by, _integers(graph, SUBGRAPH_OUTPUTS)[0])
    except (struct.error, IndexError, StopIteration, TypeError, ValueError, OverflowError):
        return None


def _ends_in_probabilities(made_by: dict[int, tuple[int, list[int]]], tensor: int) -> bool:
    for _ in range(len(made_by)):  # bounded: a damaged file may go round in a circle
        code, inputs = made_by.get(tensor, (-1, []))
        if code not in PASS_THROUGH:
            return code in (LOGISTIC, SOFTMAX)
        tensor = inputs[0]
    return False


def _code(row: Any) -> int:
    # Codes above 127 did not fit the first field, so a second one was added; the larger of the two holds.
    old, new = row.Offset(CODE_OLD), row.Offset(CODE_NEW)
    first = struct.unpack_from("<b", row.Bytes, row.Pos + old)[0] if old else 0
    second = struct.unpack_from("<i", row.Bytes, row.Pos + new)[0] if new else 0
    return max(first, second)


def _scalar(table: Any, field: int) -> int:
    at = table.Offset(field)
    return int(struct.unpack_from("<I", table.Bytes, table.Pos + at)[0]) if at else 0


def _vector(table: Any, field: int) -> tuple[int, int]:
    at = table.Offset(field)
    if not at:
        return 0, 0
    length, start = int(table.VectorLen(at)), int(table.Vector(at))
    if start + 4 * length > len(table.Bytes):
        raise ValueError("a vector that runs past the end of the file")
    return start, length


def _integers(table: Any, field: int) -> list[int]:
    start, length = _vector(table, field)
    return list(struct.unpack_from(f"<{length}i", table.Bytes, start))


def _tables(table: Any, field: int) -> Iterator[Any]:
    from flatbuffers.table import Table

    start, length = _vector(table, field)
    for i in range(length):
        yield Table(table.Bytes, table.Indirect(start + 4 * i))
