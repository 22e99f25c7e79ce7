"""`python -m edge.benchmarks.peers`: the table of the peers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
import cv2
import msgspec
import numpy as np
from rich.console import Console

from edge import models
from edge.cameras import sample
from edge.cli import HELP, begin
from edge.cli.progress import Live, Plain, shown
from edge.errors import ConfigError, EdgeError, one_line
from edge.files import cache, printable, write_whole
from edge.host import Facts
from edge.host.linux import Linux
from edge.types import Array

from . import environments, table, turns
from .known import MODEL, Peer, peers
from .turns import Measured

NAME = "python -m edge.benchmarks.peers"

CALLS = 10
"""In each turn, of each step."""

VIEWS = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Of each photograph that ships: when in its round the frame is taken."""


@click.command(context_settings=HELP)
@click.option("--count", type=click.IntRange(CALLS), default=500, show_default=True, help="Samples of each peer.")
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="Of each runtime.")
@click.option("--folder", type=Path, help="Where the environments are kept.  [default: in the user's cache]")
@click.option("--onnx", type=Path, help="The network with Q/DQ nodes.  [default: `edge export` makes it]")
@click.option("--only", multiple=True, metavar="PEER", help="Beside edgekit and bare LiteRT; may be repeated.")
@click.option("--markdown", type=Path, help="Also write the table there.")
@click.option("--json", "as_json", type=Path, help="Write every sample there.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(
    count: int,
    threads: int,
    folder: Path | None,
    onnx: Path | None,
    only: tuple[str, ...],
    markdown: Path | None,
    as_json: Path | None,
    debug: bool,
) -> None:
    """Time what could be used instead of edgekit, on the model that ships, and print a table.

    Each peer is installed with pip into an environment of its own, and they run in turn. ONNX Runtime and OpenCV need
    the network as ONNX, which `edge export` of the extra train makes.
    """
    place = (folder or _kept()).absolute()
    chosen = _chosen(only)
    started = datetime.now(timezone.utc)
    console = Console(stderr=True)
    with shown(console, NAME) as display, tempfile.TemporaryDirectory() as scratch:
        found = _measure(chosen, place, onnx, Path(scratch), count // CALLS, threads, display)
    host = Linux().facts()
    rows = table.rows(found)
    text = f"{table.markdown(rows)}\n{_circumstances(started, host, threads, found)}\n"
    try:
        if as_json:
            _write(as_json, _record(started, host, threads, found, rows))
        if markdown:
            _write(markdown, text.encode())
    finally:
        click.echo(text, nl=False)


def _kept() -> Path:
    place = cache()
    if place is None:
        raise ConfigError("there is no home folder for the environments; name a folder with --folder")
    return place / "peers"


def _chosen(only: Sequence[str]) -> list[Peer]:
    known = peers()
    names = {peer.file for peer in known}
    strange = [name for name in only if name not in names]
    if strange:
        raise ConfigError(f"--only {strange[0]}: no such peer; there are {', '.join(sorted(names))}")
    return [peer for place, peer in enumerate(known) if place < 2 or not only or peer.file in only]


def _measure(
    chosen: list[Peer], folder: Path, onnx: Path | None, scratch: Path, count: int, threads: int, display: Live | Plain
) -> list[Measured]:
    """Start every peer that can, and let them have their turns."""
    frames = scratch / "frames.npy"
    np.save(frames, views())
    found = [Measured(peer=peer) for peer in chosen]
    running = []
    with ExitStack() as stack:
        for each in found:
            try:
                model = _model(each.peer, onnx, scratch, display)
                python = environments.python_of(each.peer, folder, display.say)
            except EdgeError as error:
                each.why_not = str(error)
                continue
            file = turns.WORKER.parent / "workers" / f"{each.peer.file}.py"
            line = [python, "-I", turns.WORKER, file, each.peer.package, model, frames, threads]
            worker = turns.opened(each, [str(part) for part in line])
            if worker:
                stack.callback(worker.close)
                running.append((each, worker))
            display.say(f"{each.peer.name}: {each.version or 'does not run'}")
        with suppress(KeyboardInterrupt):  # what was measured until then makes a table as well
            turns.rounds(running, range(count), CALLS, display.watch)
    return found


def views() -> Array:
    """What is looked at: frames x 480 x 640 x 3 uint8, RGB, views of the photographs that ship."""
    pictures: list[Any] = [cv2.imread(str(path)) for path in sample.photographs()]
    seen = [sample.view(picture, at) for picture in pictures for at in VIEWS]
    return np.stack([cv2.cvtColor(view, cv2.COLOR_BGR2RGB) for view in seen])


def _model(peer: Peer, onnx: Path | None, scratch: Path, display: Live | Plain) -> Path:
    """The model in the peer's format. Raises EdgeError where it cannot be made."""
    if peer.model == "tflite":
        return models.shipped()[MODEL]
    made = scratch / "network.onnx"
    if onnx is None and not made.exists():
        display.say("exporting the network as ONNX")
        try:
            environments.ran([sys.executable, "-m", "edge", "export", MODEL, "-o", str(made)])
        except EdgeError as error:
            raise EdgeError(f"it needs the network as ONNX (give one with --onnx): {error}") from error
    return (onnx or made).absolute()


def _circumstances(started: datetime, host: Facts, threads: int, found: Sequence[Measured]) -> str:
    rounds = max(len(each.turns) for each in found)
    kernel = host.kernel.partition("-")[0]
    machine = f"{host.cpu or host.machine}, {host.cores} cores, Linux {kernel}, Python {host.python}"
    return (
        f"{started:%Y-%m-%d}, {machine}; {threads} thread{'s' * (threads > 1)}, {rounds} rounds of {CALLS} calls each. "
        "Ratios are medians of the rounds' ratios, in brackets with 99 % confidence."
    )


def _record(
    started: datetime, host: Facts, threads: int, found: Sequence[Measured], rows: Sequence[table.Row]
) -> bytes:
    everything = {
        "started_at": started,
        "host": host,
        "threads": threads,
        "calls": CALLS,
        "rows": rows,
        "measured": found,
    }
    return msgspec.json.encode(everything) + b"\n"


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise ConfigError(f"{printable(path)}: cannot be written: {reason}; name another file") from error


if __name__ == "__main__":
    begin(command, NAME, sys.argv[1:])
