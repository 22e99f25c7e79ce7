"""Output tensor to classes: the top k, chosen while the numbers are still quantised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge.errors import ModelError
from edge.types import Array, Classification, TensorSpec

BACKGROUND = "background"
"""What the first class is called in lists of 1001 ImageNet classes."""


class Classify:
    """Reads the answer out of a classifier's output."""

    def __init__(
        self,
        spec: TensorSpec,
        labels: tuple[str, ...] | None,
        top_k: int,
        threshold: float,
        probabilities: Callable[[], bool | None],
    ) -> None:
        """Raise ModelError where `spec` is no classifier's output, or the labels are not one a class.

        probabilities: asked only where the quantisation of the output does not tell already; True: it is a softmax's
        or a sigmoid's; False: logits; None: to be told by the numbers.
        """
        classes = spec.shape[-1] if spec.shape else 0
        if classes < 2 or int(np.prod(spec.shape)) != classes:
            words = "x".join(map(str, spec.shape)) or "a single number"
            raise ModelError(
                f"no classifier: its output is {words}, not one score a class; give a classification model"
            )
        if labels is not None and len(labels) != classes:
            raise ModelError(f"{len(labels)} labels for {classes} classes; {_remedy(labels, classes)}")
        self.labels = labels or unnamed(classes)
        self._logits = spec
        self._last_but_k = -1 - min(top_k, classes)
        self._threshold = threshold
        said = True if spec.quantised and _by_range(spec) else probabilities()
        self._probabilities = bool(said) if spec.quantised else said
        quantised = spec.quantised and self._probabilities
        self._scale, self._zero_point = (spec.scale, spec.zero_point) if quantised else (1.0, 0)

    def __call__(self, outputs: list[Array]) -> tuple[Classification, ...]:
        """The classes of one output (classes numbers in any shape), in falling order of score."""
        values = outputs[0].reshape(-1)
        # Sorted backwards and stably, so that of equals the first class comes first.
        likeliest = values[::-1].argsort(kind="stable")[: self._last_but_k : -1]
        scores, answer = self._scores(values), []
        # Right after an inference the caches hold the model: loops over a few numbers touch less memory than arrays do.
        for place in likeliest.tolist():
            index = values.size - 1 - place
            score = self._scale * (scores.item(index) - self._zero_point)
            if not score >= self._threshold:
                break
            answer.append(Classification(self.labels[index], index, score))
        return tuple(answer)

    def probabilities(self, outputs: list[Array]) -> Array:
        """The score of every class of one output: (classes,) float32, 0 to 1."""
        scores = self._scores(outputs[0].reshape(-1)).astype(np.float32)
        all_of_them: Array = np.float32(self._scale) * (scores - np.float32(self._zero_point))
        return all_of_them

    def _scores(self, values: Array) -> Array:
        """What scale and zero point turn into probabilities: the output itself, or the softmax of its logits."""
        if self._probabilities or (self._probabilities is None and _sums_to_one(values)):
            return values
        logits = self._logits.dequantize(values)
        powers = np.exp(logits - logits.max())
        scores: Array = powers / powers.sum()
        return scores


def unnamed(classes: int) -> tuple[str, ...]:
    """What the classes of a model without labels are called."""
    return tuple(f"class {i}" for i in range(classes))


def _remedy(labels: tuple[str, ...], classes: int) -> str:
    if len(labels) == classes + 1 and labels[0].lower() == BACKGROUND:
        return f"this model has no class for {labels[0]!r}: take that line, the first, out of the labels"
    return f"give (--labels) a file of {classes} lines"


def _by_range(spec: TensorSpec) -> bool:
    """Whether a quantised output can say nothing but 0 to 1, as TFLite wants it of a softmax and a sigmoid."""
    limits = np.iinfo(spec.dtype)
    low, high = (spec.scale * (end - spec.zero_point) for end in (limits.min, limits.max))
    return bool(low >= 0 and high <= 1.01)


def _sums_to_one(values: Array) -> bool:
    return bool(values.min() >= 0 and abs(float(values.sum()) - 1) < 0.05)
