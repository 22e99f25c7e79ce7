"""What may crash or hang is tried in a child process, whose death is told as what it is.

A trial is a function of this file, run with one argument (a text). It says what it finds piece by piece, so that what
it had said before it died is known.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, TextIO

import msgspec

from edge.errors import one_line

LIMIT_S = 20.0
"""Long enough to load a model on the slowest board, and short enough to be waited for."""

MOST_SAID = 600
"""Characters of what a library says that are kept."""

CHILD = "import sys; sys.path[:] = {path!r}; from edge.doctor.trials import child; sys.exit(child({name!r}, {about!r}))"

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


Try = Callable[[str, str], Told]
"""Runs a trial, by its name, with its argument."""


def run(name: str, about: str, limit_s: float = LIMIT_S) -> Told:
    """Run a trial in a child process for at most `limit_s` seconds."""
    code = CHILD.format(path=sys.path, name=name, about=about)
    # a session of its own, so that whatever the child starts ends with it
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = started.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        out, _ = started.communicate()
        return Told(how="silent", said=f"no answer within {limit_s:g} s", found=_found(out))
    return told(started.returncode, out, err)


def told(code: int, out: bytes, err: bytes) -> Told:
    """What a child left behind: its exit code (below 0: the signal that it died by), and what it wrote."""
    found = _found(out)
    if code == 0:
        return Told(how="well", found=found)
    if code < 0:
        named = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return Told(how="crashed", said=named, found=found)
    last = err.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {code}"]
    said = found.pop("error", last[0])
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


def child(name: str, about: str) -> int:
    """What the child process does; returns its exit code. What libraries print goes to stderr."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        signal.alarm(int(LIMIT_S) + 5)  # should the parent be killed, nobody else ends what hangs
        return answer(name, about, out)


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
    """Build an interpreter of the default model; importing alone proves nothing."""
    from edge import models

    runtime = import_module(f"{package}.interpreter")
    loaded = runtime.Interpreter(model_content=models.load().data, num_threads=1)
    loaded.allocate_tensors()
    say("version", str(getattr(import_module(package), "__version__", "")))


def onnx(package: str, say: Say) -> None:
    """Build a session of a network that does nothing."""
    runtime = import_module(package)
    runtime.InferenceSession(TINY_ONNX, providers=["CPUExecutionProvider"])
    say("version", str(runtime.__version__))
    say("providers", ", ".join(runtime.get_available_providers()))


def library(path: str, say: Say) -> None:
    """Load a shared library, and ask libedgetpu for its version."""
    import ctypes

    loaded = ctypes.CDLL(path)
    tell = getattr(loaded, "edgetpu_version", None)
    if tell is not None:
        tell.restype = ctypes.c_char_p
        say("version", (tell() or b"").decode("utf-8", "replace"))


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
    say("answer", result.answer[0].label if result.answer else "")
    for number, reason in enumerate(result.instead_of):
        say(f"instead of {number}", reason)


def camera(written: str, say: Say) -> None:
    """Take one frame from the first camera of a list (adapters, as JSON) that gives one; says why others do not."""
    from edge import adapters
    from edge.errors import EdgeError

    for number, adapter in enumerate(msgspec.json.decode(written, type=list[adapters.Adapter])):
        try:
            opened: Any = adapters.open("cameras", adapter.kind, **adapter.options)
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
    "library": library,
    "engine": engine,
    "camera": camera,
}
