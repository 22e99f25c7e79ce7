"""`edge run`: from a source to answers."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import Any, NamedTuple

import click
import cv2

from edge import profile as profiles
from edge import source as sources
from edge.cameras.images import Images
from edge.cli import loaded
from edge.cli.options import in_words, model_options, unnamed
from edge.cli.signals import ENDS, answered
from edge.engine import requiring
from edge.pipeline import PATIENCE_S, Pipeline, open_pipeline
from edge.sinks.outlet import Outlet
from edge.types import Result, Sink


class Ended(NamedTuple):
    """What a run came to: how many results, the first and the last, and all that ran the model."""

    results: int
    first: Result | None
    last: Result | None
    backends: list[str]


@click.command("run")
@click.argument("source", required=False)
@model_options
@click.option("--task", type=click.Choice(["classify"]), default="classify", show_default=True, help="What to answer.")
@click.option("--top-k", type=click.IntRange(1), default=5, show_default=True, help="Classes an answer has at most.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.0, help="The lowest score an answer holds.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many frames.")
@click.option("--patience", type=click.FloatRange(0, 86400), default=PATIENCE_S, show_default=True,
              help="Seconds that a camera or stream which failed is waited for.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, and nothing else.")
def command(source: str | None, profile: str, require: str | None, limit: int | None, patience: float,
            as_json: bool, task: str, **engine: Any) -> None:  # fmt: skip
    """Classify what SOURCE shows, until it ends or Ctrl-C.

    SOURCE is camera:0, v4l2:///dev/video0, picamera:0, rtsp://…, http(s)://…, a video file, a picture, a folder, a
    pattern, or sample: (photographs that ship). Without one: the profile's camera, else the first there is, else
    sample:.
    """
    cv2.setNumThreads(1)  # frames overlap with inference as it is; a second crew of threads would only get in its way
    chosen = requiring(profiles.load(profile), require)
    if source is not None:
        sources.parse(source)
    given, why = unnamed(chosen) if source is None else (source, None)
    with open_pipeline(chosen, given, patience_s=patience, **engine) as pipeline:
        words = in_words(chosen, why and f"{pipeline.source} ({why})")
        outlet = Outlet(_sink(pipeline, as_json), lossless=not pipeline.camera.live)
        loaded()
        with _stopped_by_signals(pipeline, outlet):
            ended = _loop(pipeline, outlet, limit, words)
        click.echo(_summary(pipeline, outlet, ended), err=True)


def _loop(pipeline: Pipeline, outlet: Outlet, limit: int | None, chosen: str) -> Ended:
    """Feed the sink. chosen: is said with the first answer; where there is none, the error is the one thing said."""
    count, first, last = 0, None, None
    backends: dict[str, None] = {}
    try:
        for frame, last in pipeline.pairs():
            if chosen and first is None:
                click.echo(f"edge: {chosen}", err=True)
            if not outlet.write(frame, last):
                break
            first = first or last
            backends[last.backend] = None
            count += 1
            if count == limit:
                break
    finally:
        outlet.close()
    return Ended(count, first, last, list(backends))


def _sink(pipeline: Pipeline, as_json: bool) -> Sink:
    if as_json:
        from edge.sinks.jsonl import JsonLines

        return JsonLines(sys.stdout.buffer, pipeline.source)
    from rich.console import Console

    from edge.sinks.terminal import PlainLines, View

    # Of a camera the newest answer counts, and takes the place of the one before; of pictures, every one.
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal and not isinstance(pipeline.camera, Images):
        return View(pipeline.source, lambda: pipeline.dropped)
    return PlainLines(sys.stdout)


def _summary(pipeline: Pipeline, outlet: Outlet, ended: Ended) -> str:
    """In a line; seconds and rate are from the first answer to the last."""
    count, first, last, backends = ended
    seconds = (last.finished_at_ns - first.finished_at_ns) / 1e9 if first and last else 0.0
    rate = f" in {seconds:.1f} s, {(count - 1) / seconds:.1f} FPS" if seconds > 0 else ""
    skipped = f", {pipeline.camera.skipped} skipped" if pipeline.camera.skipped else ""
    unwritten = f", {outlet.dropped} not written" if outlet.dropped else ""
    ran = ", ".join(backends) or pipeline.engine.interpreter.backend
    frames = "1 frame" if count == 1 else f"{count} frames"
    return f"{frames}{rate}, {pipeline.dropped} dropped{skipped}{unwritten}, {ran}"


@contextmanager
def _stopped_by_signals(pipeline: Pipeline, outlet: Outlet) -> Iterator[None]:
    """End the loop cleanly on Ctrl-C and SIGTERM; a second one ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in ENDS:
            signal.signal(each, signal.default_int_handler)
        # In threads of their own: the loop may hold the very lock that stopping needs.
        for part in (pipeline, outlet):
            Thread(target=part.stop, daemon=True).start()

    with answered(stop):
        yield
