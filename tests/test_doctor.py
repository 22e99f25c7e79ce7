"""`edge doctor` on made-up boards: what it finds, what it advises, and what it says at the end."""

import io
import json
import os
import sys
from pathlib import Path

import msgspec
import pytest
import trees
from rich.console import Console

from edge import doctor, models
from edge import profile as profiles
from edge.cameras.v4l2.nodes import Found
from edge.cli.doctor import show
from edge.doctor import board, camera, case, coral, environment, jetson, parts, python, runtimes, system, trials
from edge.doctor.case import Case, Disk, User
from edge.doctor.environment import Package, Python
from edge.doctor.finding import Finding, Report
from edge.doctor.trials import Told
from edge.host.linux import Linux
from edge.interpreters.tensorrt import engines
from edge.interpreters.tensorrt.engines import Options, Order

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


# --- Python


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


# --- runtimes


CLASH = Told(how="failed", kind="ImportError", said="numpy.core.multiarray failed to import")


def test_a_tflite_runtime_that_imports_and_cannot_be_built_beside_numpy_2_is_told_as_that():
    found = runtimes.runtime("tflite-runtime", CLASH, asked=True, arm32=True, numpy="2.1.0")
    assert found.state == "bad" and found.command == "pip install 'numpy<2'"
    assert (
        found.seen == "tflite-runtime was built for NumPy 1: beside NumPy 2.1.0 it imports, but builds no interpreter"
    )
    found = runtimes.runtime("tflite-runtime", CLASH, asked=False, arm32=False, numpy="2.1.0")
    assert (found.state, found.command) == ("note", "pip install ai-edge-litert")


@pytest.mark.parametrize(
    ("told", "asked", "state", "said"),
    [
        (None, False, "n/a", "LiteRT is not installed, and not needed"),
        (None, True, "bad", "LiteRT is not installed"),
        (Told(how="well", found={"version": "2.3.0"}), True, "good", "LiteRT 2.3.0 builds an interpreter"),
        (Told(how="well"), True, "good", "LiteRT builds an interpreter"),
        (SEGFAULT, True, "bad", "building an interpreter crashes (SIGSEGV)"),
        (HANGS, True, "bad", "building an interpreter hangs (no answer within 20 s)"),
        (Told(how="failed", said="no module"), False, "note", "building an interpreter fails: no module"),
    ],
)
def test_a_runtime_is_told_by_what_it_did(told, asked, state, said):
    found = runtimes.runtime("ai-edge-litert", told, asked=asked, arm32=False, numpy="2.1.0")
    assert found.state == state and found.seen.endswith(said)
    assert (found.command == "pip install ai-edge-litert") == (state in ("bad", "note"))


def test_the_providers_of_onnx_runtime_are_listed():
    told = Told(how="well", found={"version": "1.20", "providers": "CPUExecutionProvider"})
    found = runtimes.runtime("onnxruntime", told, asked=True, arm32=False, numpy="2.1.0")
    assert found.seen == "ONNX Runtime 1.20 builds an interpreter; providers: CPUExecutionProvider"
    missing = runtimes.runtime("onnxruntime", None, asked=True, arm32=True, numpy="1.26.4")
    assert missing.command == "pip install onnxruntime"
    arm = runtimes.runtime("tflite-runtime", None, asked=True, arm32=True, numpy="1.26.4")
    assert arm.command == "pip install tflite-runtime==2.14.0 'numpy<2'"


# --- the Edge TPU

EDGETPU = '[[interpreter]]\nkind = "edgetpu"\n[[interpreter]]\nkind = "litert"\n'


def coral_of(machine, *, text=EDGETPU, **more):
    return list(coral.check(made(machine, text, **more)))


def library(machine, place="usr/lib/aarch64-linux-gnu"):
    machine.put(f"{place}/libedgetpu.so.1", "")
    return machine


def test_without_an_accelerator_one_line_tells_it_where_none_is_asked_for(tmp_path):
    (found,) = coral_of(trees.pi4(tmp_path), text="")
    assert (found.check, found.state) == ("coral.device", "n/a")


def test_an_accelerator_that_the_profile_asks_for_and_is_not_there_is_bad(tmp_path):
    found = coral_of(trees.pi4(tmp_path))
    assert of(found, "coral.device").state == of(found, "coral.library").state == "bad"
    assert "plug it in anew" in of(found, "coral.device").advice
    assert of(found, "coral.library").command == "sudo apt install ./libedgetpu1-std_*.deb"


def test_on_a_pi_5_the_pcie_socket_has_to_be_switched_on(tmp_path):
    found = of(coral_of(trees.pi5(tmp_path)), "coral.device")
    assert found.command == "echo dtparam=pciex1 | sudo tee -a /boot/firmware/config.txt"


def test_an_accelerator_without_firmware_is_no_fault(tmp_path):
    machine = library(trees.pi4(tmp_path))
    trees.usb_coral(machine, firmware=False)
    found = coral_of(machine, tried={"libedgetpu": Told(how="well")})
    assert [finding.state for finding in found] == ["good", "good"]
    assert found[0].seen == "Edge TPU on USB, 1-2: 1a6e:089a, which is right before its first use; then it is 18d1:9302"


def test_an_accelerator_on_a_usb_2_port_is_noted(tmp_path):
    machine = library(trees.pi4(tmp_path))
    trees.usb_coral(machine, speed=480)
    found = of(coral_of(machine, tried={"libedgetpu": Told(how="well")}), "coral.usb-speed")
    assert found.state == "note" and "USB 2 (480 Mbit/s)" in found.seen


RULES = (
    'SUBSYSTEM=="usb",ATTRS{idVendor}=="1a6e",GROUP="plugdev"\nSUBSYSTEM=="usb",ATTRS{idVendor}=="18d1",GROUP="plugdev"'
)


def locked(root):
    """A Pi with an accelerator on USB, whose device file nobody but root may open."""
    machine = library(trees.pi4(root))
    trees.usb_coral(machine)
    (machine.root / "dev/bus/usb/001/007").chmod(0)
    machine.put("etc/group", "video:x:44:\nplugdev:x:46:pi")
    return machine


def test_without_a_rule_of_udev_rule_and_group_are_made(plain_user):
    found = of(coral_of(locked(plain_user)), "coral.permission")
    assert found.state == "bad" and "no permission for /dev/bus/usb/001/007 (1-2)" in found.seen
    assert found.command == (
        "sudo usermod -aG plugdev ada && printf '%s\\n' "
        '\'SUBSYSTEM=="usb", ATTR{idVendor}=="1a6e", ATTR{idProduct}=="089a", GROUP="plugdev"\' '
        '\'SUBSYSTEM=="usb", ATTR{idVendor}=="18d1", ATTR{idProduct}=="9302", GROUP="plugdev"\' '
        "| sudo tee /etc/udev/rules.d/65-edgetpu.rules && "
        "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb"
    )


def test_with_the_rule_the_group_is_what_is_missing(plain_user):
    machine = locked(plain_user)
    machine.put("usr/lib/udev/rules.d/60-libedgetpu1-std.rules", RULES)
    found = of(coral_of(machine), "coral.permission")
    assert found.command == "sudo usermod -aG plugdev ada"
    assert "ada is not in the group plugdev" in found.seen


