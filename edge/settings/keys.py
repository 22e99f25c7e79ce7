"""What may stand in the file of a camera: every key, its type, its limits and what it means.

The words beside a key are those that an editor shows, by the JSON schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.types import Fit


def says(words: str) -> Meta:
    """What a key means, in words."""
    return Meta(description=words)


Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Megabytes = Annotated[float, Meta(ge=1, le=1_000_000)]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Address = Annotated[
    str,
    Meta(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]*):[0-9]{1,5}$", examples=["127.0.0.1:8080", ":9464", "[::1]:80"]),
]
HOST = r"^([^\s:/@\[\]]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[^\s:/@\[\]]+)?)$"
"""A name or an address alone; an IPv6 address, perhaps with its zone, as RFC 4007, section 11, writes it."""

Hours = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        examples=["07:00-22:30", "22:00-06:00"],
    ),
]
Topic = Annotated[
    str, Meta(pattern=r"^[^+#/\x00\s]+(/[^+#/\x00\s]+)*$", max_length=200, examples=["edge", "home/edge"])
]
TopicOrNone = Annotated[
    str, Meta(pattern=r"^([^+#/\x00\s]+(/[^+#/\x00\s]+)*)?$", max_length=200, examples=["homeassistant", ""])
]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", examples=["front-door"])]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When answers become events: a label appears, changes, or is gone."""

    labels: Annotated[list[Text], says("only these labels count; none: all"), Meta(max_length=10_000)] = []
    threshold_in: Annotated[Share, says("the smoothed score from which on a label may be there")] = 0.6
    threshold_out: Annotated[Share, says("the smoothed score below which it may be gone")] = 0.4
    smooth_s: Annotated[Seconds, says("the time constant of the smoothing; 0: none")] = 0.5
    confirm_frames: Annotated[Count, says("for so many frames it must be there")] = 3
    confirm_s: Annotated[Seconds, says("and for so long")] = 0.0
    clear_frames: Annotated[Count, says("for so many frames it must be gone")] = 3
    clear_s: Annotated[Seconds, says("and for so long")] = 2.0
    cooldown_s: Annotated[Seconds, says("so long after an event about a label, none says that it appeared again")] = 0.0
    active: Annotated[list[Hours], says("hours of the day, local time, in which events are told; none: all")] = []


