"""`edge models`: what there is, what a model file is, whether it is right, and fetching more."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from edge import models
from edge.errors import EdgeError, ModelError, one_line
from edge.files import printable
from edge.models import card as cards
from edge.models import catalogue, graph
from edge.models.catalogue import Entry
from edge.types import TensorSpec


class Models(click.Group):
    """The group; `describe` is loaded when it is called, so that a list comes soon."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, sorted."""
        return sorted([*self.commands, "describe"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them."""
        if cmd_name != "describe":
            return self.commands.get(cmd_name)
        from edge.cli.describe import describe

        return describe


@click.group("models", cls=Models)
def command() -> None:
    """List, describe, verify and fetch models."""


with_catalogue: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--catalogue", "own", type=click.Path(path_type=Path), help="A catalogue of your own, besides the one that ships."
)

with_json: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="JSON on stdout, and nothing else."
)


def _entries(own: Path | None) -> dict[str, Entry]:
    return {**catalogue.shipped(), **(catalogue.read(own) if own else {})}


# --- list


@command.command("list")
@with_catalogue
@with_json
def list_models(own: Path | None, as_json: bool) -> None:
    """List the models that ship, those that were pulled, and those that can be."""
    from edge.models import inventory

    found = inventory.known(_entries(own))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    titles = {"shipped": "shipped", "pulled": "pulled", "available": "available: edge models pull NAME"}
    cells = [["name", "task", "classes", "runs on", "top-1", "size", "licence"], *map(_cells, found)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    header, *rows = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    click.echo(f"  {header}")
    for state, title in titles.items():
        here = [f"  {row}" for row, each in zip(rows, found, strict=True) if each.state == state]
        if here:
            click.echo("\n".join([title, *here]))


def _cells(each: Any) -> list[str]:
    unknown = "unknown"
    top1 = f"{each.top1:.1%}" if each.top1 is not None else unknown
    name = each.name + (" (default)" if each.name == models.DEFAULT else "")
    classes = str(each.classes or unknown)
    size = f"{each.size / 1e6:.1f} MB"
    cells = [name, each.task or unknown, classes, each.runs_on or unknown, top1, size, each.license or unknown]
    return list(map(one_line, cells))


# --- info


@command.command("info")
@click.argument("model", default=models.DEFAULT)
@click.option("--labels", help="Class names, one a line.")
def info(model: str, labels: str | None) -> None:
    """Describe MODEL, a name or a file: its tensors, labels and card, and whether it runs here."""
    file = models.load(model, labels)
    read, tensors = _tensors(file)
    rows = {
        "file": f"{printable(file.path)} ({len(file.data):,} bytes)",
        "sha256": file.sha256 + _agrees(file),
        **tensors,
        "labels": f"{len(read.labels)} ({', '.join(read.labels[:3])}, …)" if read.labels else "none",
        **_card(read.card),
    }
    if read is file and file.format == "torch":  # nothing here could read it
        inside = "where it has some, inside: reading those takes the extra `train`"
        rows |= {key: inside for key in ("labels", "card") if rows.get(key) == "none"}
    width = max(map(len, rows))
    for key, value in rows.items():
        click.echo(f"{key:<{width}}  {one_line(value)}")


def _tensors(file: models.ModelFile) -> tuple[models.ModelFile, dict[str, str]]:
    """Its input and outputs, and what runs it here; or what the file says of them, and why nothing does.

    Also the file, with what an interpreter that reads more of it found inside.
    """
    from edge import adapters
    from edge.cli.eval import NATIVE, RUNTIMES

    compiled = file.format == "tflite" and graph.compiled_for_edgetpu(file.data)
    try:
        interpreter = adapters.open("interpreters", "edgetpu" if compiled else RUNTIMES[NATIVE[file.format]], file)
    except EdgeError as error:
        only = "on an Edge TPU only; " if compiled else ""
        return file, {**_told(file), "runs here": f"no: {only}{error}"}
    rows = {
        "input": _words(interpreter.inputs[0]),
        "output": "; ".join(map(_words, interpreter.outputs)),
        "runs here": f"yes, on {interpreter.backend}",
    }
    interpreter.close()
    return getattr(interpreter, "model", file), rows


def _told(file: models.ModelFile) -> dict[str, str]:
    """What a .tflite says of its tensors, without an interpreter."""
    if file.format != "tflite":
        return {}
    from edge.models import parts

    try:
        network = parts.read(file.data, str(file.path))
    except ModelError:
        return {}
    tensors = {"input": network.inputs, "output": network.outputs}
    return {key: "; ".join(_tensor(network.tensors[i]) for i in places) for key, places in tensors.items()}


def _tensor(tensor: Any) -> str:
    shape, how = "x".join(map(str, tensor.shape)), tensor.quantisation
    quantised = f", real = {how.scales[0]:.6g} * (q - {how.zero_points[0]})" if how and len(how.scales) == 1 else ""
    return f"{tensor.name}: {shape} {tensor.dtype}{quantised}"


def _words(spec: TensorSpec) -> str:
    shape = "x".join(map(str, spec.shape))
    quantised = f", real = {spec.scale:.6g} * (q - {spec.zero_point})" if spec.quantised else ""
    return f"{spec.name}: {shape} {spec.dtype}{quantised}"


def _agrees(file: models.ModelFile) -> str:
    if file.card is not None and file.card.sha256 not in (None, file.sha256):
        return " (NOT what the card says: install it again)"
    says = ["the card"] if file.card is not None and file.card.sha256 else []
    says += ["the catalogue"] if file.sha256 in {e.model.sha256 for e in catalogue.shipped().values()} else []
    return f" (as {' and '.join(says)} say{'s' if len(says) == 1 else ''})" if says else ""


def _card(card: cards.Card | None) -> dict[str, object]:
    if card is None:
        return {"card": "none"}
    shown = ("name", "task", "classes", "fit", "license", "source", "made_by")
    rows = {key: getattr(card, key) for key in shown}
    measured = msgspec.structs.asdict(card.accuracy) if card.accuracy else {}
    rows |= {f"accuracy.{key}": value for key, value in measured.items()}
    return {key: value for key, value in rows.items() if value is not None}


# --- verify


@command.command("verify")
@click.argument("which", metavar="[NAME|FILE]...", nargs=-1)
@with_catalogue
@with_json
def verify(which: tuple[str, ...], own: Path | None, as_json: bool) -> int:
    """Check models against their cards and the catalogue; without a name, all that ship and all that were pulled.

    The sha256 must be what card and catalogue say, and the labels as many as the classes. Exit code 1 where one is
    wrong or missing.
    """
    from edge.models import inventory

    entries = _entries(own)
    all_here = {**models.shipped(), **models.pulled()}
    found = [inventory.verify(each, entries) for each in which or all_here]
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        marks = {True: "right", False: "WRONG", None: "unknown"}
        width = max(len(each.name) for each in found)
        for each in found:
            click.echo(f"{each.name:<{width}}  {marks[each.right]:<7}  {one_line(each.words)}")
    return int(any(each.right is False for each in found))


# --- pull


def _number(context: click.Context, option: click.Parameter, value: float) -> float:
    """A range lets through what is no number."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number of seconds.")
    return value


@command.command("pull")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Folder.  [default: the store]")
@with_catalogue
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    callback=_number,
    default=30.0,
    show_default=True,
    help="Seconds without a byte that end a connection.",
)
def pull(names: tuple[str, ...], to: Path | None, own: Path | None, timeout: float) -> None:
    """Fetch models of the catalogue by NAME: only the very files whose sha256 it has are kept.

    What was interrupted goes on where it was when it is called again.
    """
    from edge.cli.fetching import report as reporting
    from edge.models.store import Pull

    entries = _entries(own)
    unknown = [name for name in names if name not in entries]
    if unknown:
        raise ModelError(f"model {unknown[0]}: not in the catalogue, which has: {', '.join(entries)}")
    try:
        with reporting() as report:
            paths = [Pull(entries[name], to, stall=timeout, report=report)() for name in names]
    except KeyboardInterrupt:
        click.echo("edge: what arrived is kept; the same command goes on from there", err=True)
        raise
    for name, path in zip(names, paths, strict=True):
        click.echo(path)
        model = shlex.quote(printable(path) if to else name)
        click.echo(f"edge: {_next(entries[name], model)}", err=True)


def _next(entry: Entry, model: str) -> str:
    """What a user does with a model that was pulled."""
    if entry.runs_on == "torch":
        return f"score it with `edge eval --model {model} --data FOLDER` (needs the extra `train`)"
    if entry.runs_on == "cpu":
        return f"run it with `edge run --model {model}`"
    return f"it runs on an Edge TPU only: with one plugged in, `edge run --model {model}`"
