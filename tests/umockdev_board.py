"""A board of umockdev, and what the toolkit sees on it. Run below `umockdev-wrapper`; one JSON command a line.

    ["add", DEVICES]  ["set", DEVICE, ATTRIBUTE, VALUE]  ["remove", DEVICE]  ["ask", QUESTION, ARGUMENT]

Each is answered by one line. DEVICES are in the format of `umockdev-run --device`. The testbed is libumockdev's own,
called through its C interface, so that any Python will do.
"""

import ctypes
import json
import sys
from pathlib import Path

import msgspec

from edge import boards, coral, doctor, firmware, meter
from edge.doctor.trials import Told
from edge.errors import EdgeError
from edge.host.linux import Linux
from edge.power import hwmon


class Testbed:
    """An empty /sys, and what is put into it."""

    def __init__(self):
        self._library = ctypes.CDLL("libumockdev.so.0")
        self._library.umockdev_testbed_new.restype = ctypes.c_void_p
        self._here = ctypes.c_void_p(self._library.umockdev_testbed_new())

    def add(self, devices):
        """Devices appear."""
        wrong = ctypes.c_void_p()
        assert self._library.umockdev_testbed_add_from_string(self._here, devices.encode(), ctypes.byref(wrong))

    def set(self, device, attribute, value):
        """An attribute changes."""
        words = (text.encode() for text in (f"/sys{device}", attribute, value))
        self._library.umockdev_testbed_set_attribute(self._here, *words)

    def remove(self, device):
        """A device is unplugged."""
        self._library.umockdev_testbed_remove_device(self._here, f"/sys{device}".encode())


def power(rail):
    """The watts of a rail, or of the meter that is found; its name; why none is."""
    try:
        found, reasons = (hwmon.open(rail=rail), []) if rail else meter.detect()
    except EdgeError as error:
        return {"why": str(error)}
    return {"name": found and found.name, "watts": found and found.read().watts, "why": reasons}


def rails(_):
    """The labels of all rails."""
    return [rail.label for rail in hwmon.rails(Path("/"))]


def state(_):
    """How the machine fares."""
    told = Linux(run=lambda _: None).state()
    return {"temperature_c": told.temperature_c, "limit_events": told.limit_events}


def tpus(_):
    """The accelerators."""
    return msgspec.to_builtins(coral.found())


def profile(_):
    """Which profile is recognised."""
    return boards.recognise()._asdict()


def findings(profile):
    """What `edge doctor` says of the accelerators and the power meter, by check."""

    def attempt(name, about, limit_s):
        return Told(
            how="well", found={"numpy": "2", "cv2": "5", "backend": "litert-cpu", "model": "m", "camera": "v4l2"}
        )

    report = doctor.examine(profile, run=firmware.run, attempt=attempt)
    return {finding.check: [finding.state, finding.seen] for finding in report.findings}


ASKED = {asked.__name__: asked for asked in (power, rails, state, tpus, profile, findings)}


def main():
    """Obey until the input ends."""
    testbed = Testbed()
    for line in sys.stdin:
        verb, *words = json.loads(line)
        answer = ASKED[words[0]](words[1]) if verb == "ask" else getattr(testbed, verb)(*words)
        print(json.dumps(answer), flush=True)


main()
