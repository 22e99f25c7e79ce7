"""Quantisation-aware fine-tuning: the float network teaches its int8 form, on pictures without labels.

Rounding is simulated in the forward pass and passed through in the backward pass (Jacob et al. 2018, section 3; Bengio
et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013). The ranges of the activations stay as
they were calibrated; weights and biases learn to give the float network's probabilities (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .calibrate import Watch
from .network import network_of
from .quantise import float_input
from .rewrite import Layer, layers
from .table import Arrays, Block, blocks, names_of, width_of

Pixels = NDArray[np.uint8]
Grid = tuple[float, int]

BATCH = 8
RATE = 2e-6
"""Of Adam, at the start; it falls to zero along a half cosine."""

EPOCHS = 6


def rounded(x: Tensor) -> Tensor:
    """Rounded to the nearest; the gradient passes as if it were not."""
    return x + (torch.round(x) - x).detach()


def on_grid(x: Tensor, grid: Grid) -> Tensor:
    """Real numbers as int8 with a scale and a zero point can say them."""
    scale, zero_point = grid
    return (torch.clamp(rounded(x / scale) + zero_point, -128, 127) - zero_point) * scale


def weights_on_grid(weight: Tensor) -> Tensor:
    """Weights (outputs, ...) as int8 with a scale for each output can say them."""
    scale = weight.detach().abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True).clamp_min(1e-12) / 127
    return rounded(weight / scale) * scale


def taught(
    arrays: Arrays, model: bytes, pictures: Sequence[Pixels], watch: Watch, epochs: int = EPOCHS
) -> dict[str, NDArray[Any]]:
    """Folded float parameters whose int8 form answers more as ``arrays`` do.

    ``model``: the int8 .tflite of ``arrays``, whose grids hold and whose mended biases are where learning starts.
    ``pictures``: (size, size, 3) RGB. ``watch(items, title)`` shows progress. The same input gives the same result.
    """
    width = width_of(arrays)
    found = dict(zip(names_of(width), layers(model), strict=True))
    biases = {f"{name}.bias": layer.bias.astype(np.float32) for name, layer in found.items()}
    student, teacher = Simulated({**arrays, **biases}, found), network_of(arrays).eval()
    batches = list(shuffled(pictures, epochs))
    optimiser = torch.optim.Adam(student.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(batches))
    for batch in watch(batches, "teaching"):
        x = torch.from_numpy(np.concatenate([float_input(picture) for picture in batch]))
        with torch.no_grad():
            wanted = teacher(x)
        loss = divergence(wanted, student(x))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return student.arrays()


def divergence(wanted: Tensor, given: Tensor) -> Tensor:
    """Kullback-Leibler divergence of two batches of logits, the mean over the batch."""
    return (wanted.softmax(1) * (wanted.log_softmax(1) - given.log_softmax(1))).sum(1).mean()


def shuffled(pictures: Sequence[Pixels], epochs: int) -> Iterator[list[Pixels]]:
    """Batches of all pictures, shifted by some pixels, in an order that is new each epoch and the same each time."""
    order = np.random.default_rng(0)
    for _ in range(epochs):
        chosen = order.permutation(len(pictures))
        for start in range(0, len(chosen), BATCH):
            yield [shifted(pictures[i], order) for i in chosen[start : start + BATCH]]


def shifted(picture: Pixels, order: np.random.Generator) -> Pixels:
    """``picture`` moved by up to a sixteenth of its size, its edge repeated."""
    room = picture.shape[0] // 16
    y, x = order.integers(0, 2 * room + 1, 2)
    padded = np.pad(picture, ((room, room), (room, room), (0, 0)), "edge")
    return np.ascontiguousarray(padded[y : y + picture.shape[0], x : x + picture.shape[1]])


class Simulated(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """The int8 network in float: folded parameters that learn, on the grids of a quantised model's ``layers``.

    Takes (batch, 3, size, size) float32, ``INPUT``; gives (batch, classes) logits.
    """

    def __init__(self, arrays: Arrays, found: Mapping[str, Layer]) -> None:
        super().__init__()
        self.width = width_of(arrays)
        self.found = found
        # The names of parameters must have no dots.
        self.learned = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(torch.from_numpy(np.array(a))) for name, a in arrays.items()}
        )

    def layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        """One convolution, its ReLU6 where it has one, and the grid of its output."""
        key = name.replace(".", "/")
        weight = weights_on_grid(self.learned[f"{key}/weight"])
        weight = weight[:, :, None, None] if weight.ndim == 2 else weight
        kernel = weight.shape[-1]
        groups = len(weight) if weight.shape[1] == 1 and kernel > 1 else 1
        bias = self.learned[f"{key}/bias"]
        y = nn.functional.conv2d(x, weight, bias, stride, padding=kernel // 2, groups=groups)
        return on_grid(nn.functional.relu6(y) if name.endswith(".0") else y, self.found[name].output)

    def block(self, x: Tensor, block: Block) -> Tensor:
        """One inverted residual."""
        before, depthwise = x, block.convolutions[-2]
        for name in block.convolutions:
            x = self.layer(x, name, block.stride if name == depthwise else 1)
        after = self.found[block.convolutions[-1]].after
        return on_grid(x + before, after) if block.residual and after else x

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (batch, classes)."""
        first, *_, last, classifier = names_of(self.width)
        x = self.layer(x, first, 2)
        for block in blocks(self.width):
            x = self.block(x, block)
        x = self.layer(x, last).mean(dim=(2, 3), keepdim=True)
        after = self.found[last].after
        logits = self.layer(on_grid(x, after) if after else x, classifier)
        return torch.flatten(logits, 1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learnt, by torchvision's names."""
        return {name.replace("/", "."): p.detach().numpy().copy() for name, p in self.learned.items()}
