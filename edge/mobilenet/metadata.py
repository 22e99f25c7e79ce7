"""What a .tflite says of itself in the field TFLITE_METADATA, as MediaPipe and Android's ML tools read it.

A flatbuffer (metadata_schema.fbs of TensorFlow Lite's metadata, identifier M001). It names the label file that the
model holds as a zip, and how pixels become the input. Tables are written from their field numbers in that schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edge.models.card import Input

FIELD = "TFLITE_METADATA"
"""Under this name the model's own metadata table lists the buffer."""

# Field numbers in metadata_schema.fbs.
MODEL_NAME, MODEL_DESCRIPTION, MODEL_SUBGRAPHS, MODEL_LICENSE, MODEL_PARSER = 0, 1, 3, 5, 7
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = 2, 3
TENSOR_NAME, TENSOR_DESCRIPTION, TENSOR_CONTENT, TENSOR_UNITS, TENSOR_FILES = 0, 1, 3, 4, 6
FILE_NAME, FILE_DESCRIPTION, FILE_TYPE = 0, 1, 2
UNION_TYPE, UNION_VALUE = 0, 1
NORMALIZATION_MEAN, NORMALIZATION_STD = 0, 1
IMAGE_COLOUR = 0

IMAGE_PROPERTIES, FEATURE_PROPERTIES, NORMALIZATION_OPTIONS = 2, 1, 1
"""Members of the unions ContentProperties and ProcessUnitOptions."""

RGB, TENSOR_AXIS_LABELS = 1, 2

PARSER = "1.0.0"
"""The version of the schema that has all of these fields."""


class Byte(NamedTuple):
    """An enumeration's value, one byte."""

    value: int


Value = str | Byte | Sequence[float] | Mapping[int, Any] | Sequence[Mapping[int, Any]]
"""A field: text, an enumeration, floats, a table by its field numbers, or a list of tables."""


def written(table: Mapping[int, Value], identifier: bytes) -> bytes:
    """A flatbuffer whose root is ``table``."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, table), file_identifier=identifier)
    return bytes(builder.Output())


def _table(builder: Any, table: Mapping[int, Value]) -> int:
    # What a table points to must be in the buffer before the table begins.
    places = {slot: value if isinstance(value, Byte) else _placed(builder, value) for slot, value in table.items()}
    builder.StartObject(max(table) + 1 if table else 0)
    for slot, place in places.items():
        if isinstance(place, Byte):
            builder.PrependInt8Slot(slot, place.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, place, 0)
    return int(builder.EndObject())


def _placed(builder: Any, value: Any) -> int:
    """Write a text, a table or a vector; where it lies."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Mapping):
        return _table(builder, value)
    floats = all(isinstance(each, float) for each in value)
    places = list(value) if floats else [_table(builder, each) for each in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        (builder.PrependFloat32 if floats else builder.PrependUOffsetTRelative)(place)
    return int(builder.EndVector())


def classifier(name: str, license: str | None, normalisation: Input | None, labels_file: str) -> bytes:
    """The metadata of an image classifier with one input and one output.

    normalisation: for a float input; None for pixels as they are. labels_file: its name in the model's zip.
    """
    image: dict[int, Value] = {
        TENSOR_NAME: "image",
        TENSOR_DESCRIPTION: "The picture, RGB.",
        TENSOR_CONTENT: {UNION_TYPE: Byte(IMAGE_PROPERTIES), UNION_VALUE: {IMAGE_COLOUR: Byte(RGB)}},
    }
    if normalisation is not None:
        options = {NORMALIZATION_MEAN: normalisation.mean, NORMALIZATION_STD: normalisation.std}
        image[TENSOR_UNITS] = [{UNION_TYPE: Byte(NORMALIZATION_OPTIONS), UNION_VALUE: options}]
    file = {FILE_NAME: labels_file, FILE_DESCRIPTION: "Class names, one a line.", FILE_TYPE: Byte(TENSOR_AXIS_LABELS)}
    scores: dict[int, Value] = {
        TENSOR_NAME: "probability",
        TENSOR_DESCRIPTION: "The probability of each class.",
        TENSOR_CONTENT: {UNION_TYPE: Byte(FEATURE_PROPERTIES), UNION_VALUE: {}},
        TENSOR_FILES: [file],
    }
    model: dict[int, Value] = {
        MODEL_NAME: name,
        MODEL_DESCRIPTION: "Says which of a set of classes a picture shows.",
        MODEL_SUBGRAPHS: [{SUBGRAPH_INPUTS: [image], SUBGRAPH_OUTPUTS: [scores]}],
        MODEL_PARSER: PARSER,
    }
    return written(model | ({MODEL_LICENSE: license} if license else {}), b"M001")