@pytest.mark.parametrize("how", ["named in the group", "of this login"])
def test_with_rule_and_group_the_login_is_from_before(plain_user, how):
    machine = locked(plain_user)
    machine.put("etc/udev/rules.d/60-libedgetpu1-std.rules", RULES)
    if how == "named in the group":
        machine.put("etc/group", "plugdev:x:46:pi,ada")
        user = User("ada", frozenset({1000}))
    else:
        user = User("ada", frozenset({1000, 46}))
    found = of(coral_of(machine, user=user), "coral.permission")
    assert found.command is None and "log out and in again" in found.advice


def test_a_pcie_accelerator_gets_its_own_rule_and_group(plain_user):
    machine = library(trees.pi5(plain_user))
    trees.pci_coral(machine)
    (machine.root / "dev/apex_0").chmod(0)
    found = of(coral_of(machine), "coral.permission")
    assert found.command.startswith("sudo groupadd apex && sudo usermod -aG apex ada && printf ")
    assert """'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"'""" in found.command


def test_a_pcie_accelerator_without_its_driver_is_told_how_to_get_one(tmp_path):
    machine = library(trees.pi5(tmp_path))
    trees.pci_coral(machine, driver=False)
    found = of(coral_of(machine), "coral.device")
    assert found.state == "bad" and "0000:01:00.0: its driver (apex) is not loaded" in found.seen
    assert found.command == "sudo apt install dkms linux-headers-$(uname -r) ./gasket-dkms_*.deb"
    machine.put("lib/modules/6.6.62+rpt-rpi-2712/updates/dkms/apex.ko.xz", "")
    assert of(coral_of(machine), "coral.device").command == "sudo modprobe apex"


def test_large_pages_of_a_pi_5_are_told(tmp_path):
    machine = library(trees.pi5(tmp_path))
    trees.pci_coral(machine)
    found = of(coral_of(machine, page_bytes=16384), "coral.pages")
    assert found.command == "echo kernel=kernel8.img | sudo tee -a /boot/firmware/config.txt"
    assert not [finding for finding in coral_of(machine) if finding.check == "coral.pages"]


def test_the_temperature_of_a_pcie_accelerator_is_told(tmp_path):
    machine = library(trees.pi5(tmp_path))
    trees.pci_coral(machine, degrees=52.8)
    assert of(coral_of(machine), "coral.temperature").seen == "apex_0: 53 °C"
    machine.put("sys/class/apex/apex_0/temp", 91000)
    assert of(coral_of(machine), "coral.temperature").state == "note"


def test_an_accelerator_that_fell_off_the_bus_is_told(tmp_path):
    machine = library(trees.pi5(tmp_path))
    trees.pci_coral(machine, degrees=-89.7)
    found = of(coral_of(machine), "coral.device")
    assert found.state == "bad" and "fallen off the bus" in found.seen and found.command == "sudo reboot"


GOOGLES, COMMUNITYS = "libedgetpu1-std 16.0\n", "libedgetpu1-std 16.0tf2.17.1-1.bookworm\n"


@pytest.mark.parametrize(
    ("told", "package", "state", "said"),
    [
        (Told(how="well"), COMMUNITYS, "good", "(libedgetpu1-std 16.0tf2.17.1-1.bookworm) loads"),
        (Told(how="well"), None, "good", "libedgetpu.so.1 loads"),
        (Told(how="well"), GOOGLES, "bad", "Google's build of 2021, which crashes in runtimes from TFLite 2.12 on"),
        (SEGFAULT, None, "bad", "crashes (SIGSEGV) when it is loaded"),
        (HANGS, None, "bad", "hangs (no answer within 20 s) when it is loaded"),
        (Told(how="failed", said="file too short"), None, "bad", "cannot be loaded: file too short"),
    ],
)
def test_the_library_is_told_by_what_it_did_and_of_which_build_it_is(tmp_path, told, package, state, said):
    machine = library(trees.pi4(tmp_path))
    trees.usb_coral(machine)
    answers = {"dpkg-query": package}
    found = of(coral_of(machine, tried={"libedgetpu": told}, run=lambda line: answers.get(line[0])), "coral.library")
    assert found.state == state and said in found.seen


def test_the_library_that_the_profile_names_is_the_one_that_counts(tmp_path):
    machine = trees.pi4(tmp_path)
    trees.usb_coral(machine)
    text = EDGETPU.replace('"edgetpu"', '"edgetpu"\nlibrary = "/opt/coral/own.so"', 1)
    assert "is not installed" in of(coral_of(machine, text=text), "coral.library").seen
    machine.put("opt/coral/own.so", "")
    told = {"libedgetpu": Told(how="well")}
    assert of(coral_of(machine, text=text, tried=told), "coral.library").seen == "/opt/coral/own.so loads"


def test_where_the_edge_tpu_answers_nothing_of_it_is_bad(tmp_path):
    runs = Told(how="well", found={"backend": "edgetpu", "model": "m"})
    tried = {"engine": runs, "libedgetpu": Told(how="well")}
    found = coral_of(library(trees.pi4(tmp_path)), tried=tried, run=lambda _: GOOGLES)
    assert [finding.state for finding in found] == ["note", "good"]


# --- cameras

PICAMERA = '[[camera]]\nkind = "picamera"\n[[camera]]\nkind = "v4l2"\n'
WEBCAM = Found(name="camera:0", source="v4l2:///dev/v4l/by-id/usb-Acme", device="/dev/video0", card="Acme Webcam")


def cameras_of(machine, text=PICAMERA, **more):
    return list(camera.check(made(machine, text, **more)))


def test_a_usb_camera_is_told_with_the_path_that_stays(tmp_path):
    found = cameras_of(trees.pc(tmp_path), "", cameras=[WEBCAM])
    assert [(finding.state, finding.seen) for finding in found] == [
        ("good", "camera:0: Acme Webcam (v4l2:///dev/v4l/by-id/usb-Acme)")
    ]


def test_a_camera_that_somebody_holds_is_told_with_who_it_is(tmp_path):
    busy = msgspec.structs.replace(WEBCAM, state="busy", why="cheese (process 812) uses it", mend="end that")
    text = '[camera]\nkind = "v4l2"'
    found = of(cameras_of(trees.pc(tmp_path), text, cameras=[busy]), "camera.v4l2")
    assert (found.state, found.advice) == ("bad", "end that")
    assert found.seen == "camera:0: Acme Webcam is busy: cheese (process 812) uses it"
    given = Told(how="well", found={"camera": "v4l2", "frame": "640x480 MJPG"})
    found = of(
        cameras_of(trees.pc(tmp_path), '[camera]\nkind = "v4l2"', cameras=[busy], tried={"camera": given}),
        "camera.v4l2",
    )
    assert found.state == "note", "another of the list gave a frame"


def test_a_camera_that_is_not_permitted_wants_the_group_or_a_new_login(tmp_path):
    machine = trees.pi4(tmp_path)
    closed = msgspec.structs.replace(WEBCAM, state="forbidden", source="")
    machine.put("etc/group", "video:x:44:pi")
    assert of(cameras_of(machine, "", cameras=[closed]), "camera.v4l2").command == "sudo usermod -aG video ada"
    machine.put("etc/group", "video:x:44:pi,ada")
    found = of(cameras_of(machine, "", cameras=[closed]), "camera.v4l2")
    assert found.command is None and "log out and in again" in found.advice


