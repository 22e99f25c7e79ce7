"""What Prometheus may ask: `GET /metrics`, in its text format or as OpenMetrics, as the asker wishes.

Each metric is explained in docs/metrics.md. What is not known has no value there; it is not 0.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from socket import SHUT_RDWR, socket
from threading import Event as Flag
from typing import Any, get_args

import edge
from edge.listener import Listener
from edge.settings import Metrics as Asked
from edge.types import Clock, EventKind
from edge.vitals import BOUNDS_S, Condition, Histogram, Vitals

Family = Any
"""A metric of prometheus_client, with its values."""

Registry = Any
"""What prometheus_client takes metrics from."""

LOOK_S = 0.5
"""How often the thread looks whether all is over."""

SLOW_S = 5.0
"""One who asks, or takes the answer, for longer is cut off."""

AT_ONCE = 8
"""So many may ask at one time."""

CAUSES = ("frames", "garbled", "heat", "events", "pictures", "spool")
"""Of what is dropped; each is told from the beginning, as 0, so that its first rise is seen."""


class Collector:
    """Makes metrics of vitals, anew each time that somebody asks."""

    def __init__(self, vitals: Vitals, clock: Clock = time.monotonic_ns) -> None:
        self._vitals = vitals
        self._clock = clock
        self._parts: set[str] = set()
        self._limits: set[str] = set()

    def collect(self) -> Iterator[Family]:
        """All metrics, each with the label `camera`."""
        yield from self._state()
        yield from self._counts()
        yield from self._times()
        yield from self._board()

    def _state(self) -> Iterator[Family]:
        vitals, newest = self._vitals, self._vitals.latest
        ran = {"backend": newest[1].backend, "model": newest[1].model} if newest else {}
        yield self._one("info", "What runs", 1, version=edge.__version__, **ran)
        states = {name: float(name == vitals.condition) for name in get_args(Condition)}
        yield self._gauge("condition", "1 of what the camera does", "condition", states)
        self._parts |= vitals.problems.keys()
        ill = {part: float(part in vitals.problems) for part in sorted(self._parts)}
        yield self._gauge("problem", "1 where a part does not work", "part", ill)
        instead = float(bool(newest and newest[1].instead_of))
        yield self._one("second_choice", "1 where an interpreter runs in place of one preferred", instead)
        yield self._one("subject", "1 where something is there, by the rules", float(vitals.subject is not None))
        score = vitals.score if vitals.subject else None
        yield self._one("subject_score", "The smoothed score of what is there", score)

    def _counts(self) -> Iterator[Family]:
        vitals = self._vitals
        frames = _family("Counter", "frames", "Frames that were answered")
        frames.add_metric([vitals.name], vitals.frames)
        yield frames
        lost = {**dict.fromkeys(CAUSES, 0), **vitals.dropped}
        yield self._counter("dropped", "What was dropped, by cause", "cause", lost)
        kinds = {**dict.fromkeys(get_args(EventKind), 0), **vitals.events}
        yield self._counter("events", "Events, by kind", "kind", kinds)
        yield self._one("spool_events", "Events that wait for the broker", vitals.spool)
        yield self._counter("restarts", "Restarts of the process in all its lives", "cause", vitals.restarts)
        yield self._counter("recoveries", "Tries to recover, by rung of the ladder", "rung", vitals.ladder.counts)
        settings = {"taken": vitals.reloads, "refused": vitals.refused}
        yield self._counter("settings_reloads", "Changed settings, by what came of them", "outcome", settings)

    def _times(self) -> Iterator[Family]:
        vitals, newest = self._vitals, self._vitals.latest
        stages = _family("Histogram", "stage_seconds", "Time that each stage of a frame took", "stage")
        for stage in (name for name in vitals.stages if name != "age"):
            self._add(stages, vitals.stages[stage], stage)
        yield stages
        age = _family("Histogram", "age_seconds", "From a frame's capture to its answer")
        self._add(age, vitals.stages["age"])
        yield age
        since = (self._clock() - newest[1].finished_at_ns) / 1e9 if newest else None
        yield self._one("since_answer_seconds", "Since the newest answer", since)
        yield self._one("fps", "Answers a second over the last ten seconds", vitals.fps)
        yield self._one("fps_limit", "Answers a second that heat or a setting allows", vitals.rate_limit)

    def _board(self) -> Iterator[Family]:
        vitals = self._vitals
        yield self._one("temperature_celsius", "Of the hottest zone of the board", vitals.temperature_c)
        yield self._one("power_watts", "What the board draws, as far as it is metered", vitals.watts)
        self._limits |= set(vitals.limits)
        held = {limit: float(limit in vitals.limits) for limit in sorted(self._limits)}
        yield self._gauge("limited", "1 for what holds the board back now", "limit", held)

    def _one(self, name: str, text: str, value: float | None, **labels: str) -> Family:
        family = _family("Gauge", name, text, *labels)
        if value is not None:
            family.add_metric([self._vitals.name, *labels.values()], value)
        return family

    def _gauge(self, name: str, text: str, label: str, values: Mapping[str, float]) -> Family:
        return self._filled(_family("Gauge", name, text, label), values)

    def _counter(self, name: str, text: str, label: str, values: Mapping[Any, int]) -> Family:
        return self._filled(_family("Counter", name, text, label), values)

    def _filled(self, family: Family, values: Mapping[Any, float]) -> Family:
        for which, value in values.items():
            family.add_metric([self._vitals.name, which], value)
        return family

    def _add(self, family: Family, found: Histogram, *labels: str) -> None:
        family.add_metric([self._vitals.name, *labels], _buckets(found), sum_value=found.total_s)


class Together:
    """The metrics of several cameras: each is told once, with the values of all."""

    def __init__(self, cameras: Sequence[Collector]) -> None:
        self._cameras = cameras

    def collect(self) -> Iterator[Family]:
        """All metrics."""
        for first, *others in zip(*(each.collect() for each in self._cameras), strict=True):
            for each in others:
                first.samples += each.samples
            yield first


def _family(kind: str, name: str, text: str, *labels: str) -> Family:
    from prometheus_client import core

    return getattr(core, f"{kind}MetricFamily")(f"edge_{name}", text, labels=["camera", *labels])


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """(upper bound, all that is not above it), as Prometheus counts; of one moment, though the loop counts on."""
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    return list(zip(bounds, map(float, accumulate(list(histogram.counts))), strict=True))


def registry_of(cameras: Sequence[Vitals]) -> Registry:
    """The metrics of cameras, and of their process: memory, processor time, open files, start."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Together([Collector(vitals) for vitals in cameras]))
    ProcessCollector(registry=registry)
    return registry


