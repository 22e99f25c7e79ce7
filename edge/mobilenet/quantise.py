"""From a float network to int8: channels equalised, ranges by least squares, biases corrected, all on photographs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError

from .calibrate import Watch, activation_ranges, correct_biases
from .checkpoint import Checkpoint, with_input
from .convert import to_tflite
from .equalise import equalised, links
from .fold import INPUT, INPUT_MEAN, INPUT_STD
from .table import Arrays
from .tflite import quantise

Pixels = NDArray[np.uint8]

FEW = 8
"""Fewer pictures than these make poor ranges."""

log = logging.getLogger("edge")


def float_input(picture: Pixels) -> NDArray[np.float32]:
    """Pixels (height, width, 3) as the folded network takes them: (1, 3, height, width), -1.004 to 0.996."""
    real = (picture.astype(np.float32) - INPUT_MEAN) / INPUT_STD
    return np.ascontiguousarray(real.transpose(2, 0, 1)[None], np.float32)


def both_ways(pictures: Sequence[Pixels]) -> list[Pixels]:
    """Each picture and its mirror image: as good as more photographs (measured: 0.2 dB less error on others)."""
    return [*pictures, *(np.ascontiguousarray(picture[:, ::-1]) for picture in pictures)]


def enough(pictures: Sequence[Pixels]) -> Sequence[Pixels]:
    """``pictures``, if there is something to see. Raises ConfigError where there are none, or all are of one colour."""
    advice = "give about 100 photographs like those that the model will see"
    if not any(np.ptp(picture) for picture in pictures):
        raise ConfigError(f"{len(pictures)} pictures to calibrate on, none of which shows anything; {advice}")
    if len(pictures) < FEW:
        log.warning("only %d pictures to calibrate on; %s", len(pictures), advice)
    return pictures


def prepared(checkpoint: Checkpoint, pictures: Sequence[Pixels], watch: Watch) -> Arrays:
    """The folded parameters of a network that takes ``INPUT``, its channels equalised on ``pictures``."""
    from .network import channel_maxima

    arrays = with_input(checkpoint, INPUT).arrays
    names = sorted({name for link in links(arrays) for name in link.seen_at})
    return equalised(arrays, channel_maxima(arrays, map(float_input, watch(pictures, "channels")), names))


def quantised(checkpoint: Checkpoint, pictures: Sequence[Pixels], watch: Watch, aware: bool = False) -> bytes:
    """The int8 .tflite, (1, size, size, 3) int8 in and (1, classes) int8 probabilities out.

    Calibrated on ``pictures`` (size, size, 3) RGB and their mirror images; ``watch(items, title)`` shows progress.

    Raises:
        ConfigError: the pictures show nothing.
        ModelError: the parameters do not fit, or a converter fails.
    """
    seen = both_ways(enough(pictures))
    arrays = prepared(checkpoint, seen, watch)
    model = to_tflite(arrays, checkpoint.size)
    ranges = activation_ranges(model, seen, watch)
    made = quantise(model, ranges)
    correct_biases(made, model, seen, watch)
    if aware:
        from .qat import taught

        return bytes(quantise(to_tflite(taught(arrays, bytes(made), seen, watch), checkpoint.size), ranges))
    return bytes(made)
