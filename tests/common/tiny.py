"""Tiny models, made byte by byte: .tflite by the schema of TensorFlow Lite, and ONNX of the same classifiers."""

import struct
from collections.abc import Callable
from typing import NamedTuple

import flatbuffers
import numpy as np

FLOAT32, INT32, UINT8, INT8 = 0, 2, 3, 9
RESHAPE, SOFTMAX, LOGISTIC, DEQUANTIZE, CUSTOM = 22, 25, 14, 6, 32
OPTIONS = {RESHAPE: 17, SOFTMAX: 9}


class Tensor(NamedTuple):
    shape: tuple[int, ...]
    dtype: int
    scale: float | tuple[float, ...] = 0.0
    zero_point: int = 0
    data: bytes | None = None
    axis: int = 0
    signature: tuple[int, ...] = ()


class Operator(NamedTuple):
    """options: the number of their kind in the schema's union, and (how a field is written, value) by its number."""

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[int, dict[int, tuple[str, object]]] | None = None
    version: int = 1
    custom: str = ""


def build(
    tensors: list[Tensor],
    operators: list[Operator],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    fields_of_codes: str = "both",
    graphs: int = 1,
) -> bytes:
    """A .tflite of these parts, by the schema of TensorFlow Lite; fields_of_codes: "old", "new" or "both"."""
    b = flatbuffers.Builder(1024)

    def scalars(values: tuple, start: Callable[[int], None], prepend: Callable) -> int:
        start(len(values))
        for value in reversed(values):
            prepend(value)
        return b.EndVector()

    def integers(values: tuple[int, ...]) -> int:
        return scalars(values, lambda n: b.StartVector(4, n, 4), b.PrependInt32)

    def offsets(values: list[int]) -> int:
        return scalars(tuple(values), lambda n: b.StartVector(4, n, 4), b.PrependUOffsetTRelative)

    def table(fields: dict[int, tuple[str, object]], size: int) -> int:
        b.StartObject(size)
        for slot, (kind, value) in fields.items():
            getattr(b, f"Prepend{kind}Slot")(slot, value, 0)
        return b.EndObject()

    def quantisation(tensor: Tensor) -> dict[int, tuple[str, object]]:
        if not tensor.scale:
            return {}
        several = tensor.scale if isinstance(tensor.scale, tuple) else (tensor.scale,)
        scale = scalars(several, lambda n: b.StartVector(4, n, 4), b.PrependFloat32)
        zero = scalars((tensor.zero_point,) * len(several), lambda n: b.StartVector(8, n, 8), b.PrependInt64)
        made = {2: ("UOffsetTRelative", scale), 3: ("UOffsetTRelative", zero), 6: ("Int32", tensor.axis)}
        return {4: ("UOffsetTRelative", table(made, 7))}

    def made_tensor(number: int, tensor: Tensor) -> int:
        shape, name, how = integers(tensor.shape), b.CreateString(f"tensor{number}"), quantisation(tensor)
        fields = {0: ("UOffsetTRelative", shape), 1: ("Int8", tensor.dtype), 3: ("UOffsetTRelative", name)}
        if tensor.data is not None:
            fields[2] = ("Uint32", 1 + [t for t in tensors if t.data is not None].index(tensor))
        if tensor.signature:
            fields[7] = ("UOffsetTRelative", integers(tensor.signature))
        return table({**fields, **how}, 8)

    def made_operator(operator: Operator) -> int:
        options = 0
        if operator.code == SOFTMAX:
            options = table({0: ("Float32", 1.0)}, 1)
        if operator.code == RESHAPE:
            options = table({0: ("UOffsetTRelative", integers(tensors[operator.outputs[0]].shape))}, 1)
        kind = OPTIONS.get(operator.code, 0)
        if operator.options:
            kind, options = operator.options[0], table(operator.options[1], 8)
        fields = {
            0: ("Uint32", codes.index((operator.code, operator.version, operator.custom))),
            1: ("UOffsetTRelative", integers(operator.inputs)),
            2: ("UOffsetTRelative", integers(operator.outputs)),
        }
        if options:
            fields |= {3: ("Uint8", kind), 4: ("UOffsetTRelative", options)}
        return table(fields, 5)

    def made_code(code: int, version: int, custom: str) -> int:
        fields = {0: ("Int8", min(code, 127) * old), 2: ("Int32", version), 3: ("Int32", code * new)}
        named = {1: ("UOffsetTRelative", b.CreateString(custom))} if custom else {}
        return table({**fields, **named}, 4)

    codes = sorted({(operator.code, operator.version, operator.custom) for operator in operators})
    old, new = fields_of_codes != "new", fields_of_codes != "old"
    made_codes = offsets([made_code(*each) for each in codes])
    all_tensors = offsets([made_tensor(i, t) for i, t in enumerate(tensors)])
    all_operators = offsets([made_operator(operator) for operator in operators])
    ins, outs = integers(inputs), integers(outputs)
    parts = (all_tensors, ins, outs, all_operators)
    made_graphs = offsets([table({slot: ("UOffsetTRelative", part) for slot, part in enumerate(parts)}, 5)] * graphs)
    contents = [b.CreateByteVector(tensor.data) for tensor in tensors if tensor.data is not None]
    buffers = offsets([table({}, 1), *(table({0: ("UOffsetTRelative", at)}, 1) for at in contents)])
    fields = {1: made_codes, 2: made_graphs, 4: buffers}
    model = table({0: ("Uint32", 3), **{slot: ("UOffsetTRelative", at) for slot, at in fields.items()}}, 8)
    b.Finish(model, b"TFL3")
    return bytes(b.Output())


