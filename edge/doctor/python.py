"""Python itself, and the packages that do not go together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.doctor.environment import Python
from edge.doctor.finding import Finding, bad, good, note
from edge.doctor.trials import Told

NUMPY_1 = re.compile(
    r"compiled using NumPy 1|numpy\.core\.multiarray failed|_ARRAY_API not found|numpy\.(dtype|ndarray) size changed"
    r"|_multiarray_umath failed"
)
"""How a library that was built for NumPy 1 fails beside NumPy 2."""

WITH_SYSTEM = "pip install 'numpy<2' 'opencv-python-headless<4.12'"
"""The pair that goes with the picamera2 of Raspberry Pi OS Bookworm."""

WINDOWED = ("opencv-python", "opencv-contrib-python")
HEADLESS = ("opencv-python-headless", "opencv-contrib-python-headless")


def clashes(said: str) -> bool:
    """Whether a library fails because it was built for NumPy 1, and this is NumPy 2."""
    return NUMPY_1.search(said) is not None


def version(python: Python, machine: str) -> Finding:
    """Whether there are wheels of LiteRT for this Python on this machine (as `Facts.machine` tells it)."""
    said = f"Python {python.called}, {python.bits} bits, {machine}"
    if machine.startswith("armv6"):
        return bad("python.version", f"{said}: no runtime has a package for ARMv6", advice="use a newer board")
    if python.bits == 64 or machine.startswith(("x86", "i686")):
        return good("python.version", said)
    advice = "install the 64-bit Raspberry Pi OS, on a Raspberry Pi 3, 4, 5 or Zero 2 W"
    if python.version >= (3, 12):
        why = "for 32-bit ARM there is tflite-runtime alone, up to Python 3.11"
        return bad("python.version", f"{said}: {why}", advice=advice)
    return note("python.version", f"{said}: the older tflite-runtime is all there is for it", advice=advice)


def venv(python: Python, wants: str | None) -> Finding:
    """Whether the packages of the system can be seen where `wants` (what needs them, or None) comes from them."""
    place = f"in the virtual environment {python.venv}" if python.venv else f"below {python.base}, in no environment"
    if python.system_packages:
        return good("python.venv", f"{place}; it sees the packages of the system")
    if wants is None:
        return good("python.venv", f"{place}; the profile needs no packages of the system")
    said = f"{place}; it does not see the packages of the system, and {wants} is one of them"
    return bad("python.venv", said, command=let_see(python))


def let_see(python: Python) -> str:
    """The command by which Python gets to see what `apt` installs."""
    if python.venv is None or not python.of_system:  # another Python than the system's never does
        return "/usr/bin/python3 -m venv --system-site-packages ~/edge"
    setting = "include-system-site-packages"
    return f"sed -i 's/^{setting} = false/{setting} = true/' {python.venv}/pyvenv.cfg"


def basics(python: Python, told: Told, beside_system: bool) -> Iterator[Finding]:
    """NumPy and OpenCV, which nothing here runs without. beside_system: whether picamera2 of the system is wanted."""
    for name, module, check in (("NumPy", "numpy", "python.numpy"), ("OpenCV", "cv2", "python.opencv")):
        if module in told.found:
            yield good(check, f"{name} {told.found[module]}")
            continue
        said = told.found.get(f"{module} error") or f"importing it: {told.how}, {told.said}"
        yield bad(check, f"{name} cannot be imported: {said}", command=_mend(module, python, said, beside_system))
        if module == "numpy":  # OpenCV needs it
            return


def _mend(module: str, python: Python, said: str, beside_system: bool) -> str:
    if module == "numpy":
        return "pip install --force-reinstall 'numpy<2'" if beside_system else "pip install --force-reinstall numpy"
    windowed = [name for name in WINDOWED if name in python.packages]
    first = f"pip uninstall -y {' '.join(windowed)} && " if windowed else ""
    if clashes(said):
        return first + (WITH_SYSTEM if beside_system else "pip install --upgrade opencv-python-headless")
    return f"{first}pip install --force-reinstall opencv-python-headless"


def opencv_twice(python: Python) -> Iterator[Finding]:
    """Two distributions of OpenCV write the same files, and the windowed one needs libraries of X."""
    windowed = [name for name in WINDOWED if name in python.packages]
    headless = [name for name in HEADLESS if name in python.packages]
    one = f"pip uninstall -y {' '.join([*windowed, *headless])} && pip install opencv-python-headless"
    if windowed and headless:
        said = f"{windowed[0]} and {headless[0]} are both installed, and write the same files"
        yield note("python.opencv-wheel", said, command=one)
    elif windowed:
        said = f"{windowed[0]} is the one with windows, which fails where the libraries of X are missing"
        yield note("python.opencv-wheel", said, command=one)


def pycoral(python: Python) -> Finding:
    """Two packages are called so, and neither is needed."""
    found = python.packages.get("pycoral")
    if found is None:
        return good("python.pycoral", "pycoral is not installed, and not needed")
    remove = "pip uninstall -y pycoral"
    if "atlas" in found.summary.lower() or found.version.startswith("0."):
        said = f"pycoral {found.version} is not Google's, but a command line for a map of coral reefs"
        return note("python.pycoral", said, command=remove)
    said = f"pycoral {found.version} is Google's, which ended at Python 3.9; the Edge TPU does not need it"
    return note("python.pycoral", said, command=remove)
