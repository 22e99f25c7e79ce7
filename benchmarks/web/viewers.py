"""`python -m edge.benchmarks.web.viewers`: what viewers cost the loop, and whether they cost memory.

The service runs with the model that ships on a live camera that gives more frames than the model can take: what the
page takes of the processor, inference loses. Nobody looks, ten do, or fifty and twenty more that never read; that
changes every few seconds, and in six rounds each of the six orders comes once, so that neither a noisy machine nor one
that becomes slower matters. Then fifty and twenty come, again and again, for longer than one who never reads is borne
with, and the service's memory is looked at. Viewers are in another process. With --apart the last core is theirs and
the others are the service's, so that what they compute themselves does not count; otherwise it does.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, permutations
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from edge.cli import HELP, begin
from edge.errors import EdgeError
from edge.host.linux import Linux

from ..stats import of_rounds
from .other import Other
from .service import Service

NAME = "python -m edge.benchmarks.web.viewers"

SEED = 1

SETTLE_S = 1.0
"""Not counted, after those who look have changed."""

STAY_S = 13.0
"""In the long stretch, until others come in the place of those who look: who never reads is cut off after 10 s."""


class Case(NamedTuple):
    """How many look: who read all, and who never read."""

    readers: int
    deaf: int


NOBODY, TEN, MANY = CASES = (Case(0, 0), Case(10, 0), Case(50, 20))


class Stretch(NamedTuple):
    """A few seconds of one case. fps: of inference. pictures, bytes: a second, of all viewers; fewest: pictures of the
    viewer that got the fewest. used: processor time of the service's process, and viewers: of theirs, as shares of a
    core. memory_mb: of the service. lost: connections of viewers that read, since they came."""

    fps: float
    pictures: float
    fewest: float
    bytes: float
    used: float
    viewers: float
    memory_mb: float
    lost: int


class Stay(NamedTuple):
    """A part of the long stretch, in which nobody comes or goes. memory_mb: of the service, each second. files: that it
    has open when all have come, and at the end. pictures, fewest: a second, of each viewer that reads, and of the one
    that got the fewest. lost: connections of those."""

    memory_mb: list[float]
    files: tuple[int, int]
    pictures: float
    fewest: float
    lost: int


@click.command(context_settings=HELP)
@click.option("--rounds", type=click.IntRange(2), default=24, show_default=True, help="Of all three cases.")
@click.option("--seconds", type=click.FloatRange(0.5), default=1.5, show_default=True, help="Of each case in a round.")
@click.option("--long", "stays", type=click.IntRange(0), default=5, show_default=True,
              help=f"How often fifty and twenty come and stay for {STAY_S:g} s, at the end.")  # fmt: skip
@click.option("--size", nargs=2, type=int, default=(640, 480), show_default=True, help="Of the camera's pictures.")
@click.option("--camera", type=float, default=500.0, show_default=True, help="Frames a second that the camera gives.")
@click.option("--fps", type=float, default=30.0, show_default=True, help="Of the stream, at most.")
@click.option("--apart", is_flag=True, help="The viewers have the last core, and the service the others.")
@click.option("--alone", is_flag=True, help="The interpreter in the service's process, as in `edge demo`.")
@click.option("--json", "as_json", type=Path, help="Write every stretch there.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(
    rounds: int,
    seconds: float,
    stays: int,
    size: tuple[int, int],
    camera: float,
    fps: float,
    apart: bool,
    alone: bool,
    as_json: Path | None,
    debug: bool,
) -> None:
    """Measure what viewers cost."""
    cores = sorted(os.sched_getaffinity(0))
    if apart and len(cores) < 2:
        raise EdgeError("--apart needs two cores; leave it out")
    given = {"width": size[0], "height": size[1], "fps": camera}
    web = f"viewers = 200\nfps = {fps:g}\n"
    with tempfile.TemporaryDirectory() as folder:
        own = set(cores[:-1]) if apart else None
        with Service(Path(folder), given, web, own, isolated=not alone) as service:
            crowd = Other(["-I", str(Path(__file__).with_name("crowd.py"))], cores[-1] if apart else None)
            try:
                found = measured(service, crowd, rounds, seconds)
                long = [stay(service, crowd) for _ in range(stays)]
            finally:
                crowd.close()
    if as_json:
        told = {"stretches": [[each._asdict() for each in row] for row in found], "long": [s._asdict() for s in long]}
        as_json.write_text(json.dumps(told))
    show(found)
    show_long(long)
    facts = Linux().facts()
    print(f"host: {facts.cpu or facts.machine}, {facts.cores} cores, {facts.system}, Python {facts.python}")


def measured(service: Service, crowd: Other, rounds: int, seconds: float) -> list[list[Stretch]]:
    """Stretches of each case, in the order of CASES."""
    found: list[list[Stretch]] = [[] for _ in CASES]
    for number, order in enumerate(islice(orders(), rounds)):
        for place in order:
            _come(service, crowd, CASES[place])
            time.sleep(SETTLE_S)
            found[place].append(stretch(service, crowd, seconds))
        told = ", ".join(f"{each[-1].fps:.1f}" for each in found)
        print(f"round {number + 1}: {told} inferences a second", file=sys.stderr)
    return found


def orders() -> Iterator[tuple[int, ...]]:
    """Of the cases, for ever: each of the six once in six, so that what changes at an even pace does not matter."""
    chance, all_of_them = random.Random(SEED), list(permutations(range(len(CASES))))
    while True:
        yield from chance.sample(all_of_them, len(all_of_them))


def _come(service: Service, crowd: Other, case: Case) -> None:
    crowd.ask(f"{service.port} {case.readers} {case.deaf}")


def stretch(service: Service, crowd: Other, seconds: float) -> Stretch:
    """Measure for so long."""
    early = crowd.ask("tell")["lost"]
    used, before, since = service.used_s(), service.status()["frames"], time.monotonic()
    time.sleep(seconds)
    after, now = service.status()["frames"], time.monotonic()
    told, share = crowd.ask("tell"), (service.used_s() - used) / (now - since)
    return Stretch(
        fps=(after - before) / (now - since),
        pictures=told["pictures"],
        fewest=told["fewest"],
        bytes=told["bytes"],
        used=share,
        viewers=told["share"],
        memory_mb=service.memory_mb(),
        lost=early + told["lost"],
    )


def stay(service: Service, crowd: Other, seconds: float = STAY_S, settle_s: float = SETTLE_S) -> Stay:
    """Have fifty and twenty come, and look at the service for so long."""
    _come(service, crowd, MANY)
    time.sleep(settle_s)
    early, came = crowd.ask("tell")["lost"], service.held()[1]
    memory, end = [service.memory_mb()], time.monotonic() + seconds - settle_s
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        memory.append(service.memory_mb())
    told = crowd.ask("tell")
    each = told["pictures"] / MANY.readers
    return Stay(memory, (came, service.held()[1]), each, told["fewest"], early + told["lost"])


def show(found: list[list[Stretch]]) -> None:
    """Print the figures, and the ratios with their intervals at 99 %."""
    print("| viewers | that never read | inferences/s | pictures/s each | fewest | lost connections | MB/s | "
          "service, of a core | viewers' own | memory, first and last third |\n"
          "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    for case, each in zip(CASES, found, strict=True):
        usual = Stretch(*np.median(np.array(each), axis=0))
        third = max(len(each) // 3, 1)
        early, late = (np.median([one.memory_mb for one in part]) for part in (each[:third], each[-third:]))
        print(
            f"| {case.readers} | {case.deaf} | {usual.fps:.1f} | {usual.pictures / max(case.readers, 1):.1f} | "
            f"{usual.fewest:.1f} | {sum(one.lost for one in each)} | {usual.bytes / 1e6:.1f} | {usual.used:.0%} | "
            f"{usual.viewers:.0%} | {early:.0f}, {late:.0f} MB |"
        )
    for words, one, other in (
        ("10 viewers over none", 1, 0),
        ("50 and 20 over none", 2, 0),
        ("50 and 20 over 10", 2, 1),
    ):
        print(f"inference, {words}: {of_rounds(*([each.fps for each in found[case]] for case in (other, one)))}")


def show_long(stays: list[Stay]) -> None:
    """Print what became of memory, and of those who looked."""
    if not stays:
        return
    first, *_, last = (mb for each in stays for mb in each.memory_mb)
    most = ", ".join(f"{max(each.memory_mb):.1f}" for each in stays)
    cut = min(each.files[0] - each.files[1] for each in stays)
    pictures, fewest = [each.pictures for each in stays], min(each.fewest for each in stays)
    print(f"50 and 20 came {len(stays)} times, for {STAY_S:g} s each time:")
    print(f"- memory: {first:.1f} MB when they had first come, most {most} MB, {last:.1f} MB at the end")
    print(f"- who reads: {min(pictures):.1f} to {max(pictures):.1f} pictures a second each, nobody fewer than "
          f"{fewest:.1f}; {sum(each.lost for each in stays)} connections lost")  # fmt: skip
    print(f"- who never reads: of {2 * MANY.deaf} connections at least {cut} were cut off each time; those for news "
          "have sent too little to be stuck")  # fmt: skip


if __name__ == "__main__":
    begin(command, NAME, sys.argv[1:])
