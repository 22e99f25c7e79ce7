"""The shape of MobileNetV2 as numbers (Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018).

The letters are the paper's: expansion ``t``, channels ``c``, repeats ``n``, stride ``s``. Needs no framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from edge.errors import ConfigError, ModelError

Arrays = Mapping[str, NDArray[Any]]
"""A network's parameters by name, torchvision's names."""

WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""The width multipliers of the reference implementation."""

RESOLUTIONS = (96, 128, 160, 192, 224)
"""Height and width of its inputs, in pixels."""


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


FIRST_LAYER, LAST_LAYER, CLASSIFIER = "features.0.0", "features.18.0", "classifier.1"
"""Names of the layers outside the blocks."""

FIRST, LAST = 32, 1280
"""Channels of the first convolution, and of the last; the last never shrinks with the width."""


def first_channels(width: float) -> int:
    """Channels of the first convolution at a width multiplier. Raises ConfigError where it is not positive."""
    return round_channels(FIRST * width)


def last_channels(width: float) -> int:
    """Channels of the last convolution, which are the classifier's features (the paper's section 5)."""
    return round_channels(LAST * max(1.0, width))


def width_of(arrays: Arrays) -> float:
    """The width multiplier of a network, told by its channels. Raises ModelError where it is none of ``WIDTHS``."""
    try:
        found = len(arrays["features.0.0.weight"]), arrays["features.17.conv.0.0.weight"].shape[1]
        last = len(arrays["features.18.0.weight"])
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError(f"no MobileNetV2: it has no {error}; give weights under torchvision's names") from error
    for width in WIDTHS:
        if (*found, last) == (first_channels(width), round_channels(160 * width), last_channels(width)):
            return width
    raise ModelError(f"{found[0]}, {found[1]}, {last} channels are no width of {', '.join(map(str, WIDTHS))}")


class Block(NamedTuple):
    """One inverted residual (section 3.3): its name among the parameters, and its shape."""

    name: str
    t: int
    inputs: int
    outputs: int
    stride: int

    @property
    def residual(self) -> bool:
        """Whether its input is added to its output: where the shapes are the same."""
        return self.stride == 1 and self.inputs == self.outputs

    @property
    def convolutions(self) -> list[str]:
        """Names of its convolutions: expansion (none where ``t`` is 1), depthwise, projection."""
        expansion = [f"{self.name}.conv.0.0"] if self.t != 1 else []
        return [*expansion, f"{self.name}.conv.{len(expansion)}.0", f"{self.name}.conv.{len(expansion) + 1}"]


def blocks(width: float) -> list[Block]:
    """The 17 blocks of ``STAGES`` at a width multiplier. Raises ConfigError where it is not positive."""
    found: list[Block] = []
    channels = first_channels(width)
    for stage in STAGES:
        outputs = round_channels(stage.c * width)
        for repeat in range(stage.n):
            name = f"features.{len(found) + 1}"
            found.append(Block(name, stage.t, channels, outputs, stage.s if repeat == 0 else 1))
            channels = outputs
    return found


def names_of(width: float) -> list[str]:
    """The layers that have weights, in the order they run."""
    inner = [name for block in blocks(width) for name in block.convolutions]
    return [FIRST_LAYER, *inner, LAST_LAYER, CLASSIFIER]


def norm_of(convolution: str) -> str:
    """The batch normalisation after ``convolution``: the name with its last number one higher."""
    stem, _, number = convolution.rpartition(".")
    return f"{stem}.{int(number) + 1}"


def is_folded(arrays: Arrays) -> bool:
    """Whether batch normalisation was merged into the convolutions: then those have a bias."""
    return f"{FIRST_LAYER}.bias" in arrays


def weights_of(width: float, classes: int) -> dict[str, tuple[int, ...]]:
    """The shape of each layer's weights: (outputs, inputs / groups, height, width), or (classes, features)."""
    shapes: dict[str, tuple[int, ...]] = {FIRST_LAYER: (first_channels(width), 3, 3, 3)}
    for block in blocks(width):
        hidden = block.inputs * block.t
        sizes = [(hidden, block.inputs, 1, 1), (hidden, 1, 3, 3), (block.outputs, hidden, 1, 1)]
        shapes |= dict(zip(block.convolutions, sizes[-len(block.convolutions) :], strict=True))
    last = last_channels(width)
    return shapes | {LAST_LAYER: (last, block.outputs, 1, 1), CLASSIFIER: (classes, last)}


def shapes_of(width: float, classes: int, folded: bool) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of a network, by name."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in weights_of(width, classes).items():
        found[f"{name}.weight"] = shape
        if folded or name == CLASSIFIER:
            found[f"{name}.bias"] = shape[:1]
        else:
            found |= {
                f"{norm_of(name)}.{part}": shape[:1] for part in ("weight", "bias", "running_mean", "running_var")
            }
    return found
