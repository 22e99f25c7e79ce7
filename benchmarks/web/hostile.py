"""`python -m edge.benchmarks.web.hostile`: what malformed requests cost the loop, and those who look.

The service runs with the model that ships on a live camera that gives more frames than the model can take: what the
page takes of the processor, inference loses. One viewer looks all the time, and somebody asks for the page's own files
now and then. In turn nobody else comes, one address sends malformed requests as fast as it can, and many addresses do;
in another order each round, so that a noisy machine does not matter. Attackers are in another process. With --apart the
last core is theirs and the others are the service's, so that what they compute themselves does not count; otherwise it
does. Ends with 1 where an answer was one that must not be.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple

import click
import numpy as np

from edge.cli import HELP, begin
from edge.errors import EdgeError
from edge.host.linux import Linux

from ..stats import of_rounds
from .other import Other
from .service import Service

NAME = "python -m edge.benchmarks.web.hostile"

CASES = ("nobody", "one address", "many addresses")

LEAST_S = 4.0
"""Of a stretch in which nobody comes."""

ASK_S = 0.2

SETTLE_S = 12.0
"""By then what the last attackers left behind was cut off."""


class Stretch(NamedTuple):
    """Of one case. fps: of inference. used: processor time of the service's process, attackers: of theirs, as shares of
    a core. requests: malformed ones, a second. pictures: a second, of the viewer. slowest_s: of the answers to who
    asks now and then. memory_mb, threads, files: of the service at the end."""

    fps: float
    used: float
    attackers: float
    requests: float
    pictures: float
    slowest_s: float
    memory_mb: float
    threads: int
    files: int


class Attackers:
    """Their process. answers: of what they sent, how many there were of each."""

    def __init__(self, core: int | None) -> None:
        self.answers: Counter[str] = Counter()
        self._other = Other(["-m", f"{__package__}.attackers"], core)

    def send(self, port: int, count: int, one: bool, seed: int) -> dict[str, Any]:
        """Send so many. Raises EdgeError where their process has ended."""
        told = self._other.ask(f"{port} {count} {int(one)} 0 {seed}")
        self.answers.update(told["answers"])
        return told

    def close(self) -> None:
        """End them."""
        self._other.close()


class Guests:
    """Who looks all the time, and who asks now and then. A context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = Flag()
        self._threads = [Thread(target=each, daemon=True) for each in (self._look, self._ask)]
        self.pictures = self.lost = self.failed = 0
        self.took: list[float] = []

    def _look(self) -> None:
        while not self._over.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
                try:
                    connection.request("GET", "/stream.mjpg")
                    answer = connection.getresponse()
                    while not self._over.is_set() and (data := answer.read1(1 << 16)):
                        self.pictures += data.count(b"X-Age-Ms")
                except (OSError, http.client.HTTPException):
                    pass
            self.lost += not self._over.is_set()
            self._over.wait(0.2)

    def _ask(self) -> None:
        while not self._over.wait(ASK_S):
            begun = time.monotonic()
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
                    connection.request("GET", "/page.css")
                    self.failed += connection.getresponse().status != 200
            except (OSError, http.client.HTTPException):
                self.failed += 1
            self.took.append(time.monotonic() - begun)

    def __enter__(self) -> Guests:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@click.command(context_settings=HELP)
