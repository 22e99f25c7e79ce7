#!/usr/bin/env python3
"""SIGKILL at random moments, again and again: `edge service run`, its events in SQLite, and a real Mosquitto.

    python tests/soak/kills.py [--kills 50] [--seed N] [--keep FOLDER]

A scripted camera and interpreter make some twenty events a second. A witness reads the database in another process's
place: what it has seen there was committed. In every seventh life there is no broker. At the end, one more life is
left in peace to deliver what waits. What must hold:

- what the witness ever saw, or a listener ever heard, is in the database, which is sound;
- what is in the database reached the listener, and nothing else did;
- whoever keeps each id once has each event once. How often an id came twice is told: an acknowledgement that a kill
  kept from being noted brings its event again, as QoS 1 allows.

Exits with 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "mqtt"))

from houses import MOSQUITTO, Listener, Mosquitto, until

PROFILE = """
name = "kills"
description = "a scripted camera and interpreter"

[camera]
kind = "scripted"
script = ["frames 1000000"]
fps = 200.0
live = true

[[interpreter]]
kind = "scripted"
script = {script}
"""

SETTINGS = """
name = "kills"
profile = "{folder}/profile.toml"

[rules]
smooth_s = 0
confirm_frames = 2
clear_frames = 1
clear_s = 0

[mqtt]
host = "127.0.0.1"
port = {port}
state_s = 1
discovery = ""

[snapshots]
width = 64
before_s = 0
"""

LIFE_S = (0.05, 1.5)
"""A life ends so long after its first event."""


class Lives:
    """`edge service run` in a folder of its own, again and again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.database = folder / "state" / "events.sqlite"
        self.log = folder / "log"
        (folder / "profile.toml").write_text(PROFILE.format(script=["class 1"] * 10 + ["class 2"] * 10))
        (folder / "kills.toml").write_text(SETTINGS.format(folder=folder, port=port))
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        line = [sys.executable, "-m", "edge", "service", "run", str(self.folder / "kills.toml")]
        env = {"STATE_DIRECTORY": str(self.folder / "state"), "PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(line, cwd=self.folder, env=env, stdout=log, stderr=log)

    def end(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)

    def ids(self, where: str = "") -> list[str]:
        """Of the events that are committed, in their order."""
        text = f"SELECT id FROM events {where} ORDER BY number"
        try:
            with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as database:
                return [row[0] for row in database.execute(text)]
        except sqlite3.OperationalError:  # not there yet, or being made
            return []

    def sound(self) -> bool:
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def live(lives: Lives, seconds: float, witness: set[str]) -> None:
    """One life, killed so long after its first event; what is committed meanwhile goes to the witness."""
    before = len(lives.ids())
    lives.begin()
    until(lambda: len(lives.ids()) > before, "an event")
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        witness.update(lives.ids())
    witness.update(lives.ids())
    lives.end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--keep", type=Path, help="a folder that is left behind")
    given = parser.parse_args()
    if MOSQUITTO is None:
        print("kills: needs mosquitto: apt install mosquitto")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        return torment(folder, given.kills, random.Random(given.seed), given.seed)


def torment(folder: Path, kills: int, chance: random.Random, seed: int) -> int:
    """All of it; returns the exit code."""
    began = time.monotonic()
    broker = Mosquitto(folder)
    broker.start()
    listener = Listener(broker.port, "edge/kills/+")
    lives, witness = Lives(folder, broker.port), set[str]()
    try:
        for number in range(kills):
            away = number % 7 == 6
            if away:
                listener.subscribed.clear()
                broker.stop()
            live(lives, chance.uniform(*LIFE_S), witness)
            if away:
                broker.start()
                assert listener.subscribed.wait(30)
            print(f"kill {number + 1}: {len(lives.ids())} events, {len(lives.ids('WHERE waits'))} wait", flush=True)
        last_life(lives, listener)
        return judge(lives, listener, witness, kills, f"seed {seed}, {time.monotonic() - began:.0f} s")
    finally:
        if lives.process is not None and lives.process.poll() is None:
            lives.end()
        listener.close()
        broker.stop(kill=True)


def last_life(lives: Lives, listener: Listener) -> None:
    """Nothing more happens; what waits goes out, and the end is clean."""
    profile = lives.folder / "profile.toml"
    profile.write_text(re.sub(r"script = \['class.*\]", "script = ['class 1 0.0']", profile.read_text()))
    until(lambda: listener.of("/availability")[-1] == b"offline", "the last will")
    lives.begin()
    until(lambda: listener.of("/availability")[-1] == b"online", "the last life")
    until(lambda: json.loads(listener.of("/state")[-1])["condition"] == "running", "the last life's first result")
    until(lambda: not lives.ids("WHERE waits"), "the delivery of what waits")
    code = lives.end(signal.SIGTERM)
    assert code == 0, f"SIGTERM: exit code {code}"
    until(lambda: listener.of("/availability")[-1] == b"offline", "the farewell")


def judge(lives: Lives, listener: Listener, witness: set[str], kills: int, words: str) -> int:
    """Print the figures; returns the exit code."""
    stored = lives.ids()
    heard = Counter(json.loads(payload)["id"] for payload in listener.of("/event"))
    wrong = {
        "committed events that are gone": witness - set(stored),
        "events that were heard and are not stored": set(heard) - set(stored),
        "stored events that were not heard": set(stored) - set(heard),
        "ids that are stored twice": {each for each, times in Counter(stored).items() if times > 1},
    }
    for what, these in wrong.items():
        print(f"{what}: {len(these)}")
    print(
        f"{kills} kills: {len(stored)} events stored, {len(witness)} of them witnessed before a kill; "
        f"{sum(heard.values())} messages, {sum(heard.values()) - len(heard)} of them again; {words}"
    )
    good = lives.sound() and not any(wrong.values()) and "Traceback" not in lives.log.read_text()
    print("good" if good else "NOT good")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
