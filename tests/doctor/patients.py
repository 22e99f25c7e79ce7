"""Made-up patients of `edge doctor`, and how the trials on them went."""

from pathlib import Path

import msgspec

from edge import doctor
from edge import profile as profiles
from edge.cameras.v4l2.nodes import Found
from edge.doctor.case import Case, Disk, User
from edge.doctor.environment import Python
from edge.doctor.trials import Told
from edge.host.linux import Linux

HERE = Path("/home/ada/edge")
NOW = 1_790_000_000.0

HIDING = Python(version=(3, 11), bits=64, base=Path("/usr"), venv=HERE, system_packages=False, packages={})
SEEING = msgspec.structs.replace(HIDING, system_packages=True)

WELL = Told(how="well", found={"backend": "litert-cpu", "model": "m", "answer": "Egyptian cat"})
SEGFAULT = Told(how="crashed", said="SIGSEGV")
HANGS = Told(how="silent", said="no answer within 20 s")


def made(machine, text="", *, seen=SEEING, tried=None, cameras=(), **more):
    """A case on a made-up board, with a profile whose text (beside its interpreters) is given."""
    lines = text if "[[interpreter]]" in text else f'{text}\n[[interpreter]]\nkind = "litert"\n'
    host = Linux(root=machine.root, run=machine.run)
    whole = {
        "profile": profiles.parse(f'name = "made"\n{lines}'.encode(), "made"),
        "facts": host.facts(),
        "state": host.state(),
        "given": "made",
        "root": machine.root,
        "run": machine.run,
        "python": seen,
        "user": User("ada", frozenset({1000})),
        "disk": Disk(folder=HERE, free_bytes=8 << 30, read_only=False),
        "page_bytes": 4096,
        "now": NOW,
        "tried": {"engine": WELL, **(tried or {})},
        "cameras": list(cameras),
    }
    return Case(**{**whole, **more})


def of(findings, check):
    """The only finding of that name."""
    (one,) = [finding for finding in findings if finding.check == check]
    return one


EDGETPU = '[[interpreter]]\nkind = "edgetpu"\n[[interpreter]]\nkind = "litert"\n'
PICAMERA = '[[camera]]\nkind = "picamera"\n[[camera]]\nkind = "v4l2"\n'
WEBCAM = Found(name="camera:0", source="v4l2:///dev/v4l/by-id/usb-Acme", device="/dev/video0", card="Acme Webcam")
TOOK = Told(how="well", found={"camera": "picamera", "frame": "640x480 BGR"})
TOOK_SECOND = Told(how="well", found={"error 0": "picamera: none", "camera": "v4l2", "frame": "640x480 MJPG"})


class Attempts:
    """Trials that go as is written, by their names; notes which were made."""

    def __init__(self, **told):
        self.told = {"modules": Told(how="well", found={"numpy": "1.26.4", "cv2": "4.10.0"}), "engine": WELL, **told}
        self.made, self.limits = [], {}

    def __call__(self, name, about, limit_s):
        self.made.append((name, about))
        self.limits[name] = limit_s
        told = self.told.get(name, Told(how="well"))
        return told.pop(0) if isinstance(told, list) else told


def examined(machine, profile="cpu", *, seen=SEEING, **told):
    attempts = Attempts(**told)
    return doctor.examine(profile, root=machine.root, run=machine.run, attempt=attempts, seen=seen), attempts.made
