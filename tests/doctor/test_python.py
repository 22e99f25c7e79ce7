"""`edge doctor`: Python."""

import os
import sys
from pathlib import Path

import msgspec
import pytest
from patients import HANGS, HERE, HIDING, SEEING, SEGFAULT

from edge.doctor import environment, python
from edge.doctor.environment import Package
from edge.doctor.finding import bad
from edge.doctor.trials import Told


@pytest.mark.parametrize(
    ("bits", "version", "machine", "state", "said"),
    [
        (64, (3, 11), "aarch64", "good", "Python 3.11, 64 bits, aarch64"),
        (64, (3, 14), "x86_64", "good", "Python 3.14, 64 bits, x86_64"),
        (32, (3, 11), "aarch64 (32-bit userland)", "note", "the older tflite-runtime is all there is"),
        (32, (3, 13), "armv7l", "bad", "tflite-runtime alone, up to Python 3.11"),
        (32, (3, 11), "armv6l", "bad", "no runtime has a package for ARMv6"),
        (32, (3, 11), "x86_64 (32-bit userland)", "good", "32 bits"),
    ],
)
def test_a_python_without_wheels_is_told(bits, version, machine, state, said):
    found = python.version(msgspec.structs.replace(SEEING, bits=bits, version=version), machine)
    assert found.state == state and said in found.seen
    assert "32" in found.seen or not found.advice


def test_an_environment_that_hides_the_systems_packages_is_mended_in_place():
    found = python.venv(HIDING, "picamera2")
    assert found.state == "bad"
    assert found.command == (
        "sed -i 's/^include-system-site-packages = false/include-system-site-packages = true/' "
        "/home/ada/edge/pyvenv.cfg"
    )
    assert python.venv(HIDING, None).state == python.venv(SEEING, "picamera2").state == "good"


def test_that_command_does_what_it_says(tmp_path):
    config = tmp_path / "pyvenv.cfg"
    config.write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n")
    hiding = msgspec.structs.replace(HIDING, venv=tmp_path)
    assert not environment.sees_the_system(tmp_path, Path("/usr"))
    assert os.system(python.let_see(hiding)) == 0
    assert environment.sees_the_system(tmp_path, Path("/usr"))
    assert not environment.sees_the_system(tmp_path, Path("/usr/local")), "the packages are for the system's Python"


def test_another_python_than_the_systems_needs_an_environment_of_that_one():
    other = msgspec.structs.replace(HIDING, base=Path("/opt/python"), venv=None)
    found = python.venv(other, "picamera2")
    assert found.command == "/usr/bin/python3 -m venv --system-site-packages ~/edge"
    assert environment.sees_the_system(None, Path("/usr")) and not environment.sees_the_system(HERE, Path("/usr"))


def test_a_command_names_the_environment_where_the_shell_would_take_another():
    found = bad("a.b", "x", command="pip uninstall -y a && pip install edge && sudo apt install b")
    placed = msgspec.structs.replace(SEEING, scripts="/home/ada/edge/bin")
    assert environment.typed(found, placed).command == (
        "/home/ada/edge/bin/pip uninstall -y a && /home/ada/edge/bin/pip install edge && sudo apt install b"
    )
    assert environment.typed(found, SEEING) is found


def test_this_python_is_told_as_it_is():
    seen = environment.of_this_process()
    assert seen.called == "{}.{}".format(*sys.version_info)
    assert seen.venv == (Path(sys.prefix) if sys.prefix != sys.base_prefix else None)
    assert seen.packages["numpy"].version and "pycoral" not in seen.packages
    assert environment.bytes_of_a_page() >= 4096


@pytest.mark.parametrize(
    ("package", "state", "said"),
    [
        (None, "good", "not needed"),
        (Package("0.2.0", "Simple CLI for Allen Coral Atlas"), "note", "a command line for a map of coral reefs"),
        (Package("2.0.0", "Coral Python API"), "note", "Google's, which ended at Python 3.9"),
    ],
)
def test_the_wrong_pycoral_is_told_from_googles(package, state, said):
    packages = {"pycoral": package} if package else {}
    found = python.pycoral(msgspec.structs.replace(SEEING, packages=packages))
    assert (found.state, found.command) == (state, "pip uninstall -y pycoral" if package else None)
    assert said in found.seen


MISSING_GL = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
BUILT_FOR_1 = "ImportError: A module that was compiled using NumPy 1.x cannot be run in NumPy 2.1.0"


@pytest.mark.parametrize(
    ("error", "packages", "beside_system", "command"),
    [
        (
            MISSING_GL,
            ["opencv-python"],
            False,
            "pip uninstall -y opencv-python && pip install --force-reinstall opencv-python-headless",
        ),
        (BUILT_FOR_1, [], False, "pip install --upgrade opencv-python-headless"),
        (
            BUILT_FOR_1,
            ["opencv-python"],
            False,
            "pip uninstall -y opencv-python && pip install --upgrade opencv-python-headless",
        ),
        (BUILT_FOR_1, [], True, "pip install 'numpy<2' 'opencv-python-headless<4.12'"),
        (
            "ModuleNotFoundError: No module named 'cv2'",
            [],
            False,
            "pip install --force-reinstall opencv-python-headless",
        ),
    ],
)
def test_an_opencv_that_cannot_be_imported_is_mended_by_its_cause(error, packages, beside_system, command):
    seen = msgspec.structs.replace(SEEING, packages={name: Package("4.9") for name in packages})
    told = Told(how="well", found={"numpy": "2.1.0", "cv2 error": error})
    first, second = python.basics(seen, told, beside_system)
    assert (first.state, first.seen) == ("good", "NumPy 2.1.0")
    assert (second.state, second.command) == ("bad", command)
    assert error in second.seen


def test_a_numpy_that_crashes_is_told_and_nothing_is_said_of_what_comes_after():
    (found,) = python.basics(SEEING, SEGFAULT, False)
    assert found.seen == "NumPy cannot be imported: importing it: crashed, SIGSEGV"
    assert found.command == "pip install --force-reinstall numpy"
    (found,) = python.basics(SEEING, HANGS, True)
    assert found.command == "pip install --force-reinstall 'numpy<2'"


def test_two_distributions_of_opencv_are_told():
    both = {name: Package("4.10") for name in ("opencv-python", "opencv-python-headless")}
    (found,) = python.opencv_twice(msgspec.structs.replace(SEEING, packages=both))
    assert found.command == (
        "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python-headless"
    )
    del both["opencv-python-headless"]
    (found,) = python.opencv_twice(msgspec.structs.replace(SEEING, packages=both))
    assert "the one with windows" in found.seen
    assert not list(python.opencv_twice(SEEING))
