"""`edge doctor`: cameras."""

import msgspec
import pytest
import trees
from patients import HANGS, HIDING, PICAMERA, SEEING, SEGFAULT, TOOK, TOOK_SECOND, WEBCAM, made, of

from edge.doctor import camera, python
from edge.doctor.environment import Package
from edge.doctor.trials import Told


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


PICAMERA_WELL = Told(how="well")


@pytest.mark.parametrize(("make", "receiver"), [(trees.pi5, "rp1-cfe-csi2_ch0"), (trees.pi4, "unicam-image")])
def test_a_sensor_on_the_flat_cable_is_told_by_its_name(tmp_path, make, receiver):
    found = cameras_of(csi(make(tmp_path), receiver), tried={"picamera2": PICAMERA_WELL})
    assert of(found, "camera.csi").seen == "the kernel sees a sensor on the flat cable: imx708_wide"
    assert of(found, "camera.picamera2").seen == "picamera2 can be loaded"
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
            Told(how="failed", said="ModuleNotFoundError: No module named 'libcamera'"),
            HIDING,
            "cpython-311-aarch64-linux-gnu",
            "this environment does not see it",
            python.let_see(HIDING),
        ),
        (
            Told(how="failed", said="ImportError: no _libcamera"),
            SEEING,
            "cpython-313-aarch64-linux-gnu",
            "for the Python of the system, and this is Python 3.11",
            "/usr/bin/python3 -m venv --system-site-packages ~/edge",
        ),
        (
            Told(how="failed", said="ValueError: numpy.dtype size changed, may; an advice"),
            SEEING,
            "cpython-311-aarch64-linux-gnu",
            "built for NumPy 1, and this environment has NumPy 2",
            "pip install 'numpy<2' 'opencv-python-headless<4.12'",
        ),
        (
            Told(how="failed", said="ModuleNotFoundError: No module named 'libcamera'"),
            SEEING,
            None,
            "picamera2 is not installed",
            APT,
        ),
        (
            Told(how="failed", said="ImportError: libfoo.so; an advice"),
            SEEING,
            "cpython-311-aarch64-linux-gnu",
            "ImportError: libfoo.so",
            f"{APT} --reinstall",
        ),
        (
            SEGFAULT,
            SEEING,
            None,
            "loading picamera2 crashes (SIGSEGV)",
            f"{APT} --reinstall",
        ),
        (
            HANGS,
            SEEING,
            None,
            "loading picamera2 hangs",
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
    told = Told(how="failed", said="ModuleNotFoundError: No module named 'libcamera'")
    seen = msgspec.structs.replace(SEEING, packages={"picamera2": Package("0.3.38")})
    found = of(cameras_of(csi(trees.pi5(tmp_path)), seen=seen, tried={"picamera2": told}), "camera.picamera2")
    assert "that of `pip`" in found.seen and found.command.startswith("pip uninstall -y picamera2 && sudo apt install")


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
