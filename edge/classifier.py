"""The Python face: pictures in memory in, answers out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from edge import profile as profiles
from edge.engine import open_engine
from edge.preprocess import frame_of
from edge.profile import DeviceProfile
from edge.types import Array, Fit, Result


class Classifier:
    """A loaded model that is called with images.

        classify = edge.Classifier()
        label, index, score = classify(image).answer[0]

    Not for use by several threads at once; make one for each.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        labels: str | Path | None = None,
        threads: int | None = None,
        top_k: int = 5,
        *,
        threshold: float = 0.0,
        fit: Fit | None = None,
        profile: str | Path | DeviceProfile | None = None,
    ) -> None:
        """Load `model` (None: the default model) on what `profile` names (None: on the processor).

        labels: a text file with one label a line; None: those beside or inside the model. threads: None for the cores
        there are, at most four. top_k: how many classes an answer has at most. threshold: the lowest score (0 to 1)
        that it holds. Raises ConfigError, ModelError and AdapterError.
        """
        self._engine = open_engine(
            profile if isinstance(profile, DeviceProfile) else profiles.load(profile or profiles.DEFAULT),
            model=model,
            labels=labels,
            fit=fit,
            threads=threads,
            top_k=top_k,
            threshold=threshold,
        )
        self._tensor: Array = self._engine.preprocessor.new_tensor()

    def __call__(self, image: Array | Any) -> Result:
        """Classify an H x W x 3 uint8 RGB array. Raises ConfigError for anything else, InferenceError."""
        frame = frame_of(image, self._engine.clock())
        taken = self._engine.prepare(frame, self._tensor)
        return self._engine.answer(frame, self._tensor, taken)

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each class."""
        return self._engine.task.labels

    @property
    def backend(self) -> str:
        """What really runs the model."""
        return self._engine.interpreter.backend

    def close(self) -> None:
        """Free the model."""
        self._engine.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
