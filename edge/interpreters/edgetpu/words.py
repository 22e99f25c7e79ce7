"""What went wrong with an Edge TPU, in words that say what to do.

libedgetpu gives hardly any reason: where it finds no device that it can open it makes no delegate and says nothing, and
where a USB device is pulled out it aborts. So what the kernel shows is told with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edge import coral
from edge.coral import GET_LIBRARY, EdgeTpu
from edge.errors import AdapterError, DeviceError, EdgeError, InferenceError, ModelError
from edge.interpreters.edgetpu import place
from edge.worker import Loss

CABLE = "see to its cable (a USB 3 port) or its slot, and to its power supply"

NONE_FOUND = (
    "edgetpu: no Edge TPU was found, neither on USB (1a6e:089a or 18d1:9302) nor on PCI (1ac1:089a); plug it in, "
    "and see whether `lsusb` or `lspci -n` shows it"
)

UNDEFINED, MISSING = "undefined symbol", "cannot open shared object file"


def library(name: str, said: str) -> AdapterError:
    """The library cannot be loaded; `said`: what the system says of it."""
    if UNDEFINED in said and "tflite_plugin" in said:
        return AdapterError(f"edgetpu: {name} is another library ({said}); give libedgetpu.so.1")
    lacks = re.match(rf"(\S+): {MISSING}", said)
    if lacks and lacks[1] != name:
        advice = f"install the package that has it (`apt-file search {lacks[1]}`)"
        return AdapterError(f"edgetpu: {name} needs {lacks[1]}, which is not there; {advice}")
    if lacks:
        return AdapterError(f"edgetpu: {name} is not installed; {GET_LIBRARY}")
    return AdapterError(f"edgetpu: {name} does not fit this machine ({said}); {GET_LIBRARY}")


def refused(tpu: EdgeTpu | None, found: Sequence[EdgeTpu], said: str, root: Path) -> DeviceError:
    """The library made no delegate; `said`: what it says, which is mostly nothing."""
    if tpu is None and not found:
        return DeviceError(NONE_FOUND + (f" (libedgetpu: {said})" if said else ""))
    if tpu is None:
        return DeviceError(f"edgetpu: libedgetpu opens none of {place.listed(found)}; name one of them as `device`")
    name = f"edgetpu: {place.called(tpu)} ({tpu.place})"
    users = list(place.holders(tpu, root))
    if users:
        return DeviceError(f"{name} is in use by {', '.join(users)}; end that, or name another device")
    why = said or "libedgetpu does not say why"
    return DeviceError(f"{name} cannot be opened ({why}); end what else may use it, and plug it in anew")


def not_taken(model: str, said: str) -> EdgeError:
    """The runtime or the library does not take the model."""
    if "runtime version" in said:
        advice = "install a newer libedgetpu1-std, or compile the model with `edgetpu_compiler --min_runtime_version`"
        return ModelError(f"{model}: compiled for a newer libedgetpu ({said}); {advice}")
    advice = "it is damaged, or libedgetpu does not fit the runtime: pull or compile it again"
    return ModelError(f"{model}: it cannot be loaded onto the Edge TPU: {said}; {advice}")


def lost(loss: Loss, device: str, now: Sequence[EdgeTpu], was: EdgeTpu | None) -> EdgeError:
    """The process that drives the accelerator came to an end. now, was: what the kernel shows, and the one it was."""
    kind = InferenceError if loss.phase == "run" else DeviceError
    mine = next((each for each in now if was and (each.bus, each.place) == (was.bus, was.place)), None)
    if was is not None and mine is None:
        return kind(f"edgetpu: {device} ({was.place}) has gone: {loss}; {CABLE}")
    broken = coral.trouble(mine) if mine else None
    if broken:
        return kind(f"edgetpu: {device}: {broken[0]} ({loss}); {broken[1]}")
    if not loss.how:
        return kind(f"edgetpu: {device}: {loss}; plug it in anew, or give it longer (load_limit_s, limit_s)")
    if "USB transfer error" in loss.said:
        return kind(f"edgetpu: {device}: the device was lost, or another process uses it: {loss}; {CABLE}")
    if loss.how == "SIGKILL":
        return kind(f"edgetpu: {device}: {loss}, as the kernel does where memory runs out; free some memory")
    if loss.phase == "start":
        return AdapterError(f"edgetpu: Python itself does not start in a process of its own: {loss}; see `pip check`")
    if loss.phase == "run":
        return kind(f"edgetpu: {device}: libedgetpu crashed: {loss}; {CABLE}")
    return AdapterError(f"edgetpu: libedgetpu crashes here: {loss}; it does not fit the runtime; {GET_LIBRARY}")