def test_a_profile_of_usb_cameras_without_one_is_bad(tmp_path):
    assert of(cameras_of(trees.pc(tmp_path), '[camera]\nkind = "v4l2"'), "camera.v4l2").state == "bad"
    assert of(cameras_of(trees.pc(tmp_path / "n"), ""), "camera.v4l2").state == "n/a"


APT = "sudo apt install -y --no-install-recommends python3-picamera2"


def csi(machine, name="rp1-cfe-csi2_ch0"):
    machine.put("sys/class/video4linux/video0/name", name)
    machine.put("sys/class/video4linux/v4l-subdev0/name", "csi2")
    machine.put("sys/class/video4linux/v4l-subdev2/name", "imx708_wide")
    return machine


def system_picamera2(machine, tag="cpython-311-aarch64-linux-gnu"):
    machine.put("usr/lib/python3/dist-packages/picamera2/__init__.py", "")
    machine.put(f"usr/lib/python3/dist-packages/libcamera/_libcamera.{tag}.so", "")
    return machine


PICAMERA_WELL = Told(how="well", found={"libcamera": "", "picamera2": "0.3.31"})


@pytest.mark.parametrize(("make", "receiver"), [(trees.pi5, "rp1-cfe-csi2_ch0"), (trees.pi4, "unicam-image")])
def test_a_sensor_on_the_flat_cable_is_told_by_its_name(tmp_path, make, receiver):
    found = cameras_of(csi(make(tmp_path), receiver), tried={"picamera2": PICAMERA_WELL})
    assert of(found, "camera.csi").seen == "the kernel sees a sensor on the flat cable: imx708_wide"
    assert of(found, "camera.picamera2").seen == "picamera2 0.3.31 can be imported"
    assert of(found, "camera.v4l2").state == "n/a"


@pytest.mark.parametrize(
    ("config", "said", "command"),
    [
        (
            "start_x=1\ngpu_mem=128",
            "of before 2022",
            "sudo sed -i 's/^ *start_x *= *1.*/camera_auto_detect=1/' /boot/firmware/config.txt && sudo reboot",
        ),
        (
            "#camera_auto_detect=1",
            "does not ask for one",
            "echo camera_auto_detect=1 | sudo tee -a /boot/firmware/config.txt && sudo reboot",
        ),
        ("camera_auto_detect=1", "no sensor on the flat cable (CSI)", "rpicam-hello --list-cameras"),
        (
            "dtoverlay=imx290,clock-frequency=74250000",
            "no sensor on the flat cable (CSI)",
            "rpicam-hello --list-cameras",
        ),
    ],
)
def test_no_sensor_is_told_by_what_config_txt_asks_for(tmp_path, config, said, command):
    machine = trees.pi4(tmp_path)
    machine.put("boot/firmware/config.txt", config)
    found = of(cameras_of(machine), "camera.csi")
    assert found.state == "bad" and said in found.seen and found.command == command


def test_before_bookworm_config_txt_lay_in_another_place(tmp_path):
    machine = trees.pi4(tmp_path)
    machine.put("boot/config.txt", "")
    assert of(cameras_of(machine), "camera.csi").command.endswith("/boot/config.txt && sudo reboot")


@pytest.mark.parametrize(
    ("told", "seen", "system", "said", "command"),
    [
        (
            Told(how="well", found={"libcamera error": "ModuleNotFoundError: No module named 'libcamera'"}),
            HIDING,
            "cpython-311-aarch64-linux-gnu",
            "this environment does not see it",
            python.let_see(HIDING),
        ),
        (
            Told(how="well", found={"libcamera error": "ImportError: no _libcamera"}),
            SEEING,
            "cpython-313-aarch64-linux-gnu",
            "for the Python of the system, and this is Python 3.11",
            "/usr/bin/python3 -m venv --system-site-packages ~/edge",
        ),
        (
            Told(how="well", found={"libcamera": "", "picamera2 error": "ValueError: numpy.dtype size changed, may"}),
            SEEING,
            "cpython-311-aarch64-linux-gnu",
            "built for NumPy 1, and this environment has NumPy 2",
            "pip install 'numpy<2' 'opencv-python-headless<4.12'",
        ),
        (
            Told(how="well", found={"libcamera error": "ModuleNotFoundError: No module named 'libcamera'"}),
            SEEING,
            None,
            "picamera2 is not installed",
            APT,
        ),
        (
            Told(how="well", found={"libcamera": "", "picamera2 error": "ImportError: libfoo.so"}),
            SEEING,
            "cpython-311-aarch64-linux-gnu",
            "picamera2 cannot be imported: ImportError: libfoo.so",
            f"{APT} --reinstall",
        ),
        (
            SEGFAULT,
            SEEING,
            None,
            "importing picamera2 crashes (SIGSEGV)",
            f"{APT} --reinstall",
        ),
        (
            HANGS,
            SEEING,
            None,
            "importing picamera2 hangs",
            f"{APT} --reinstall",
        ),
    ],
)
def test_a_picamera2_that_cannot_be_imported_is_mended_by_its_cause(tmp_path, told, seen, system, said, command):
    machine = csi(trees.pi5(tmp_path))
    if system:
        system_picamera2(machine, system)
    found = of(cameras_of(machine, seen=seen, tried={"picamera2": told}), "camera.picamera2")
    assert (found.state, found.command) == ("bad", command)
    assert said in found.seen


def test_the_picamera2_of_pip_alone_is_told(tmp_path):
    told = Told(how="well", found={"libcamera error": "ModuleNotFoundError: No module named 'libcamera'"})
    seen = msgspec.structs.replace(SEEING, packages={"picamera2": Package("0.3.38")})
    found = of(cameras_of(csi(trees.pi5(tmp_path)), seen=seen, tried={"picamera2": told}), "camera.picamera2")
    assert "that of `pip`" in found.seen and found.command.startswith("pip uninstall -y picamera2 && sudo apt install")


# --- Jetson

CONF = """\
# comment
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=1 >
"""


def jetson_of(root, *, tensorrt=False, **more):
    """The findings of a Jetson; tensorrt: whether the profile asks for it."""
    patient = made(trees.jetson(root), **more)
    if tensorrt:
        listed = (msgspec.structs.replace(patient.profile.interpreters[0], kind="tensorrt"),)
        chosen = msgspec.structs.replace(patient.profile, interpreters=listed)
        patient = msgspec.structs.replace(patient, profile=chosen)
    return list(jetson.check(patient))


def test_another_board_has_no_power_mode(tmp_path):
    assert not list(jetson.check(made(trees.pc(tmp_path))))


@pytest.mark.parametrize(
    ("mode", "conf", "state", "said", "command"),
    [
        ("pmode:0000 fmode:quiet", CONF, "note", "15W, and MAXN_SUPER is faster", "sudo nvpmodel -m 2"),
        ("pmode:0002", CONF, "good", "MAXN_SUPER, the most that it has", None),
        ("pmode:0001", CONF[: CONF.index("< POWER_MODEL ID=2")], "good", "25W, the most that it has", None),
        ("pmode:0007", CONF, "n/a", "sudo nvpmodel -q", None),
        ("", "", "n/a", "sudo nvpmodel -q", None),
    ],
)
def test_the_power_mode_is_told_among_those_there_are(tmp_path, mode, conf, state, said, command):
    machine = trees.jetson(tmp_path)
    machine.put("var/lib/nvpmodel/status", mode)
    machine.put("etc/nvpmodel.conf", conf)
    found = jetson.power_mode(made(machine))
    assert (found.state, found.command) == (state, command)
    assert said in found.seen


