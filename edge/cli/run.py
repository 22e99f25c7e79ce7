"""`edge run`: from a source to answers."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import Any

import click
import cv2

from edge import profile as profiles
from edge import source as sources
from edge.cameras.images import Images
from edge.cli.options import model_options
from edge.pipeline import Pipeline, open_pipeline
from edge.sinks.outlet import Outlet
from edge.types import Result, Sink


@click.command("run")
@click.argument("source", required=False)
@model_options
@click.option("--task", type=click.Choice(["classify"]), default="classify", show_default=True, help="What to answer.")
@click.option("--top-k", type=click.IntRange(1), default=5, show_default=True, help="Classes an answer has at most.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.0, help="The lowest score an answer holds.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many frames.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, and nothing else.")
def command(source: str | None, profile: str, limit: int | None, as_json: bool, task: str, **engine: Any) -> None:
    """Classify what SOURCE shows, until it ends or Ctrl-C.

    SOURCE is camera:0, v4l2:///dev/video0, rtsp://…, http(s)://…, a video file, a picture, a folder of pictures, a
    pattern, or sample: (photographs that ship). Without one: the first camera there is, else sample:.
    """
    cv2.setNumThreads(1)  # frames overlap with inference as it is; a second crew of threads would only get in its way
    chosen = profiles.load(profile)
    if source is None and chosen.camera is None:
        source = sources.default()
        why = "no camera was found" if source == "sample:" else "the first camera there is"
        click.echo(f"edge: source {source} ({why})", err=True)
    with open_pipeline(chosen, source, **engine) as pipeline, _stopped_by_signals(pipeline):
        count, seconds, backend = _loop(pipeline, _sink(pipeline, as_json), limit)
        click.echo(_summary(pipeline, count, seconds, backend), err=True)


def _loop(pipeline: Pipeline, sink: Sink, limit: int | None) -> tuple[int, float, str]:
    """Feed the sink; returns the results, the seconds from the first frame to the last, and what ran them."""
    outlet = Outlet(sink, lossless=not pipeline.camera.live)
    count, started, result = 0, time.monotonic(), None
    try:
        for frame, result in pipeline.pairs():
            outlet.write(frame, result)
            count += 1
            if count == limit:
                break
    finally:
        outlet.close()
    return count, time.monotonic() - started, _backend(pipeline, result)


def _backend(pipeline: Pipeline, result: Result | None) -> str:
    return result.backend if result else pipeline.engine.interpreter.backend


def _sink(pipeline: Pipeline, as_json: bool) -> Sink:
    if as_json:
        from edge.sinks.jsonl import JsonLines

        return JsonLines(sys.stdout.buffer, pipeline.source, pipeline.engine.model)
    from edge.sinks.terminal import PlainLines, View

    # Of a camera the newest answer counts, and takes the place of the one before; of pictures, every one.
    if sys.stdout.isatty() and not isinstance(pipeline.camera, Images):
        return View(pipeline.source, pipeline.engine.model, lambda: pipeline.dropped)
    return PlainLines(sys.stdout)


def _summary(pipeline: Pipeline, count: int, seconds: float, backend: str) -> str:
    rate = f", {count / seconds:.1f} FPS" if count > 1 and seconds > 0 else ""
    skipped = f", {pipeline.camera.skipped} skipped" if pipeline.camera.skipped else ""
    return f"{count} frames in {seconds:.1f} s{rate}, {pipeline.dropped} dropped{skipped}, {backend}"


@contextmanager
def _stopped_by_signals(pipeline: Pipeline) -> Iterator[None]:
    """End the loop cleanly on Ctrl-C and SIGTERM; a second Ctrl-C ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # In a thread of its own: the loop may hold the very lock that stopping needs.
        Thread(target=pipeline.stop, daemon=True).start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
