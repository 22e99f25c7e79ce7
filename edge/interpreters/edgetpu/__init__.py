"""Coral Edge TPUs, on USB or PCI, through libedgetpu as a delegate of LiteRT.

The library crashes where it does not fit the runtime, and where a USB device is pulled out: so it runs in a child
process (`edge.worker`), one for each interpreter, where that harms nobody. Not tried on a device yet: tests use a
delegate of their own behind the same interface.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge import coral, worker
from edge.coral import EdgeTpu
from edge.errors import ConfigError, DeviceError, EdgeError, ModelError
from edge.interpreters.edgetpu import place, words
from edge.interpreters.edgetpu.child import Wanted
from edge.models import ModelFile, graph
from edge.worker import Loss, Worker

INSTALL = "install `ai-edge-litert` and libedgetpu: " + str(coral.GET_LIBRARY)

PULL = "mobilenet_v2_1.0_224_quant_edgetpu"

log = logging.getLogger("edge")

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


def open(
    model: ModelFile,
    *,
    device: Annotated[str, msgspec.Meta(pattern=place.DEVICE, examples=["usb", "pci", "usb:0", ":0"])] = "",
    performance: Literal["Low", "Medium", "High", "Max"] | None = None,
    usb_always_dfu: bool | None = None,
    usb_max_bulk_in_queue_length: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None,
    library: str | None = None,
    load_limit_s: Seconds = worker.LOAD_S,
    limit_s: Seconds = worker.ANSWER_S,
    root: Path = Path("/"),
    told: Callable[[str], None] | None = None,
) -> Worker:
    """Load a model that was compiled for the Edge TPU.

    device: "usb:0", "pci:1", ":0" (of all), "usb", "pci"; "" for the first that is free. performance: its clock (by
    libedgetpu's header Max where it is not given, which makes a USB device hot). usb_always_dfu: load the firmware each
    time. usb_max_bulk_in_queue_length: of USB transfers. library: a path, where it is not libedgetpu.so.1 of the
    system. load_limit_s: seconds for loading (a USB device first gets its firmware); limit_s: for one inference.

    Raises ModelError for a model that was not compiled, AdapterError where the library is missing or crashes,
    DeviceError where no device can be used. `infer` raises InferenceError where the device is lost, and for a hang.
    """
    name = f"model {model.path}"
    _check(model, name)
    found = coral.found(root)
    tpu = place.choose(device, found, root)
    if tpu is None and library is None:
        raise DeviceError(words.NONE_FOUND)
    if tpu is not None:
        _usable(tpu)
    options = _options(
        tpu,
        {
            "device": place.for_library(tpu, found) if tpu else _with_number(device),
            "Performance": performance,
            "Usb.AlwaysDfu": usb_always_dfu,
            "Usb.MaxBulkInQueueLength": usb_max_bulk_in_queue_length,
        },
    )
    called = place.called(tpu) if tpu else options["device"]

    def explain(loss: Loss) -> EdgeError:
        return words.lost(loss, called, coral.found(root), tpu)

    wanted = Wanted(
        library=library or coral.LIBRARY, options=options, device=called, tpu=tpu, name=name, root=str(root)
    )
    served = worker.start(
        "edge.interpreters.edgetpu.child:load",
        model.data,
        msgspec.json.encode(wanted).decode(),
        load_s=load_limit_s,
        answer_s=limit_s,
        explain=explain,
        told=told,
    )
    served.threads, served.usb = None, tpu.place if tpu and tpu.bus == "usb" else None
    return served


def _check(model: ModelFile, name: str) -> None:
    if model.format == "tflite" and graph.compiled_for_edgetpu(model.data):
        return
    how = f"pull one that is with `edge models pull {PULL}`, or compile it with `edge export --compile edgetpu`"
    if model.format != "tflite":
        raise ModelError(f"{name}: an Edge TPU takes a .tflite that was compiled for it; {how}")
    raise ModelError(f"{name}: not compiled for the Edge TPU, so it would run on the processor; {how}")


def _usable(tpu: EdgeTpu) -> None:
    trouble = coral.trouble(tpu)
    if trouble:
        raise DeviceError(f"edgetpu: {place.called(tpu)} ({tpu.place}): {trouble[0]}; {trouble[1]}")
    if tpu.speed_mbit is not None and tpu.speed_mbit <= coral.USB_2_MBIT:
        log.warning("%s (%s) is on a USB 2 port, which slows it down; use a USB 3 port", place.called(tpu), tpu.place)


def _with_number(device: str) -> str:
    """libedgetpu takes its other options into account only where the device has a number."""
    return device if ":" in device else f"{device}:0"


def _options(tpu: EdgeTpu | None, given: dict[str, str | int | bool | None]) -> dict[str, str]:
    """As libedgetpu takes them. Raises ConfigError for an option of USB where the device is not on it."""
    told = {key: str(value) for key, value in given.items() if value is not None}
    usb = [key for key in told if key.startswith("Usb.")]
    bus = tpu.bus if tpu else told["device"].partition(":")[0]
    if usb and bus == "pci":
        raise ConfigError(f"edgetpu: {usb[0]} is an option of USB, and the device is on PCI; leave it out")
    return told
