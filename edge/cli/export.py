"""`edge export`: a network in another form, and whether an Edge TPU can run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from edge.cli.options import extra_train
from edge.cli.progress import shown
from edge.errors import ConfigError
from edge.files import data_folder, sha256_of
from edge.models import QDQ, SUFFIXES

OUTPUTS = (".tflite", ".onnx")


@click.command("export")
@click.argument("source")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="What to write: a .tflite or an .onnx file.")
@click.option("--type", "kind", type=click.Choice(["int8", "float"]), help="[default: int8]")
@click.option("--calibration", type=click.Path(path_type=Path), help="Folder of about 100 photographs, for int8.")
@click.option("--every", type=click.IntRange(1), help="Calibrate on every n-th photograph only.")
@click.option(
    "--input",
    "input_type",
    type=click.Choice(["uint8", "int8"]),
    help="Pixels as they are, or less 128 (int8 .tflite).  [default: uint8]",
)
@click.option("--layout", type=click.Choice(["nchw", "nhwc"]), help="Of the input (.onnx).  [default: nchw]")
@click.option(
    "--for",
    "target",
    type=click.Choice(["onnxruntime", "tensorrt"]),
    help="Whose rules an int8 .onnx keeps.  [default: onnxruntime, which answers as LiteRT does]",
)
@click.option(
    "--qat", "aware", is_flag=True, help="Let the float network teach its int8 form on the photographs; takes longer."
)
@click.option("--store", is_flag=True, help="Put the form for TensorRT among the models known by name, as SOURCE_qdq.")
@click.option("--check", "checked", type=click.Choice(["edgetpu"]), help="Can it run there as a whole? If not, why?")
@click.option("--compile", "compiler", type=click.Choice(["edgetpu"]), help="Run the compiler that is installed.")
def command(
    source: str, out: Path | None, store: bool, checked: str | None, compiler: str | None, **options: Any
) -> int:
    """Write SOURCE as int8 or float, .tflite or ONNX, with its labels inside and its card beside it.

    SOURCE is a checkpoint (.pth) of `edge finetune` or torchvision's, an int8 .tflite that this toolkit made, or
    `official`: torchvision's weights for ImageNet, fetched once. --check and --compile take any int8 .tflite, also by
    name; --check tells of what -o writes where that is given.
    """
    if store:
        out = _in_store(source, out)
        options["target"] = options["target"] or "tensorrt"
    _sensible(out, checked, compiler, any(options.values()))
    if compiler:
        code = _compile(source, out)
        return code or (_check(source) if checked else 0)
    if out is not None:
        with extra_train():
            from edge.mobilenet.export import Order, export
        with shown(Console(stderr=True)) as progress, extra_train():
            written = export(Order(source, out, **options), progress.watch, progress.say)
        if store:
            _describe(source, out)
        click.echo(written)
    return _check(source if out is None else str(out)) if checked else 0


def _in_store(source: str, out: Path | None) -> Path:
    """Where a model by name is looked for; its name is that of the source, and "_qdq"."""
    folder = data_folder()
    name = Path(source).name
    stem = Path(name).stem if name.endswith(SUFFIXES) else name
    if out is not None:
        raise ConfigError("--store says itself where the model goes; leave -o out")
    if folder is None:
        raise ConfigError("--store needs a home; give XDG_DATA_HOME, or -o OUT.onnx")
    return folder / "models" / f"{stem}{QDQ}.onnx"


def _describe(source: str, out: Path) -> None:
    """Put a card beside a model in the store, for `edge models list`: the source's, as far as it still holds."""
    from edge import models
    from edge.models import card as cards

    card = models.load(source).card if source != "official" else None
    if card is not None:
        made_by = f"edge export {Path(source).name} --for tensorrt --store"
        changes = {"name": out.stem, "sha256": sha256_of(out), "made_by": made_by}
        card = msgspec.structs.replace(card, **changes, fit=None, input=None, accuracy=None)  # those are in the file
        cards.save(card, cards.path_beside(out))


def _sensible(out: Path | None, target: str | None, compiler: str | None, more: bool) -> None:
    """Raise ConfigError for options that do not go together, before anything is done."""
    if out is None and not (target or compiler):
        raise ConfigError("nothing to do: give -o OUT.tflite or -o OUT.onnx, or --check or --compile")
    suffixes = OUTPUTS[:1] if target or compiler else OUTPUTS
    if out is not None and out.suffix not in suffixes:
        raise ConfigError(f"{out}: the name must end in {' or '.join(suffixes)}, which says what is written")
    if more and (compiler or out is None):
        raise ConfigError(
            "--check and --compile alone take a .tflite as it is; export it first, with -o, and then compile"
        )


def _check(model: str) -> int:
    """Print what an Edge TPU would not run; 1 where there is any of it."""
    from edge import models
    from edge.mobilenet import edgetpu

    found = edgetpu.check(models.load(model).data, model)
    reasons = "1 reason" if len(found) == 1 else f"{len(found)} reasons"
    click.echo(f"{model}: " + (f"{reasons} against the Edge TPU" if found else "all of it fits the Edge TPU"))
    for finding in found:
        click.echo(f"  {finding}")
    return 1 if found else 0


def _compile(model: str, out: Path | None) -> int:
    """Compile a model and say what became of its operators; 1 where some stay on the processor."""
    from edge import models
    from edge.mobilenet import edgetpu

    file = models.load(model)
    if file.format != "tflite":
        raise ConfigError(f"{file.path}: the compiler takes an int8 .tflite; export it first, with -o")
    # A model that is named by its name lies in the package or the store, where nothing of the user's belongs.
    beside = file.path.parent if Path(model).exists() else Path()
    made = edgetpu.compile(file.path, out or beside / f"{file.path.stem}_edgetpu.tflite")
    edgetpu.describe(made.path, file)
    told = f"{made.on_tpu} operators on the Edge TPU, {made.on_cpu} on the processor"
    click.echo(f"{made.path}: {told if made.on_tpu is not None else 'compiled; the log does not tell what runs where'}")
    return 1 if made.on_cpu else 0