class Events(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long events are kept."""

    keep_days: Annotated[float, Meta(gt=0, le=36_500), says("older ones go")] = 90.0
    keep_mb: Annotated[Megabytes, says("where they take more than so many megabytes, the oldest go")] = 64.0
    spool: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        says("events that wait for the broker at most; the oldest are given up, and counted"),
    ] = 10_000


class Mqtt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The broker that is told."""

    host: Annotated[
        str,
        Meta(min_length=1, max_length=255, extra_json_schema={"pattern": HOST}),
        says("the broker, by name or address alone"),
    ]
    port: Annotated[int, Meta(ge=1, le=65_535), says("its port; 8883 is usual with TLS")] = 1883
    version: Annotated[Literal["5", "3.1.1"], says("of the protocol")] = "5"
    tls: Annotated[bool, says("whether the connection is encrypted, and the broker's certificate checked")] = False
    ca_file: Annotated[Text | None, says("certificates to check it by; none: the system's")] = None
    username: Annotated[str | None, says("whom the broker knows the camera as")] = None
    password_file: Annotated[
        Text | None, says("a file of mode 0600; the systemd credential mqtt-password takes its place")
    ] = None
    prefix: Annotated[Topic, says("topics begin with it and the camera's name")] = "edge"
    discovery: Annotated[TopicOrNone, says("the prefix of Home Assistant's discovery; empty: none")] = "homeassistant"
    state_s: Annotated[
        float, Meta(ge=1, le=3600), says("seconds between two states, which are also told when something changes")
    ] = 10.0
    pictures: Annotated[bool, says("whether the last picture is published")] = True


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A page that shows what the camera sees, and what programs ask over HTTP."""

    listen: Annotated[
        Address,
        says("address and port; nothing before the colon: every address. Beyond this machine a token is needed"),
    ] = "127.0.0.1:8080"
    viewers: Annotated[
        int,
        Meta(ge=1, le=1000),
        says("streams at one time, at most; a page has two of each camera that it shows: pictures, and news"),
    ] = 150
    fps: Annotated[float, Meta(gt=0, le=120), says("pictures a second of the stream, at most")] = 30.0
    token_file: Annotated[
        Text | None,
        says("what `edge service token` wrote, mode 0600; the systemd credential web-token takes its place"),
    ] = None
    insecure: Annotated[
        bool, says("whether whoever reaches the address may see the camera and steer it, without a token")
    ] = False
    certificate: Annotated[Text | None, says("a PEM file with the certificate, and those above it, for TLS")] = None
    key: Annotated[Text | None, says("a PEM file with its private key")] = None
    hosts: Annotated[
        list[Text],
        says("names by which browsers call this machine, besides its own, that name with .local, and its addresses"),
        Meta(max_length=100),
    ] = []


class Snapshots(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pictures of events."""

    annotated: Annotated[bool, says("whether label, score and time are drawn on them")] = True
    before_s: Annotated[float, Meta(ge=0, le=60), says("seconds before an event that are kept as well")] = 3.0
    per_s: Annotated[float, Meta(gt=0, le=30), says("pictures of each of these seconds")] = 2.0
    quota_mb: Annotated[Megabytes, says("what all may take on the disk; the oldest go first")] = 500.0
    quality: Annotated[int, Meta(ge=10, le=100), says("of the JPEGs")] = 85
    width: Annotated[int, Meta(ge=64, le=8192), says("pixels; a wider picture is made smaller")] = 1280


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What Prometheus may ask."""

    listen: Annotated[Address, says("address and port; nothing before the colon: every address")] = "127.0.0.1:9464"


class Recovery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long what fails is tried before the process ends and systemd begins another, and how heat is met."""

    patience_s: Annotated[float, Meta(ge=5, le=86_400), says("so long a camera is waited for")] = 300.0
    hot_c: Annotated[float, Meta(ge=30, le=110), says("degrees Celsius from which on the frame rate is lowered")] = 75.0
    fps: Annotated[
        Annotated[float, Meta(gt=0, le=1000)] | None, says("frames a second at most, also when it is cool; none: all")
    ] = None


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of several cameras of a process. What is not said here is as the rest of the file says."""

    name: Annotated[Name, says("of this camera; in topics and metrics it comes behind that of the file")]
    source: Annotated[Text | None, says("as the key of that name for one camera alone")] = None
    source_password_file: Annotated[Text | None, says("as the key of that name for one camera alone")] = None
    profile: Annotated[Text | None, says("a device profile of its own")] = None
    model: Annotated[Text | None, says("a model of its own")] = None
    labels: Annotated[Text | None, says("a file of class names of its own")] = None
    rules: Annotated[Rules | None, says("rules of its own, in place of all of the file's")] = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One camera. What is not said is found out, as `edge run` does; a section that is not there is an output that is
    off, and one that is there and empty has the defaults.

    name: never empty where `load` made it: by default it is that of the file.
    """

    name: Annotated[
        Name, says("of the camera, in topics and metrics; by default that of the file, which names service and folder")
    ] = ""
    profile: Annotated[Text, says("a device profile: a name, a TOML file, or auto: the one that fits this machine")] = (
        "auto"
    )
    source: Annotated[
        Text | None,
        says("camera:0, v4l2:///dev/video0, picamera:0, rtsp://…, http(s)://…, a video file, a folder of pictures"),
    ] = None
    source_password_file: Annotated[
        Text | None,
        says(
            "a file of mode 0600 with the password of the user in a source such as rtsp://user@host/…; "
            "the systemd credential source-password takes its place"
        ),
    ] = None
    repeat: Annotated[bool, says("whether a recording begins anew when it ends")] = False
    model: Annotated[Text | None, says("a model file, or the name of a model; by default as the profile says")] = None
    labels: Annotated[
        Text | None, says("a file of class names, one a line; by default those beside or inside the model")
    ] = None
    fit: Annotated[Fit | None, says("how a picture is made square; by default as the model's card says")] = None
    threads: Annotated[Annotated[int, Meta(ge=1, le=256)] | None, says("of the interpreter; by default up to 4")] = None
    require: Annotated[Text | None, says("run on this kind of interpreter of the profile, or not at all")] = None
    task: Annotated[Literal["classify"], says("what is answered")] = "classify"
    camera: Annotated[
        list[Camera], Meta(max_length=16), says("several cameras in one process; each has a table of its own")
    ] = []
    rules: Rules = Rules()
    events: Events = Events()
    recovery: Recovery = Recovery()
    mqtt: Mqtt | None = None
    web: Web | None = None
    snapshots: Snapshots | None = None
    metrics: Metrics | None = None


def each(settings: Settings) -> list[Settings]:
    """The settings of each camera: those of a file with one camera as they are.

    Each has the whole list in `camera`, its own first, so that another list is seen by all of them.
    """
    return [_alone(settings, one) for one in settings.camera] or [settings]


def _alone(settings: Settings, one: Camera) -> Settings:
    own = {key: getattr(one, key) for key in one.__struct_fields__ if getattr(one, key) is not None}
    cameras = [one, *(each for each in settings.camera if each is not one)]
    return msgspec.structs.replace(settings, **own | {"name": f"{settings.name}-{one.name}", "camera": cameras})


TABLES: dict[str, type[msgspec.Struct]] = {
    "rules": Rules,
    "events": Events,
    "recovery": Recovery,
    "mqtt": Mqtt,
    "web": Web,
    "snapshots": Snapshots,
    "metrics": Metrics,
    "camera": Camera,
    "camera.rules": Rules,
}
"""The sections of the file; of "camera" there may be several."""
