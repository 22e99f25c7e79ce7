"""Which cameras libcamera knows, asked in a child process: the library may hang or crash."""

from __future__ import annotations

from importlib.util import find_spec

import msgspec

from edge import children
from edge.errors import AdapterError, CameraError

LIST_S = 20.0
"""To load libcamera takes a slow board seconds."""


class Listed(msgspec.Struct, frozen=True):
    """A camera as libcamera tells it."""

    number: int
    model: str
    id: str


def installed() -> bool:
    """Whether picamera2 is there, without loading it."""
    return find_spec("picamera2") is not None


CHILD = "from edge.cameras.picamera.listing import tell; tell()"


def listed(limit_s: float = LIST_S) -> list[Listed]:
    """The cameras of libcamera, USB cameras left out. Raises AdapterError and CameraError."""
    done = children.run(CHILD, limit_s)
    if done.code is None:
        raise CameraError(f"libcamera gives no answer within {limit_s:g} s; restart the board")
    try:
        told = msgspec.json.decode(done.out.splitlines()[-1], type=list[Listed] | str)
    except (IndexError, msgspec.MsgspecError) as error:
        advice = "see `rpicam-hello --list-cameras`"
        raise CameraError(f"picamera2 cannot list its cameras: {done.last_words}; {advice}") from error
    if isinstance(told, str):
        raise AdapterError(told)
    return told


def tell() -> None:
    """Print as JSON the cameras, or why the library cannot be loaded; what the child process does."""
    from edge.cameras import picamera

    try:
        known = picamera.load().global_camera_info()
    except AdapterError as error:
        print(msgspec.json.encode(str(error)).decode())
        return
    cameras = [
        Listed(number, str(each.get("Model", "unknown")), str(each.get("Id", ""))) for number, each in enumerate(known)
    ]
    print(msgspec.json.encode([each for each in cameras if "/usb" not in each.id]).decode())
