"""Output tensor to classes: the top k, chosen while the numbers are still quantised."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge.errors import ModelError
from edge.types import Array, Classification, TensorSpec


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
            raise ModelError(f"{len(labels)} labels for {classes} classes; give (--labels) a file of {classes} lines")
        self.labels = labels or tuple(f"class {i}" for i in range(classes))
        self._spec = spec
        self._first = classes - min(top_k, classes)
        self._threshold = threshold
        self._probabilities = _by_range(spec) if spec.quantised else probabilities()

    def __call__(self, outputs: list[Array]) -> tuple[Classification, ...]:
        """The classes of one output (classes numbers in any shape), in falling order of score."""
        values = outputs[0].reshape(-1)
        top = np.argpartition(values, self._first - 1)[self._first :] if self._first else np.arange(values.size)
        scores = self._scores(values, top)
        order = np.lexsort((top, -scores))
        found = zip(top[order].tolist(), scores[order].tolist(), strict=True)
        return tuple(Classification(self.labels[i], i, score) for i, score in found if score >= self._threshold)

    def _scores(self, values: Array, top: Array) -> Array:
        """Probabilities of the classes `top`."""
        if self._probabilities or (self._probabilities is None and _sums_to_one(values)):
            return self._spec.dequantize(values[top])
        logits = self._spec.dequantize(values)
        powers = np.exp(logits - logits.max())
        chosen: Array = powers[top] / powers.sum()
        return chosen


def _by_range(spec: TensorSpec) -> bool:
    """Whether a quantised output can say nothing but 0 to 1, as TFLite wants it of a softmax and a sigmoid."""
    limits = np.iinfo(spec.dtype)
    low, high = (spec.scale * (end - spec.zero_point) for end in (limits.min, limits.max))
    return bool(low >= 0 and high <= 1)


def _sums_to_one(values: Array) -> bool:
    return bool(values.min() >= 0 and abs(float(values.sum()) - 1) < 0.05)
