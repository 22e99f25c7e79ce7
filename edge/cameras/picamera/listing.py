"""Which cameras libcamera knows, asked in a child process: the library may hang or crash."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import msgspec

from edge.errors import CameraError, one_line

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


CHILD = "import sys; sys.path[:] = {path!r}; from edge.cameras.picamera.listing import tell; tell()"


def listed(limit_s: float = LIST_S) -> list[Listed]:
    """The cameras of libcamera, USB cameras left out; asked in a child process, for the library may hang or crash.

    Raises CameraError.
    """
    command = [sys.executable, "-c", CHILD.format(path=sys.path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise CameraError(f"libcamera gives no answer within {limit_s:g} s; restart the board") from error
    try:
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=list[Listed])
    except (IndexError, msgspec.MsgspecError) as error:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        said = one_line(why[0]).partition("; ")[0]
        advice = "see `rpicam-hello --list-cameras`"
        raise CameraError(f"picamera2 cannot list its cameras: {said}; {advice}") from error


def tell() -> None:
    """Print the cameras as JSON; what the child process does."""
    from edge.cameras import picamera

    cameras = [
        Listed(number, str(each.get("Model", "unknown")), str(each.get("Id", "")))
        for number, each in enumerate(picamera.load().global_camera_info())
    ]
    print(msgspec.json.encode([each for each in cameras if "/usb" not in each.id]).decode())