@click.option("--count", type=click.IntRange(10), default=20_000, show_default=True, help="Malformed requests, in all.")
@click.option("--rounds", type=click.IntRange(2), default=10, show_default=True, help="Of all three cases.")
@click.option("--camera", type=float, default=500.0, show_default=True, help="Frames a second that the camera gives.")
@click.option("--apart", is_flag=True, help="The attackers have the last core, and the service the others.")
@click.option("--alone", is_flag=True, help="The interpreter in the service's process, as in `edge demo`.")
@click.option("--json", "as_json", type=Path, help="Write every stretch there.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(count: int, rounds: int, camera: float, apart: bool, alone: bool, as_json: Path | None, debug: bool) -> int:
    """Measure what malformed requests cost."""
    cores = sorted(os.sched_getaffinity(0))
    if apart and len(cores) < 2:
        raise EdgeError("--apart needs two cores; leave it out")
    own = set(cores[:-1]) if apart else None
    with (
        tempfile.TemporaryDirectory() as folder,
        Service(Path(folder), {"fps": camera}, "fps = 10\n", own, isolated=not alone) as service,
        closing(Attackers(cores[-1] if apart else None)) as attackers,
        Guests(service.port) as guests,
    ):
        found = measured(service, attackers, guests, rounds, count)
        time.sleep(SETTLE_S)
        after = stretch(service, attackers, guests, "nobody", 0, 0)
    if as_json:
        as_json.write_text(json.dumps([[each._asdict() for each in row] for row in found]))
    show(found, after, attackers.answers, guests)
    facts = Linux().facts()
    print(f"host: {facts.cpu or facts.machine}, {facts.cores} cores, {facts.system}, Python {facts.python}")
    return int(any(status.startswith("5") and status != "503" for status in attackers.answers))


def measured(service: Service, attackers: Attackers, guests: Guests, rounds: int, count: int) -> list[list[Stretch]]:
    """Stretches of each case, in the order of CASES."""
    found: list[list[Stretch]] = [[] for _ in CASES]
    chance = random.Random(1)
    for number in range(rounds):
        for place in chance.sample(range(len(CASES)), len(CASES)):
            found[place].append(stretch(service, attackers, guests, CASES[place], count // (2 * rounds), number))
        told = ", ".join(f"{each[-1].fps:.1f}" for each in found)
        print(f"round {number + 1}: {told} inferences a second", file=sys.stderr)
    return found


def stretch(service: Service, attackers: Attackers, guests: Guests, case: str, count: int, seed: int) -> Stretch:
    """Measure one, which lasts as long as the attackers need."""
    used, frames, pictures, since = service.used_s(), service.status()["frames"], guests.pictures, time.monotonic()
    guests.took.clear()
    theirs = 0.0
    if case == "nobody":
        time.sleep(LEAST_S)
    else:
        theirs = attackers.send(service.port, count, case == "one address", seed)["used"]
    seconds = time.monotonic() - since
    held = service.held()
    return Stretch(
        fps=(service.status()["frames"] - frames) / (time.monotonic() - since),
        used=(service.used_s() - used) / seconds,
        attackers=theirs / seconds,
        requests=count / seconds if case != "nobody" else 0.0,
        pictures=(guests.pictures - pictures) / seconds,
        slowest_s=max(guests.took, default=0.0),
        memory_mb=service.memory_mb(),
        threads=held[0],
        files=held[1],
    )


def show(found: list[list[Stretch]], after: Stretch, answers: Counter[str], guests: Guests) -> None:
    """Print the figures, and the ratios with their intervals at 99 %."""
    print("| who comes | inferences/s | malformed/s | service, of a core | attackers' own | viewer, pictures/s | "
          "slowest answer | memory, first to last round |\n|:--|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    for case, each in zip(CASES, found, strict=True):
        middle = Stretch(*np.median(np.array(each), axis=0))
        print(
            f"| {case} | {middle.fps:.1f} | {middle.requests:.0f} | {middle.used:.0%} | {middle.attackers:.0%} | "
            f"{middle.pictures:.1f} | {max(one.slowest_s for one in each):.2f} s | "
            f"{each[0].memory_mb:.0f} to {each[-1].memory_mb:.0f} MB |"
        )
    for words, one in (("one address over nobody", 1), ("many addresses over nobody", 2)):
        print(f"{words}: {of_rounds(*([each.fps for each in row] for row in (found[0], found[one])))}")
    first = found[0][0]
    print(f"answers: {', '.join(f'{name} {number}' for name, number in sorted(answers.items()))}")
    print(f"the viewer was cut off {guests.lost} times; of those who asked now and then {guests.failed} got no answer")
    print(f"before and {SETTLE_S:.0f} s after: {first.memory_mb:.0f} and {after.memory_mb:.0f} MB, "
          f"{first.threads} and {after.threads} threads, {first.files} and {after.files} files")  # fmt: skip


if __name__ == "__main__":
    begin(command, NAME, sys.argv[1:])
