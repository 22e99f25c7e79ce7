"""Find the range of every activation from photographs, and mend the shift that rounding leaves in each channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .fold import INPUT_MEAN, INPUT_STD
from .ranges import Seen, least_squares, look
from .tflite import Bias, Range, Runner, biases

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[np.uint8]
Watch = Callable[[Sequence[Any], str], Iterable[Any]]

SAMPLE = 100_000
"""Values of one tensor and picture that go into its histogram: more change nothing, and cost time."""

INTERIOR = 0.2
"""The least share of values between 0 and 6 that a rectified channel is taken to have, so that no bias runs away."""

MOST_STEPS = 1 << 28
"""So far a bias may move: far beyond what any needs, and far within 32 bits."""

ROUNDS = 2
"""Times that each layer is mended: behind a ReLU6 the first round only comes near."""


def extremes(runner: Runner, pictures: Iterable[Pixels]) -> dict[int, Range]:
    """The smallest and largest value of every tensor that the model computes, zero included, by tensor index."""
    found = dict.fromkeys(runner.made, (0.0, 0.0))
    for picture in pictures:
        runner.run(picture)
        for index, (low, high) in found.items():
            values = runner.real(index)
            found[index] = min(low, float(values.min())), max(high, float(values.max()))
    return found


def histograms(runner: Runner, pictures: Iterable[Pixels], found: dict[int, Range]) -> dict[int, Seen]:
    """The histogram of each tensor over its extremes, by tensor index."""
    seen: dict[int, Seen] = {}
    for picture in pictures:
        runner.run(picture)
        for index, (low, high) in found.items():
            values = runner.real(index).ravel()
            new = look(values[:: max(1, values.size // SAMPLE)], low, high)
            seen[index] = new._replace(counts=new.counts + seen[index].counts) if index in seen else new
    return seen


def activation_ranges(model: bytes, pictures: Sequence[Pixels], watch: Watch) -> dict[str, Range]:
    """The range of every activation of a float .tflite, by tensor name.

    By least squares, but for the input (pixels, all of 0 to 255) and what the last layer gives: there the largest value
    is the answer, and clipping it would make equals of the likeliest classes. ``watch(items, title)`` shows progress.
    """
    runner = Runner(model)
    found = extremes(runner, watch(pictures, "ranges"))
    ranges = {i: least_squares(seen) for i, seen in histograms(runner, watch(pictures, "histograms"), found).items()}
    ranges[runner.outputs[-1]] = found[runner.outputs[-1]]
    ranges[runner.input] = -INPUT_MEAN / INPUT_STD, (255 - INPUT_MEAN) / INPUT_STD
    return {runner.name(index): value for index, value in ranges.items()}


class Expected(NamedTuple):
    """What a channel of the float network gives: its mean, and the share of its values that a bias would move."""

    mean: Floats
    interior: Floats


def expectations(model: bytes, pictures: Sequence[Pixels]) -> dict[str, Expected]:
    """The channels of every layer's output in a float .tflite, over ``pictures``, by tensor name."""
    runner = Runner(model)
    means: dict[str, list[Expected]] = {runner.name(index): [] for index in runner.outputs}
    for picture in pictures:
        runner.run(picture)
        for index in runner.outputs:
            values = runner.real(index)
            flat = values.reshape(-1, values.shape[-1])
            means[runner.name(index)].append(Expected(flat.mean(axis=0), ((flat > 0) & (flat < 6)).mean(axis=0)))
    return {
        name: Expected(np.mean([e.mean for e in seen], axis=0), np.mean([e.interior for e in seen], axis=0))
        for name, seen in means.items()
    }


def mean_outputs(model: bytearray, layer: int, pictures: Sequence[Pixels]) -> Floats:
    """The mean of each channel of the ``layer``-th layer's output over ``pictures``, as real numbers."""
    runner = Runner(model)
    total: Any = 0.0
    for picture in pictures:
        runner.run(picture)
        total = total + runner.channel_means(runner.outputs[layer])
    return np.asarray(total / len(pictures))


def mend(bias: Bias, shift: Floats, expected: Expected) -> None:
    """Take a shift of the output's channels out of the bias. Behind a ReLU6 a bias moves the interior values alone."""
    moved = shift / np.maximum(expected.interior, INTERIOR) if bias.rectified else shift
    # A channel that nothing reaches has a scale of zero, and no shift to mend.
    steps = np.divide(moved, bias.scales, out=np.zeros(len(bias.levels)), where=bias.scales > 0)
    bias.levels[:] -= np.round(np.clip(steps, -MOST_STEPS, MOST_STEPS)).astype(np.int32)


def correct_biases(quantised: bytearray, model: bytes, pictures: Sequence[Pixels], watch: Watch) -> None:
    """Change an int8 model's biases in place so that each channel's mean is what it was in its float ``model``.

    Layer after layer in the order they run, so that each sees its inputs mended (Nagel et al. 2019, section 4.2,
    measured and not derived).
    """
    expected = expectations(model, pictures)
    for layer, bias in enumerate(watch(biases(quantised), "bias correction")):
        for _ in range(ROUNDS):
            shift = mean_outputs(quantised, layer, pictures) - expected[bias.output].mean
            mend(bias, shift, expected[bias.output])
