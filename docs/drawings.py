"""Draws the block and the network of MobileNetV2 as SVG; every number comes from the network's own table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import log2, sqrt

from edge.mobilenet.describe import layers, plan
from edge.mobilenet.table import STAGES
from edge.models.cost import Layer

INK, PALE = "#1f2933", "#3e4c59"
GREY, BLUE, ORANGE, GREEN, BAR = "#bcccdc", "#8ec1f0", "#f8bf7f", "#a9d498", "#334e68"
TIMES = "&#215;"
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
SMALL, LINE = ' font-size="12"', ' stroke-width="1.5" marker-end="url(#arrow)"'

Shape = tuple[int, ...]


def svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """A picture of these parts on white."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" font-family="{FONT}" font-size="13">'
    )
    arrow = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0.5 L8 4 L0 7.5 z" fill="{INK}"/></marker></defs>'
    )
    ground = f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{title}</title>", arrow, ground, *parts, "</svg>"]) + "\n"


def text(x: float, y: float, words: object, anchor: str = "middle", fill: str = INK, more: str = "") -> str:
    """Words, their baseline at y."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{more}>{words}</text>'


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    """A filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


def line(points: str) -> str:
    """A line that ends in an arrow."""
    return f'<path d="{points}" fill="none" stroke="{INK}"{LINE}/>'


def size(shape: Shape) -> str:
    """A shape in words."""
    return f" {TIMES} ".join(map(str, shape))


# The block: bars are tensors, as wide as they have channels; between them stand the operators.

STEP, GAP, TOP = 78, 9, 64


def blocks() -> str:
    """The two kinds of bottleneck side by side: the second block of a stage, and its first, of stride 2."""
    number = next(i for i, stage in enumerate(STAGES, 1) if (stage.c, stage.s) == (64, 2))
    parts = [*block(f"{number}.2", 250), *block(f"{number}.1", 690)]
    return svg(900, 384, "The inverted residual block of MobileNetV2, with stride 1 and with stride 2", parts)


def block(name: str, middle: float) -> list[str]:
    """One bottleneck of the network, from its input down."""
    every = layers()
    own = [layer for layer in every if layer.stage == name]
    before = every[every.index(own[0]) - 1]
    steps = [layer for layer in own if layer.operator != "add"]
    shapes = [layer.output or () for layer in (before, *steps)]
    t = shapes[1][2] // shapes[0][2]
    stride = shapes[0][0] // shapes[-1][0]
    words = [
        (f"1{TIMES}1 convolution", f"expands, t = {t}, ReLU6", BLUE, 12),
        (f"3{TIMES}3 depthwise", f"stride {stride}, ReLU6", ORANGE, 0),
        (f"1{TIMES}1 convolution", "projects, linear", GREEN, -8),
    ]
    parts = [text(middle, 30, f"stride {stride}", more=' font-size="16" font-weight="bold"')]
    for i, (name_, detail, fill, lower) in enumerate(words):
        parts += funnel(middle, TOP + i * STEP, shapes[i], shapes[i + 1], fill)
        at = TOP + i * STEP + STEP / 2 + lower
        parts += [text(middle, at - 3, name_), text(middle, at + 13, detail, fill=PALE, more=SMALL)]
    for i, shape in enumerate(shapes):
        parts += tensor(middle, TOP + i * STEP, shape)
    return [*parts, *ending(middle, shapes, residual=len(own) > len(steps))]


def funnel(middle: float, y: float, before: Shape, after: Shape, fill: str) -> list[str]:
    """An operator, as wide above as what goes in and below as what comes out."""
    upper, lower, a, b = y + GAP, y + STEP - GAP, before[2] / 2, after[2] / 2
    shape = f"M{middle - a:.1f} {upper:.1f} H{middle + a:.1f} L{middle + b:.1f} {lower:.1f} H{middle - b:.1f} z"
    return [f'<path d="{shape}" fill="{fill}"/>']


def tensor(middle: float, y: float, shape: Shape) -> list[str]:
    """A tensor's bar, and its size at its right."""
    wide = shape[2] / 2
    return [
        box(middle - wide, y - 4, 2 * wide, 8, BAR),
        text(middle + wide + 9, y + 4, size(shape), "start", more=SMALL),
    ]


