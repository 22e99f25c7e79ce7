"""One connection to a broker, from CONNECT to its end: paho-mqtt, driven by one thread of ours.

MQTT 5 (OASIS, 2019) or 3.1.1 (OASIS, 2014). A connection that ended is not taken up again: another one is made.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from typing import Any

from edge.errors import one_line
from edge.files import read_small
from edge.settings import Mqtt
from edge.sinks.mqtt.topics import Topics

KEEPALIVE_S = 30
"""A broker that says nothing for twice as long is gone."""

CONNECT_S = 10.0
"""For the network, for TLS, and for the broker's answer, each."""

FAREWELL_S = 1.0
"""How long the last words may take."""

WINDOW = 20
"""What paho-mqtt and Mosquitto allow where nothing else is said; MQTT 5, 3.2.2.3.3, would be 65,535."""

MOST_HEARD = 16 * 1024
"""Bytes of the largest packet that a broker may send us (MQTT 5, 3.1.2.11.4)."""

MOST_A_SECOND = 100
"""Commands that are read at once: nobody who means them gives more."""

SLOWED_S = 0.001
"""Before each one beyond those, so that a flood of them takes little of the processor; the broker has to wait."""

OFFLINE = b"offline"
ONLINE = b"online"


class Link:
    """heard: is called with topic, payload and whether it was retained, inside `turn`; it must not raise.

    acknowledged: the broker's answers to packets that want one (QoS 1), since `taken`: number, and why it was refused.
    words: what does not work although the connection stands, or None. largest: bytes of a packet that the broker takes,
    where it tells. window: packets that want an answer and may be under way at once.
    """

    def __init__(
        self,
        settings: Mqtt,
        password: str | None,
        topics: Topics,
        heard: Callable[[str, bytes, bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.words: str | None = None
        self.largest: int | None = None
        self.window = WINDOW
        self._settings = settings
        self._topics = topics
        self._heard = heard
        self._clock = clock
        self._where = f"{settings.host}:{settings.port}"
        self._acknowledged: list[tuple[int, str | None]] = []
        self._unanswered: set[int] = set()
        self._stands = False
        self._ended: str | None = None
        self._second, self._count = clock(), 0
        self._client = self._made(password)

    def open(self, over: Flag, wake: socket.socket) -> bool:
        """Connect, and ask for commands; False where all was over before. Raises ConnectionError."""
        settings = self._settings
        try:
            self._client.connect(settings.host, settings.port, KEEPALIVE_S, **self._cleanly())
        except (OSError, UnicodeError) as error:  # a name that cannot be one is a UnicodeError
            raise ConnectionError(self._unreachable(error)) from error
        until = self._clock() + CONNECT_S
        while not self._stands and not over.is_set():
            if self._clock() > until:
                raise ConnectionError(
                    f"what listens at {self._where} gives no answer: is it a broker, and does it run?"
                )
            self.turn(0.1, wake)
        if self._stands:
            self._client.subscribe(self._topics.commands, qos=1)
        return self._stands

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> int:
        """Send; returns the number of the packet, whose answer `taken` tells where qos is 1. Raises ConnectionError."""
        sent = self._client.publish(topic, payload, qos, retain)
        if self._client.socket() is None:
            raise ConnectionError(self._why)
        number: int = sent.mid
        if qos:
            self._unanswered.add(number)
        return number

    @property
    def busy(self) -> bool:
        """Whether something waits for the network: the broker reads slowly."""
        return bool(self._client.want_write())

    def taken(self) -> list[tuple[int, str | None]]:
        """The broker's answers since this was asked last."""
        answers, self._acknowledged = self._acknowledged, []
        return answers

    def turn(self, wait_s: float, wake: socket.socket) -> None:
        """Wait for the network or for `wake`, at most so long, and do what there is. Raises ConnectionError."""
        sock = self._client.socket()
        if sock is not None:
            _wait(sock, wake, wait_s, self.busy)
            try:
                self._drive(sock)
            except ConnectionError:
                self.drop()
                raise
            except Exception as error:
                self.drop()
                raise ConnectionError(f"what {self._where} sends is not MQTT ({type(error).__name__})") from error
        if self._client.socket() is None:
            raise ConnectionError(self._why)

    def close(self, wake: socket.socket) -> None:
        """Wait for what is on its way, and take leave; bounded."""
        until = time.monotonic() + FAREWELL_S
        with contextlib.suppress(OSError):
            while time.monotonic() < until and (self.busy or self._unanswered):
                self.turn(0.05, wake)
            self._client.disconnect()
            while time.monotonic() < until:
                self.turn(0.05, wake)

    def drop(self) -> None:
        """Close the socket, whatever it does; the broker tells the last will where there was no leave."""
        sock = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()

    @property
    def _why(self) -> str:
        return self._ended or f"the connection to the broker at {self._where} was lost"

    def _drive(self, sock: Any) -> None:
        client = self._client
        self._read()
        while client.socket() is not None and getattr(sock, "pending", int)():  # TLS has read ahead
            self._read()
        if client.want_write():
            client.loop_write()
        client.loop_misc()

    def _read(self) -> None:
        """Read a packet, or what is there of it; paho-mqtt itself keeps whatever comes.

        Raises ConnectionError where a broker sends what was not asked for: too much, or QoS 2, which it may only use
        for who subscribed with it (MQTT 5, 3.8.4).
        """
        client = self._client
        client.loop_read()
        if client._in_packet["remaining_length"] > MOST_HEARD:
            client._in_packet["packet"] = bytearray()
            raise ConnectionError(f"the broker at {self._where} sends a packet of more than {MOST_HEARD >> 10} KiB")
        if client._in_messages:
            raise ConnectionError(f"the broker at {self._where} sends with QoS 2, which nobody asked for")

    def _cleanly(self) -> dict[str, Any]:
        if self._settings.version != "5":
            return {}
        from paho.mqtt import packettypes, properties

        limits = properties.Properties(packettypes.PacketTypes.CONNECT)
        limits.MaximumPacketSize = MOST_HEARD
        return {"clean_start": True, "properties": limits}

    def _made(self, password: str | None) -> Any:
        from paho.mqtt import client as paho

        settings = self._settings
        five = settings.version == "5"
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            self._topics.client,
            clean_session=None if five else True,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        if settings.username is not None:
            client.username_pw_set(settings.username, password)
        if settings.tls:
            client.tls_set_context(_tls(settings.ca_file))
        client.will_set(self._topics.availability, OFFLINE, qos=1, retain=True)
        client.on_socket_open = _bounded
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_message = self._received
        return client

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._ended = self._refusal(str(reason))
            return
        self._stands = True
        self.largest = getattr(properties, "MaximumPacketSize", None)
        self.window = getattr(properties, "ReceiveMaximum", self.window)

    def _disconnected(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if self._ended is not None:
            return
        if str(reason) == "Protocol error" and not self._stands:
            self._ended = self._stranger()
        elif str(reason) == "Session taken over":
            self._ended = f"another client of the broker is named {self._topics.client}; name each camera differently"
        elif flags.is_disconnect_packet_from_server:
            self._ended = f"the broker at {self._where} ended the connection: {reason}"
        elif str(reason) == "Keep alive timeout":
            self._ended = f"the broker at {self._where} has stopped answering"

    def _subscribed(self, _client: Any, _data: Any, _packet: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self.words = f"the broker does not let {self._topics.commands} be read, so no command arrives; allow it"

    def _published(self, _client: Any, _data: Any, packet: int, reason: Any, _properties: Any) -> None:
        self._unanswered.discard(packet)
        self._acknowledged.append((packet, str(reason) if reason.is_failure else None))

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        now = self._clock()
        if now >= self._second + 1.0:
            self._second, self._count = now, 0
        self._count += 1
        if self._count > MOST_A_SECOND:
            time.sleep(SLOWED_S)
        with contextlib.suppress(UnicodeDecodeError):  # a topic that is not UTF-8 is none of ours
            self._heard(message.topic, bytes(message.payload), bool(message.retain))

    def _stranger(self) -> str:
        version = self._settings.version
        return f"what listens at {self._where} does not speak MQTT {version}; see host, port and version in [mqtt]"

    def _refusal(self, reason: str) -> str:
        settings = self._settings
        if reason in ("Bad user name or password", "Not authorized"):
            who = f"the user {settings.username!r}" if settings.username else "clients without a user name"
            return f"the broker refuses {who}: {reason}; mend username and password_file in [mqtt]"
        if reason == "Unsupported protocol version":
            other = "3.1.1" if settings.version == "5" else "5"
            return f'the broker does not speak MQTT {settings.version}; set version = "{other}" in [mqtt]'
        return f"the broker at {self._where} refuses the connection: {reason}"

    def _unreachable(self, error: OSError | UnicodeError) -> str:
        if isinstance(error, socket.gaierror):
            return f"the broker's name {self._settings.host} is not known ({error.strerror}); check host in [mqtt]"
        if type(error).__module__ == "ssl":
            return f"no trust in the broker at {self._where}: {one_line(error)}; see ca_file, and the clock"
        return f"no broker answers at {self._where}: {getattr(error, 'strerror', None) or one_line(error)}"


def _tls(ca_file: str | None) -> Any:
    import ssl

    try:
        trusted = None if ca_file is None else read_small(Path(ca_file)).decode("ascii", "ignore") or "none"
        return ssl.create_default_context(cadata=trusted)
    except OSError as error:
        raise ConnectionError(f"{ca_file}: not a file of certificates: {error.strerror}; mend ca_file") from error


def _bounded(_client: Any, _data: Any, sock: Any) -> None:
    """Have the kernel keep little: paho-mqtt takes all that there is of a packet at once."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MOST_HEARD)


def _wait(sock: Any, wake: socket.socket, wait_s: float, writing: bool) -> None:
    """Until the network or a thread of ours has something. `select.select` would end at descriptor 1024."""
    if getattr(sock, "pending", int)():
        return
    poll = select.poll()
    poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
    poll.register(wake, select.POLLIN)
    poll.poll(wait_s * 1e3)
    with contextlib.suppress(BlockingIOError):
        wake.recv(4096)
