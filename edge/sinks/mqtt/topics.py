"""The topics of one camera, and the name that Home Assistant knows it by."""

from __future__ import annotations

import re
from hashlib import sha256

from edge.settings import Mqtt

COMMANDS = ("pause", "snapshot", "threshold")


class Topics:
    """Below `PREFIX/NAME/`. client: the identifier that the broker knows the camera by."""

    def __init__(self, settings: Mqtt, name: str) -> None:
        self.base = f"{settings.prefix}/{name}"
        self.availability = f"{self.base}/availability"
        self.state = f"{self.base}/state"
        self.event = f"{self.base}/event"
        self.picture = f"{self.base}/picture"
        self.refused = f"{self.base}/refused"
        self.commands = f"{self.base}/command/+"
        self.identity = _identity(self.base)
        self.client = self.identity
        self.discovery = settings.discovery

    def command(self, name: str) -> str:
        """Where one of `COMMANDS` is given."""
        return f"{self.base}/command/{name}"

    def config(self, component: str, key: str) -> str:
        """Where an entity is announced: PREFIX/COMPONENT/NODE/OBJECT/config (Home Assistant, "MQTT Discovery")."""
        return f"{self.discovery}/{component}/{self.identity}/{key}/config"


def _identity(base: str) -> str:
    """One word of [a-zA-Z0-9_-], as Home Assistant wants a node's name; two cameras never have the same."""
    if re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9-]+", base):
        return base.replace("/", "_")
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", base).strip("_")
    return f"{plain}_{sha256(base.encode()).hexdigest()[:8]}"
