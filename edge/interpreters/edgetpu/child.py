"""The part of `edgetpu` that runs in the child process: the library, the delegate and the model."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge import coral
from edge.coral import EdgeTpu
from edge.errors import DeviceError, one_line
from edge.interpreters import litert
from edge.interpreters.edgetpu import place, words
from edge.interpreters.litert import LiteRT

ADVICE = "the device was lost, or libedgetpu is broken: " + words.CABLE


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is asked for.

    options: of libedgetpu. device: what the accelerator is called here. tpu: which one it is, None where the kernel
    shows none. name: of the model, for messages. root: the folder that /sys and /dev are in.
    """

    library: str
    options: dict[str, str]
    device: str
    tpu: EdgeTpu | None
    name: str
    root: str


def load(data: bytes, argument: str) -> LiteRT:
    """Load a compiled model; `argument` is a `Wanted` as JSON. Raises AdapterError, DeviceError and ModelError."""
    wanted = msgspec.json.decode(argument, type=Wanted)
    root = Path(wanted.root)
    try:
        loaded = litert.delegated(
            data, wanted.library, wanted.options, "edgetpu", f"edgetpu: {wanted.device}: ", ADVICE
        )
    except DeviceError as error:
        raise words.refused(wanted.tpu, coral.found(root), str(error), root) from error
    except OSError as error:
        raise words.library(wanted.library, one_line(error, litert.MOST_SAID)) from error
    except (ValueError, RuntimeError) as error:
        raise words.not_taken(wanted.name, one_line(error, litert.MOST_SAID)) from error
    held = place.opened(coral.found(root), root)
    loaded.backend = f"edgetpu-{place.called(held) if held else wanted.device}"
    return loaded
