"""MobileNetV2 in PyTorch (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018).

The letters are the paper's: expansion ``t``, channels ``c``, repeats ``n``, stride ``s``. Parameters carry
torchvision's names (``features.0.0.weight`` … ``classifier.1.bias``), so that published weights load as they are.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.errors import ConfigError, ModelError, one_line
from edge.files import write_whole

from .fold import Affine
from .table import Arrays, blocks, first_channels, is_folded, last_channels, width_of


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


class MobileNetV2(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """MobileNetV2 (table 2): (batch, 3, height, width) float32 in, (batch, classes) float32 logits out.

    ``folded`` builds the same network without batch normalisation, for parameters that ``edge.mobilenet.fold`` merged.

    Raises:
        ConfigError: ``width`` is not positive.
    """

    def __init__(self, classes: int = 1000, width: float = 1.0, dropout: float = 0.2, folded: bool = False) -> None:
        super().__init__()
        first = activated(3, first_channels(width), 3, 2, folded=folded)
        found = blocks(width)
        bottlenecks = [InvertedResidual(b.inputs, b.outputs, b.stride, b.t, folded) for b in found]
        last = last_channels(width)
        self.features = nn.Sequential(first, *bottlenecks, activated(found[-1].outputs, last, 1, folded=folded))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits for ``x``."""
        pooled = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        return cast(Tensor, self.classifier(torch.flatten(pooled, 1)))


class Deployed(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """The network as a device runs it: (batch, height, width, 3) float32 in, (batch, classes) probabilities out.

    ``affine``: (3,) factors and offsets that turn what comes in into what the network was trained on; None where that
    is the same.
    """

    def __init__(self, net: MobileNetV2, affine: Affine | None = None) -> None:
        super().__init__()
        self.net = net
        self.affine = affine and tuple(torch.tensor(part, dtype=torch.float32) for part in affine)

    def forward(self, x: Tensor) -> Tensor:
        """Class probabilities for channel-last ``x``."""
        if self.affine:
            x = x * self.affine[0] + self.affine[1]
        return torch.softmax(self.net(x.permute(0, 3, 1, 2)), dim=-1)


def read(path: Path) -> dict[str, Any]:
    """What ``torch.save`` wrote. Loads data only: a file that carries code is refused.

    Raises:
        ModelError: the file is none of PyTorch's, or holds no dictionary.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give a checkpoint (.pth)")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return dict(found)
    except (OSError, RuntimeError, AttributeError, ValueError, TypeError, EOFError, UnpicklingError) as error:
        # PyTorch advises to run whatever code such a file holds; that is not passed on.
        why = "no plain tensors" if isinstance(error, UnpicklingError) else one_line(error)
        raise ModelError(f"{path} is not a PyTorch checkpoint ({why}); give the original file") from error


def to_arrays(state: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """A state dictionary's tensors as arrays, float32 where they are real numbers of another size.

    Raises:
        ModelError: it holds anything but plain tensors of real numbers.
    """
    return {str(name): _to_array(str(name), tensor) for name, tensor in state.items()}


def _to_array(name: str, tensor: Any) -> NDArray[Any]:
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized:
        raise ModelError(f"{name} is no plain tensor of real numbers; give a checkpoint's state dictionary")
    real = tensor.detach().float() if tensor.is_floating_point() and tensor.dtype != torch.float32 else tensor.detach()
    return cast(NDArray[Any], real.numpy())


def write(path: Path, content: Mapping[str, Any]) -> None:
    """``torch.save`` a dictionary, whole or not at all; arrays become tensors, so that ``read`` takes them."""
    file = io.BytesIO()
    torch.save(content, file)
    write_whole(path, file.getvalue())


def to_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Arrays as tensors, by the same names."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def load_arrays(net: nn.Module, arrays: Arrays) -> None:
    """Put arrays, by parameter name, into ``net``.

    Raises:
        ModelError: names or shapes do not fit the network.
    """
    try:
        net.load_state_dict(to_tensors(arrays))
    except RuntimeError as error:
        raise ModelError(f"these weights do not fit the network ({error}); check width and class count") from error


def network_of(arrays: Arrays) -> MobileNetV2:
    """The network that has these parameters, folded or not. Raises ModelError where they are no MobileNetV2's."""
    width = width_of(arrays)
    net = MobileNetV2(classes=len(arrays["classifier.1.bias"]), width=width, folded=is_folded(arrays))
    load_arrays(net, arrays)
    return net


def deployed(arrays: Arrays, affine: Affine | None = None) -> Deployed:
    """The network of these parameters as a device runs it. Raises ModelError where they do not fit."""
    return cast(Deployed, Deployed(network_of(arrays), affine).eval())


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
