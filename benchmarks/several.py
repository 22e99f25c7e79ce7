"""`python -m edge.benchmarks.several`: several cameras in one process, on one interpreter in turns or on one each.

Each camera gives as many frames as are taken, and each interpreter is in a process of its own, as in a service. One
camera alone, all on one interpreter, and all with one each run in turns for a second or so, in another order each
round, so that a noisy machine does not matter.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import click
import msgspec
import numpy as np

from edge import profile as profiles
from edge.adapters import Adapter
from edge.cli import HELP, begin
from edge.host.linux import Linux
from edge.pipeline import Pipeline, open_pipeline
from edge.profile import DeviceProfile
from edge.turns import Shares

from .stats import of_rounds

NAME = "python -m edge.benchmarks.several"

SEED = 1

SETTLES = 0.25
"""The share of a while that is not counted before it, after others have begun."""


class Stretch(NamedTuple):
    """A while of one case. fps: answers a second of all cameras. least: the share of the camera that got the fewest, of
    what would be its part."""

    fps: float
    least: float


class Case:
    """Cameras that run for a while when asked. words: which case it is."""

    def __init__(self, words: str, pipelines: list[Pipeline], children: set[int]) -> None:
        self.words = words
        self.children = children
        self._pairs = [pipeline.pairs() for pipeline in pipelines]

    def run(self, seconds: float) -> Stretch:
        """Measure for so long."""
        counts, over = [0] * len(self._pairs), Event()

        def work(place: int) -> None:
            while not over.is_set():
                next(self._pairs[place])
                counts[place] += 1

        threads = [Thread(target=work, args=(place,)) for place in range(len(counts))]
        for thread in threads:
            thread.start()
        time.sleep(SETTLES * seconds)
        before, since = list(counts), time.monotonic()
        time.sleep(seconds)
        found, took = [now - then for now, then in zip(counts, before, strict=True)], time.monotonic() - since
        over.set()
        for thread in threads:
            thread.join()
        return Stretch(sum(found) / took, min(found) * len(found) / max(sum(found), 1))

    def memory_mb(self) -> float | None:
        """What its interpreters take, each page that processes share by its part; None in this process."""
        return sum(_pss(child) for child in self.children) / 1e3 if self.children else None


@click.command(context_settings=HELP)
@click.option("--profile", default="auto", show_default=True, help="Whose interpreter runs.")
@click.option("--cameras", type=click.IntRange(2), default=2, show_default=True, help="How many.")
@click.option("--rounds", type=click.IntRange(2), default=30, show_default=True, help="Of all three cases.")
@click.option("--seconds", type=click.FloatRange(0.1), default=1.5, show_default=True, help="Of each case in a round.")
@click.option("--threads", type=click.IntRange(1), help="Of each interpreter.  [default: as the profile says]")
@click.option("--alone", is_flag=True, help="The interpreters in one process with the cameras, as in `edge demo`.")
@click.option("--json", "as_json", type=Path, help="Write every stretch there.")
def command(
    profile: str, cameras: int, rounds: int, seconds: float, threads: int | None, alone: bool, as_json: Path | None
) -> None:
    """Measure one interpreter for several cameras against one each."""
    with ExitStack() as stack:
        opens = partial(_opened, stack, _on_grey(profiles.load(profile)), threads, not alone)
        cases = [opens("one camera", 1, True), opens("one interpreter in turns", cameras, True),
                 opens("one each", cameras, False)]  # fmt: skip
        found = measured(cases, rounds, seconds)
        memory = [case.memory_mb() for case in cases]
    if as_json:
        as_json.write_text(json.dumps([[stretch._asdict() for stretch in each] for each in found]))
    show(cases, found, memory)
    facts = Linux().facts()
    print(f"host: {facts.cpu or facts.machine}, {facts.cores} cores, {facts.system}, Python {facts.python}")


def measured(cases: list[Case], rounds: int, seconds: float) -> list[list[Stretch]]:
    """Stretches of each case."""
    found: list[list[Stretch]] = [[] for _ in cases]
    chance = random.Random(SEED)
    for number in range(rounds):
        for place in chance.sample(range(len(cases)), len(cases)):
            found[place].append(cases[place].run(seconds))
        told = ", ".join(f"{each[-1].fps:.1f}" for each in found)
        print(f"round {number + 1}: {told} answers a second", file=sys.stderr)
    return found


def show(cases: list[Case], found: list[list[Stretch]], memory: list[float | None]) -> None:
    """Print the figures, and the ratio with its interval at 99 %."""
    print("| case | answers/s, all cameras | least share of a camera | memory of the interpreters |\n|---|--:|--:|--:|")
    for case, each, mb in zip(cases, found, memory, strict=True):
        middle = Stretch(*np.median(np.array(each), axis=0))
        print(f"| {case.words} | {middle.fps:.1f} | {middle.least:.0%} | {f'{mb:.0f} MB' if mb else ''} |")
    print(f"one each over one in turns: {of_rounds(*([stretch.fps for stretch in row] for row in found[1:]))}")


def _on_grey(profile: DeviceProfile) -> DeviceProfile:
    """A profile with a camera that costs next to nothing."""
    camera = Adapter("scripted", {"script": ["frames 1000000000"], "width": 640, "height": 480})
    return msgspec.structs.replace(profile, cameras=(camera,), because=None)


def _opened(
    stack: ExitStack,
    profile: DeviceProfile,
    threads: int | None,
    isolated: bool,
    words: str,
    cameras: int,
    shared: bool,
) -> Case:
    shares, before = Shares() if shared else None, _children()
    asked = msgspec.structs.replace(profile, shared=shared)
    opens = partial(open_pipeline, asked, isolated=isolated, shares=shares, threads=threads)
    pipelines = [stack.enter_context(opens()) for _ in range(cameras)]
    return Case(words, pipelines, _children() - before)


def _children() -> set[int]:
    return {int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def _pss(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    begin(command, NAME, sys.argv[1:])
