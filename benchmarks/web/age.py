"""`python -m edge.benchmarks.web.age`: how old is what the page shows.

The service runs on a camera whose pictures carry the time at which they were taken (`clocked.py`), and the page in
Chromium is read each time that it draws: which time stands on its canvas, and what time it is. Both clocks are
CLOCK_MONOTONIC of this machine. What the compositor and a screen add is not in it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from edge.cli import HELP, begin
from edge.errors import EdgeError
from edge.host.linux import Linux
from edge.types import Array

from ..stats import summary
from .browser import browser, offset_ms, until
from .clocked import BARS, STEP_NS, SUM_BITS, TALL, TIME_BITS, checked
from .service import Service

NAME = "python -m edge.benchmarks.web.age"

LIMIT_MS = 150.0

READ = """async ([ms, bars, tall]) => {
  const canvas = document.getElementById("picture");
  const context = canvas.getContext("2d");
  const found = [];
  for (const end = performance.now() + ms; performance.now() < end;) {
    await new Promise(requestAnimationFrame);
    const { data } = context.getImageData(0, Math.round(canvas.height * tall / 2), canvas.width, 1);
    let bits = "";
    for (let i = 0; i < bars; i++) bits += data[4 * Math.floor((i + 0.5) * canvas.width / bars) + 1] > 127 ? 1 : 0;
    found.push([performance.now(), bits]);
  }
  return found;
}"""


class Ages(NamedTuple):
    """Milliseconds. new: of each picture, when the page drew next. all: of what it showed, each time it drew."""

    new: list[float]
    all: list[float]
    unread: int


@click.command(context_settings=HELP)
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True, help="How long to look.")
@click.option("--size", nargs=2, type=int, default=(640, 480), show_default=True, help="Of the camera's pictures.")
@click.option("--camera", type=float, default=30.0, show_default=True, help="Frames a second that the camera gives.")
@click.option("--json", "as_json", type=Path, help="Write every age there.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(seconds: float, size: tuple[int, int], camera: float, as_json: Path | None, debug: bool) -> None:
    """Measure how old the pictures on the page are."""
    given = {"width": size[0], "height": size[1], "fps": camera}
    with (
        tempfile.TemporaryDirectory() as folder,
        Service(Path(folder), given) as service,
        browser() as chromium,
    ):
        found = look(chromium, service.port, seconds)
    if as_json:
        as_json.write_text(json.dumps(found._asdict()))
    show(found)
    facts = Linux().facts()
    print(f"host: {facts.cpu or facts.machine}, {facts.cores} cores, {facts.system}, Python {facts.python}")


def look(chromium: Any, port: int, seconds: float) -> Ages:
    """Read the page for so long. Raises EdgeError where nothing can be read."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
    until(page, "document.getElementById('picture').width > 300")
    page.wait_for_timeout(1500)
    offset = offset_ms(page)
    read = page.evaluate(READ, [seconds * 1000, BARS, TALL])
    ages, new, before, unread = [], [], None, 0
    for at, bits in read:
        steps = int(bits, 2) >> SUM_BITS
        if checked(steps) != int(bits, 2) & 15:
            unread += 1
            continue
        ages.append(age_ms(at + offset, steps))
        if steps != before:
            new.append(ages[-1])
        before = steps
    if len(new) < 2:
        raise EdgeError(f"no time could be read on the page in {len(read)} looks; see whether it shows the camera")
    return Ages(new[1:], ages, unread)


def age_ms(now_ms: float, steps: int) -> float:
    """How long ago a picture was taken. now_ms: of `time.monotonic`."""
    step_ms, half = STEP_NS / 1e6, 1 << (TIME_BITS - 1)
    return ((now_ms / step_ms - steps + half) % (2 * half) - half) * step_ms


def show(found: Ages) -> None:
    """Print the figures."""
    for words, ages in (("of a picture when it appears", found.new), ("of what is shown at any time", found.all)):
        told = summary(ages)
        shares = "".join(f"p{share} {value:.0f}, " for share, value in ((95, told.p95), (99, told.p99)) if value)
        values: Array = np.asarray(ages)
        print(
            f"age {words}: median {told.median:.0f} ms, {shares}most {told.max:.0f} ms; "
            f"{np.mean(values <= LIMIT_MS):.2%} of {len(ages)} at most {LIMIT_MS:g} ms"
        )
    print(f"could not be read: {found.unread} of {len(found.all) + found.unread}")


if __name__ == "__main__":
    begin(command, NAME, sys.argv[1:])
