"""PyTorch as an interpreter, for float networks in checkpoints: the reference that all exports are held against.

Its kind is its dotted name, `edge.mobilenet.interpreter`: nothing that runs imports it. Needs the extra `train`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from edge.errors import InferenceError, ModelError, one_line
from edge.models import ModelFile
from edge.models.card import Card
from edge.types import Array, TensorSpec

from .checkpoint import Checkpoint
from .checkpoint import read as read_checkpoint

INSTALL = "install what makes models with `pip install './edgekit[train]'`, from the folder of your clone"


class Torch:
    """A network as a device would run it: (1, size, size, 3) float32 in, (1, classes) float32 probabilities out.

    model: the file it was opened from, with the labels, fit and normalisation of the checkpoint where it had none.
    """

    backend = "torch-cpu"
    threads: int | None = None

    def __init__(self, model: ModelFile, checkpoint: Checkpoint) -> None:
        """Raise ModelError where the parameters are no MobileNetV2's."""
        from .network import deployed

        self.model = _completed(model, checkpoint)
        self._network: Any = deployed(checkpoint.arrays)
        shape = (1, checkpoint.size, checkpoint.size, 3)
        self.inputs = [TensorSpec(name="picture", shape=shape, dtype=np.dtype(np.float32))]
        classes = (1, len(checkpoint.labels))
        self.outputs = [TensorSpec(name="probabilities", shape=classes, dtype=np.dtype(np.float32))]

    def infer(self, tensor: Array) -> list[Array]:
        """Run on one input tensor. Raises InferenceError."""
        from .network import probabilities

        if self._network is None:
            raise InferenceError(f"model {self.model.path}: the interpreter was closed; open it again")
        try:
            return [probabilities(self._network, tensor)]
        except RuntimeError as error:
            advice = "the checkpoint is broken: make it again"
            raise InferenceError(
                f"model {self.model.path}: it fails when it runs: {one_line(error)}; {advice}"
            ) from error

    def close(self) -> None:
        """Free the network."""
        self._network = None


def open(model: ModelFile, *, threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None) -> Torch:
    """Load a checkpoint. threads: of PyTorch, in the whole process; None: as it chooses.

    Raises ModelError where the file holds no MobileNetV2, ImportError without PyTorch.
    """
    if model.format != "torch":
        advice = "give a .pth file, or a profile whose interpreter fits (`edge eval` takes --runtime)"
        raise ModelError(f"model {model.path}: no checkpoint, which PyTorch needs; {advice}")
    import torch

    if threads:
        torch.set_num_threads(threads)
    made = Torch(model, read_checkpoint(model.path))
    made.threads = torch.get_num_threads()
    return made


def _completed(model: ModelFile, checkpoint: Checkpoint) -> ModelFile:
    card = model.card or Card(name=model.name)
    said = msgspec.structs.replace(card, fit=card.fit or checkpoint.fit, input=card.input or checkpoint.input)
    return msgspec.structs.replace(model, labels=model.labels or checkpoint.labels, card=said)
