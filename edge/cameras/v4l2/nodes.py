"""The cameras among the devices /dev/video*: which there are, how each is named for good, and who holds it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from edge import sysfs
from edge.cameras.v4l2 import ioctls
from edge.cameras.v4l2.ioctls import Identity, Ioctl
from edge.cameras.v4l2.modes import Mode
from edge.devices import holders, permitted
from edge.errors import CameraError

ROOT = Path("/")

PERMIT = "run `sudo usermod -aG video $USER` and log in again"

LIBCAMERA = ("unicam", "rp1-cfe")
"""What the kernel calls the receiver of a Raspberry Pi's camera (up to Pi 4, and Pi 5): there only with a sensor on it.
Of the trees of kernel 6.1 and 6.6 that Raspberry Pi ships, by reading them: none was tried on a board."""

PARTS = (*LIBCAMERA, "bcm2835-", "pispbe", "rpi-hevc", "rpivid")
"""What the names of a Raspberry Pi's codecs and other devices that are no cameras begin with."""


class Found(msgspec.Struct, frozen=True):
    """A camera: how it is named, what it is, and whether it can be had.

    source: what names it for good. state: "forbidden" where this user may not open it, and nothing but `card` is known
    then; "unusable" where its library is missing or broken; "unknown" where only opening it would tell. why, mend: who
    holds it or what is in the way, and what helps; empty where nothing is.
    """

    name: str
    source: str
    device: str
    card: str
    driver: str = ""
    bus: str = ""
    state: Literal["free", "busy", "forbidden", "unusable", "unknown"] = "free"
    why: str = ""
    mend: str = ""
    modes: tuple[Mode, ...] = ()


class Told(NamedTuple):
    """What a camera that was asked says."""

    identity: Identity
    busy: bool
    modes: list[Mode]


def nodes(root: Path = ROOT) -> list[str]:
    """The paths of all video devices, lowest number first."""
    found = [path for path in (root / "dev").glob("video*") if path.name[5:].isdigit()]
    return [str(path) for path in sorted(found, key=lambda path: int(path.name[5:]))]


def devices(root: Path = ROOT, ioctl: Ioctl = fcntl.ioctl) -> list[str]:
    """The paths of the cameras that there are, lowest number first; codecs and metadata devices are none."""
    return [path for path in nodes(root) if _is_camera(path, ioctl)]


def forbidden(root: Path = ROOT) -> list[str]:
    """The paths, lowest number first, that this user may not open and that may be cameras, as far as names tell."""
    return [path for path in nodes(root) if not permitted(path) and _may_be_camera(path, root)]


def _is_camera(device: str, ioctl: Ioctl) -> bool:
    try:
        with ioctls.opened(device, ioctl) as ask:
            return ioctls.identify(ask).camera
    except OSError:
        return False


def _may_be_camera(device: str, root: Path) -> bool:
    about = root / "sys/class/video4linux" / Path(device).name
    # A USB camera has a second node for metadata, of index 1.
    return not (sysfs.text(about / "name") or "").startswith(PARTS) and not sysfs.number(about / "index")


def of_libcamera(root: Path = ROOT) -> bool:
    """Whether a Raspberry Pi's own camera is there, which libcamera drives."""
    names = (sysfs.text(path) or "" for path in (root / "sys/class/video4linux").glob("video*/name"))
    return any(name.startswith(LIBCAMERA) for name in names)


def stable(device: str, root: Path = ROOT) -> str:
    """The path under /dev/v4l that names the same camera when its number has changed, else `device`.

    by-id names the camera, by-path the socket that it is in; of two cameras that call themselves the same, udev gives
    the name by-id to one only.
    """
    target = os.path.realpath(device)
    for folder in ("by-id", "by-path"):
        for link in sorted((root / "dev/v4l" / folder).glob("*")):
            if os.path.realpath(link) == target:
                return str(link)
    return device


def interrogate(device: str, root: Path = ROOT, ioctl: Ioctl = fcntl.ioctl) -> Told:
    """Ask a camera for all it tells. Raises CameraError where it is not there, not permitted, or none."""
    try:
        with ioctls.opened(os.path.realpath(device), ioctl) as ask:
            identity = ioctls.identify(ask)
            if identity.camera:
                return Told(identity, ioctls.busy(ask, identity), ioctls.modes(ask, identity))
    except OSError as error:
        refused = _refused(device, error, root, ioctl)
        if refused is not None:
            raise refused from error
    raise CameraError(f"{device}: this is no camera that takes pictures by itself; {_known(root, ioctl)}")


def _refused(device: str, error: OSError, root: Path, ioctl: Ioctl) -> CameraError | None:
    """What is wrong, by the number of the error; None for an answer that no camera gives."""
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return CameraError(f"{device}: there is no such camera ({_known(root, ioctl)}); plug it in, or name another")
    if error.errno in (errno.EACCES, errno.EPERM):
        return CameraError(f"{device}: no permission; {PERMIT}")
    if error.errno == errno.EBUSY:
        return taken(device, root)
    if error.errno in (errno.EIO, errno.EPROTO, errno.ETIMEDOUT):
        return CameraError(f"{device}: the camera does not answer ({error.strerror}); unplug it and plug it in again")
    return None


def taken(device: str, root: Path = ROOT) -> CameraError:
    """The error of a camera that somebody else uses."""
    why, mend = _who(device, root)
    return CameraError(f"{device}: the camera is busy: {why}; {mend}")


def _who(device: str, root: Path) -> tuple[str, str]:
    found = list(holders(device, root))
    if found:
        return f"{', '.join(found)} uses it", "end that, or name another source"
    return "another user's program uses it", f"see which with `sudo fuser -v {device}`"


def _known(root: Path, ioctl: Ioctl) -> str:
    return f"cameras found: {', '.join(devices(root, ioctl)) or 'none'}"


def found(root: Path = ROOT, ioctl: Ioctl = fcntl.ioctl) -> list[Found]:
    """Every camera that there is and, by name, the devices that may be one and are not permitted."""
    closed, cameras = forbidden(root), []
    for path in nodes(root):
        if path in closed:
            cameras.append(_forbidden(path, root))
        elif _is_camera(path, ioctl):
            with contextlib.suppress(CameraError):  # unplugged since
                cameras.append(_told(path, root, ioctl))
    return cameras


def _named(device: str, root: Path) -> tuple[str, str, str]:
    shown = Path(stable(device, root)).relative_to(root)
    number = Path(device).name[5:]
    return f"camera:{number}", f"v4l2:///{shown}", f"/dev/video{number}"


def _forbidden(device: str, root: Path) -> Found:
    card = sysfs.text(root / "sys/class/video4linux" / Path(device).name / "name") or "unknown"
    return Found(*_named(device, root), card=card, state="forbidden", why="no permission", mend=PERMIT)


def _told(device: str, root: Path, ioctl: Ioctl) -> Found:
    told = interrogate(device, root, ioctl)
    why, mend = _who(device, root) if told.busy else ("", "")
    return Found(
        *_named(device, root),
        card=told.identity.card,
        driver=told.identity.driver,
        bus=told.identity.bus,
        state="busy" if told.busy else "free",
        why=why,
        mend=mend,
        modes=tuple(told.modes),
    )
