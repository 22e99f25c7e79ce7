"""Turn a trained network into files: int8 and float model with their cards, and a report with its picture."""

from __future__ import annotations

import datetime
import hashlib
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edge import evaluate
from edge import profile as profiles
from edge.adapters import Adapter
from edge.engine import Engine, open_engine
from edge.evaluate import Comparison, Labelled, Score
from edge.files import printable, write_whole
from edge.models.card import Accuracy, Card, path_beside, read, save

from . import checkpoint as checkpoints
from . import export, report
from .begin import Made, Options, Show, Start
from .checkpoint import Checkpoint
from .data import Data
from .fold import INPUT
from .photographs import pixels
from .work import Work
from .work import publish as move

CALIBRATION = 64
"""Pictures of the training side that ranges are found on, each with its mirror image."""


class Result(NamedTuple):
    """Where everything is, and the card of the model, which has its scores."""

    model: Path
    network: Path
    report: Path
    picture: Path
    card: Card


def beside(out: Path) -> Result:
    """The files of a result, by the name of the model; the card is one without scores."""
    network, page, picture = (
        out.with_name(f"{out.stem}{end}") for end in ("_float.pth", "_report.md", "_confusion.png")
    )
    return Result(out, network, page, picture, Card(name=printable(out.stem)))


def stage(work: Work, made: Made, begin: Start, found: Data, options: Options, show: Show) -> None:
    """Write all files of the result into the folder ``done`` of the work. It is there when all are complete.

    Raises:
        ModelError: the network does not convert.
        OSError: the disk is full.
    """
    place = work.path("staged")
    shutil.rmtree(place, ignore_errors=True)
    files = beside(place / options.out.name)
    with work.timed("quantisation"):
        _save_int8(work, files.model, made.checkpoint, found, options, show)
    checkpoints.write(files.network, made.checkpoint)
    heads = [work.path("head_only.pth")] if made.head_only else []
    if made.head_only:
        checkpoints.write(heads[0], made.head_only)
    with work.timed("scores"):
        models = [files.model, files.network, *heads]
        comparison = scored(models, made.checkpoint, found, show)
    command = report.command(options)
    scores = [each.score for each in comparison.models]
    for path, score in ((files.model, scores[0]), (files.network, scores[1])):
        save(
            card(path, made.checkpoint, command, accuracy(score, scores[1], found, path is files.model)),
            path_beside(path),
        )
    told = report.Told(options, found, begin, made, comparison, dict(work.times))
    report.picture(comparison, files.picture)
    write_whole(files.report, report.text(told, files.model.name).encode())
    place.rename(work.path("done"))


def publish(done: Path, out: Path) -> Result:
    """Move the finished files to where they belong. Raises OSError."""
    files = beside(out)
    pairs = [(path_beside(path).name, path.name) for path in (files.network, files.model)]
    move(done, out.parent, [files.report.name, files.picture.name, *pairs[0], *pairs[1]])
    return files._replace(card=read(path_beside(out)))


def digest(network: Checkpoint) -> str:
    """What tells the parameters of one network from those of another."""
    body = hashlib.sha256()
    for name in sorted(network.arrays):
        body.update(name.encode() + np.ascontiguousarray(network.arrays[name]).tobytes())
    return body.hexdigest()[:16]


def _save_int8(work: Work, path: Path, network: Checkpoint, found: Data, options: Options, show: Show) -> None:
    # The longest step after training, so it is not made twice; of another state of training it would be another's.
    kept = work.path(f"int8-{digest(network)}.tflite")
    if not kept.is_file():
        order = np.random.default_rng([options.seed, 3]).permutation(len(found.train))[:CALIBRATION]
        seen = [pixels(found.train[place].path, network.size, network.fit) for place in sorted(order)]
        write_whole(kept, export.int8_tflite(network, seen, show.watch, aware=options.qat))
    write_whole(path, kept.read_bytes())


def scored(models: Sequence[Path], network: Checkpoint, found: Data, show: Show) -> Comparison:
    """The models, .tflite and checkpoints, on the pictures that are only scored with, by the loop of `edge eval`."""
    pictures = [Labelled(picture.path, found.labels[picture.label]) for picture in found.test]
    engines = []
    for path in models:
        save(Card(name=network.name, fit=network.fit, input=network.input), path_beside(path))
        engines.append(_engine(path))
    steps = iter(show.watch(range(len(pictures) * len(models)), "scores"))
    comparison = evaluate.compare(engines, pictures, lambda model: next(steps, None))
    next(steps, None)
    return comparison


def _engine(path: Path) -> Engine:
    profile = profiles.load()
    if path.suffix == ".pth":
        profile = msgspec.structs.replace(profile, interpreters=(Adapter("edge.mobilenet.interpreter"),))
    return open_engine(profile, model=path, top_k=evaluate.TOP)


def accuracy(score: Score, real: Score, found: Data, quantised: bool) -> Accuracy:
    """The scores as they stand on a card; ``real`` are the float network's."""
    several = len(found.labels) > evaluate.TOP
    return Accuracy(
        data=found.held_out,
        images=score.images,
        top1=round(score.top1, 4),
        top5=round(score.top5, 4) if several else None,
        float_top1=round(real.top1, 4) if quantised else None,
        float_top5=round(real.top5, 4) if quantised and several else None,
        date=datetime.date.today().isoformat(),
    )


def card(path: Path, network: Checkpoint, command: str, scores: Accuracy) -> Card:
    """The card of a finished file."""
    return Card(
        name=f"{network.name}, {'int8' if path.suffix == '.tflite' else 'float32'}",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        classes=len(network.labels),
        fit=network.fit,
        license=network.license,
        source=f"fine-tuned from {network.source}" if network.source else None,
        made_by=command,
        input=INPUT,
        accuracy=scores,
    )


def summary(result: Result) -> list[str]:
    """What was made, and the command that runs it, in lines."""
    scores = result.card.accuracy
    said = [] if scores is None else [f"{_words(scores)} of {scores.images} pictures that were never trained on"]
    files = [f"  {printable(path)}" for path in (result.model, result.network, result.report, result.picture)]
    return [*said, *files, f"edge run --model {shlex.quote(printable(result.model))} SOURCE"]


def _words(scores: Accuracy) -> str:
    return f"int8 {scores.top1:.1%} right" + ("" if scores.float_top1 is None else f", float {scores.float_top1:.1%}")