def exposed(registry: Registry, accept: str) -> tuple[bytes, str]:
    """The metrics as they are now, and their media type. accept: the header of who asks."""
    from prometheus_client.exposition import choose_encoder

    try:
        encode, kind = choose_encoder(accept)
    except (TypeError, ValueError):  # it asks for a version that is none
        encode, kind = choose_encoder("")
    return encode(registry), kind


class Metrics(Listener):
    """Answers Prometheus. An `Output`."""

    def __init__(self, asked: Asked, cameras: Sequence[Vitals]) -> None:
        super().__init__("metrics", asked.listen, self._serve, cameras[0])
        self._cameras = cameras

    def _serve(self, ours: socket, over: Flag) -> None:
        with Server(ours, registry_of(self._cameras)) as server:
            while not over.is_set():
                server.handle_request()


class Server(ThreadingHTTPServer):
    """A thread for each who asks, and not many of them: where one more comes, the one that is longest there goes.

    slow_s: who takes longer, from the connection to the end of the answer, is cut off.
    """

    daemon_threads = True
    block_on_close = False
    timeout = LOOK_S

    def __init__(self, ours: socket, registry: Registry, slow_s: float = SLOW_S) -> None:
        super().__init__(ours.getsockname()[:2], Answer, bind_and_activate=False)
        self.socket.close()
        self.socket = ours
        self.registry = registry
        self._slow_s = slow_s
        self._since: dict[Any, float] = {}

    def handle_request(self) -> None:
        """Take one request, if one comes soon, and cut off who is too slow."""
        super().handle_request()
        self._cut(time.monotonic() - self._slow_s)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        there = list(self._since.values())
        if len(there) >= AT_ONCE:
            self._cut(min(there))
        self._since[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had
            self._since.pop(request, None)
            raise

    def get_request(self) -> tuple[Any, Any]:
        """Take a connection; where there is no file left to open, not again at once."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(LOOK_S)
            raise

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._since.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """End it, and whatever it is answering."""
        self._cut(time.monotonic())
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: who asked has gone, or is too slow."""

    def _cut(self, before: float) -> None:
        for request, since in list(self._since.items()):
            if since <= before:
                self._since.pop(request, None)
                with suppress(OSError):  # it has just ended
                    request.shutdown(SHUT_RDWR)


class Answer(BaseHTTPRequestHandler):
    """To one request."""

    server: Server

    def do_GET(self) -> None:
        """Send the metrics."""
        if self.path.partition("?")[0] != "/metrics":
            self._send(404, b"here is /metrics and nothing else\n", "text/plain; charset=utf-8")
            return
        body, kind = exposed(self.server.registry, self.headers.get("Accept", ""))
        self._send(200, body, kind)

    def do_HEAD(self) -> None:
        """Send what goes before them."""
        self.do_GET()

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """What the header Server tells."""
        return "edgekit"

    def log_message(self, format: str, *arguments: Iterable[object]) -> None:
        """Nothing: each scrape is no news."""
