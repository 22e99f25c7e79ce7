"""Makes the pictures of the documentation, in an environment with edgekit: `python docs/pictures.py`.

Those of the terminal and of an event come from real runs, those of the network from its own table.
"""

from __future__ import annotations

import io
import re
from itertools import islice
from pathlib import Path

import drawings
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

import edge
from edge import annotate
from edge.events.rules import Watch
from edge.picture import jpeg, picture
from edge.settings import Rules
from edge.sinks.terminal import render

FOLDER = Path(__file__).parent

SVG = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Without the web fonts of rich's own template: a picture asks no other host for anything."""


def terminal(frames: int = 60) -> None:
    """The terminal view of `edge run sample:`, as it stands after so many frames."""
    with edge.open_pipeline(source="sample:") as pipeline:
        pairs = list(islice(pipeline.pairs(), frames))
        frame, results = pairs[-1][0], [result for _, result in pairs[-60:]]
        console = Console(record=True, width=92, file=io.StringIO(), force_terminal=True, color_system="truecolor")
        console.print(render(pipeline.source, frame, results, pipeline.dropped))
    picture = console.export_svg(title="edge run sample:", code_format=SVG, unique_id="edge")
    (FOLDER / "terminal.svg").write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n")


def event() -> None:
    """The picture of the first event of `sample:`, as a service writes it."""
    watch = Watch(Rules())
    with edge.open_pipeline(source="sample:") as pipeline:
        for frame, result in pipeline.pairs():
            for seen in watch(result):
                shown = picture(frame, 480)
                annotate.annotate(shown, annotate.told(result, seen), annotate.moment(seen.at))
                (FOLDER / "event.jpg").write_bytes(jpeg(shown, 80))
                return


def network() -> None:
    """The block and the network of MobileNetV2."""
    (FOLDER / "block.svg").write_text(drawings.blocks())
    (FOLDER / "network.svg").write_text(drawings.network())


if __name__ == "__main__":
    terminal()
    event()
    network()
