"""Which camera of a profile, or of the machine: those that may be opened, in order, and the first that can be."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from edge import adapters
from edge import source as grammar
from edge.adapters import Adapter
from edge.errors import AdapterError, CameraError
from edge.files import printable
from edge.profile import DeviceProfile
from edge.types import Camera

log = logging.getLogger("edge")


class Source(NamedTuple):
    """What users call a camera, and its adapter."""

    name: str
    adapter: Adapter


def cameras(profile: DeviceProfile, source: str | None) -> list[Source]:
    """What may be opened, in order: `source` alone where it is given.

    A profile that nobody named may also have any other camera that there is; none is listed twice. Raises ConfigError.
    """
    if source is not None:
        return [Source(printable(source), grammar.parse(source))]
    listed = [Source(adapter.kind, adapter) for adapter in profile.cameras]
    if listed and profile.because is None:
        return listed
    name = grammar.default()
    found = Source(name, grammar.parse(name))
    known = found.adapter.kind == "sample" or is_listed(found.adapter, profile.cameras)
    return listed if listed and known else [*listed, found]


def is_listed(found: Adapter, listed: Sequence[Adapter]) -> bool:
    """Whether the first camera that was found is among those: where it is not told which, a kind opens its first."""

    def which(adapter: Adapter) -> object:
        device, number = (adapter.options.get(name) for name in ("device", "number"))
        return number if device is None else os.path.realpath(device)

    return any(each.kind == found.kind and which(each) in (None, which(found)) for each in listed)


def first_that_opens(cameras: Sequence[Source], given: dict[str, Any]) -> tuple[Source, Camera]:
    """Open the first that can be, and say why those before it cannot; given: as `open_camera` takes it.

    Raises the error of the only one unchanged, else one that tells the reason of each.
    """
    reasons: list[str] = []
    for source in cameras:
        try:
            camera = open_camera(source.adapter, given)
        except (CameraError, AdapterError) as error:
            if len(cameras) == 1:
                raise
            reasons.append(f"{source.name}: {error}")
            continue
        for reason in reasons:
            log.warning("%s is the source instead, because %s", source.name, reason)
        return source, camera
    told = "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    raise CameraError(f"none of the profile's {len(cameras)} cameras can be opened: {told}")


def open_camera(adapter: Adapter, given: dict[str, Any]) -> Camera:
    """Open a camera with its options, and with those of `given` (clock, covers) that it has."""
    known = {name: value for name, value in given.items() if adapters.takes("cameras", adapter.kind, name)}
    camera: Camera = adapters.open("cameras", adapter.kind, **adapter.options, **known)
    return camera
