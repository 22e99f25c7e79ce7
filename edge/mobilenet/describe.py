"""The layers of MobileNetV2 and what they cost, from the paper's table 2 alone: no framework is needed."""

from __future__ import annotations

from typing import NamedTuple

from edge.errors import ConfigError
from edge.models.cost import Layer, split

from .table import RESOLUTIONS, STAGES, WIDTHS, Stage, first_channels, last_channels, round_channels

KERNEL = 3

WIDTH, RESOLUTION, CLASSES = 1.0, 224, 1000
"""The network that the paper calls MobileNetV2, without a number."""

MOST_CLASSES = 1_000_000


class Paper(NamedTuple):
    """What the paper's table 4 says of a network, in millions, and how that fits what is counted here."""

    parameters: float
    multiply_adds: float
    why: str


PAPER = {
    1.0: Paper(3.4, 300, "The paper's 3.4 M are the 3.47 M weights, cut after one digit."),
    1.4: Paper(
        6.9,
        585,
        "The paper's 6.9 M does not follow from its table 2; TensorFlow's own list gives 6.06 M and 582 M for its 1.4.",
    ),
}
"""The paper's table 4 by width multiplier, for 224 pixels and 1000 classes."""


def paper(width: float, resolution: int, classes: int) -> Paper | None:
    """The paper's own figures for a network; None where its table 4 has none."""
    return PAPER.get(width) if (resolution, classes) == (RESOLUTION, CLASSES) else None


def layers(width: float = WIDTH, resolution: int = RESOLUTION, classes: int = CLASSES) -> list[Layer]:
    """The network as it is deployed, batch normalisation merged into weights and biases.

    Raises:
        ConfigError: no such network: a width or a resolution that the reference has not, or no class.
    """
    _check(width, resolution, classes)
    side, channels = resolution // 2, first_channels(width)
    found = [_convolution("conv2d 3x3 /2 relu6", "conv", side, 3, channels, KERNEL * KERNEL)]
    for number, stage in enumerate(STAGES, 1):
        outputs = round_channels(stage.c * width)
        for repeat in range(stage.n):
            stride = stage.s if repeat == 0 else 1
            found += _block(f"{number}.{repeat + 1}", stage, side, channels, outputs, stride)
            side, channels = side // stride, outputs
    last = last_channels(width)
    return [
        *found,
        _convolution("conv2d 1x1 relu6", "conv", side, channels, last, 1),
        Layer(f"avgpool {side}x{side}", (1, 1, last), 0, 0, 0, stage="head"),
        Layer("linear", (classes,), last * classes, classes, last * classes, stage="head"),
        Layer("softmax", (classes,), 0, 0, 0, stage="head"),
    ]


def _check(width: float, resolution: int, classes: int) -> None:
    if width not in WIDTHS:
        raise ConfigError(f"width {width:g}: the widths are {', '.join(map(str, WIDTHS))}; choose one")
    if resolution not in RESOLUTIONS:
        raise ConfigError(
            f"resolution {resolution}: the resolutions are {', '.join(map(str, RESOLUTIONS))}; choose one"
        )
    if not 1 <= classes <= MOST_CLASSES:
        raise ConfigError(f"{classes} classes: choose from 1 to {MOST_CLASSES:,}")


def _convolution(operator: str, stage: str, side: int, inputs: int, outputs: int, kernel: int) -> Layer:
    weights = kernel * inputs * outputs
    return Layer(operator, (side, side, outputs), weights, outputs, weights * side * side, stage=stage)


def _block(name: str, stage: Stage, side: int, inputs: int, outputs: int, stride: int) -> list[Layer]:
    """One bottleneck: expansion where t is not 1, depthwise filter, linear projection, and its input where it fits."""
    hidden, area, after = inputs * stage.t, KERNEL * KERNEL, side // stride
    step = f" /{stride}" if stride > 1 else ""
    deep = _convolution(f"depthwise 3x3{step} relu6", name, after, 1, hidden, area)
    full, parts = split(after, after, area, hidden, outputs)
    project = _convolution("project 1x1", name, after, hidden, outputs, 1)._replace(full=full, split=parts)
    expand = [_convolution("expand 1x1 relu6", name, side, inputs, hidden, 1)] if stage.t != 1 else []
    residual = stride == 1 and inputs == outputs
    add = [Layer("add", project.output, 0, 0, 0, stage=name)] if residual else []
    return [*expand, deep, project, *add]


def normalised(found: list[Layer]) -> int:
    """Parameters before the merge: batch normalisation has a scale and a shift where the merged network has a bias.

    The classifier's biases are its own in both.
    """
    return sum((layer.weights or 0) + (layer.biases or 0) * (1 if layer.operator == "linear" else 2) for layer in found)


def plan(width: float) -> dict[str, tuple[int, int, int, int]]:
    """(t, c, n, s) of each stage, c at this width, by the name of its first block."""
    return {f"{i}.1": (s.t, round_channels(s.c * width), s.n, s.s) for i, s in enumerate(STAGES, 1)}