class Tiny:
    """Makes classifiers of 2 x 2 pictures: each of the twelve bytes of a picture is the score of one class."""

    build = staticmethod(build)
    Tensor, Operator = Tensor, Operator

    def __call__(self, kind: str = "uint8", *, softmax: bool = True, side: int = 2) -> bytes:
        classes = side * side * 3
        picture, flat, wide = (1, side, side, 3), (1, classes), classes
        assert wide
        dtype, inner, outer = {
            "uint8": (UINT8, (1 / 16, 0), (1 / 256, 0)),
            "int8": (INT8, (1 / 16, -128), (1 / 256, -128)),
            "float32": (FLOAT32, (), ()),
        }[kind]
        tensors = [Tensor(picture, dtype, *inner), Tensor(flat, dtype, *inner), Tensor(flat, dtype, *outer)]
        operators = [Operator(RESHAPE, (0,), (1,))]
        if softmax:
            operators.append(Operator(SOFTMAX, (1,), (2,)))
        return build(tensors if softmax else tensors[:2], operators, (0,), (2 if softmax else 1,))

    @staticmethod
    def compiled() -> bytes:
        """Of one operator, as the Edge TPU's compiler leaves it."""
        tensors = [Tensor((1, 2, 2, 3), UINT8, 1 / 16, 0), Tensor((1, 12), UINT8, 1 / 256, 0)]
        return build(tensors, [Operator(CUSTOM, (0,), (1,), custom="edgetpu-custom-op")], (0,), (1,))

    @staticmethod
    def picture(values: dict[int, int], side: int = 2) -> np.ndarray:
        """A black picture, RGB, whose bytes at the places `values` names are those it gives."""
        flat = np.zeros(side * side * 3, np.uint8)
        for place, value in values.items():
            flat[place] = value
        return flat.reshape(side, side, 3)

    @staticmethod
    def zipped(model: bytes, files: dict[str, bytes]) -> bytes:
        """A model with a zip of associated files behind it, as metadata writers leave it."""
        import io
        import zipfile

        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return model + packed.getvalue()


class TinyOnnx:
    """Writes ONNX files (the wire format of protocol buffers) of the same classifiers as `Tiny` makes."""

    @staticmethod
    def field(number: int, value: int | bytes | str) -> bytes:
        """One field of a message."""

        def varint(rest: int) -> bytes:
            return bytes([rest]) if rest < 128 else bytes([rest & 127 | 128]) + varint(rest >> 7)

        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        data = value.encode() if isinstance(value, str) else value
        return varint(number << 3 | 2) + varint(len(data)) + data

    def node(self, operator: str, inputs: tuple[str, ...], output: str) -> bytes:
        named = b"".join(self.field(1, name) for name in inputs)
        return self.field(1, named + self.field(2, output) + self.field(4, operator))

    def scalar(self, name: str, dtype: int, raw: bytes) -> bytes:
        return self.field(5, self.field(2, dtype) + self.field(8, name) + self.field(9, raw))

    def value(self, slot: int, name: str, dtype: int, shape: tuple[int | str, ...]) -> bytes:
        sizes = b"".join(self.field(1, self.field(1 if isinstance(n, int) else 2, n)) for n in shape)
        kind = self.field(1, self.field(1, dtype) + self.field(2, sizes))
        return self.field(slot, self.field(1, name) + self.field(2, kind))

    def model(self, graph: bytes, metadata: dict[str, str] | None = None) -> bytes:
        pairs = [self.field(14, self.field(1, key) + self.field(2, text)) for key, text in (metadata or {}).items()]
        return b"".join((self.field(1, 8), self.field(8, self.field(2, 13)), self.field(7, graph), *pairs))

    def __call__(
        self, kind: str = "uint8", *, batch: int | str = 1, planar: bool = False, softmax: bool = True, **metadata: str
    ) -> bytes:
        """Pixels, a sixteenth of them where the file says so, flat, and their softmax."""
        dtype, zero = {"uint8": (2, b"\0"), "int8": (3, b"\x80"), "float32": (1, b"")}[kind]
        shape = (batch, 3, 2, 2) if planar else (batch, 2, 2, 3)
        parts = [self.value(11, "picture", dtype, shape), self.value(12, "scores", 1, (batch, 12))]
        real = "picture"
        if zero:
            parts += [self.scalar("scale", 1, struct.pack("<f", 1 / 16)), self.scalar("zero", dtype, zero)]
            parts.append(self.node("DequantizeLinear", ("picture", "scale", "zero"), "real"))
            real = "real"
        parts.append(self.node("Flatten", (real,), "flat"))
        parts.append(self.node("Softmax" if softmax else "Identity", ("flat",), "scores"))
        return self.model(self.field(2, "tiny") + b"".join(parts), metadata)
