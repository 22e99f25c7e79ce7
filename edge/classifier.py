"""The Python face: pictures in memory in, answers out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from edge import profile as profiles
from edge.engine import Engine, Wanted, openers
from edge.preprocess import frame_of
from edge.profile import DeviceProfile
from edge.succession import Prepared, Succession
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
        """Load `model` (None: the profile's, else the default model) on what `profile` names (None: "auto", the one
        that fits this machine).

        labels: a text file with one label a line; None: those beside or inside the model. threads: None for the cores
        there are, at most four. top_k: how many classes an answer has at most. threshold: the lowest score (0 to 1)
        that it holds. Raises ConfigError, ModelError, AdapterError and DeviceError.
        """
        chosen = profile if isinstance(profile, DeviceProfile) else profiles.load(profile or profiles.AUTO)
        wanted = Wanted(model=model, labels=labels, fit=fit, threads=threads, top_k=top_k, threshold=threshold)
        self._succession = Succession(openers(chosen, wanted))
        self._prepared: Prepared | None = None

    def __call__(self, image: Array | Any) -> Result:
        """Classify an H x W x 3 uint8 RGB array. Raises ConfigError for anything else, InferenceError."""
        frame = frame_of(image, self.engine.clock())
        self._prepared = self._succession.prepare(frame, self._prepared)
        return self._succession.answer(frame, self._prepared)

    @property
    def engine(self) -> Engine:
        """What runs the model now."""
        return self._succession.engine

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each class."""
        return self.engine.task.labels

    @property
    def backend(self) -> str:
        """What really runs the model."""
        return self.engine.interpreter.backend

    def close(self) -> None:
        """Free the model."""
        self._succession.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