def test_where_the_power_mode_is_not_kept_nvpmodel_is_asked(tmp_path):
    machine = trees.jetson(tmp_path)
    machine.put(
        "etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=5W >\n< POWER_MODEL ID=2 NAME=X >"
    )
    found = jetson.power_mode(made(machine, run=lambda line: "NV Power Mode: 5W\n1\n"))
    assert found.command == "sudo nvpmodel -m 0"
    assert jetson.power_mode(made(machine, run=lambda line: "NV Power Mode: X\n2\n")).state == "note"


def test_the_clocks_of_jetson_clocks_are_told(tmp_path):
    free = jetson.clocks(made(trees.jetson(tmp_path / "free")))
    held = jetson.clocks(made(trees.jetson(tmp_path / "held", least=1510.4)))
    assert (free.state, free.command) == ("note", "sudo jetson_clocks")
    assert held.seen == "held at 1510 MHz, as by `jetson_clocks`"
    machine = trees.jetson(tmp_path / "none")
    for file in (machine.root / "sys").rglob("scaling_*"):
        file.unlink()
    assert jetson.clocks(made(machine)).state == "n/a"


def bindings(root, version):
    (root / f"usr/lib/python{version}/dist-packages/tensorrt").mkdir(parents=True)


NO_TENSORRT = Told(how="well", found={"tensorrt error": "ModuleNotFoundError: No module named 'tensorrt'"})
NO_CUDA = "ModuleNotFoundError: No module named 'cuda'"
PYTHON_3_10 = msgspec.structs.replace(SEEING, version=(3, 10))


def test_tensorrt_and_cuda_python_that_can_be_imported_are_good(tmp_path):
    told = Told(how="well", found={"tensorrt": "10.3.0", "cuda.cudart": ""})
    found = jetson_of(tmp_path / "a", tensorrt=True, tried={"tensorrt": told})
    assert of(found, "jetson.tensorrt").seen == "TensorRT 10.3.0"
    assert of(found, "jetson.cuda-python").seen == "cuda.cudart can be imported"
    seen = msgspec.structs.replace(SEEING, packages={"cuda-python": Package("12.6.0")})
    found = jetson_of(tmp_path / "b", tensorrt=True, tried={"tensorrt": told}, seen=seen)
    assert of(found, "jetson.cuda-python").seen == "cuda-python 12.6.0"


@pytest.mark.parametrize(
    ("versions", "seen", "told", "said", "command"),
    [
        ([], PYTHON_3_10, NO_TENSORRT, "not installed", "sudo apt install nvidia-jetpack"),
        (
            ["3.10"],
            msgspec.structs.replace(HIDING, version=(3, 10)),
            NO_TENSORRT,
            "does not see it",
            python.let_see(HIDING),
        ),
        (
            ["3.8", "3.10"],
            SEEING,
            NO_TENSORRT,
            "is for Python 3.10, and this is Python 3.11",
            "python3.10 -m venv --system-site-packages ~/edge",
        ),
        (["3.6"], SEEING, NO_TENSORRT, "is for Python 3.6, and this is Python 3.11", None),
        (["3"], SEEING, NO_TENSORRT, "and cannot be imported: ModuleNotFoundError", None),
        ([], SEEING, SEGFAULT, "importing tensorrt crashes (SIGSEGV)", None),
        ([], SEEING, HANGS, "importing tensorrt hangs (no answer within 20 s)", None),
    ],
)
def test_a_tensorrt_that_cannot_be_imported_is_mended_by_its_cause(tmp_path, versions, seen, told, said, command):
    for version in versions:
        bindings(tmp_path, version)
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}, seen=seen), "jetson.tensorrt")
    assert (found.state, found.command) == ("bad", command)
    assert said in found.seen


def test_cuda_python_is_installed_in_the_release_of_cuda(tmp_path):
    told = Told(how="well", found={"tensorrt": "10.3.0", "cuda.bindings.runtime error": NO_CUDA})
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}), "jetson.cuda-python")
    assert (found.command, NO_CUDA in found.seen) == ("pip install 'cuda-python==12.*'", True)
    (tmp_path / "usr/local/cuda-11.4").mkdir(parents=True)
    found = of(jetson_of(tmp_path, tensorrt=True, tried={"tensorrt": told}), "jetson.cuda-python")
    assert found.command == "pip install 'cuda-python==11.*'"


def test_a_pc_gets_tensorrt_from_pip(tmp_path):
    patient = made(trees.pc(tmp_path), tried={"tensorrt": NO_TENSORRT})
    assert jetson.tensorrt(patient).command == "pip install tensorrt"


def for_tensorrt(tmp_path, tiny_onnx, more=""):
    """A profile with TensorRT before LiteRT; its model is a file that is there."""
    (tmp_path / "m.onnx").write_bytes(tiny_onnx())
    first = f'[[interpreter]]\nkind = "tensorrt"\nmodel = "{tmp_path}/m.onnx"\n'
    return f"{first}{more}"


AND_LITERT = '[[interpreter]]\nkind = "litert"\n'
TENSORRT_WELL = Told(how="well", found={"tensorrt": "10.3.0", "cuda.cudart": "", "numpy": "1.26.4", "cv2": "4.10"})


def build_engine(chosen):
    """As a run on the board would leave it."""
    (adapter,) = jetson.unbuilt(chosen)
    model = models.load(adapter.model)
    order = Order(folder=str(engines.folder()), model=model.sha256, device=0, options=Options())
    engines.place(order).write_bytes(b"an engine")


def test_an_engine_that_is_not_built_yet_is_told_with_what_builds_it(tmp_path, tiny_onnx, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    patient = made(trees.jetson(tmp_path), for_tensorrt(tmp_path, tiny_onnx))
    found = jetson.engine(patient)
    assert (found.state, found.command) == ("note", "edge run sample: --limit 1 --profile made")
    build_engine(patient.profile)
    assert jetson.engine(patient).state == "good" and jetson.unbuilt(patient.profile) == []


def test_without_a_model_nothing_is_said_of_its_engine(tmp_path):
    text = '[[interpreter]]\nkind = "tensorrt"\nmodel = "/nowhere/m.onnx"\n'
    assert jetson.engine(made(trees.jetson(tmp_path), text)).state == "n/a"


def test_an_examination_never_builds_an_engine(tmp_path, tiny_onnx, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    profile = tmp_path / "p.toml"
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx, AND_LITERT)}')
    report, tried = examined(trees.jetson(tmp_path / "a"), str(profile), modules=TENSORRT_WELL)
    assert report.verdict == "profile p can run: litert-cpu"
    assert "before it: tensorrt: its engine is not built yet" in of(report.findings, "run.interpreter").seen
    (asked,) = [json.loads(about)["interpreters"] for name, about in tried if name == "engine"]
    assert [adapter["kind"] for adapter in asked] == ["litert"]
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx)}')
    report, tried = examined(trees.jetson(tmp_path / "b"), str(profile), modules=TENSORRT_WELL)
    assert report.verdict == "profile p cannot run: its engine is not built yet"
    assert "engine" not in dict(tried)


