"""The source grammar: one way to name a camera, a stream, a video or pictures, for all commands."""

from __future__ import annotations

import glob
import re
import stat
from pathlib import Path

import cv2

from edge.adapters import Adapter
from edge.cameras.images import PICTURES
from edge.errors import ConfigError
from edge.files import is_utf8

GRAMMAR = (
    "give camera:0, v4l2:///dev/video0, picamera:0, rtsp://…, http(s)://…, a video file, a picture, "
    "a folder of pictures, a pattern such as '*.jpg', or sample:"
)


def parse(source: str) -> Adapter:
    """The camera adapter that a source names. Raises ConfigError for one that nobody understands."""
    if not source:
        raise ConfigError(f"the source is empty; {GRAMMAR}")
    numbered = re.fullmatch(r"camera:(\d+)", source)
    if numbered:
        return Adapter("v4l2", {"device": f"/dev/video{numbered[1]}"})
    numbered = re.fullmatch(r"picamera:(\d{1,2})", source)
    if numbered and int(numbered[1]) < 64:
        return Adapter("picamera", {"number": int(numbered[1])})
    if source.startswith("v4l2:///"):
        return Adapter("v4l2", {"device": source.removeprefix("v4l2://")})
    if source.startswith("/dev/"):
        return Adapter("v4l2", {"device": source})
    if re.match(r"(rtsps?|https?)://[^/\s]", source):
        return Adapter("stream", {"url": source})
    if source in ("sample:", "browser:"):
        return Adapter(source.removesuffix(":"))
    if source.startswith("scripted:"):
        steps = source.removeprefix("scripted:").split(";")
        return Adapter("scripted", {"script": [step.strip() for step in steps if step.strip()]})
    return _files(source)


def recorded(source: str) -> bool:
    """Whether a source is no camera and no stream, so that it has an end."""
    return not re.match(r"camera:|picamera:|v4l2:|/dev/|\w+://", source)


def _files(source: str) -> Adapter:
    mode = _mode(Path(source))
    if stat.S_ISDIR(mode) or (not mode and glob.has_magic(source)):
        return Adapter("images", {"path": source})
    if stat.S_ISREG(mode):
        # OpenCV crashes on a name that is not UTF-8, and such a name is told as what it is where it would be opened.
        named = is_utf8(source) and cv2.haveImageReader(source)
        picture = Path(source).suffix.lower() in PICTURES or named
        return Adapter("images", {"path": source}) if picture else Adapter("stream", {"url": source})
    if re.match(r"[A-Za-z][\w.+-]*:", source) or mode:
        raise ConfigError(f"source {source}: nobody here understands it; {GRAMMAR}")
    raise ConfigError(f"source {source}: no such file or folder; {GRAMMAR}")


def _mode(path: Path) -> int:
    """What kind of file a path names, as in `os.stat`; 0 where there is none, or the text can be no path."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def default(root: Path = Path("/")) -> str:
    """The first camera there is, a Raspberry Pi's own before others; else the photographs that ship."""
    from edge.cameras import v4l2

    if v4l2.of_libcamera(root):
        return "picamera:0"
    found = v4l2.devices(root)
    return f"v4l2://{found[0]}" if found else "sample:"
