"""Brokers, a scripted one that does what a test says and a real Mosquitto; a camera, and whoever listens to it."""

import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge import settings
from edge.sinks.mqtt import Mqtt
from edge.types import Event
from edge.vitals import Controls, Vitals

LIMIT_S = 20.0

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


def own_port() -> int:
    """One that nobody takes while who listens there is away: not one of those that the kernel gives out by itself, and
    of each process that runs tests its own."""
    first = os.getpid() * 53 % 12000
    for port in (20000 + (first + step) % 12000 for step in range(53)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def until(true: Callable[[], Any], what: str = "that") -> Any:
    """Wait for something that must come about."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"{what} did not come about in {LIMIT_S} s")


class Spool:
    """Events in memory, as the protocol says."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lock = threading.Lock()

    def add(self, kind: str = "appeared", label: str = "tabby", **more: Any) -> Event:
        with self.lock:
            number = len(self.events) + getattr(self, "gone", 0)
            at = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)
            event = Event(id=f"{number:032x}", kind=kind, label=label, score=0.9, at=at, frame=number, **more)
            self.events.append(event)
            return event

    def waiting(self, most: int) -> list[Event]:
        with self.lock:
            return self.events[:most]

    def delivered(self, ids: Any) -> None:
        there = set(ids)
        with self.lock:
            left = [event for event in self.events if event.id not in there]
            self.gone = getattr(self, "gone", 0) + len(self.events) - len(left)
            self.events = left


class House:
    """A camera's output and what belongs to it. Pauses between two tries last no time."""

    def __init__(
        self, port: int, password: str | None = None, name: str = "front-door", spool: Any = None, **keys: Any
    ) -> None:
        self.spool, self.controls, self.vitals = spool or Spool(), Controls(), Vitals(name)
        self.jpeg: bytes | None = None
        self.pauses: list[float] = []
        self.late_s = 0.0
        self.may_connect = threading.Event()
        self.may_connect.set()
        given = settings.Mqtt(**{"host": "127.0.0.1", "port": port, **keys})
        self.mqtt = Mqtt(
            given,
            password,
            name,
            self.vitals,
            self.controls,
            self.spool,
            lambda: self.jpeg,
            clock=lambda: time.monotonic() + self.late_s,
            turn_s=0.02,
            wait=self.wait,
        )

    def wait(self, pause_s: float) -> bool:
        self.pauses.append(pause_s)
        while not self.may_connect.is_set() and not self.over.is_set():
            time.sleep(0.005)
        return self.over.wait(0.01)

    @property
    def over(self) -> threading.Event:
        flag: threading.Event = self.mqtt._work._over
        return flag

    def tell(self, kind: str = "appeared", **more: Any) -> Event:
        event = self.spool.add(kind, **more)
        self.mqtt.told(event)
        return event

    @property
    def trouble(self) -> str | None:
        return self.vitals.problems.get("mqtt")


CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A control packet: MQTT 5, 2.1."""
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([kind << 4 | flags]) + length + body


class Guest:
    """One connection, as the scripted broker sees it."""

    def __init__(self, broker: "Broker", sock: socket.socket) -> None:
        self.broker, self.sock = broker, sock
        self.five = False
        self.said: list[tuple[str, bytes, bool]] = []
        self.connect = b""

    def send(self, kind: int, body: bytes, flags: int = 0) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(packet(kind, body, flags))

    def command(self, name: str, payload: bytes, retain: bool = False, base: str = "edge/front-door") -> None:
        topic = text(f"{base}/command/{name}".encode())
        self.send(PUBLISH, topic + (b"\0" if self.five else b"") + payload, flags=int(retain))

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def of(self, topic: str) -> list[bytes]:
        return [payload for found, payload, _ in list(self.said) if found.endswith(topic)]

    def run(self) -> None:
        with contextlib.suppress(OSError, EOFError), self.sock:
            while not self.broker.over:
                first = self.read(1)[0]
                length = shift = 0
                while True:
                    digit = self.read(1)[0]
                    length |= (digit & 127) << shift
                    shift += 7
                    if digit < 128:
                        break
                self.take(first >> 4, first & 15, self.read(length))

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def take(self, kind: int, flags: int, body: bytes) -> None:
        if kind == CONNECT:
            self.five, self.connect = body[6] == 5, body
            self.broker.greets(self)
        elif kind == SUBSCRIBE:
            self.send(SUBACK, body[:2] + (b"\0" if self.five else b"") + bytes([self.broker.grants]))
        elif kind == PUBLISH:
            self.published(flags, body)
        elif kind == PINGREQ:
            self.send(13, b"")
        elif kind == DISCONNECT:
            raise EOFError

    def published(self, flags: int, body: bytes) -> None:
        size = struct.unpack(">H", body[:2])[0]
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        number, rest = (rest[:2], rest[2:]) if flags & 6 else (b"", rest)
        self.said.append((topic, rest[1 + rest[0] :] if self.five else rest, bool(flags & 1)))
        if flags & 6:
            self.broker.answers(self, topic, number)


class Broker:
    """Speaks MQTT 5 and 3.1.1 well enough for a camera. What it does to a CONNECT and a PUBLISH, a test replaces."""

    def __init__(self) -> None:
        self.greets: Callable[[Guest], None] = self.welcome
        self.answers: Callable[[Guest, str, bytes], None] = self.acknowledge
        self.grants = 1
        self.over = False
        self.guests: list[Guest] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        self.threads[0].start()

    @staticmethod
    def welcome(guest: Guest, properties: bytes = b"") -> None:
        guest.send(CONNACK, b"\0\0" + (bytes([len(properties)]) + properties if guest.five else b""))

    @staticmethod
    def refuse(code: int) -> Callable[[Guest], None]:
        return lambda guest: guest.send(CONNACK, bytes([0, code]) + (b"\0" if guest.five else b""))

    @staticmethod
    def acknowledge(guest: Guest, topic: str, number: bytes) -> None:
        guest.send(PUBACK, number)

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self.over:
                guest = Guest(self, self.listening.accept()[0])
                self.guests.append(guest)
                self.threads.append(threading.Thread(target=guest.run, daemon=True))
                self.threads[-1].start()

    def said(self, topic: str) -> list[bytes]:
        """What all guests published on topics that end so."""
        return [payload for guest in list(self.guests) for payload in guest.of(topic)]

    def guest(self, topic: str = "/state") -> Guest:
        """The newest connection, once it has spoken on that topic."""
        return until(lambda: next((each for each in reversed(self.guests) if each.of(topic)), None), topic)

    def close(self) -> None:
        self.over = True
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for guest in self.guests:
            guest.end()
        for thread in self.threads:
            thread.join(LIMIT_S)


HELLO = b"\x10\x0c\0\x04MQTT\x04\x02\0\x05\0\0"
"""A CONNECT of MQTT 3.1.1, of a client that has no name."""


class Mosquitto:
    """A real broker that can be stopped, killed, frozen and begun again on its port."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true") -> None:
        self.folder = folder
        self.port = own_port()
        self.file = folder / "mosquitto.conf"
        self.configure(lines)
        self.process: subprocess.Popen[bytes] | None = None
        self.unverified = ssl.create_default_context()
        self.unverified.check_hostname, self.unverified.verify_mode = False, ssl.CERT_NONE

    def configure(self, lines: str) -> None:
        here = f"listener {self.port} 127.0.0.1\npersistence true\npersistence_location {self.folder}/\n"
        self.file.write_text(f"{here}autosave_interval 1\nuser root\nmax_queued_messages 100000\n{lines}\n")

    def start(self) -> None:
        assert MOSQUITTO is not None
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", str(self.file)], stdout=log, stderr=log, cwd=self.folder)
        until(self.answers, "mosquitto's start")

    def answers(self) -> bool:
        """Whether it does; before that it listens already, and forgets that it was told to end."""
        encrypted = "certfile" in self.file.read_text()
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 1) as plain,
            self.unverified.wrap_socket(plain) if encrypted else plain as link,
        ):
            link.sendall(HELLO)
            return link.recv(1) == bytes([CONNACK << 4])
        assert self.process is not None and self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
        return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, kill: bool = False) -> None:
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(LIMIT_S)


class Listener:
    """Whoever listens in the house: paho-mqtt, with a session that the broker keeps."""

    def __init__(self, port: int, topics: str = "#", name: str = "listener") -> None:
        from paho.mqtt import client as paho

        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, name, clean_session=False)
        self.client.on_message = lambda _c, _d, m: self.heard.append((m.topic, bytes(m.payload), bool(m.retain)))
        self.client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self.subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_disconnect = lambda *_: self.subscribed.clear()
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.subscribed.wait(LIMIT_S)

    def of(self, topic: str) -> list[bytes]:
        return [payload for found, payload, _ in list(self.heard) if found.endswith(topic)]

    def say(self, topic: str, payload: bytes | str, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(LIMIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
