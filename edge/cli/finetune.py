"""`edge finetune`: from a folder of pictures to an int8 model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from edge.cli.options import extra_train
from edge.cli.progress import shown
from edge.errors import ConfigError
from edge.types import FITS

WIDTHS = ("0.35", "0.5", "0.75", "1.0", "1.3", "1.4")
RESOLUTIONS = ("96", "128", "160", "192", "224")


@click.command("finetune")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The model to make, a .tflite file.")
@click.option("--width", type=click.Choice(WIDTHS), help="Width multiplier.  [default: of the weights, 1.0]")
@click.option("--resolution", type=click.Choice(RESOLUTIONS), help="Pixels a side.  [default: of the weights, 224]")
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Times through the pictures, at most.  [default: 12; from random numbers 60]",
)
@click.option(
    "--unfreeze", type=click.IntRange(0, 17), help="Train so many of the last blocks; 0: the head alone.  [default: 3]"
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of all that is random.")
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    metavar="MINUTES",
    help="Stop training after so long, and export the best so far.",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A .pth file to begin with.  [default: the official one]"
)
@click.option("--fit", type=click.Choice(FITS), help="How a picture is made square.  [default: of the weights, crop]")
@click.option("--qat", is_flag=True, help="Let the float network teach its int8 form as well; takes longer.")
@click.option("--fresh", is_flag=True, help="Forget what an interrupted run has done.")
def command(data: Path, out: Path, width: str | None, resolution: str | None, **options: Any) -> None:
    """Make a classifier of what DATA shows: an int8 .tflite file, its card and a report.

    DATA is a folder of class folders, or holds train/ and test/ (or val/) with class folders. The head is fitted first,
    on features that are computed once, then the last blocks with it. Whatever interrupts it, the same command goes on
    from where it was; the same seed gives the same model on the same machine. Needs the extra `train`.
    """
    if options["time_limit"] is not None and not math.isfinite(options["time_limit"]):
        raise ConfigError("--time-limit takes a number of minutes; give one, or leave it out")
    with extra_train():
        from edge.mobilenet.begin import Options, Show
        from edge.mobilenet.finetune import RESUME, finetune
        from edge.mobilenet.finish import summary
    asked = Options(
        data=data,
        out=out,
        width=float(width) if width else None,
        resolution=int(resolution) if resolution else None,
        **options,
    )
    try:
        with shown(Console(stderr=True)) as progress:
            result = finetune(asked, Show(progress.watch, progress.say))
    except KeyboardInterrupt:
        click.echo(f"edge: stopped; {RESUME.partition(' and ')[2]}", err=True)
        raise click.exceptions.Exit(130) from None
    for line in summary(result):
        click.echo(line)
