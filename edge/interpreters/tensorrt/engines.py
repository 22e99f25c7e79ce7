"""Where engines are kept, and when a kept one may be used: pure file work, no TensorRT.

An engine is worth nothing to another TensorRT or another GPU. A kept file begins with who it is for and the hash of
what follows, so that neither a stranger nor a damaged one reaches TensorRT, which could crash on it.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import tempfile
from functools import cache as once
from pathlib import Path
from typing import Any

import msgspec

from edge.errors import ModelError, one_line
from edge.files import cache, write_whole

MAGIC = b"edgekit engine 1\n"

MISSING = "no engine that can be used:"
"""Begins the reason of the ModelError with which a child says that one must be built."""

FIRST_USE = "its first use here"

MOST_HEAD = 4096


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What changes the engine that is built of a model; None: left to TensorRT's version."""

    fp16: bool | None = None
    workspace_mb: int = 256


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be loaded or built.

    folder: where the engine is. model: its SHA-256. device: the GPU's number. timings: the folder of what TensorRT
    measures of kernels; "": the same.
    """

    folder: str
    model: str
    device: int
    options: Options
    timings: str = ""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who an engine is for. compute_capability: "8.7". model: SHA-256 of its file."""

    tensorrt: str
    gpu: str
    compute_capability: str
    model: str
    options: Options


class _Head(msgspec.Struct, frozen=True):
    identity: Identity
    sha256: str


def folder() -> Path | None:
    """The folder for engines, made where it is not there; None where it cannot be written."""
    home = cache()
    if home is None:
        return None
    with contextlib.suppress(OSError):
        found = home / "tensorrt"
        found.mkdir(parents=True, exist_ok=True)
        return found if os.access(found, os.W_OK | os.X_OK) else None
    return None


@once
def spare() -> str:
    """A folder for what this process builds, for as long as it lives: nothing is built twice where nothing is kept."""
    made = tempfile.mkdtemp(prefix="edge-tensorrt-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def place(order: Order) -> Path:
    """The file of an engine: one a model and its options, so that a newer TensorRT takes the place of the older."""
    short = hashlib.sha256(msgspec.json.encode((order.options, order.device))).hexdigest()[:8]
    return Path(order.folder) / f"{order.model[:32]}-{short}.engine"


def timings(order: Order, identity: Identity) -> Path:
    """The file of what TensorRT measured of kernels, which other models use as well."""
    who = (identity.tensorrt, identity.gpu, identity.compute_capability)
    return Path(order.timings or order.folder) / f"{hashlib.sha256(msgspec.json.encode(who)).hexdigest()[:16]}.timings"


def kept(order: Order, identity: Identity) -> bytes:
    """The engine that is kept for this machine. Raises ModelError, which begins with `MISSING` and says why not."""
    path = place(order)
    try:
        data = path.read_bytes() if path.is_file() or not path.exists() else b""  # a pipe would never end
    except FileNotFoundError:
        raise ModelError(f"{MISSING} {FIRST_USE}") from None
    except OSError as error:
        raise ModelError(f"{MISSING} {path}: {error.strerror}") from error
    head, plan = _opened(data, path)
    if hashlib.sha256(plan).hexdigest() != head.sha256:
        raise ModelError(f"{MISSING} {path} is damaged")
    changed = [
        f"{field} was {_shown(before)} and is {_shown(now)}"
        for field in Identity.__struct_fields__
        if (before := getattr(head.identity, field)) != (now := getattr(identity, field))
    ]
    if changed:
        raise ModelError(f"{MISSING} {one_line('; '.join(changed), 300)}")
    return plan


def keep(order: Order, identity: Identity, plan: bytes) -> None:
    """Keep an engine, whole or not at all. Raises OSError."""
    head = msgspec.json.encode(_Head(identity, hashlib.sha256(plan).hexdigest()))
    write_whole(place(order), MAGIC + head + b"\n" + plan)


def _opened(data: bytes, path: Path) -> tuple[_Head, bytes]:
    end = data.find(b"\n", len(MAGIC), MOST_HEAD)
    try:
        if not data.startswith(MAGIC) or end < 0:
            raise ValueError("no head")
        return msgspec.json.decode(data[len(MAGIC) : end], type=_Head), data[end + 1 :]
    except (ValueError, msgspec.MsgspecError) as error:
        raise ModelError(f"{MISSING} {path} is damaged") from error


def _shown(value: Any) -> str:
    return str(msgspec.json.encode(value).decode()) if isinstance(value, msgspec.Struct) else str(value)