def test_without_its_library_tensorrt_is_tried_all_the_same_and_tells_why_it_does_not_run(tmp_path, tiny_onnx):
    profile = tmp_path / "p.toml"
    profile.write_text(f'name = "p"\n{for_tensorrt(tmp_path, tiny_onnx, AND_LITERT)}')
    _, tried = examined(trees.jetson(tmp_path / "a"), str(profile))
    (asked,) = [json.loads(about)["interpreters"] for name, about in tried if name == "engine"]
    assert [adapter["kind"] for adapter in asked] == ["tensorrt", "litert"]


def test_a_gpu_that_is_not_permitted_wants_the_group(plain_user):
    machine = trees.jetson(plain_user)
    machine.put("dev/nvmap", "")
    machine.put("etc/group", "video:x:44:")
    assert not list(jetson.permission(made(machine)))
    (machine.root / "dev/nvmap").chmod(0)
    (found,) = jetson.permission(made(machine))
    assert (found.state, found.command) == ("note", "sudo usermod -aG video ada")
    assert found.seen == "no permission for /dev/nvmap"
    (found,) = jetson.permission(made(machine, user=User("ada", frozenset({44}))))
    assert found.command is None and "log out and in again" in found.advice


# --- the board


@pytest.mark.parametrize(
    ("governor", "driver", "state", "said"),
    [
        ("performance", "", "good", "stays at its highest"),
        ("ondemand", "", "note", "ondemand: the clock follows the load"),
        ("powersave", "", "note", "stays at its lowest"),
        ("powersave", "intel_pstate", "good", "with which intel_pstate lets the clock follow the load"),
        ("schedutil", "", "note", "schedutil: the clock follows the load"),
    ],
)
def test_a_governor_is_told_by_what_it_does(tmp_path, governor, driver, state, said):
    machine = trees.pc(tmp_path, governor=governor)
    machine.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver)
    found = board.governor(made(machine))
    assert found.state == state and said in found.seen
    assert (found.command == board.PERFORMANCE) == (state == "note")


def test_a_machine_without_a_governor_and_a_jetson_are_let_be(tmp_path):
    machine = trees.pc(tmp_path / "pc")
    for file in (machine.root / "sys").rglob("scaling_governor"):
        file.unlink()
    assert board.governor(made(machine)).state == "n/a"
    assert board.governor(made(trees.jetson(tmp_path / "jetson"))).state == "good"


def test_what_throttles_a_pi_now_is_bad_and_what_did_is_a_note(tmp_path):
    now = list(board.throttling(made(trees.pi4(tmp_path / "now", throttled=0x50005))))
    assert [finding.state for finding in now] == ["bad"]
    assert now[0].seen == "now: under-voltage, throttled"
    assert now[0].advice == "use a supply of 5.1 V and 3 A with a short, thick cable, and fit a heat sink or a fan"
    past = list(board.throttling(made(trees.pi5(tmp_path / "past", throttled=0x10000))))
    assert [(finding.state, finding.seen) for finding in past] == [
        ("note", "since the board was started: under-voltage")
    ]
    assert "5.1 V and 5 A (its official 27 W supply)" in past[0].advice
    never = list(board.throttling(made(trees.pi4(tmp_path / "never"))))
    assert [finding.seen for finding in never] == ["none, now or since the board was started"]


def test_a_pi_whose_firmware_is_not_asked_is_told_how(tmp_path):
    machine = trees.pi5(tmp_path)
    (machine.root / "vcgencmd/get_throttled").unlink()
    (found,) = board.throttling(made(machine))
    assert found.state == "note"
    assert found.command == "sudo apt install raspi-utils && sudo usermod -aG video ada"


def test_throttling_that_is_counted_is_told(tmp_path):
    (found,) = board.throttling(made(trees.jetson(tmp_path / "jetson", events=27)))
    assert (found.state, found.seen) == ("note", "throttled 27 times since it was started")
    (found,) = board.throttling(made(trees.jetson(tmp_path / "cool")))
    assert (found.state, found.seen) == ("good", "none")
    bare = trees.machine(tmp_path / "bare", cores=1, arch="x86_64", kernel="6", system="x")
    (found,) = board.throttling(made(bare))
    assert found.state == "n/a"


def test_cores_slowed_to_cool_them_are_told_on_any_board(tmp_path):
    machine = trees.jetson(tmp_path)
    machine.put("sys/class/thermal/cooling_device0/type", "cpufreq-cpu0")
    machine.put("sys/class/thermal/cooling_device0/cur_state", 2)
    (found,) = board.throttling(made(machine))
    assert (found.state, found.seen, found.advice) == ("bad", "now: slowed to cool", "see its cooling")


@pytest.mark.parametrize(("degrees", "state"), [(48.7, "good"), (84.0, "note")])
def test_the_temperature_is_told(tmp_path, degrees, state):
    found = board.temperature(made(trees.pi4(tmp_path, temperature=degrees)))
    assert found.state == state and f"{degrees:.0f} °C" in found.seen


def test_a_machine_without_a_sensor_tells_no_temperature(tmp_path):
    bare = trees.machine(tmp_path, cores=1, arch="x86_64", kernel="6", system="x")
    assert board.temperature(made(bare)).state == "n/a"


def supplied(root, milliamps, config=""):
    machine = trees.pi5(root)
    machine.put("boot/firmware/config.txt", config)
    machine.put("proc/device-tree/chosen/power/max_current", "")
    (machine.root / "proc/device-tree/chosen/power/max_current").write_bytes(milliamps.to_bytes(4, "big"))
    return board.supply(made(machine))


def test_a_pi_5_tells_what_its_supply_promised(tmp_path):
    assert supplied(tmp_path / "full", 5000).seen == "5000 mA, and 1600 mA for USB devices"
    weak = supplied(tmp_path / "weak", 3000)
    assert weak.state == "note" and "USB devices get 600 mA in all" in weak.seen
    assert weak.command == "echo usb_max_current_enable=1 | sudo tee -a /boot/firmware/config.txt"
    allowed = supplied(tmp_path / "allowed", 3000, "[all]\nusb_max_current_enable=1")
    assert allowed.state == "note" and allowed.command is None
    assert board.supply(made(trees.pi4(tmp_path / "pi4"))).state == "n/a"


def test_threads_and_cores_are_told(tmp_path):
    machine = trees.pi4(tmp_path)
    assert board.threads(made(machine, "threads = 4")).seen == "4 cores, 4 threads by the profile"
    assert board.threads(made(machine, "threads = 8")).state == "note"
    trees.fast_and_slow(machine, "cpu_capacity", [446, 446, 1024, 1024])
    assert board.threads(made(machine)).seen == "4 cores, 2 of them big"
    status = (machine.root / "proc/self/status").read_text()
    machine.put("proc/self/status", status.replace("0-3", "0-1"))
    found = board.threads(made(machine))
    assert found.state == "note" and "the machine has 4" in found.seen


# --- the system


