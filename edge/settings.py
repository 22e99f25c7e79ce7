"""The file of one camera that runs as a service: TOML in, a checked value out.

    source = "camera:0"

    [rules]
    labels = ["tabby", "Egyptian cat"]
    threshold_in = 0.6

    [mqtt]
    host = "homeassistant.local"
    username = "camera"
    password_file = "/etc/edge/front-door.mqtt-password"

    [web]
    [snapshots]
    [metrics]

A section that is not there is an output that is off; one that is there and empty has the defaults.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge.types import Fit

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Address = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]*):[0-9]{1,5}$", examples=["127.0.0.1:8080", ":9464", "[::1]:80"]
    ),
]
Hours = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        examples=["07:00-22:30", "22:00-06:00"],
    ),
]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When answers become events.

    labels: the ones that count; none: all. threshold_in, threshold_out: the smoothed score from which on a label may
    be there, and below which it may be gone. smooth_s: the time constant of the smoothing; 0: none. confirm_frames,
    confirm_s, clear_frames, clear_s: for so many frames, and for so long, it must be so, each. cooldown_s: so long
    after an event about a label, none tells that it appeared again. active: hours of the day, by local time, in which
    anything is told; none: always.
    """

    labels: list[str] = []
    threshold_in: Share = 0.6
    threshold_out: Share = 0.4
    smooth_s: Seconds = 0.5
    confirm_frames: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 3
    confirm_s: Seconds = 0.0
    clear_frames: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 3
    clear_s: Seconds = 2.0
    cooldown_s: Seconds = 0.0
    active: list[Hours] = []


class Events(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long events are kept.

    keep_days, keep_mb: older ones go, and the oldest where they take more. spool: events that wait for the broker, at
    most; the oldest go first, and are counted.
    """

    keep_days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] = 90.0
    keep_mb: Annotated[float, msgspec.Meta(ge=1, le=1_000_000)] = 64.0
    spool: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The broker that is told.

    version: of the protocol. password_file: mode 0600; a systemd credential named "mqtt-password" takes its place.
    prefix: the topics begin with it and the camera's name. discovery: the prefix of Home Assistant's discovery; "" for
    none. state_s: seconds between two states, which are also told when something changes. pictures: whether the last
    picture is published.
    """

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1883
    version: Literal["5", "3.1.1"] = "5"
    tls: bool = False
    ca_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    prefix: Annotated[
        str, msgspec.Meta(pattern=r"^[^+#/\x00\s]+(/[^+#/\x00\s]+)*$", examples=["edge", "home/edge"])
    ] = "edge"
    discovery: Annotated[
        str, msgspec.Meta(pattern=r"^([^+#/\x00\s]+(/[^+#/\x00\s]+)*)?$", examples=["homeassistant", ""])
    ] = "homeassistant"
    state_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 10.0
    pictures: bool = True


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A page's worth of HTTP: health, the last picture, a stream. listen: "" before the colon: on every address."""

    listen: Address = "127.0.0.1:8080"
    viewers: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8


class Snapshots(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pictures of events.

    annotated: with label, score and time drawn on. before_s, per_s: seconds before the event that are kept as well, and
    how many pictures of each. quota_mb: what all may take on the disk; the oldest go first. width: pictures are made no
    wider.
    """

    annotated: bool = True
    before_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 3.0
    per_s: Annotated[float, msgspec.Meta(gt=0, le=30)] = 2.0
    quota_mb: Annotated[float, msgspec.Meta(ge=1, le=1_000_000)] = 500.0
    quality: Annotated[int, msgspec.Meta(ge=10, le=100)] = 85
    width: Annotated[int, msgspec.Meta(ge=64, le=8192)] = 1280


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What Prometheus may ask."""

    listen: Address = "127.0.0.1:9464"


class Recovery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long what fails is tried before the process ends and systemd begins another.

    patience_s: for a camera. hot_c: from this temperature on, the frame rate is lowered. fps: frames a second at most,
    also when it is cool; none: as many as there are.
    """

    patience_s: Annotated[float, msgspec.Meta(ge=5, le=86_400)] = 300.0
    hot_c: Annotated[float, msgspec.Meta(ge=30, le=110)] = 75.0
    fps: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera. What is not said is found out, as `edge run` does.

    name: of the camera, in topics, metrics and folders; by default that of the file. require: run on this kind of
    interpreter, or not at all. repeat: a recording begins anew when it ends.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", examples=["front-door"])] | None = (
        None
    )
    profile: str = "auto"
    source: str | None = None
    repeat: bool = False
    model: str | None = None
    labels: str | None = None
    fit: Fit | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    require: str | None = None
    task: Literal["classify"] = "classify"
    rules: Rules = Rules()
    events: Events = Events()
    recovery: Recovery = Recovery()
    mqtt: Mqtt | None = None
    web: Web | None = None
    snapshots: Snapshots | None = None
    metrics: Metrics | None = None
