"""MobileNetV2 in PyTorch (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018).

The letters are the paper's: expansion ``t``, channels ``c``, repeats ``n``, stride ``s``. Parameters carry
torchvision's names (``features.0.0.weight`` … ``classifier.1.bias``), so that published weights load as they are. The
only file that imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import ConfigError, ModelError

Arrays = Mapping[str, NDArray[Any]]


class Stage(NamedTuple):
    """One line of table 2: expansion ``t``, output channels ``c``, repeats ``n``, stride ``s`` of the first repeat."""

    t: int
    c: int
    n: int
    s: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)
"""The bottleneck stages of the paper's table 2, between the first convolution (32 channels) and the last (1280)."""


def round_channels(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, never more than 10 % under ``channels``: the reference code's rule.

    Raises:
        ConfigError: ``channels`` or ``divisor`` is not positive.
    """
    if channels <= 0 or divisor <= 0:
        raise ConfigError(f"{channels} channels rounded to {divisor}: both must be positive; choose a larger width")
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, folded: bool = False
) -> list[nn.Module]:
    """A convolution and its batch normalisation, or, ``folded``, one convolution with a bias for both."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=folded)
    return [conv] if folded else [conv, nn.BatchNorm2d(outputs)]


def activated(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, folded: bool = False
) -> nn.Sequential:
    """A convolution followed by ReLU6 (section 3.1: robust in low precision), as one module."""
    return nn.Sequential(*convolution(inputs, outputs, kernel, stride, groups, folded), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """The block of section 3.3: expand, filter depthwise, project linearly; add the input where shapes match.

    Takes (batch, inputs, height, width) float32, gives (batch, outputs, height / stride, width / stride).

    Raises:
        ConfigError: ``stride`` is neither 1 nor 2.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, t: int, folded: bool = False) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ConfigError(f"a bottleneck's stride is 1 or 2, not {stride}; see table 2 of the paper")
        hidden = inputs * t
        self.residual = stride == 1 and inputs == outputs
        expand = [activated(inputs, hidden, 1, folded=folded)] if t != 1 else []
        depthwise = activated(hidden, hidden, 3, stride, groups=hidden, folded=folded)
        self.conv = nn.Sequential(*expand, depthwise, *convolution(hidden, outputs, 1, folded=folded))

    def forward(self, x: Tensor) -> Tensor:
        """Block output for ``x``; no activation follows the projection (section 3.2, linear bottlenecks)."""
        out = cast(Tensor, self.conv(x))
        return x + out if self.residual else out


def bottlenecks(width: float, folded: bool) -> tuple[list[nn.Module], int]:
    """The blocks of ``STAGES`` at a width multiplier, and the channels that the last one gives."""
    channels = round_channels(32 * width)
    blocks: list[nn.Module] = []
    for stage in STAGES:
        outputs = round_channels(stage.c * width)
        for repeat in range(stage.n):
            blocks.append(InvertedResidual(channels, outputs, stage.s if repeat == 0 else 1, stage.t, folded))
            channels = outputs
    return blocks, channels


class MobileNetV2(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """MobileNetV2 (table 2): (batch, 3, height, width) float32 in, (batch, classes) float32 logits out.

    ``folded`` builds the same network without batch normalisation, for parameters that ``edge.mobilenet.fold`` merged.

    Raises:
        ConfigError: ``width`` is not positive.
    """

    def __init__(self, classes: int = 1000, width: float = 1.0, dropout: float = 0.2, folded: bool = False) -> None:
        super().__init__()
        first = activated(3, round_channels(32 * width), 3, 2, folded=folded)
        blocks, channels = bottlenecks(width, folded)
        last = round_channels(1280 * max(1.0, width))
        self.features = nn.Sequential(first, *blocks, activated(channels, last, 1, folded=folded))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits for ``x``."""
        pooled = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        return cast(Tensor, self.classifier(torch.flatten(pooled, 1)))


class Deployed(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """The network as a device runs it: (batch, height, width, 3) float32 in, (batch, classes) probabilities out."""

    def __init__(self, net: MobileNetV2) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Class probabilities for channel-last ``x``."""
        return torch.softmax(self.net(x.permute(0, 3, 1, 2)), dim=-1)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """A checkpoint's tensors by name, as arrays. Loads data only: a checkpoint that carries code is refused.

    Raises:
        ModelError: the file is no such checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except (OSError, RuntimeError, AttributeError, ValueError, EOFError, UnpicklingError) as error:
        raise ModelError(f"{path} is not a PyTorch state dictionary ({error}); give the original file") from error


def load_arrays(net: nn.Module, arrays: Arrays) -> None:
    """Put arrays, by parameter name, into ``net``.

    Raises:
        ModelError: names or shapes do not fit the network.
    """
    try:
        net.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})
    except RuntimeError as error:
        raise ModelError(f"these weights do not fit the network ({error}); check width and class count") from error


def deployed(arrays: Arrays) -> Deployed:
    """The network of folded parameters as a device runs it. Raises ModelError where they do not fit."""
    net = MobileNetV2(classes=len(arrays["classifier.1.bias"]), folded=True)
    load_arrays(net, arrays)
    return cast(Deployed, Deployed(net).eval())


def zeros(*shape: int) -> Tensor:
    """A float32 tensor of zeros."""
    return torch.zeros(shape)


def probabilities(net: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a module that gives probabilities, or logits, on a batch; the output as an array, gradients off."""
    with torch.inference_mode():
        return cast(NDArray[np.float32], net.eval()(torch.from_numpy(x)).numpy())


def observe(
    net: nn.Module, x: NDArray[np.float32], names: Iterable[str], see: Callable[[str, NDArray[np.float32]], None]
) -> None:
    """Run a batch and hand the output of each module in ``names`` to ``see``, as (values, channels)."""
    modules = dict(net.named_modules())

    def hook(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, args, out: see(name, out.movedim(1, -1).reshape(-1, out.shape[1]).numpy())

    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        probabilities(net, x)
    finally:
        for handle in handles:
            handle.remove()


def channel_maxima(
    arrays: Arrays, pictures: Iterable[NDArray[np.float32]], names: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """The largest absolute value of each channel (channels,) in what the modules ``names`` give, over ``pictures``."""
    net = deployed(arrays).net
    most: dict[str, NDArray[np.float32]] = {}

    def see(name: str, values: NDArray[np.float32]) -> None:
        most[name] = np.maximum(most.get(name, np.float32(0)), np.abs(values).max(axis=0))

    for picture in pictures:
        observe(net, picture, names, see)
    return most
