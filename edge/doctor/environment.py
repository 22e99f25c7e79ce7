"""The Python that this runs in, and the packages that it sees. Imports none of them: one may be broken."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import struct
import sys
from importlib import metadata
from pathlib import Path

import msgspec

from edge.doctor.finding import Finding

PACKAGES = (
    "ai-edge-litert",
    "cuda-python",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python",
    "opencv-python-headless",
    "picamera2",
    "pycoral",
    "tensorrt",
    "tflite-runtime",
)

Version = tuple[int, int]


class Package(msgspec.Struct, frozen=True):
    """An installed distribution, as its metadata tell of it."""

    version: str
    summary: str = ""


class Python(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter of Python and its environment.

    bits: of an address; wheels are chosen by it. base: where it is installed ("/usr" is the system's own). venv: the
    folder of the virtual environment, None outside of one. system_packages: whether those that `apt` installs can be
    seen. packages: by their names. scripts: the folder of its `pip` and `edge`; None: the shell takes these anyway.
    """

    version: Version
    bits: int
    base: Path
    venv: Path | None
    system_packages: bool
    packages: dict[str, Package]
    scripts: str | None = None

    @property
    def called(self) -> str:
        """Its version in words: "3.11"."""
        return "{}.{}".format(*self.version)

    @property
    def of_system(self) -> bool:
        """Whether it is the Python of the system, for which the packages of `apt` are."""
        return self.base == Path("/usr")


def of_this_process() -> Python:
    """The one that runs this."""
    venv = Path(sys.prefix) if sys.prefix != sys.base_prefix else None
    return Python(
        version=sys.version_info[:2],
        bits=8 * struct.calcsize("P"),
        base=Path(sys.base_prefix),
        venv=venv,
        system_packages=sees_the_system(venv, Path(sys.base_prefix)),
        packages={name: package for name in PACKAGES if (package := installed(name))},
        scripts=None if shutil.which("pip") == f"{sys.prefix}/bin/pip" else f"{sys.prefix}/bin",
    )


def sees_the_system(venv: Path | None, base: Path) -> bool:
    """Whether a Python sees what `apt` installs: that of the system does, unless a virtual environment hides it."""
    if base != Path("/usr"):
        return False
    if venv is None:
        return True
    try:
        said = (venv / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace").lower().split()
    except OSError:
        return False
    return "include-system-site-packages=true" in "".join(said)


def typed(finding: Finding, python: Python) -> Finding:
    """With the command as it has to be typed where the shell would take another `pip` or `edge`, or finds none."""
    if python.scripts is None or finding.command is None:
        return finding
    place = shlex.quote(python.scripts)
    command = re.sub(r"(^|&& )(?=(?:pip|edge) )", lambda found: f"{found[0]}{place}/", finding.command)
    return msgspec.structs.replace(finding, command=command)


def installed(name: str) -> Package | None:
    """A distribution by its name; None where it is not installed."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    return Package(found["Version"] or "", found["Summary"] or "")


def bytes_of_a_page() -> int:
    """Of memory, as the kernel hands it out."""
    return os.sysconf("SC_PAGE_SIZE")
