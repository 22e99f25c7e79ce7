"""MobileNetV2 as ONNX: float, or int8 as explicit Q/DQ nodes, for ONNX Runtime (`same.py`) or by TensorRT's rules.

TensorRT (8.6 to 11) takes symmetric grids only: zero points of 0, for weights by channel, for activations by tensor. A
rectified tensor would lose a bit there, for its negative half stays empty. So, where no padding comes between (a
padding is zero), such a tensor is stored less the middle of its range: the bias of the layer that makes it and that of
the one that takes it carry the difference, which is exact. The input of a depthwise convolution, which is padded, keeps
seven bits. Weights are float nodes with a Q/DQ pair, which every version takes; integers ahead of a lone DQ are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.models.card import Input

from .checkpoint import Checkpoint, folded
from .fold import INPUT, INPUT_STD, PLAIN, Affine, affine
from .rewrite import OURS, Layer, layers
from .table import CLASSIFIER, FIRST_LAYER, LAST_LAYER, WIDTHS, Arrays, Block, blocks, names_of, width_of

Floats = NDArray[np.floating[Any]]
Layout = Literal["nchw", "nhwc"]
Target = Literal["onnxruntime", "tensorrt"]

OPSET = 17
"""Per-channel Q/DQ came with 13; TensorRT 8.6 knows up to 17, and later ones all of these."""

IR_VERSION = 8
"""Of the same age as the opset."""

INPUT_NAME, OUTPUT_NAME = "image", "probability"


class Grid(NamedTuple):
    """A symmetric int8 grid: what is stored is the real value plus ``offset``, in steps of ``scale``."""

    scale: float
    offset: float = 0.0

    @property
    def lowest(self) -> float:
        """The smallest number that can be stored."""
        return -128 * self.scale

    @property
    def highest(self) -> float:
        """The largest."""
        return 127 * self.scale


class Place(NamedTuple):
    """A tensor of the graph, and the name of the grid that it lies on."""

    tensor: str
    grid: str


class Graph:
    """An ONNX graph under construction; every method returns the name of the tensor that it adds."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, ``name``."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """An initializer."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def quantised(self, name: str, scale: Any) -> str:
        """``name`` through a Q/DQ pair; a vector of scales is by channel, along the first axis."""
        by_channel = {"axis": 0} if np.ndim(scale) else {}
        grid = (
            self.constant(f"{name}.scale", scale),
            self.constant(f"{name}.zero", np.zeros(np.shape(scale)), np.int8),
        )
        stored = self.add("QuantizeLinear", f"{name}.q", name, *grid, **by_channel)
        return self.add("DequantizeLinear", f"{name}.dq", stored, *grid, **by_channel)


def is_depthwise(arrays: Arrays, name: str) -> bool:
    """Whether a convolution filters each channel alone."""
    return bool(arrays[f"{name}.weight"].shape[1] == 1)


def is_rectified(name: str) -> bool:
    """Whether a ReLU6 follows: torchvision numbers the convolution 0 then."""
    return name.endswith(".0")


class Writer:
    """Writes the layers of folded ``arrays``; with ``scales`` of weights and ``grids`` of activations, as int8."""

    def __init__(self, arrays: Arrays, scales: Mapping[str, Floats], grids: Mapping[str, Grid]) -> None:
        self.graph = Graph()
        self.arrays = arrays
        self.scales = scales
        self.grids = grids

    def stored(self, tensor: str, name: str) -> str:
        """``tensor`` on the grid of ``name``, if it has one."""
        return self.graph.quantised(tensor, self.grids[name].scale) if name in self.grids else tensor

    def offset(self, name: str) -> float:
        """What was added to the real values of a tensor."""
        return self.grids[name].offset if name in self.grids else 0.0

    def convolution(self, tensor: str, name: str, taken: str, stride: int = 1) -> str:
        """A convolution of ``tensor``, which lies on the grid ``taken``, and its ReLU6."""
        weight = np.asarray(self.arrays[f"{name}.weight"], np.float64)
        kernel = weight.shape[-1] if weight.ndim == 4 else 1
        weight = weight.reshape(*weight.shape[:2], kernel, kernel)
        offset = self.offset(name)
        bias = self.arrays[f"{name}.bias"] + offset - self.offset(taken) * weight.sum(axis=(1, 2, 3))
        held = self.graph.constant(f"{name}.weight", weight)
        held = self.graph.quantised(held, self.scales[name]) if name in self.scales else held
        groups = len(weight) if is_depthwise(self.arrays, name) and kernel > 1 else 1
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4, "group": groups}
        out = self.graph.add("Conv", name, tensor, held, self.graph.constant(f"{name}.bias", bias), **shape)
        return self.rectified(out, name) if is_rectified(name) else out

    def rectified(self, tensor: str, name: str) -> str:
        """ReLU6 of a layer's output, so far as its grid does not saturate there anyway: quantising clips as well."""
        grid = self.grids.get(name)
        if grid is None or grid.highest > 6.0 + grid.offset + grid.scale / 2:
            low = self.graph.constant(f"{name}.low", self.offset(name))
            high = self.graph.constant(f"{name}.high", 6.0 + self.offset(name))
            return self.graph.add("Clip", f"{name}.relu6", tensor, low, high)
        if grid.lowest < grid.offset - grid.scale / 2:
            return self.graph.add("Relu", f"{name}.relu", tensor)
        return tensor

    def layer(self, at: Place, name: str, stride: int = 1) -> Place:
        """One convolution, stored on its grid."""
        return Place(self.stored(self.convolution(at.tensor, name, at.grid, stride), name), name)

    def block(self, at: Place, block: Block) -> Place:
        """One inverted residual."""
        before = at
        *inner, projection = block.convolutions
        for name in inner:
            at = self.layer(at, name, block.stride if is_depthwise(self.arrays, name) else 1)
        if not block.residual:
            return self.layer(at, projection)
        projected = self.projected(at, projection)
        total = self.graph.add("Add", f"{block.name}.sum", projected, before.tensor)
        return Place(self.stored(total, projection), projection)

    def network(self, tensor: str) -> str:
        """All layers of the network; the logits, (1, classes, 1, 1)."""
        at = self.layer(Place(tensor, INPUT_NAME), FIRST_LAYER, 2)
        for block in blocks(width_of(self.arrays)):
            at = self.block(at, block)
        at = self.layer(at, LAST_LAYER)
        return self.classified(self.graph.add("GlobalAveragePool", "pool", at.tensor))

    def projected(self, at: Place, name: str) -> str:
        """A projection that a residual is added to. It is not stored before the sum: TensorRT fuses the two then."""
        return self.convolution(at.tensor, name, at.grid)

    def classified(self, pooled: str) -> str:
        """The logits of the means of the last layer; they stay float."""
        return self.convolution(self.stored(pooled, LAST_LAYER), CLASSIFIER, LAST_LAYER)