def disk(free, read_only=False):
    return Disk(folder=HERE, free_bytes=free, read_only=read_only)


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        (disk(8 << 30), "good", "8,192 MiB free for /home/ada/edge"),
        (disk(300 << 20), "note", "300 MiB free for /home/ada/edge, which is little"),
        (disk(1 << 20), "bad", "1 MiB free"),
        (disk(8 << 30, read_only=True), "note", "read-only"),
        (None, "note", "no home"),
    ],
)
def test_a_disk_is_told_by_what_is_left_of_it(tmp_path, found, state, said):
    told = system.disk(made(trees.pi4(tmp_path), disk=found))
    assert told.state == state and said in told.seen


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above(tmp_path):
    found = case.disk_of(tmp_path / "not" / "yet")
    assert found.folder == tmp_path / "not" / "yet"
    assert found.free_bytes == pytest.approx(case.disk_of(tmp_path).free_bytes, rel=0.2) and not found.read_only
    assert case.disk_of(None) is None


@pytest.mark.parametrize(
    ("now", "answer", "state", "said"),
    [
        (NOW, "yes\n", "good", "synchronised"),
        (NOW, "no\n", "note", "not synchronised with any server"),
        (NOW, None, "n/a", "nothing here tells"),
        (86400.0 * 3, "no\n", "bad", "1970-01-04 00:00 UTC, which cannot be"),
    ],
)
def test_a_clock_is_told_by_whether_it_can_be_right(tmp_path, now, answer, state, said):
    patient = made(trees.pi4(tmp_path), now=now, run=lambda line: answer if line[0] == "timedatectl" else None)
    found = system.clock(patient)
    assert found.state == state and said in found.seen
    assert (found.command == "sudo timedatectl set-ntp true") == (state in ("note", "bad"))


def test_timesyncd_leaves_a_mark(tmp_path):
    machine = trees.pi4(tmp_path)
    machine.put("run/systemd/timesync/synchronized", "")
    assert system.clock(made(machine)).state == "good"


@pytest.mark.parametrize(
    ("lines", "swaps", "state", "said"),
    [
        ("MemTotal: 3884360 kB\nMemAvailable: 1220000 kB\nSwapTotal: 0 kB", "", "good", "3,793 MiB, 1,191 MiB free"),
        ("MemTotal: 427000 kB\nMemAvailable: 300000 kB\nSwapTotal: 0 kB", "", "note", "there is no swap"),
        (
            "MemTotal: 427000 kB\nMemAvailable: 300000 kB\nSwapTotal: 204800 kB",
            "/dev/zram0 partition",
            "good",
            "200 MiB of swap in memory (zram)",
        ),
        ("MemTotal: 3884360 kB\nMemAvailable: 20000 kB\nSwapTotal: 0 kB", "", "note", "19 MiB free"),
        ("MemTotal: 3884360 kB", "", "good", "3,793 MiB"),
        ("", "", "n/a", "does not tell"),
    ],
)
def test_memory_is_told_with_its_swap(tmp_path, lines, swaps, state, said):
    machine = trees.pi4(tmp_path)
    machine.put("proc/meminfo", lines)
    machine.put("proc/swaps", f"Filename Type Size Used Priority\n{swaps}")
    found = system.memory(made(machine))
    assert found.state == state and said in found.seen


# --- what the profile names


def test_a_model_that_is_not_fetched_is_fetched_by_the_command_that_is_told(tmp_path):
    text = """
        [[interpreter]]
        kind = "litert"
        model = "mobilenet_v2_1.0_224_quant"
        [[interpreter]]
        kind = "litert"
        [[interpreter]]
        kind = "onnx"
        model = "/nowhere/m.onnx"
        [[interpreter]]
        kind = "tensorrt"
        model = "mobilenet_v2_1.0_224_int8_qdq"
    """
    missing, here, nowhere, unmade = parts.model_files(made(trees.pi4(tmp_path), text))
    assert missing.state == "bad" and missing.command == "edge models pull mobilenet_v2_1.0_224_quant"
    assert (here.state, here.seen) == ("good", "mobilenet_v2_1.0_224_int8, for litert")
    assert nowhere.state == "bad" and nowhere.command is None and "no such file" in nowhere.seen
    assert unmade.command.startswith("edge export ") and "needs `pip install onnx`" in unmade.advice


def test_the_power_meter_is_read(tmp_path):
    found = parts.power_meter(made(trees.jetson(tmp_path / "jetson", milliamps=1856)))
    assert found.seen == "hwmon ina3221 VDD_IN: the whole module, at its input; 9.28 W now"
    assert parts.power_meter(made(trees.pc(tmp_path / "pc"))).seen.startswith("rapl: the processor package")
    found = parts.power_meter(made(trees.pi4(tmp_path / "pi4")))
    assert (found.state, "this board measures no currents" in found.seen) == ("n/a", True)


def test_a_power_meter_that_this_user_may_not_read_is_a_note(plain_user):
    found = parts.power_meter(made(trees.pc(plain_user, readable=False)))
    assert found.state == "note" and "no permission to read" in found.seen and "sudo chmod a+r" in found.advice


def test_a_power_meter_that_the_profile_names_and_that_is_not_there_is_bad(tmp_path):
    found = parts.power_meter(made(trees.pi4(tmp_path), '[power]\nkind = "hwmon"'))
    assert found.state == "bad" and found.seen == "hwmon: the kernel knows no INA power sensor"
    assert found.advice == "wire one, and load its device tree overlay"
    scripted = parts.power_meter(made(trees.pi4(tmp_path), '[power]\nkind = "scripted"\nscript = ["watts 3.5"]'))
    assert scripted.seen == "scripted: what the script says; 3.50 W now"


FELL_BACK = Told(how="well", found={**WELL.found, "instead of 0": "edgetpu: no accelerator"})


@pytest.mark.parametrize(
    ("told", "state", "said"),
    [
        (WELL, "good", "litert-cpu answered a photograph with m"),
        (FELL_BACK, "note", "litert-cpu answered a photograph with m; before it: edgetpu: no accelerator"),
        (Told(how="failed", said="no LiteRT runtime works here; install it"), "bad", "no LiteRT runtime works here"),
        (Told(how="failed", said="it was not tried"), "bad", "it was not tried"),
        (SEGFAULT, "bad", "running the model crashes (SIGSEGV)"),
        (HANGS, "bad", "running the model hangs (no answer within 20 s)"),
    ],
)
def test_the_interpreter_is_told_by_what_it_did(tmp_path, told, state, said):
    found = parts.interpreter(made(trees.pi4(tmp_path), tried={"engine": told}))
    assert (found.state, found.seen) == (state, said)


TOOK = Told(how="well", found={"camera": "picamera", "frame": "640x480 BGR"})
TOOK_SECOND = Told(how="well", found={"error 0": "picamera: none", "camera": "v4l2", "frame": "640x480 MJPG"})


