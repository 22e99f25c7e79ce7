"""What ``ai-edge-quantizer`` does for us, in plain values: run a .tflite and keep its tensors, quantise, find biases.

The only file that imports ai_edge_quantizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.interpreters import litert

from .quiet import quiet

Floats = NDArray[np.floating[Any]]
Range = tuple[float, float]

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""The operators that have weights and a bias: inputs (tensor, weight, bias), one output."""


class Runner:
    """A .tflite, float or int8, that keeps every tensor of a run. ``outputs`` names its layers' outputs, in order.

    Raises:
        ModelError: the model does not load.
    """

    def __init__(self, model: bytes | bytearray, threads: int = 2) -> None:
        with quiet():
            from ai_edge_quantizer.utils import tfl_interpreter_utils

            try:
                self._interpreter: Any = tfl_interpreter_utils.create_tfl_interpreter(
                    bytes(model), num_threads=threads, preserve_all_tensors=True
                )
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"the model does not load ({error}); convert it again") from error
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        operators = self._interpreter._get_ops_details()
        self.made = [int(i) for operator in operators for i in operator["outputs"]]
        self.outputs = [int(operator["outputs"][0]) for operator in operators if operator["op_name"] in LAYERS]

    def name(self, index: int) -> str:
        """The name of tensor ``index``."""
        return str(self._details[index]["name"])

    def run(self, picture: NDArray[np.uint8]) -> None:
        """Run the model on RGB pixels (height, width, 3), 0 to 255, as its input wants them."""
        centred = picture.astype(np.int16) - 128
        real = centred / 127.5 if self._input["dtype"] == np.float32 else centred
        self._interpreter.set_tensor(self._input["index"], real.astype(self._input["dtype"])[None])
        self._interpreter.invoke()

    def real(self, index: int) -> Floats:
        """Tensor ``index`` of the last run as real numbers."""
        return self.to_real(index, self._interpreter.get_tensor(index).astype(np.float32))

    def to_real(self, index: int, values: Floats) -> Floats:
        """Levels of tensor ``index`` to real numbers; a float tensor's are that already."""
        scale, zero_point = self._details[index]["quantization"]
        return (values - zero_point) * scale if scale else values

    def channel_means(self, index: int) -> Floats:
        """The mean of each channel (the last axis) of tensor ``index`` in the last run, as real numbers: float64."""
        levels = self._interpreter.get_tensor(index)
        return self.to_real(index, levels.reshape(-1, levels.shape[-1]).mean(axis=0, dtype=np.float64))

    @property
    def input(self) -> int:
        """The index of the input tensor."""
        return int(self._input["index"])


def quantise(model: bytes, ranges: Mapping[str, Range]) -> bytearray:
    """The int8 form of a float .tflite, ``ranges`` giving (low, high) for each activation by tensor name.

    Raises:
        ModelError: a tensor of the model has no range.
    """
    from ai_edge_quantizer import quantizer, recipe

    def bound(value: float) -> Floats:
        return np.full((1, 1, 1, 1), value, np.float32)

    found = {name: {"min": bound(low), "max": bound(high)} for name, (low, high) in ranges.items()}
    try:
        with quiet():
            made = quantizer.Quantizer(model, recipe.static_wi8_ai8()).quantize(
                found, enable_progress_bar=False, enable_progress_report=False
            )
    except (ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"the model cannot be quantised ({error}); calibrate every tensor of it") from error
    return bytearray(made.quantized_model or b"")


class Bias(NamedTuple):
    """One layer's int32 bias in a quantised model: ``levels`` is a view into the file, to be written through."""

    output: str
    levels: NDArray[np.int32]
    scales: Floats
    rectified: bool


def biases(model: bytearray) -> list[Bias]:
    """The biases of an int8 .tflite, in the order it runs. Changing ``levels`` in place changes ``model``."""
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils

    whole = tfl_flatbuffer_utils.read_model(memoryview(model))
    names = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME
    graph = whole.subgraphs[0]
    layers = [op for op in graph.operators if names.get(whole.operatorCodes[op.opcodeIndex].builtinCode) in LAYERS]
    return list(_biases(layers, graph.tensors, whole.buffers))


def _biases(layers: Iterable[Any], tensors: Any, buffers: Any) -> Iterable[Bias]:
    """The bias of each of a flatbuffer's operators."""
    for layer in layers:
        bias, output = tensors[layer.inputs[2]], tensors[layer.outputs[0]]
        levels = np.frombuffer(buffers[bias.buffer].data, np.int32)
        rectified = layer.builtinOptions.fusedActivationFunction != 0
        yield Bias(output.name.decode(), levels, np.asarray(bias.quantization.scale), rectified)


def parsed(model: bytes | bytearray) -> Any:
    """A .tflite as objects, by schema.fbs's names."""
    return litert.tools().read_model_from_bytearray(bytearray(model))


def packed(model: Any) -> bytes:
    """The file of what ``parsed`` gave, changed or not; labels that were appended to it are gone."""
    return bytes(litert.tools().convert_object_to_bytearray(model))
