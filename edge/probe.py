"""Try an untrusted model in a child process first.

A .tflite file is a program for a runtime written in C++: a damaged or hostile one can crash or hang it, which no
`except` catches. So a model that does not ship with the package is loaded and run where that may happen, under
limits of time and memory. A model that passed is remembered by its hash and the runtime's version.
"""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from pathlib import Path

from edge import children
from edge.children import Ended, death
from edge.errors import AdapterError, EdgeError, InferenceError, ModelError, one_line
from edge.files import cache

LIMIT_S = 60
LIMIT_BYTES = 4 << 30

KINDS: dict[str, type[EdgeError]] = {kind.__name__: kind for kind in (AdapterError, InferenceError, ModelError)}
"""What a child may say was wrong: the name of the error, a blank, and its message."""

CHILD = "from edge.probe import child; sys.exit(child({target!r}, {argument!r}))"


def ensure(target: str, argument: str, data: bytes, key: str, name: str, limit_s: int = LIMIT_S) -> None:
    """Run `target` ("module:function") on (data, argument) in a child; return only if it did so without harm.

    key: what identifies data and runtime, so that a second call costs nothing. name: the model, for the message.
    Raises ModelError, InferenceError or AdapterError, and DeviceError where no process can be started.
    """
    passed = _remembered(key)
    if passed is not None and passed.exists():
        return
    ended = children.run(CHILD.format(target=target, argument=argument), limit_s, data)
    if ended.code is None:
        advice = "it is damaged, or far too large for this board"
        raise ModelError(f"model {name}: no answer within {limit_s} s when it was tried; {advice}")
    if ended.code != 0:
        raise _reason(ended, ended.code, name)
    if passed is not None:
        with contextlib.suppress(OSError):  # a read-only home only means that the next start probes again
            passed.parent.mkdir(parents=True, exist_ok=True)
            passed.touch()


def _reason(ended: Ended, code: int, name: str) -> EdgeError:
    kind, _, said = one_line(ended.out.decode("utf-8", "replace")).partition(" ")
    if code > 0 and said and kind in KINDS:
        return KINDS[kind](f"model {name}: {said}")
    if code > 0:
        advice = "`pip check` tells if the environment is broken"
        return EdgeError(f"model {name}: it could not be tried: {ended.last_words}; {advice}")
    advice = "the file is damaged: fetch or export it again"
    return ModelError(f"model {name}: it crashes the runtime ({death(code)}); {advice}")


def _remembered(key: str) -> Path | None:
    folder = cache()
    return folder and folder / "probed" / key


def child(target: str, argument: str) -> int:
    """What the child process does; returns its exit code, and says on standard output what is wrong."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = LIMIT_BYTES if hard == resource.RLIM_INFINITY else min(LIMIT_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    module, function = target.split(":")
    try:
        getattr(import_module(module), function)(sys.stdin.buffer.read(), argument)
    except EdgeError as error:
        print(type(error).__name__, error)
        return error.exit_code
    except MemoryError:
        print(ModelError.__name__, "it asks for more memory than there is; it is damaged, or far too large")
        return ModelError.exit_code
    return 0