@pytest.mark.parametrize(
    ("text", "told", "state", "said"),
    [
        (PICAMERA, TOOK, "good", "picamera gave a frame, 640x480 BGR"),
        (PICAMERA, TOOK_SECOND, "note", "v4l2 gave a frame, 640x480 MJPG; before it: picamera: none"),
        (
            PICAMERA,
            Told(how="well", found={"error 0": "picamera: none", "error 1": "v4l2: gone"}),
            "bad",
            "no camera of the profile gives a frame: picamera: none; v4l2: gone",
        ),
        (PICAMERA, HANGS, "bad", "no camera gave a frame: no answer within 20 s"),
        (PICAMERA, SEGFAULT, "bad", "taking a frame crashes (SIGSEGV)"),
        ("", TOOK, "note", "the profile names none, and none is here; `edge run` shows the photographs that ship"),
    ],
)
def test_the_camera_is_told_by_what_it_did(tmp_path, text, told, state, said):
    found = camera.taken(made(trees.pi4(tmp_path), text, tried={"camera": told}))
    assert (found.state, found.seen) == (state, said)


def test_a_profile_without_a_camera_takes_the_first_there_is(tmp_path):
    found = camera.taken(made(trees.pc(tmp_path), cameras=[WEBCAM]))
    assert found.seen == "the profile names none; `edge run` takes the first there is, camera:0"


# --- the whole examination


class Attempts:
    """Trials that go as is written, by their names; notes which were made."""

    def __init__(self, **told):
        self.told = {"modules": Told(how="well", found={"numpy": "1.26.4", "cv2": "4.10.0"}), "engine": WELL, **told}
        self.made = []

    def __call__(self, name, about):
        self.made.append((name, about))
        told = self.told.get(name, Told(how="well"))
        return told.pop(0) if isinstance(told, list) else told


def examined(machine, profile="cpu", *, seen=SEEING, **told):
    attempts = Attempts(**told)
    return doctor.examine(profile, root=machine.root, run=machine.run, attempt=attempts, seen=seen), attempts.made


def test_a_healthy_board_can_run(tmp_path):
    report, tried = examined(trees.pi4(tmp_path))
    assert report.can_run and report.verdict == "profile cpu can run: litert-cpu"
    assert (report.board, report.backend, report.because) == ("Raspberry Pi 4 Model B Rev 1.4", "litert-cpu", None)
    assert {name for name, _ in tried} == {"modules", "engine"}
    checks = [finding.check for finding in report.findings]
    assert checks[:3] == ["python.numpy", "python.opencv", "python.version"]
    assert checks[-2:] == ["run.interpreter", "run.camera"]


def test_every_finding_of_every_board_has_its_topic_and_a_line_of_words(tmp_path):
    boards = (trees.pi4, trees.pi5, trees.jetson, trees.pc)
    for number, make in enumerate(boards):
        for finding in examined(make(tmp_path / str(number)))[0].findings:
            assert finding.check.partition(".")[0] in TOPICS and finding.seen and "\n" not in finding.seen


TOPICS = {"python", "runtime", "model", "coral", "jetson", "camera", "board", "system", "power", "run"}


def test_the_board_chooses_the_profile(tmp_path):
    report, _ = examined(trees.pc(tmp_path), "auto")
    assert (report.profile, report.because) == ("pc", "Acme Workstation 3")


def test_what_is_installed_or_asked_for_is_tried(tmp_path):
    machine = library(trees.pi5(tmp_path))
    profile = tmp_path / "p.toml"
    profile.write_text(
        'name = "p"\n[[camera]]\nkind = "picamera"\n[[interpreter]]\nkind = "edgetpu"\n'
        '[[interpreter]]\nkind = "onnx"\n[[interpreter]]\nkind = "litert"\n'
    )
    packages = {name: Package("1") for name in ("ai-edge-litert", "tflite-runtime", "onnxruntime")}
    seen = msgspec.structs.replace(SEEING, packages=packages)
    _, tried = examined(machine, str(profile), seen=seen, camera=TOOK)
    asked = {name: about for name, about in tried if name not in ("engine", "litert", "modules")}
    assert asked.keys() == {"camera", "onnx", "library"}
    assert asked["library"] == str(tmp_path / "usr/lib/aarch64-linux-gnu/libedgetpu.so.1")
    assert [about for name, about in tried if name == "litert"] == ["ai_edge_litert", "tflite_runtime"]
    assert ("modules", "libcamera,picamera2") in tried


def two(tmp_path):
    profile = tmp_path / "two.toml"
    profile.write_text('name = "two"\n[[interpreter]]\nkind = "onnx"\n[[interpreter]]\nkind = "litert"\n')
    return str(profile)


def test_an_interpreter_that_takes_the_process_with_it_is_passed_over(tmp_path):
    report, tried = examined(trees.pi4(tmp_path), two(tmp_path), engine=[SEGFAULT, WELL])
    assert report.verdict == "profile two can run: litert-cpu"
    assert "before it: onnx crashes (SIGSEGV)" in of(report.findings, "run.interpreter").seen
    asked = [json.loads(about)["interpreters"] for name, about in tried if name == "engine"]
    assert [[adapter["kind"] for adapter in each] for each in asked] == [["onnx", "litert"], ["litert"]]


def test_where_all_of_them_do_the_profile_cannot_run(tmp_path):
    report, _ = examined(trees.pi4(tmp_path), two(tmp_path), engine=[SEGFAULT, HANGS])
    assert not report.can_run and report.backend is None
    assert report.verdict == "profile two cannot run: running the model hangs (no answer within 20 s)"


def test_without_numpy_nothing_else_is_tried(tmp_path):
    broken = Told(how="well", found={"numpy error": "ImportError: x", "cv2 error": "ImportError: x"})
    report, tried = examined(trees.pi4(tmp_path), "pi4", modules=broken)
    assert tried == [("modules", "numpy,cv2")]
    assert report.verdict.startswith("profile pi4 cannot run: NumPy cannot be imported: ImportError: x")


def test_a_litert_that_is_missing_is_bad_where_no_other_works(tmp_path):
    report, _ = examined(trees.pi4(tmp_path))
    assert of(report.findings, "runtime.ai-edge-litert").state == "bad"
    assert of(report.findings, "runtime.tflite-runtime").state == "n/a"
    seen = msgspec.structs.replace(SEEING, packages={"tflite-runtime": Package("2.14.0")})
    report, _ = examined(trees.pi4(tmp_path / "b"), seen=seen)
    assert of(report.findings, "runtime.ai-edge-litert").state == "n/a"


# --- how it is shown


def shown(report, width, **settings):
    out = io.StringIO()
    show(report, Console(file=out, width=width, highlight=False, **settings))
    return out.getvalue()


def a_report(**more):
    long = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor && echo and more of it"
    words = "the clock follows the load, so that frames after a rest take longer, and figures vary very much"
    findings = [
        Finding(check="board.governor", state="note", seen=words, advice="for measurements:", command=long),
        Finding(check="coral.device", state="n/a", seen="none"),
        Finding(check="run.camera", state="bad", seen="gone"),
    ]
    told = {"profile": "pi4", "because": "Raspberry Pi 4", "board": "Raspberry Pi 4", "can_run": False}
    return Report(**{**told, "backend": None, "verdict": "profile pi4 cannot run: gone", "findings": findings, **more})


@pytest.mark.parametrize("width", [40, 80, 120])
def test_words_wrap_beside_the_table_and_commands_stay_whole(width):
    lines = shown(a_report(), width).splitlines()
    command = [line for line in lines if line.startswith("      $ ")]
    assert len(command) == 1 and command[0].endswith("and more of it")
    assert all(len(line) <= max(width, 52) and line == line.rstrip() for line in lines if line not in command)
    assert lines[0].startswith("note  board.governor  the clock follows")
    assert lines[1].startswith(" " * 22)
    assert lines[-2:] == ["profile pi4 (Raspberry Pi 4)", "profile pi4 cannot run: gone"]


