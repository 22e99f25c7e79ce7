"""`edge models describe`: the layers of a network, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge import models
from edge.errors import ConfigError
from edge.models import cost, parts

NARROWEST = 80

EMPTY = ("", "", "", "")
NUMBERS = ("parameters", "multiply-adds", "split")


class Told(NamedTuple):
    """A network as it is told.

    columns, rows: cells that stand before those of `_cells`. facts: for --json. sums: lines for below the table.
    """

    title: str
    layers: list[cost.Layer]
    columns: list[str]
    rows: list[list[str]]
    facts: dict[str, object]
    sums: list[tuple[str, str]]


@click.command("describe")
@click.argument("file", required=False)
@click.option("--width", type=float, help="Width multiplier of MobileNetV2.  [default: 1.0]")
@click.option("--resolution", type=int, help="Height and width of its input, in pixels.  [default: 224]")
@click.option("--classes", type=int, help="How many classes it tells apart.  [default: 1000]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else.")
def describe(file: str | None, width: float | None, resolution: int | None, classes: int | None, as_json: bool) -> None:
    """Tell the layers of FILE (a .tflite file, or the name of a model), or of MobileNetV2 where none is given.

    Each layer with its output, parameters (weights and biases) and multiply-adds (products of a weight and an
    activation). "split" is how many times fewer multiply-adds a depthwise convolution and the pointwise one after it
    take than one full convolution of the same kernel and channels: k*k*d / (k*k + d), for d channels out.
    """
    if file is not None and (width, resolution, classes) != (None, None, None):
        raise ConfigError("FILE has its own width, resolution and classes; give either FILE or those options")
    told = _file(file) if file is not None else _network(width, resolution, classes)
    if as_json:
        click.echo(msgspec.json.encode(_object(told)))
    else:
        _print(told)


def _file(file: str) -> Told:
    model = models.load(file)
    network = parts.read(model.data, str(model.path))
    layers = cost.layers_of(network)
    facts = {"model": model.name, "bytes": len(model.data), "subgraphs": network.subgraphs}
    unknown = cost.total(layers).unknown
    sums = [("unknown", f"not counted: what is in {unknown} of the {len(layers)} operators")] if unknown else []
    more = [("subgraphs", f"{network.subgraphs}, of which this is the first")] if network.subgraphs > 1 else []
    return Told(
        title=f"{model.name}: {len(layers)} operators, {len(model.data):,} bytes",
        layers=layers,
        columns=["#"],
        rows=[[str(number)] for number in range(len(layers))],
        facts=facts,
        sums=[*sums, *more],
    )


def _network(width: float | None, resolution: int | None, classes: int | None) -> Told:
    """MobileNetV2 by the paper's table 2."""
    from edge.mobilenet import describe as network  # needs no framework

    width = network.WIDTH if width is None else width
    resolution = network.RESOLUTION if resolution is None else resolution
    classes = network.CLASSES if classes is None else classes
    layers = network.layers(width, resolution, classes)
    paper, before = network.paper(width, resolution, classes), network.normalised(layers)
    known = {"parameters_m": paper.parameters, "multiply_adds_m": paper.multiply_adds} if paper else None
    sums = [("", f"{before:,} parameters before batch normalisation is merged")]
    if paper:
        said = f"{paper.parameters} M parameters, {paper.multiply_adds} M multiply-adds (table 4)"
        sums += [("the paper", said), ("", paper.why)]
    return Told(
        title=f"MobileNetV2, width {width}, {resolution}x{resolution} pixels, {classes:,} classes",
        layers=layers,
        columns=["block", "t", "c", "n", "s"],
        rows=_plan(layers, network.plan(width)),
        facts={
            "width": width,
            "resolution": resolution,
            "classes": classes,
            "parameters_before_merging_normalisation": before,
            "paper": known,
        },
        sums=sums,
    )


def _plan(layers: Sequence[cost.Layer], plan: Mapping[str, tuple[object, ...]]) -> list[list[str]]:
    """The block of each layer where it begins, and t, c, n and s where a stage does."""
    rows, last = [], ""
    for layer in layers:
        new, last = layer.stage != last, layer.stage
        letters = plan.get(layer.stage, EMPTY) if new else EMPTY
        rows.append([layer.stage if new else "", *map(str, letters)])
    return rows


def _object(told: Told) -> dict[str, object]:
    layers = [{**layer._asdict(), "parameters": layer.parameters, "split_saves": layer.factor} for layer in told.layers]
    sums = cost.total(told.layers)
    return {**told.facts, "total": {**sums._asdict(), "parameters": sums.parameters}, "layers": layers}


def _print(told: Told) -> None:
    console = Console(highlight=False)
    console = console if console.width >= NARROWEST else Console(highlight=False, width=NARROWEST)
    console.print(Text(told.title, style="bold"))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name in [*told.columns, "layer", "output", *NUMBERS]:
        right = name in ("output", *NUMBERS, *told.columns[1:])
        table.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    for row, layer in zip(told.rows, told.layers, strict=True):
        table.add_row(*map(Text, [*row, *_cells(layer)]))
    console.print(table)
    _sums(console, told)


def _cells(layer: cost.Layer) -> list[str]:
    output = "unknown" if layer.output is None else "x".join(map(str, layer.output)) or "scalar"
    factor = f"{layer.factor:.1f}x" if layer.factor else ""
    return [layer.operator, output, _number(layer.parameters), _number(layer.multiply_adds), factor]


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _sums(console: Console, told: Told) -> None:
    """The sums in two columns, of which the second wraps."""
    sums = cost.total(told.layers)
    lines = [
        ("parameters", f"{sums.parameters:,}: {sums.weights:,} weights and {sums.biases:,} biases"),
        ("multiply-adds", f"{sums.multiply_adds:,}"),
    ]
    if sums.full > sums.multiply_adds:
        times = f"{sums.full / sums.multiply_adds:.1f} times as many"
        lines.append(("", f"{sums.full:,} with full convolutions in place of the split ones, {times}"))
    table = Table.grid(padding=(0, 2, 0, 0))
    for key, value in _under(lines, told.sums):
        table.add_row(Text(key, style="bold"), Text(value))
    console.print(table)


def _under(lines: list[tuple[str, str]], more: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Lines without a key that come first in `more` belong to the parameters, which are the first line."""
    own = more[:1] if more and not more[0][0] else []
    return [lines[0], *own, *lines[1:], *more[len(own) :]]