def model(about: Checkpoint, writer: Writer, layout: Layout, normalisation: Input, before: Affine | None) -> bytes:
    """The ONNX file of what ``writer`` writes, its labels and all else that one must know in its properties."""
    import onnx
    from onnx import TensorProto, helper

    size, graph = about.size, writer.graph
    shape = [1, 3, size, size] if layout == "nchw" else [1, size, size, 3]
    tensor = INPUT_NAME if layout == "nchw" else graph.add("Transpose", "planes", INPUT_NAME, perm=[0, 3, 1, 2])
    for operator, values in zip(("Mul", "Add"), before or (), strict=False):
        constant = graph.constant(f"input.{operator.lower()}", np.reshape(values, (1, 3, 1, 1)))
        tensor = graph.add(operator, f"input.{operator.lower()}ed", tensor, constant)
    logits = graph.add("Flatten", "logits", writer.network(writer.stored(tensor, INPUT_NAME)), axis=1)
    graph.add("Softmax", OUTPUT_NAME, logits, axis=1)
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            about.name,
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [1, len(about.labels)])],
            graph.constants,
        ),
        producer_name="edgekit",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(made, properties(about, normalisation))
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


def properties(about: Checkpoint, normalisation: Input) -> dict[str, str]:
    """What stands in the file's metadata_props, as text: an ONNX file carries its card inside."""
    said = {
        "fit": about.fit,
        "labels": "\n".join(about.labels),
        "license": about.license,
        "mean": ",".join(map(str, normalisation.mean)),
        "source": about.source,
        "std": ",".join(map(str, normalisation.std)),
    }
    return {key: value for key, value in said.items() if value}


