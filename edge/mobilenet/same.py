"""An int8 .tflite as ONNX with the same integers: ONNX Runtime then gives the answers of LiteRT.

Every tensor keeps its scale and its zero point, as uint8 (int8 plus 128: ONNX Runtime has fast kernels on x86 for that
alone); weights and biases are stored as the integers that they are. Both runtimes round what they scale to the nearest
even number, so that all accumulators and all tensors are equal; only the softmax at the end is float here. On 300
photographs the first class was the same for all (docs/export.md). TensorRT takes no zero points: see `onnx.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .fold import INPUT_MEAN, INPUT_STD
from .onnx import INPUT_NAME, Place, Writer, is_depthwise, is_rectified
from .rewrite import Layer
from .table import CLASSIFIER, LAST_LAYER

Lattice = tuple[float, int]
"""Scale and zero point of an int8 tensor."""

PROJECTED = " before its sum"
"""Ends the name of the grid of what is added to a residual: the sum has one of its own."""

MEAN = "pool"


class Same(Writer):
    """Writes the layers of a .tflite on its own grids."""

    def __init__(self, found: Mapping[str, Layer]) -> None:
        arrays = {
            key: value
            for name, layer in found.items()
            for key, value in ((f"{name}.weight", layer.weight), (f"{name}.bias", layer.bias))
        }
        super().__init__(arrays, {}, {})
        self.found = found
        self.lattices = lattices(found)

    def stored(self, tensor: str, name: str) -> str:
        """``tensor`` through a Q/DQ pair of uint8."""
        scale, zero = self.lattices[name]
        grid = (
            self.graph.constant(f"{tensor}.scale", scale),
            self.graph.constant(f"{tensor}.zero", zero + 128, np.uint8),
        )
        held = self.graph.add("QuantizeLinear", f"{tensor}.q", tensor, *grid)
        return self.graph.add("DequantizeLinear", f"{tensor}.dq", held, *grid)

    def integers(self, name: str, levels: object, scales: object, dtype: object) -> str:
        """A constant of integers by channel, as the real numbers that they stand for."""
        held = self.graph.constant(name, levels, dtype)
        steps = self.graph.constant(f"{name}.scale", scales)
        return self.graph.add("DequantizeLinear", f"{name}.dq", held, steps, axis=0)

    def convolution(self, tensor: str, name: str, taken: str, stride: int = 1) -> str:
        """A convolution of ``tensor``, which lies on the grid ``taken``, and its ReLU6."""
        layer = self.found[name]
        each = layer.scales[:, None, None, None]
        kernel = layer.weight.shape[-1]
        weight = self.integers(f"{name}.weight", np.rint(layer.weight / each), layer.scales, np.int8)
        steps = layer.scales.astype(np.float32) * np.float32(self.lattices[taken][0])
        levels = np.rint(layer.bias / (layer.scales * self.lattices[taken][0]))
        bias = self.integers(f"{name}.bias", levels, steps, np.int32)
        groups = len(layer.weight) if is_depthwise(self.arrays, name) and kernel > 1 else 1
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4, "group": groups}
        out = self.graph.add("Conv", name, tensor, weight, bias, **shape)
        return self.rectified(out, name) if is_rectified(name) else out

    def rectified(self, tensor: str, name: str) -> str:
        """ReLU6, so far as storing the layer's output does not clip there anyway."""
        scale, zero = self.lattices[name]
        if (-128 - zero) * scale > -scale / 2 and (127 - zero) * scale < 6.0 + scale / 2:
            return tensor
        low, high = (self.graph.constant(f"{name}.{end}", value) for end, value in (("low", 0.0), ("high", 6.0)))
        return self.graph.add("Clip", f"{name}.relu6", tensor, low, high)

    def projected(self, at: Place, name: str) -> str:
        """Stored before the sum, on a grid of its own, as the .tflite does."""
        return self.stored(super().projected(at, name), name + PROJECTED)

    def classified(self, pooled: str) -> str:
        """Means and logits are stored, too."""
        return self.stored(self.convolution(self.stored(pooled, MEAN), CLASSIFIER, MEAN), CLASSIFIER)


def lattices(found: Mapping[str, Layer]) -> dict[str, Lattice]:
    """Scale and zero point of every tensor, by the layer that makes it."""
    grids: dict[str, Lattice] = {INPUT_NAME: (1 / INPUT_STD, round(INPUT_MEAN) - 128)}
    for name, layer in found.items():
        grids[name] = layer.output
    for name, layer in found.items():
        if layer.after is None:
            continue
        if name == LAST_LAYER:
            grids[MEAN] = layer.after
        else:
            grids[name + PROJECTED], grids[name] = layer.output, layer.after
    return grids
