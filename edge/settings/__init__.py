"""The file of one camera that runs as a service: TOML in, a checked value out.

source = "camera:0"

[rules]
labels = ["tabby", "Egyptian cat"]
threshold_in = 0.6

[mqtt]
host = "homeassistant.local"
username = "camera"
password_file = "front-door.mqtt-password"

[web]
[snapshots]
[metrics]
"""

from __future__ import annotations

from edge.settings.differs import differs
from edge.settings.keys import Camera, Events, Metrics, Mqtt, Recovery, Rules, Settings, Snapshots, Web, each
from edge.settings.reading import Fault, faults, load
from edge.settings.secret import mqtt_password, source_of, web_token

__all__ = [
    "Camera",
    "Events",
    "Fault",
    "Metrics",
    "Mqtt",
    "Recovery",
    "Rules",
    "Settings",
    "Snapshots",
    "Web",
    "differs",
    "each",
    "faults",
    "load",
    "mqtt_password",
    "source_of",
    "web_token",
]
