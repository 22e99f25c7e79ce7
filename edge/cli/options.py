"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from edge.errors import AdapterError
from edge.types import FITS

Command = TypeVar("Command", bound=Callable[..., Any])


def model_options(command: Command) -> Command:
    """Add --profile, --model, --labels, --fit and --threads."""
    for option in reversed(
        (
            click.option("--profile", default="cpu", show_default=True, help="Device profile: a name or a TOML file."),
            click.option("--model", help="A .tflite file, or the name of a model.  [default: the one that ships]"),
            click.option("--labels", help="Class names, one a line.  [default: those beside or inside the model]"),
            click.option(
                "--fit", type=click.Choice(FITS), help="How a picture is made square.  [default: as the card says]"
            ),
            click.option(
                "--threads", type=click.IntRange(1, 256), help="Threads of the interpreter.  [default: up to 4]"
            ),
        )
    ):
        command = option(command)
    return command


@contextmanager
def extra_train() -> Iterator[None]:
    """Where models are made: a library that is not there is one of the extra `train`, and the error says so."""
    try:
        yield
    except ModuleNotFoundError as error:
        advice = "install what makes models with `pip install 'edgekit[train]'`"
        raise AdapterError(f"{error.name} is not installed; {advice}") from error
