"""Scale channels so that one range for a whole tensor suits each of its channels, without changing the network.

After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.1, but
for one thing. They replace ReLU6 by ReLU; here ReLU6 stays: a channel is scaled until its largest value lands on 6, so
a tensor's range is 0 to 6 and fits all of its channels. Weights are quantised channel by channel, so scaling what a
convolution gives, or what a depthwise one takes, costs its weights nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .fold import convolutions
from .table import Arrays

Floats = NDArray[np.floating[Any]]

CEILING = 6.0
"""Where ReLU6 clips."""

MOST = 4.0
"""The largest factor: a channel that hardly fired on the calibration pictures may fire on others, and must not clip."""


class Link(NamedTuple):
    """Channels that layers hand on: what ``makers`` put out, and add together, is what ``takers`` take in.

    ``seen_at`` names the modules whose outputs hold these channels; ``activated`` says that a ReLU6 lies between.
    """

    makers: tuple[str, ...]
    takers: tuple[str, ...]
    seen_at: tuple[str, ...]
    activated: bool


def is_activated(name: str) -> bool:
    """Whether a ReLU6 follows the convolution: in torchvision's names, the first of a triple, as ``features.0.0``."""
    return name.endswith(".0")


def activation_links(arrays: Arrays) -> list[Link]:
    """Each convolution with a ReLU6 after it, and the one layer that takes its output."""
    layers = [*convolutions(arrays), "classifier.1"]
    pairs = pairwise(layers)
    return [Link((maker,), (taker,), (maker[:-2],), True) for maker, taker in pairs if is_activated(maker)]


def block_of(name: str) -> str:
    """The block a layer belongs to: ``features.3`` for ``features.3.conv.2``."""
    return ".".join(name.split(".")[:2])


def bottleneck_links(arrays: Arrays) -> list[Link]:
    """The linear bottlenecks, one link for each run of blocks of equal channels: those add up, so they share scales."""
    layers = convolutions(arrays)
    after = {maker: taker for maker, taker in pairwise(layers) if not is_activated(maker)}
    runs: dict[int, list[str]] = {}
    for maker in after:
        runs.setdefault(len(arrays[f"{maker}.weight"]), []).append(maker)
    return [
        Link(tuple(run), tuple(after[maker] for maker in run), (*run, *map(block_of, run)), False)
        for run in runs.values()
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


def activation_scales(most: Floats) -> Floats:
    """Factors (channels,) that bring each channel's largest value to ``CEILING``: at least 1, at most ``MOST``."""
    return np.clip(CEILING / np.maximum(most, CEILING / MOST), 1.0, MOST)


def bottleneck_scales(most: Floats) -> Floats:
    """Factors (channels,) that bring the channels' largest values half way, as ratios, to their median.

    Half way, because what a narrow channel gains in its own levels the next layer's weights lose.
    """
    middle = float(np.median(most))
    return np.sqrt(middle / np.maximum(most, middle / MOST**2))


def links(arrays: Arrays) -> list[Link]:
    """All links between the convolutions of a network. The classifier's is left out: it gains nothing (measured)."""
    found = [*activation_links(arrays), *bottleneck_links(arrays)]
    return [link for link in found if link.takers != ("classifier.1",)]


def scales_of(arrays: Arrays, link: Link, most: Floats) -> Floats:
    """The factors (channels,) for a link whose channels' largest values are ``most``.

    What a depthwise layer takes is scaled in full, at no cost; what a pointwise one takes, half way, as ratios.
    """
    if not link.activated:
        return bottleneck_scales(most)
    is_depthwise = arrays[f"{link.takers[0]}.weight"].shape[1] == 1
    return activation_scales(most) if is_depthwise else np.sqrt(activation_scales(most))


def equalised(arrays: Arrays, most: Mapping[str, Floats]) -> dict[str, NDArray[np.float32]]:
    """Folded parameters, channels equalised; ``most`` holds each channel's largest absolute value by module."""
    result = dict(arrays)
    for link in links(arrays):
        seen = np.max([most[name] for name in link.seen_at], axis=0)
        result = scaled(result, link, scales_of(arrays, link, seen))
    return result
