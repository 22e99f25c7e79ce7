"""The process of one peer: `python -I worker.py FILE PACKAGE MODEL FRAMES THREADS`.

It says once what it is and how it answers each frame, and then answers each line "run N" with the nanoseconds of N
calls of each step; one JSON object a line. It needs NumPy and what FILE needs, and no edgekit.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from itertools import cycle
from typing import Any

import numpy as np

WARM = 20
"""Calls before the first answer: buffers are made, and pages are touched."""

AGAIN = 3
"""Calls before each turn: the peers before it left nothing of this one in the caches."""


def main(file: str, package: str, model: str, frames: str, threads: str) -> None:
    """Open the peer, and serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print, and stdout is for answers

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    pictures = list(np.load(frames))
    prepare, infer, classify = runpy.run_path(file)["open"](model, int(threads))
    tensors = [np.array(prepare(picture)) for picture in pictures] if prepare else []
    turn(infer, cycle(tensors), WARM)
    turn(classify, cycle(pictures), WARM)
    say({"version": metadata.version(package), "first": [classify(picture) for picture in pictures]})
    serve(infer, tensors, classify, pictures, say)


def serve(
    infer: Callable[..., Any] | None,
    tensors: list[Any],
    classify: Callable[..., Any],
    pictures: list[Any],
    say: Callable[[dict[str, Any]], None],
) -> None:
    """Take turns."""
    round_of_tensors, round_of_pictures = cycle(tensors), cycle(pictures)
    for line in sys.stdin:
        count = int(line.removeprefix("run "))
        turn(infer, round_of_tensors, AGAIN)
        inference = turn(infer, round_of_tensors, count)
        turn(classify, round_of_pictures, AGAIN)
        say({"inference": inference or None, "whole": turn(classify, round_of_pictures, count)})


def turn(step: Callable[..., Any] | None, inputs: Iterable[Any], count: int) -> list[int]:
    """Nanoseconds of `count` calls; none where there is no such step."""
    if step is None:
        return []
    times: list[int] = []
    for _, given in zip(range(count), inputs, strict=False):
        started = time.perf_counter_ns()
        step(given)
        times.append(time.perf_counter_ns() - started)
    return times


if __name__ == "__main__":
    main(*sys.argv[1:])
