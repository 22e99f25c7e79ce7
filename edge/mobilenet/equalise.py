"""Scale channels so that one range for a whole tensor suits each of its channels, without changing the network.

After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.1, with one
difference. They replace ReLU6 by ReLU; here ReLU6 stays, and does the clipping: a channel is scaled until the largest
value worth keeping lands on 6, so a tensor's range is 0 to 6 and fits all of its channels. Weights are quantised channel
by channel, so scaling a convolution's output, or a depthwise one's input, costs its weights nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .fold import convolutions

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.floating[Any]]

CEILING = 6.0
"""Where ReLU6 clips."""


class Link(NamedTuple):
    """Channels that layers hand on: what ``makers`` put out, and add together, is what ``takers`` take in.

    ``seen_at`` names the modules whose outputs hold these channels; ``activated`` says that a ReLU6 lies between.
    """

    makers: tuple[str, ...]
    takers: tuple[str, ...]
    seen_at: tuple[str, ...]
    activated: bool


def is_activated(name: str) -> bool:
    """Whether a ReLU6 follows the convolution: by torchvision's names, the first of a triple, as in ``features.0.0``."""
    return name.endswith(".0")


def activation_links(arrays: Arrays) -> list[Link]:
    """Each convolution with a ReLU6 after it, and the one layer that takes its output."""
    layers = [*convolutions(arrays), "classifier.1"]
    pairs = zip(layers[:-1], layers[1:], strict=True)
    return [Link((maker,), (taker,), (maker[:-2],), True) for maker, taker in pairs if is_activated(maker)]


def block_of(name: str) -> str:
    """The block a layer belongs to: ``features.3`` for ``features.3.conv.2``."""
    return ".".join(name.split(".")[:2])


def bottleneck_links(arrays: Arrays) -> list[Link]:
    """The linear bottlenecks, one link for each run of blocks of equal channels: those add up, so they share scales."""
    layers = convolutions(arrays)
    after = {maker: taker for maker, taker in zip(layers[:-1], layers[1:], strict=True) if not is_activated(maker)}
    runs: dict[int, list[str]] = {}
    for maker in after:
        runs.setdefault(len(arrays[f"{maker}.weight"]), []).append(maker)
    return [
        Link(tuple(run), tuple(after[maker] for maker in run), (*run, *map(block_of, run)), False) for run in runs.values()
    ]


def scaled(arrays: Arrays, link: Link, scales: Floats) -> dict[str, NDArray[np.float32]]:
    """``arrays`` with the channels of ``link`` multiplied by ``scales`` (channels,) where made, divided where taken."""
    changed: dict[str, Floats] = {}
    for name in link.makers:
        changed[f"{name}.weight"] = arrays[f"{name}.weight"] * scales[:, None, None, None]
        changed[f"{name}.bias"] = arrays[f"{name}.bias"] * scales
    for name in link.takers:
        weight = arrays[f"{name}.weight"]
        channel_axis = 0 if weight.shape[1] == 1 else 1
        shape = [-1 if axis == channel_axis else 1 for axis in range(weight.ndim)]
        changed[f"{name}.weight"] = weight / scales.reshape(shape)
    return dict(arrays) | {name: array.astype(np.float32) for name, array in changed.items()}
