"""`edge models`: what ships, and what a model file is."""

from __future__ import annotations

import click
import msgspec
from rich.console import Console
from rich.table import Table

from edge import adapters, models
from edge.models import card as cards
from edge.types import TensorSpec


@click.group("models")
def command() -> None:
    """List and describe models."""


@command.command("list")
def list_models() -> None:
    """List the models that ship inside the package."""
    table = Table("name", "task", "classes", "top-1", "licence", box=None)
    for name, path in models.shipped().items():
        card = cards.read(cards.path_beside(path))
        top1 = f"{card.accuracy.top1:.1%}" if card.accuracy else "unknown"
        mark = " (default)" if name == models.DEFAULT else ""
        table.add_row(name + mark, card.task, str(card.classes), top1, card.license or "unknown")
    Console().print(table)


@command.command("info")
@click.argument("model", default=models.DEFAULT)
@click.option("--labels", help="Class names, one a line.")
def info(model: str, labels: str | None) -> None:
    """Describe MODEL (a name or a .tflite file): its tensors, labels and card."""
    file = models.load(model, labels)
    interpreter = adapters.open("interpreters", "litert", file)
    rows = {
        "file": f"{file.path} ({len(file.data):,} bytes)",
        "sha256": file.sha256 + _agrees(file),
        "input": _words(interpreter.inputs[0]),
        "output": "; ".join(map(_words, interpreter.outputs)),
        "labels": f"{len(file.labels)} ({', '.join(file.labels[:3])}, …)" if file.labels else "none",
        **_card(file.card),
    }
    interpreter.close()
    width = max(map(len, rows))
    for key, value in rows.items():
        click.echo(f"{key:<{width}}  {value}")


def _words(spec: TensorSpec) -> str:
    shape = "x".join(map(str, spec.shape))
    quantised = f", real = {spec.scale:.6g} * (q - {spec.zero_point})" if spec.quantised else ""
    return f"{spec.name}: {shape} {spec.dtype}{quantised}"


def _agrees(file: models.ModelFile) -> str:
    if file.card is None or file.card.sha256 is None:
        return ""
    return " (as the card says)" if file.card.sha256 == file.sha256 else " (NOT what the card says: install it again)"


def _card(card: cards.Card | None) -> dict[str, object]:
    if card is None:
        return {"card": "none"}
    flat = msgspec.to_builtins(card)
    accuracy = flat.pop("accuracy") or {}
    shown = {
        key: value for key, value in flat.items() if key in ("name", "task", "fit", "license", "source", "made_by")
    }
    return {**shown, **{f"accuracy.{key}": value for key, value in accuracy.items()}}