def test_states_are_told_by_word_and_by_colour():
    plain, coloured = shown(a_report(), 80), shown(a_report(because=None), 80, force_terminal=True)
    assert [line[:4] for line in plain.splitlines() if "." in line[:20]] == ["note", "n/a ", "bad "]
    assert "\x1b[33mnote" in coloured and "\x1b[1;31mbad" in coloured
    assert "profile pi4 (" not in coloured


def test_the_command_examines_this_machine_and_can_run_here(cli):
    ran = cli("doctor", "--profile", "cpu", "--json")
    assert ran.code == 0, ran.out
    report = json.loads(ran.out)
    assert (report["can_run"], report["backend"], report["verdict"]) == (
        True,
        "litert-cpu",
        "profile cpu can run: litert-cpu",
    )
    assert set(report) == {"profile", "because", "board", "can_run", "backend", "verdict", "findings"}
    assert {frozenset(finding) for finding in report["findings"]} == {
        frozenset({"check", "state", "seen", "advice", "command"})
    }


def test_a_profile_that_cannot_run_here_exits_with_1_and_the_reason_last(cli, profile_file):
    profile = profile_file(extra='[camera]\nkind = "v4l2"\ndevice = "/dev/video77"')
    ran = cli("doctor", "--profile", profile)
    assert ran.code == 1
    assert "good  run.interpreter" in ran.out
    assert ran.out.splitlines()[-1].startswith("profile p cannot run: no camera of the profile gives a frame: v4l2: ")


def test_a_profile_that_is_none_exits_with_2(cli):
    ran = cli("doctor", "--profile", "nowhere.toml")
    assert ran.code == 2 and "no such profile or file" in ran.err and ran.out == ""


# --- trials, in a child process and here


def tried(name, about):
    """What a trial says, run in this process."""
    out = io.StringIO()
    code = trials.answer(name, about, out)
    return trials.told(code, out.getvalue().encode(), b"")


def test_a_child_tells_what_it_found_before_it_died():
    lines = b'["numpy", "2.1.0"]\nnoise of a library\n["cv2'
    told = trials.told(-11, lines, b"")
    assert (told.how, told.said, told.found) == ("crashed", "SIGSEGV", {"numpy": "2.1.0"})
    assert trials.told(-99, b"", b"").said == "signal 99"
    assert trials.told(3, b"", b"first\nlast words\n").said == "last words"
    assert trials.told(3, b"", b"").said == "exit code 3"


def test_a_trial_runs_in_a_child_that_may_crash_or_hang(tmp_path, monkeypatch):
    (tmp_path / "crashing_module.py").write_text(
        "import os, signal\nprint('noise')\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    (tmp_path / "hanging_module.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = trials.run("modules", "json,crashing_module")
    assert (told.how, told.said) == ("crashed", "SIGSEGV")
    assert set(told.found) == {"json", "json file"}
    told = trials.run("modules", "json,hanging_module", limit_s=1.0)
    assert (told.how, told.said) == ("silent", "no answer within 1 s")


def test_modules_are_imported_and_told_by_version(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("raise ImportError('numpy.core.multiarray failed to import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = tried("modules", "numpy,broken_module,no_such_module")
    assert told.how == "well" and told.found["numpy"]
    assert told.found["broken_module error"] == "ImportError: numpy.core.multiarray failed to import"
    assert told.found["no_such_module error"].startswith("ModuleNotFoundError")


def test_a_trial_that_fails_tells_error_and_kind():
    told = tried("litert", "no_such_runtime")
    assert (told.how, told.kind) == ("failed", "ModuleNotFoundError")
    assert told.said == "No module named 'no_such_runtime'"


def package(folder, name, text):
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("__version__ = '9.9'\n")
    (folder / name / "interpreter.py").write_text(text)


def test_a_litert_runtime_is_proven_by_building_an_interpreter(tmp_path, monkeypatch):
    text = "class Interpreter:\n    def __init__(self, model_content, num_threads): assert len(model_content) > 10**6\n"
    package(tmp_path, "whole_runtime", f"{text}    def allocate_tensors(self): pass\n")
    package(tmp_path, "half_runtime", f"{text}    def allocate_tensors(self): raise SystemError('built for NumPy 1')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert tried("litert", "whole_runtime").found == {"version": "9.9"}
    assert tried("litert", "half_runtime").said == "built for NumPy 1"


def test_onnx_runtime_is_proven_by_a_session(tmp_path, monkeypatch):
    (tmp_path / "some_onnx.py").write_text(
        "__version__ = '1.2'\n"
        "def get_available_providers(): return ['A', 'B']\n"
        "class InferenceSession:\n"
        "    def __init__(self, data, providers): assert data.startswith(b'\\x08\\x08')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert tried("onnx", "some_onnx").found == {"version": "1.2", "providers": "A, B"}


def test_a_library_is_loaded_and_a_file_that_is_none_is_told(tmp_path):
    assert tried("library", "libc.so.6").how == "well"
    (tmp_path / "libedgetpu.so.1").write_bytes(b"")
    told = tried("library", str(tmp_path / "libedgetpu.so.1"))
    assert (told.how, told.kind) == ("failed", "OSError") and "file too short" in told.said


def as_json(profile):
    return msgspec.json.encode(profiles.load(profile)).decode()


def test_the_first_interpreter_that_runs_answers_a_photograph(profile_file):
    told = tried("engine", as_json(profile_file()))
    assert told.how == "well" and told.found == {"backend": "scripted", "model": "tiny", "answer": "class b"}
    told = tried("engine", as_json(profile_file('["fail broken"]')))
    assert (told.how, told.kind) == ("failed", "InferenceError")


def test_reasons_for_what_does_not_run_are_told(profile_file, tmp_path):
    text = profile_file().read_text().replace("[[interpreter]]", '[[interpreter]]\nkind = "onnx"\n[[interpreter]]')
    (tmp_path / "q.toml").write_text(text)
    told = tried("engine", as_json(tmp_path / "q.toml"))
    assert told.found["backend"] == "scripted" and told.found["instead of 0"].startswith("onnx")


def test_the_first_camera_that_gives_a_frame_is_told(tmp_path):
    def films(*tables):
        lines = "".join(f"[[camera]]\n{table}\n" for table in tables)
        text = f'name = "p"\n{lines}[[interpreter]]\nkind = "litert"\n'
        return msgspec.json.encode(profiles.parse(text.encode(), "p").cameras).decode()

    told = tried("camera", films('kind = "v4l2"\ndevice = "/dev/video77"', 'kind = "sample"'))
    assert told.found["camera"] == "sample" and "x" in told.found["frame"]
    assert told.found["error 0"].startswith("v4l2: /dev/video77: ")
    told = tried("camera", films('kind = "scripted"\nscript = ["frames 1"]', 'kind = "v4l2"'))
    assert told.found["camera"] == "scripted"


def test_this_user_is_who_runs_it():
    user = case.this_user()
    assert user.name and os.getegid() in user.groups
