"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from edge import source as sources
from edge.errors import AdapterError
from edge.profile import DeviceProfile
from edge.types import FITS

Command = TypeVar("Command", bound=Callable[..., Any])


def model_options(command: Command) -> Command:
    """Add --profile, --require, --model, --labels, --fit and --threads."""
    for option in reversed(
        (
            click.option(
                "--profile",
                default="auto",
                show_default=True,
                help="Device profile: a name, a TOML file, or auto: the one that fits this machine.",
            ),
            click.option(
                "--require", metavar="BACKEND", help="Run on this kind of interpreter of the profile, or not at all."
            ),
            click.option("--model", help="A model file, or the name of a model.  [default: as the profile says]"),
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


def which(profile: DeviceProfile) -> str | None:
    """The profile and why it is the one, in words; None where somebody named it."""
    return None if profile.because is None else f"profile {profile.name} ({profile.because})"


def unnamed(profile: DeviceProfile) -> tuple[str | None, str | None]:
    """The source where none was given, None for the profile's cameras, and why, where nobody named it either."""
    if profile.cameras and profile.because is None:
        return None, None
    found = sources.default()
    if found == "sample:":
        return found, _why_none()
    return (None, "as the profile says") if profile.cameras else (found, "the first camera there is")


def _why_none() -> str:
    from edge.cameras import v4l2

    locked = v4l2.forbidden()
    return f"no permission for {locked[0]}: `sudo usermod -aG video $USER`" if locked else "no camera was found"


def in_words(profile: DeviceProfile, source: str | None) -> str:
    """What nobody named, in words; nothing where all was named. source: with the reason for it."""
    return ", ".join(words for words in (which(profile), source and f"source {source}") if words)


def say_which(profile: DeviceProfile, program: str = "edge") -> None:
    """Tell stderr the profile, where nobody named it; once all is open, so that a failure stays one line."""
    words = which(profile)
    if words:
        click.echo(f"{program}: {words}", err=True)


@contextmanager
def extra_train() -> Iterator[None]:
    """Where models are made: a library that is not there is one of the extra `train`, and the error says so."""
    try:
        yield
    except ModuleNotFoundError as error:
        own = "onnx" if error.name == "onnx" else "'./edgekit[train]'"  # some forms of a model need no more than that
        advice = f"install what makes models with `pip install {own}`"
        raise AdapterError(f"{error.name} is not installed; {advice}") from error
