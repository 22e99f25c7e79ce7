"""Those who send what is malformed, in a process of their own, for `hostile.py`.

Commands come on stdin, one a line, and each is answered by a line of JSON: "PORT COUNT ONE TLS SEED" sends so many,
from one address (1) or each from another one (0), through TLS (1) or not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import sys
import time
from collections import Counter
from typing import NamedTuple

from .malformed import any_of_them

AT_ONCE = 64
"""Attackers."""

ANSWER_S = 1.0
"""So long each waits for an answer; one that is cut, or too slow, gets none."""

ONE = "127.66.6.6"


class Wave(NamedTuple):
    """port: of the service. requests: how many. one: all from one address. tls: half of them after a handshake."""

    port: int
    requests: int
    one: bool
    tls: bool
    seed: int


async def attack(wave: Wave, answer_s: float = ANSWER_S) -> dict[str, int]:
    """Send them all; returns how many were answered how: by status, or "cut" (closed without an answer), "silent" (no
    answer yet), "left" (none was waited for) and "refused" (no connection)."""
    chance, tally, left = random.Random(wave.seed), Counter[str](), iter(range(wave.requests))

    async def one() -> None:
        for _ in left:
            tally[await _send(wave, chance, answer_s)] += 1

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return dict(tally)


async def _send(wave: Wave, chance: random.Random, answer_s: float) -> str:
    """Send one, somehow: at once, slowly, or without waiting for an answer."""
    address = (
        ONE if wave.one else f"127.{chance.randrange(1, 250)}.{chance.randrange(1, 250)}.{chance.randrange(1, 250)}"
    )
    data, manner = any_of_them(chance), chance.random()
    context = _trusting() if wave.tls and chance.random() < 0.5 else None
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", wave.port, local_addr=(address, 0), ssl=context), 5
        )
    except (OSError, asyncio.TimeoutError):
        return "refused"
    try:
        return await asyncio.wait_for(_said(reader, writer, data, manner), answer_s)
    except asyncio.TimeoutError:
        return "silent"
    except (OSError, asyncio.IncompleteReadError):
        return "cut"
    finally:
        writer.transport.abort()


async def _said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes, manner: float) -> str:
    if manner < 0.1:  # a byte now and then
        for each in data[:20]:
            writer.write(bytes([each]))
            await asyncio.sleep(0.03)
    writer.write(data)
    if manner > 0.9:  # gone before anything is answered
        return "left"
    if manner > 0.8 and writer.can_write_eof():  # half open
        writer.write_eof()
    line = await reader.readline()
    return line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else "cut"


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def main() -> None:
    """Obey until stdin ends."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of whoever is cut off in the middle of sending
    for line in sys.stdin:
        port, count, one, tls, seed = map(int, line.split())
        begun, used = time.monotonic(), time.process_time()
        tally = asyncio.run(attack(Wave(port, count, bool(one), bool(tls), seed)))
        told = {"seconds": time.monotonic() - begun, "used": time.process_time() - used, "answers": tally}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
