"""Adapters from outside: a real video and the real runtime, which hang as drivers do while a file is there."""

import time
from pathlib import Path

FREEZE = Path("/run/freeze")


def hang(what: str) -> None:
    while (FREEZE / what).exists():
        time.sleep(0.1)