def ending(middle: float, shapes: Sequence[Shape], residual: bool) -> list[str]:
    """What comes below the projection: the sum with the block's input, or the output alone."""
    bottom = TOP + (len(shapes) - 1) * STEP
    if not residual:
        return [line(f"M{middle} {bottom + 8} V{bottom + 38}")]
    left, plus, start = middle - shapes[1][2] / 2 - 20, bottom + 40, middle - shapes[0][2] / 2 - 4
    corner = f"Q{left} {TOP} {left} {TOP + 10} V{plus - 10} Q{left} {plus} {left + 10} {plus}"
    sign = f"M{middle - 5} {plus} H{middle + 5} M{middle} {plus - 5} V{plus + 5}"
    turned = f' transform="rotate(-90 {left - 8} {(TOP + plus) / 2})"'
    return [
        line(f"M{start} {TOP} H{left + 10} {corner} H{middle - 12}"),
        line(f"M{middle} {bottom + 8} V{plus - 12}"),
        f'<circle cx="{middle}" cy="{plus}" r="10" fill="none" stroke="{INK}" stroke-width="1.5"/>',
        f'<path d="{sign}" stroke="{INK}" stroke-width="1.5"/>',
        line(f"M{middle} {plus + 11} V{plus + 36}"),
        text(left - 8, (TOP + plus) / 2, "the input, unchanged", more=SMALL + turned),
    ]


# The network: each block as high as the logarithm of its resolution and as wide as the square root of its channels.

BASE, LEFT = 262, 118
LEGEND = (
    (GREY, "convolution"),
    (ORANGE, "block, stride 2"),
    (BLUE, "block, stride 1"),
    (GREEN, "block, stride 1, its input added"),
)
ROWS = (("expansion", "t"), ("channels", "c"), ("repeats", "n"), ("stride", "s"))


def network() -> str:
    """The whole network, left to right."""
    named = [f"{word} <tspan font-style='italic'>{letter}</tspan>" for word, letter in ROWS]
    parts = [text(LEFT - 36, BASE + 30 + 20 * i, name, "end", PALE, SMALL) for i, name in enumerate(named)]
    parts += [part for i, (fill, word) in enumerate(LEGEND) for part in entry(300 + 155 * i, fill, word)]
    every, x = layers(), float(LEFT)
    shown = [layer for layer in every if layer.stage != "head"]
    for _, group in groupby(shown, lambda layer: layer.stage.partition(".")[0]):
        drawn, x = stage(list(group), x)
        parts += drawn
    parts += [text(x + 2, BASE - 46 + 18 * i, words(layer), "start", more=SMALL) for i, layer in enumerate(every[-3:])]
    middle = BASE - 14 * log2(112)
    turned = f' transform="rotate(-90 {LEFT - 16} {middle})"'
    parts.append(text(LEFT - 16, middle, size((224, 224, 3)), more=SMALL + turned))
    return svg(x + 124, BASE + 106, "MobileNetV2: its stages with their resolution and channels", parts)


def words(layer: Layer) -> str:
    """One of the last three layers."""
    name, number = layer.operator.split()[0], (layer.output or (0,))[-1]
    return {"avgpool": f"average: {number}", "linear": f"linear: {number}"}.get(name, name)


def entry(x: float, fill: str, word: str) -> list[str]:
    """One line of the legend."""
    return [box(x, 14, 13, 13, fill), text(x + 19, 25, word, "start", more=SMALL)]


def stage(group: list[Layer], x: float) -> tuple[list[str], float]:
    """The blocks of one stage, or one convolution, and where the next stage begins."""
    names = list(dict.fromkeys(layer.stage for layer in group))
    shape = group[-1].output or ()
    high, wide = 28 * log2(shape[0]), 3.6 * sqrt(shape[2])
    total = len(names) * (wide + 2) - 2
    room = max(total, 34)
    told, left, parts = plan(1.0).get(names[0]), x + (room - total) / 2, []
    for i, name in enumerate(names):
        added = any(layer.stage == name and layer.operator == "add" for layer in group)
        fill = GREY if told is None else GREEN if added else ORANGE if told[3] == 2 else BLUE
        parts.append(box(left + i * (wide + 2), BASE - high, wide, high, fill))
    middle = x + room / 2
    parts.append(text(middle, BASE - high - 7, f"{shape[0]}²", more=SMALL))
    stride = 2 if "/2" in group[0].operator else 1
    values = told or ("", shape[2], 1, stride)
    parts += [text(middle, BASE + 30 + 20 * place, value) for place, value in enumerate(values)]
    return parts, x + room + 12
