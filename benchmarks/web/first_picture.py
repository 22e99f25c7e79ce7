"""`python -m edge.benchmarks.web.first_picture`: from the command `edge demo` to the first picture in a browser.

Chromium runs already, with an empty tab; it opens the address as soon as the command prints it. Beside each start, in
turn: a bare Python, and one that does nothing but load the interpreter and have it answer once. What the toolkit adds
is what lies beyond the latter. The first start, which may read from the disk what the others find in memory, is not
counted, but told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import click

from edge import models
from edge.cli import HELP, begin
from edge.host.linux import Linux

from .browser import browser, until
from .demo import demo

NAME = "python -m edge.benchmarks.web.first_picture"

LOAD = """
import sys
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
interpreter.invoke()
"""

SEEN = """async () => {
  await new Promise(requestAnimationFrame);
  const canvas = document.getElementById("picture");
  if (!(canvas?.width > 300)) return false;
  const own = new OffscreenCanvas(canvas.width, 1).getContext("2d");
  own.drawImage(canvas, 0, Math.floor(canvas.height / 2), canvas.width, 1, 0, 0, canvas.width, 1);
  return own.getImageData(0, 0, canvas.width, 1).data.some((value, i) => i % 4 < 3 && value > 16);
}"""
"""The page's canvas is left to the page: whoever asks it for a context first decides what kind it is."""


@click.command(context_settings=HELP)
@click.option("--rounds", type=click.IntRange(2), default=10, show_default=True, help="Starts, after the first.")
@click.option("--source", default="sample:", show_default=True, help="As `edge demo` takes it.")
@click.option("--json", "as_json", type=Path, help="Write every time there.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(rounds: int, source: str, as_json: Path | None, debug: bool) -> None:
    """Time the start of the live demo."""
    found: dict[str, list[float]] = {"python": [], "interpreter": [], "address": [], "picture": []}
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        model = Path(folder) / "model.tflite"
        model.write_bytes(models.load(None).data)
        for _ in range(rounds + 1):
            found["python"].append(_took("pass"))
            found["interpreter"].append(_took(LOAD, str(model)))
            address, picture = start(chromium, source, folder)
            found["address"].append(address)
            found["picture"].append(picture)
    if as_json:
        as_json.write_text(json.dumps(found))
    show(found)
    facts = Linux().facts()
    print(f"host: {facts.cpu or facts.machine}, {facts.cores} cores, {facts.system}, Python {facts.python}")


def _took(code: str, *given: str) -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", code, *given], check=True, capture_output=True, cwd=tempfile.gettempdir())
    return time.monotonic() - begun


def start(chromium: Any, source: str, folder: str) -> tuple[float, float]:
    """Seconds from the command to its address, and to its first picture on the page. Raises EdgeError."""
    page = chromium.new_page()
    begun = time.monotonic()
    with demo(Path(folder), source) as address, closing(page):
        told = time.monotonic() - begun
        page.goto(address, wait_until="commit")
        until(page, SEEN)
        return told, time.monotonic() - begun


def show(found: dict[str, list[float]]) -> None:
    """Print the medians, and what the toolkit adds."""
    own = [picture - load for picture, load in zip(found["picture"], found["interpreter"], strict=True)]
    for words, each in (
        ("a bare Python", found["python"]),
        ("Python, and the interpreter's load and first answer", found["interpreter"]),
        ("edge demo, until it tells the address", found["address"]),
        ("edge demo, until the first picture is on the page", found["picture"]),
        ("that, beyond the interpreter's load", own),
    ):
        first, *rest = each
        print(f"{words}: median {median(rest):.2f} s, {min(rest):.2f} to {max(rest):.2f} s; the first {first:.2f} s")
    print(f"{len(own) - 1} starts of each, in turn")


if __name__ == "__main__":
    begin(command, NAME, sys.argv[1:])
