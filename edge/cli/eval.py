"""`edge eval`: score models on labelled pictures, and hold them against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import cv2
import msgspec
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge import evaluate, models
from edge import profile as profiles
from edge.adapters import Adapter
from edge.cli import loaded, scores
from edge.cli.options import model_options, say_which
from edge.engine import Engine, open_engine, requiring
from edge.errors import ConfigError
from edge.evaluate import Comparison, Labelled
from edge.models import Format, ModelFile
from edge.profile import DeviceProfile
from edge.tasks.classify import unnamed

RUNTIMES = {"litert": "litert", "onnx": "onnx", "torch": "edge.mobilenet.interpreter"}
"""The kind of interpreter behind each name of --runtime."""

NATIVE: dict[Format, str] = {"tflite": "litert", "onnx": "onnx", "torch": "torch"}
"""The runtime that a format of file is made for."""


@click.command("eval")
@click.option("--data", required=True, help="A labels.csv (file,class_index,…) or a folder of class folders.")
@model_options
@click.option("--against", multiple=True, metavar="OTHER", help="Another model on the same pictures; may be repeated.")
@click.option(
    "--runtime",
    type=click.Choice(list(RUNTIMES)),
    help="What runs the models.  [default: the profile where one is given, else by the format of the file]",
)
@click.option("--per-class", is_flag=True, help="Also the share of each class that is right.")
@click.option("--per-picture", is_flag=True, help="Also the pictures that a model gets wrong; with --json, all.")
@click.option("--limit", type=click.IntRange(1), help="Score only the first so many pictures.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else.")
def command(
    data: str,
    profile: str,
    require: str | None,
    model: str | None,
    labels: str | None,
    against: tuple[str, ...],
    runtime: str | None,
    limit: int | None,
    per_class: bool,
    per_picture: bool,
    as_json: bool,
    **engine: Any,
) -> None:
    """Score models: top-1 and top-5 accuracy, and milliseconds an image from decoded picture to answer.

    Float, .tflite and ONNX files of one network are scored in one go with --against, which also tells how far each is
    from the first. MODEL and OTHER are .tflite, ONNX or PyTorch files; --labels are those of MODEL.
    """
    cv2.setNumThreads(1)
    pictures = evaluate.read(Path(data))
    if runtime and require:
        raise ConfigError("--runtime and --require: the one is instead of the profile's order; give one of them")
    chosen = requiring(profiles.load(profile), require)
    named = click.get_current_context().get_parameter_source("profile") is not ParameterSource.DEFAULT
    by_profile = runtime is None and (named or require is not None)
    files = [_file(chosen, model, labels, by_profile), *map(models.load, against)]
    with ExitStack() as stack:
        engines = []
        for file in files:
            device = chosen if by_profile or file is None else _device(chosen, runtime, file)
            own = {"model": file} if file else {"labels": labels}
            engines.append(open_engine(device, top_k=evaluate.TOP, **own, **engine))
            stack.callback(engines[-1].close)
        if by_profile:
            say_which(chosen)
        _lend_labels(engines)
        loaded()
        advance = stack.enter_context(_progress(len(engines) * len(pictures[:limit])))
        comparison = evaluate.compare(engines, pictures, advance, limit)
    paths = [engine.path or Path(engine.model) for engine in engines]
    _show(comparison, pictures, paths, as_json, per_class, per_picture)


def _file(profile: DeviceProfile, model: str | None, labels: str | None, by_profile: bool) -> ModelFile | None:
    """The model that was named, else the profile's; None where each interpreter of the profile may have its own."""
    if by_profile and model is None and any(adapter.model for adapter in profile.interpreters):
        return None
    return models.load(model or profile.model, labels or profile.labels)


def _device(profile: DeviceProfile, runtime: str | None, file: ModelFile) -> DeviceProfile:
    """The profile, with the one interpreter that --runtime names, or that the file's format is made for."""
    kind = RUNTIMES[runtime or NATIVE[file.format]]
    own = [adapter for adapter in profile.interpreters if adapter.kind == kind]
    return msgspec.structs.replace(profile, interpreters=tuple(own or [Adapter(kind)]))


def _lend_labels(engines: list[Engine]) -> None:
    """Models without labels have those of the first that has some, where their classes are as many."""
    named = [engine.task.labels for engine in engines if not _is_unnamed(engine)]
    for engine in engines:
        if named and _is_unnamed(engine):
            engine.task.labels = evaluate.lent(named[0], engine.task.labels)


def _is_unnamed(engine: Engine) -> bool:
    return engine.task.labels == unnamed(len(engine.task.labels))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr, where that is a terminal; it names the model that runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda model: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda model: progress.update(task, advance=1, description=f"{model:.32}")


def _show(
    comparison: Comparison,
    pictures: list[Labelled],
    files: list[Path],
    as_json: bool,
    per_class: bool,
    per_picture: bool,
) -> None:
    classes = evaluate.by_class(comparison)
    rows = scores.as_rows(comparison, pictures) if per_picture else []
    if as_json:
        found = scores.as_json(comparison, files, classes)
        click.echo(msgspec.json.encode({**found, "pictures": rows} if per_picture else found))
        return
    console = Console(highlight=False)
    if len(files) == 1:
        click.echo(scores.in_words(comparison.models[0]))
    else:
        scores.print_models(console, comparison, files)
    if per_class:
        scores.print_classes(console, classes)
    if per_picture:
        scores.print_pictures(console, rows)