def float_onnx(checkpoint: Checkpoint, layout: Layout = "nchw") -> bytes:
    """The float network: (1, 3, size, size) or (1, size, size, 3) float32, -1 to 1 (``PLAIN``), in; (1, classes)
    float32 probabilities out. Raises ModelError where the parameters do not fit.
    """
    writer = Writer(folded(checkpoint).arrays, {}, {})
    return model(checkpoint, writer, layout, PLAIN, affine(checkpoint.input, PLAIN))


def int8_onnx(tflite: bytes, about: Checkpoint, layout: Layout = "nchw", target: Target = "onnxruntime") -> bytes:
    """The Q/DQ form of an int8 .tflite that this toolkit made.

    ``target``: "onnxruntime", the same integers and so the same answers; "tensorrt", the same weights, and the grids
    of the activations made symmetric, which TensorRT asks for. (1, 3, size, size) or (1, size, size, 3) float32,
    ``INPUT``, in; (1, classes) float32 probabilities out. Of ``about`` all but the parameters counts. Raises
    ModelError for another network.
    """
    from .same import Same

    found = named(layers(tflite))
    return model(about, Same(found) if target == "onnxruntime" else symmetrised(found), layout, INPUT, None)


def symmetrised(found: Mapping[str, Layer]) -> Writer:
    """A writer by TensorRT's rules."""
    arrays = {
        key: value
        for name, layer in found.items()
        for key, value in ((f"{name}.weight", layer.weight), (f"{name}.bias", layer.bias))
    }
    return Writer(arrays, {name: layer.scales for name, layer in found.items()}, grids_of(found))


def named(found: Sequence[Layer]) -> dict[str, Layer]:
    """Layers by torchvision's names. Raises ModelError where their shapes are those of no width of ``WIDTHS``."""
    for width in WIDTHS:
        names = names_of(width)
        by_name = dict(zip(names, found, strict=False))
        if len(found) == len(names) and all(shapes_agree(block, by_name) for block in blocks(width)):
            return by_name
    raise ModelError(f"its {len(found)} layers are no MobileNetV2's; {OURS}")


def shapes_agree(block: Block, found: Mapping[str, Layer]) -> bool:
    """Whether the layers of a block have its channels."""
    *_, depthwise, projection = block.convolutions
    hidden = block.inputs * block.t
    return (
        found[depthwise].weight.shape[:2] == (hidden, 1)
        and found[projection].weight.shape[:2] == (block.outputs, hidden)
        and (block.t == 1 or found[block.convolutions[0]].weight.shape[:2] == (hidden, block.inputs))
    )


def grids_of(found: Mapping[str, Layer]) -> dict[str, Grid]:
    """The symmetric grid of every activation but the logits, which stay float."""
    names = list(found)
    grids = {INPUT_NAME: Grid(1 / INPUT_STD)}
    for name, taker in pairwise(names):
        layer = found[name]
        padded = found[taker].weight.shape[1] == 1
        held = layer.output if is_rectified(name) else layer.after or layer.output
        grids[name] = shifted(*held) if is_rectified(name) and not padded else symmetric(*held)
    return grids


def shifted(scale: float, zero_point: int) -> Grid:
    """The same levels about zero: what is stored is less by the middle of the range."""
    return Grid(scale, scale * zero_point)


def symmetric(scale: float, zero_point: int) -> Grid:
    """A grid with its zero at zero that holds the same range: coarser where that lies to one side."""
    return Grid(scale * max(128 + zero_point, 127 - zero_point) / 127)
