"""`edge export`: a network in another form, and whether an Edge TPU can run it."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.options import extra_train
from edge.errors import ConfigError

OUTPUTS = (".tflite", ".onnx")


@click.command("export")
@click.argument("source", default="official")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="What to write: a .tflite or an .onnx file.")
@click.option("--type", "kind", type=click.Choice(["int8", "float"]), default="int8", show_default=True)
@click.option("--calibration", type=click.Path(path_type=Path), help="Folder of about 100 photographs, for int8.")
@click.option("--every", type=click.IntRange(1), default=1, help="Calibrate on every n-th photograph only.")
@click.option(
    "--input",
    "input_type",
    type=click.Choice(["uint8", "int8"]),
    default="uint8",
    show_default=True,
    help="Pixels as they are, or less 128 (int8 .tflite).",
)
@click.option(
    "--layout", type=click.Choice(["nchw", "nhwc"]), default="nchw", show_default=True, help="Of the input (.onnx)."
)
@click.option("--qat", is_flag=True, help="Let the float network teach its int8 form on the photographs; takes long.")
@click.option("--check", "target", type=click.Choice(["edgetpu"]), help="Can it run there as a whole? If not, why?")
@click.option("--compile", "compiler", type=click.Choice(["edgetpu"]), help="Run the compiler that is installed.")
def command(
    source: str,
    out: Path | None,
    kind: str,
    calibration: Path | None,
    every: int,
    input_type: str,
    layout: str,
    qat: bool,
    target: str | None,
    compiler: str | None,
) -> int:
    """Write SOURCE as int8 or float, .tflite or ONNX, with its labels inside and its card beside it.

    SOURCE is a checkpoint (.pth) of `edge finetune` or torchvision's, an int8 .tflite that this toolkit made, or
    `official`: torchvision's weights for ImageNet, fetched once. With --check or --compile alone: any .tflite.
    """
    if out is None and not (target or compiler):
        raise ConfigError("nothing to do: give -o OUT.tflite or -o OUT.onnx, or --check or --compile")
    if out is not None and not compiler:
        if out.suffix not in OUTPUTS:
            raise ConfigError(f"{out}: the name must end in {' or '.join(OUTPUTS)}, which says what is written")
        with extra_train():
            from edge.mobilenet.export import Order, export

            order = Order(source, out, kind, calibration, every, input_type, layout, qat)  # type: ignore[arg-type]
            click.echo(export(order))
        source = str(out)
    return (_compile(source, out) if compiler else 0) or (_check(source) if target else 0)


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

    made = edgetpu.compile(models.find(model), out)
    click.echo(f"{made.path}: {made.on_tpu} operators on the Edge TPU, {made.on_cpu} on the processor")
    return 1 if made.on_cpu else 0
