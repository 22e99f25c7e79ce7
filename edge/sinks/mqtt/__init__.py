"""MQTT: what a camera tells the house, and what the house asks of it.

Below `PREFIX/NAME/`:

    availability       "online" or "offline", retained; the broker says "offline" where the camera cannot
    state              JSON (`edge.sinks.mqtt.state.State`), retained: what is there, and how the camera fares
    event              JSON (`edge.types.Event`), QoS 1, from a spool that outlives broker and process
    picture            the newest picture that was kept, a JPEG, retained; empty while the camera is to be paused
    command/pause      ON or OFF
    command/snapshot   PRESS
    command/threshold  a number from 0 to 1, or "default"
    refused            JSON: which command was not followed, and why

A retained command is left alone: it would be followed anew with each connection.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from threading import Event as Flag

import msgspec

from edge import settings as given
from edge.errors import one_line
from edge.events import Spool
from edge.sinks.mqtt.commands import obey
from edge.sinks.mqtt.delivery import Delivery
from edge.sinks.mqtt.discovery import Extent, announcements
from edge.sinks.mqtt.link import OFFLINE, ONLINE, WINDOW, Link
from edge.sinks.mqtt.show import Show
from edge.sinks.mqtt.state import gist, look
from edge.sinks.mqtt.topics import Topics
from edge.tireless import Tireless
from edge.types import Event
from edge.vitals import Controls, Vitals

log = logging.getLogger("edge")

TURN_S = 0.5
"""So often it is looked whether there is something to tell; for an event at once."""

STEADY_S = 5.0
"""A connection that stands so long works: before, it may be one of many that end at once."""

SHORT = 3
"""So many connections in a row that end before that have a reason of their own: a broker ends the older one of two
clients of one name, often without a word."""

QUIET_S = 60.0
"""Between two lines in the log about commands that were refused."""

MOST_REFUSALS = 50
"""Of commands that came in one turn; more are not answered."""

Picture = Callable[[], "bytes | None"]


class Mqtt:
    """An `Output`. name: of the camera. picture: gives the newest one; None: none are kept.

    threshold: what the settings say, where the house asks for none. clock: in seconds, monotonic. turn_s: so often it
    is looked whether there is something to tell. wait: waits so many seconds between two tries to connect; True where
    all is over.
    """

    def __init__(
        self,
        settings: given.Mqtt,
        password: str | None,
        name: str,
        vitals: Vitals,
        controls: Controls,
        spool: Spool,
        picture: Picture | None = None,
        *,
        threshold: Callable[[], float] = lambda: given.Rules().threshold_in,
        clock: Callable[[], float] = time.monotonic,
        turn_s: float = TURN_S,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._settings = settings
        self._password = password
        self._name = name
        self._vitals = vitals
        self._controls = controls
        self._picture = picture
        self._threshold = threshold
        self._clock = clock
        self._turn_s = turn_s
        self._topics = Topics(settings, name)
        self._delivery = Delivery(spool, clock)
        self._show = Show(self._newest if picture and settings.pictures else None, clock)
        self._said: tuple[object, ...] | None = None
        self._say_at = self._stood_at = self._log_at = clock()
        self._short = 0
        self._extent: Extent | None = None
        self._refusals: list[bytes] = []
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._work = Tireless("mqtt", self._connection, vitals, wait=wait)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._work.start()

    def told(self, event: Event) -> None:
        """Look into the spool now."""
        self._delivery.hurry()
        with contextlib.suppress(OSError):  # full: it wakes anyway; closed: all is over
            self._wake.send(b"!")

    def close(self) -> None:
        """Say that the camera is offline, and end; at most a few seconds."""
        self._work.close()
        self._wake.close()
        self._woken.close()

    def _connection(self, over: Flag) -> None:
        """One connection, until all is over. Raises ConnectionError."""
        link = Link(self._settings, self._password, self._topics, self._heard, self._clock)
        try:
            if link.open(over, self._woken):
                self._attend(link, over)
        finally:
            link.drop()

    def _attend(self, link: Link, over: Flag) -> None:
        self._greet(link)
        try:
            while not over.is_set():
                self._turn(link)
        except ConnectionError as error:
            if self._short < SHORT:
                raise
            doubt = f"again and again: is another client named {self._topics.client}?"
            raise ConnectionError(f"{error}, {doubt}") from error
        link.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
        link.close(self._woken)
        self._delivery.acknowledged(link.taken())

    def _greet(self, link: Link) -> None:
        self._short += 1
        self._stood_at = self._say_at = self._clock()
        self._said = self._extent = None
        self._refusals.clear()
        self._delivery.begin()
        self._show.begin()
        link.publish(self._topics.availability, ONLINE, retain=True)

    def _turn(self, link: Link) -> None:
        topic = self._topics.event
        link.turn(self._turn_s, self._woken)
        answers = link.taken()
        self._delivery.acknowledged(answers)
        self._show.acknowledged(answers)
        window = min(link.window, WINDOW)
        self._delivery.step(lambda event: link.publish(topic, msgspec.json.encode(event), qos=1), max(1, window - 1))
        if not link.busy:  # else the broker reads slowly: nothing piles up
            self._announce(link)
            self._say(link)
            self._refuse(link)
            if self._delivery.resting:
                self._show.step(link, self._topics.picture)
        self._judge(link)

    def _announce(self, link: Link) -> None:
        extent = self._extent_now()
        if self._topics.discovery and extent != self._extent:
            self._extent = extent
            for topic, payload in announcements(self._topics, self._name, extent):
                link.publish(topic, msgspec.json.encode(payload), retain=True)

    def _newest(self) -> bytes | None:
        """The picture to show; an empty one takes away what the broker has."""
        if self._controls.paused:
            return b""
        return self._picture() if self._picture else None

    def _extent_now(self) -> Extent:
        """Once it is known that there is a sensor, there is one, also where it fails."""
        before = self._extent
        return Extent(
            pictures=self._show.shows,
            snapshots=self._picture is not None,
            temperature=self._vitals.temperature_c is not None or (before is not None and before.temperature),
            watts=self._vitals.watts is not None or (before is not None and before.watts),
        )

    def _say(self, link: Link) -> None:
        state = look(self._vitals, self._controls, self._threshold())
        if self._clock() >= self._say_at or gist(state) != self._said:
            self._said = gist(state)
            self._say_at = self._clock() + self._settings.state_s
            link.publish(self._topics.state, msgspec.json.encode(state), retain=True)

    def _refuse(self, link: Link) -> None:
        for refusal in self._refusals:
            link.publish(self._topics.refused, refusal)
        self._refusals.clear()

    def _judge(self, link: Link) -> None:
        words = self._delivery.words or self._show.words or link.words
        if words is not None:
            self._work.ill(words)
        elif self._clock() >= self._stood_at + STEADY_S:
            self._work.well()
            self._short = 0

    def _heard(self, topic: str, payload: bytes, retained: bool) -> None:
        name = topic.rpartition("/")[2]
        shown = one_line(name, 40)
        refusal = "it is retained; send it without" if retained else None
        refusal = refusal or obey(self._controls, name, payload, self._picture is not None)
        if refusal is None:
            return
        if self._clock() >= self._log_at:
            self._log_at = self._clock() + QUIET_S
            log.warning("mqtt: command %s refused: %s", shown, refusal)
        if len(self._refusals) < MOST_REFUSALS:
            self._refusals.append(msgspec.json.encode({"command": shown, "reason": refusal}))
