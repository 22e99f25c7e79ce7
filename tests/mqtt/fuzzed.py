"""Commands that are right, nearly right, wrong, or noise; always the same ones."""

import random

from edge.sinks.mqtt.topics import COMMANDS

FUZZED = 5000

GOOD = {
    "pause": ["ON", "OFF", "on"],
    "snapshot": ["PRESS", ""],
    "threshold": ["0.5", "1", "0", "default", ".25", "1e-2"],
    "other": ["nan", "inf", "-1", "None", "true", "0,5", "{}"],
}


def fuzzed(count, seed=6):
    """Commands that are right, nearly right, wrong, or noise."""
    chance = random.Random(seed)
    for _ in range(count):
        name = chance.choice([*COMMANDS, *COMMANDS, "reboot", "", "Pause", "\u2028"])
        payload = bytearray(
            chance.choice(GOOD[chance.choice([name, name, *GOOD] if name in GOOD else [*GOOD])]).encode()
        )
        for _ in range(chance.choice([0, 0, 0, 1, 2, 5])):
            at = chance.randrange(len(payload) + 1)
            payload[at:at] = chance.choice([bytes([chance.randrange(256)]), b"%d" % chance.randrange(10), b" "])
        if chance.random() < 0.1:
            payload = bytearray(chance.randbytes(chance.choice([1, 7, 63, 64, 65, 5000])))
        yield name, bytes(payload)
