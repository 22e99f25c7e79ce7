"""What may crash or hang is tried in a child process, whose death is told as what it is.

A trial is a function of this file, run with one argument (a text). It says what it finds piece by piece, so that what
it had said before it died is known.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Literal, TextIO

import msgspec

from edge import children
from edge.adapters import Adapter
from edge.children import Ended
from edge.errors import AdapterError, EdgeError, one_line

LIMIT_S = 60.0
"""For one library, which a slow card takes long to load."""

MOST_SAID = 600
"""Characters of what a library says that are kept."""

CHILD = "import sys; from edge.doctor.trials import child; sys.exit(child({name!r}))"

TINY_ONNX = (
    b"\x08\x08:7\n\x10\n\x01a\x12\x01b\x22\x08Identity\x12\x01g"
    b"Z\x0f\n\x01a\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01b\x0f\n\x01b\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x02\x10\r"
)
"""An ONNX network that hands on one number."""

Say = Callable[[str, str], None]
"""Tells one thing that was found: its name, and what it is."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How a trial went.

    how: "crashed" is a death by a signal, "silent" no end within the limit. said: the reason, where it did not go
    well. kind: the class of the error. found: what it said, by name.
    """

    how: Literal["well", "failed", "crashed", "silent"]
    said: str = ""
    kind: str = ""
    found: dict[str, str] = {}


class Wanted(msgspec.Struct, frozen=True):
    """Cameras to be tried, and the (width, height) of the model's input, None where nothing tells it."""

    cameras: list[Adapter]
    covers: tuple[int, int] | None = None


Try = Callable[[str, str, float], Told]
"""Runs a trial, by its name, with its argument, for at most so many seconds."""


def run(name: str, about: str, limit_s: float = LIMIT_S) -> Told:
    """Run a trial in a child process for at most `limit_s` seconds."""
    try:
        return told(children.run(CHILD.format(name=name), limit_s, about.encode()), limit_s)
    except EdgeError as error:
        return Told(how="failed", said=str(error), kind=type(error).__name__)


def told(ended: Ended, limit_s: float = LIMIT_S) -> Told:
    """What a child left behind."""
    found = _found(ended.out)
    if ended.code is None:
        return Told(how="silent", said=f"no answer within {limit_s:g} s", found=found)
    if ended.code == 0:
        return Told(how="well", found=found)
    if ended.code < 0:
        return Told(how="crashed", said=children.death(ended.code), found=found)
    said = found.pop("error", ended.last_words)
    return Told(how="failed", said=said, kind=found.pop("kind", ""), found=found)


def _found(out: bytes) -> dict[str, str]:
    """The lines that are whole; a child that dies may leave half of one."""
    found: dict[str, str] = {}
    for line in out.decode("utf-8", "replace").splitlines():
        try:
            name, what = json.loads(line)
        except ValueError:
            continue
        found[name] = what
    return found


def child(name: str) -> int:
    """What the child process does, with its argument on standard input; returns its exit code.

    What libraries print goes to stderr.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        return answer(name, sys.stdin.read(), out)


def answer(name: str, about: str, out: TextIO) -> int:
    """Run a trial in this process, and write what it says to `out`; returns the exit code."""

    def say(key: str, what: str) -> None:
        print(json.dumps([key, one_line(what, MOST_SAID)]), file=out, flush=True)

    try:
        TRIALS[name](about, say)
    except Exception as error:  # noqa: BLE001 - whatever a library raises is what is to be told
        say("kind", type(error).__name__)
        say("error", one_line(error) or type(error).__name__)
        return 1
    return 0


def modules(names: str, say: Say) -> None:
    """Import modules one after the other: says their versions, and "NAME error" where one cannot be imported."""
    for name in names.split(","):
        try:
            module = import_module(name)
        except Exception as error:  # noqa: BLE001 - as above
            say(f"{name} error", f"{type(error).__name__}: {error}")
            continue
        say(name, str(getattr(module, "__version__", "")))
        say(f"{name} file", str(getattr(module, "__file__", "")))


def litert(package: str, say: Say) -> None:
    """Build an interpreter of the default model with one of the two runtimes; importing alone proves nothing."""
    from edge import models
    from edge.interpreters.litert import prove

    prove(package, models.load().data)


def onnx(_: str, say: Say) -> None:
    """Build a session of a network that does nothing."""
    from edge.interpreters import onnx as adapter

    adapter.construct(TINY_ONNX, 1, "")
    say("providers", ", ".join(adapter.offered()))


def picamera(_: str, say: Say) -> None:
    """Load picamera2, and the libcamera below it."""
    from edge.cameras.picamera import load

    load()


def tensorrt(orders: str, say: Say) -> None:
    """Load TensorRT and take a GPU; says for each engine (orders, as JSON) that would be built first why it would."""
    from edge.errors import DeviceError, ModelError
    from edge.interpreters.tensorrt import library
    from edge.interpreters.tensorrt.engines import MISSING, Order, kept

    wanted = msgspec.json.decode(orders, type=dict[str, Order])
    vendor, cuda = None, None
    try:
        vendor = library.tensorrt()
        say("tensorrt", str(vendor.__version__))
    except AdapterError as error:
        say("tensorrt error", str(error))
    try:
        cuda = library.Cuda(min((order.device for order in wanted.values()), default=0))
        say("cuda", cuda.gpu)
    except (AdapterError, DeviceError) as error:
        say("cuda error", str(error))
    if vendor is None or cuda is None:
        return
    for number, order in wanted.items():
        try:
            kept(order, library.identity(vendor, cuda, order))
        except ModelError as error:
            say(f"build {number}", str(error).partition(MISSING)[2].strip())


def library(name: str, say: Say) -> None:
    """Load a shared library, as the delegate of LiteRT does."""
    import ctypes

    ctypes.CDLL(name)


def engine(written: str, say: Say) -> None:
    """Open the first interpreter of a profile (as JSON) that can run, and have it answer one photograph."""
    from edge.cameras import sample
    from edge.engine import open_engine
    from edge.profile import DeviceProfile

    profile = msgspec.json.decode(written, type=DeviceProfile)
    opened = open_engine(profile)
    try:
        frame = next(iter(sample.open()))
        tensor = opened.preprocessor.new_tensor()
        result = opened.answer(frame, tensor, opened.prepare(frame, tensor))
    finally:
        opened.close()
    say("backend", result.backend)
    say("model", opened.model)
    say("size", "{}x{}".format(*opened.preprocessor.size))
    say("answer", result.answer[0].label if result.answer else "")
    for number, reason in enumerate(result.instead_of):
        say(f"instead of {number}", reason)


def camera(written: str, say: Say) -> None:
    """Take one frame from the first camera of a list (`Wanted`, as JSON) that gives one; says why others do not."""
    from edge.pipeline import open_camera

    wanted = msgspec.json.decode(written, type=Wanted)
    for number, adapter in enumerate(wanted.cameras):
        try:
            opened = open_camera(adapter, {"covers": wanted.covers} if wanted.covers else {})
            try:
                frame = next(iter(opened))
            finally:
                opened.close()
        except (EdgeError, StopIteration) as error:
            say(f"error {number}", f"{adapter.kind}: {error or 'it gives no frame'}")
            continue
        say("camera", adapter.kind)
        say("frame", "{}x{} {}".format(*frame.size, frame.pixel_format))
        return


TRIALS: dict[str, Callable[[str, Say], None]] = {
    "modules": modules,
    "litert": litert,
    "onnx": onnx,
    "picamera": picamera,
    "tensorrt": tensorrt,
    "library": library,
    "engine": engine,
    "camera": camera,
}
