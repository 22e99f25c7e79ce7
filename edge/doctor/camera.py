"""Cameras: those of USB, and the one on a Raspberry Pi's flat cable with the libraries that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge.cameras.v4l2.nodes import Found, of_libcamera
from edge.doctor import python
from edge.doctor.case import Case, config_txt, join
from edge.doctor.finding import Finding, good, judged, not_applicable, note

SYSTEM = "usr/lib/python3/dist-packages"
"""Where Debian's Python finds what `apt` installs."""

INSTALL = "sudo apt install -y --no-install-recommends python3-picamera2"


def check(case: Case) -> Iterator[Finding]:
    """All of it."""
    yield from nodes(case)
    if case.films("picamera"):
        yield sensor(case)
        yield picamera2(case)
    elif case.pi:
        yield not_applicable("camera.csi", "the profile names no camera of this kind")


def needed(case: Case, kind: str) -> bool:
    """Whether the profile names this kind of camera, and none of its list gave a frame."""
    return case.films(kind) and "camera" not in case.told("camera").found


def nodes(case: Case) -> Iterator[Finding]:
    """The cameras that are devices of their own, with who holds them."""
    name = "camera.v4l2"
    for camera in case.cameras:
        yield _node(case, camera)
    if not case.cameras:
        said = "no USB camera is here"
        if needed(case, "v4l2") and not case.films("picamera"):
            yield judged(True, name, said, advice="plug one in; `edge cameras` lists what is found")
        else:
            yield not_applicable(name, said)


def _node(case: Case, camera: Found) -> Finding:
    name, said = "camera.v4l2", f"{camera.name}: {camera.card}"
    asked = needed(case, "v4l2")
    if camera.state == "free":
        return good(name, f"{said} ({camera.source})" if camera.source else said)
    if camera.state == "busy":
        return judged(asked, name, f"{said} is busy: {camera.why}", advice=camera.mend or None)
    become = join(case, "video")
    if become:
        said += f": {case.user.name} may not open {camera.device}"
        return judged(asked, name, said, advice="and log in again:", command=become)
    advice = "log out and in again, or start the board anew"
    return judged(asked, name, f"{said}: {camera.device} is not permitted, although the group is there", advice=advice)


def sensor(case: Case) -> Finding:
    """Whether the kernel sees a sensor on the flat cable."""
    name, file = "camera.csi", config_txt(case)
    seen = [told for told in map(case.read, _subdevices(case)) if told]
    if of_libcamera(case.root):
        return good(name, f"the kernel sees a sensor on the flat cable{': ' if seen else ''}{', '.join(seen)}")
    asked, said = needed(case, "picamera"), "the kernel sees no sensor on the flat cable (CSI)"
    written = case.read(file.lstrip("/")) or ""
    if re.search(r"^\s*start_x\s*=\s*1", written, re.MULTILINE):
        said += f": {file} asks for the camera software of before 2022 (start_x=1)"
        command = f"sudo sed -i 's/^ *start_x *= *1.*/camera_auto_detect=1/' {file} && sudo reboot"
        return judged(asked, name, said, command=command)
    if not re.search(r"^\s*camera_auto_detect\s*=\s*1|^\s*dtoverlay=(imx|ov|arducam)", written, re.MULTILINE):
        said += f", and {file} does not ask for one"
        command = f"echo camera_auto_detect=1 | sudo tee -a {file} && sudo reboot"
        return judged(asked, name, said, command=command)
    advice = "switch the board off, see both ends of the cable and which socket it is in; then ask libcamera:"
    return judged(asked, name, said, advice=advice, command="rpicam-hello --list-cameras")


def _subdevices(case: Case) -> list[str]:
    """The files with the names of sensors, such as "imx708_wide"."""
    found = sorted(case.root.glob("sys/class/video4linux/v4l-subdev*/name"))
    named = [path for path in found if re.match(r"(imx|ov|arducam|gc)\w*\d", path.read_text("utf-8", "replace"))]
    return [str(path.relative_to(case.root)) for path in named]


def picamera2(case: Case) -> Finding:
    """Whether picamera2 and the libcamera below it can be loaded, and if not, why."""
    name, told, asked = "camera.picamera2", case.told("picamera2"), needed(case, "picamera")
    if told.how == "well":
        return good(name, f"picamera2 {case.version('picamera2') or ''}".rstrip() + " can be loaded")
    if told.how in ("crashed", "silent"):
        how = "crashes" if told.how == "crashed" else "hangs"
        return judged(asked, name, f"loading picamera2 {how} ({told.said})", command=f"{INSTALL} --reinstall")
    said = told.said.partition("; ")[0]
    if python.clashes(said):
        said = "the system's picamera2 was built for NumPy 1, and this environment has NumPy 2"
        return judged(asked, name, said, command=python.WITH_SYSTEM)
    return _hidden(case, asked) or _pip(case, asked) or _absent(case, asked, said)


def _absent(case: Case, asked: bool, said: str) -> Finding:
    if (case.root / SYSTEM / "picamera2").is_dir():
        return judged(asked, "camera.picamera2", said, command=f"{INSTALL} --reinstall")
    said = "picamera2 is not installed; it comes from the system, for `pip` cannot install the libcamera below it"
    return judged(asked, "camera.picamera2", said, command=INSTALL)


def _hidden(case: Case, asked: bool) -> Finding | None:
    """The system has it, and this Python does not see it, or is of another version."""
    if not (case.root / SYSTEM / "libcamera").is_dir():
        return None
    made = sorted((case.root / SYSTEM / "libcamera").glob("_libcamera.cpython-*.so"))
    tag = "cpython-{}{}-".format(*case.python.version)
    name = "camera.picamera2"
    if made and not any(tag in path.name for path in made):
        said = f"the system's libcamera is for the Python of the system, and this is Python {case.python.called}"
        return judged(asked, name, said, command="/usr/bin/python3 -m venv --system-site-packages ~/edge")
    if not case.python.system_packages:
        said = "the system has picamera2, and this environment does not see it"
        return judged(asked, name, said, command=python.let_see(case.python))
    return None


def _pip(case: Case, asked: bool) -> Finding | None:
    """That of `pip`, which finds no libcamera."""
    if "picamera2" not in case.python.packages or (case.root / SYSTEM / "picamera2").is_dir():
        return None
    said = "picamera2 is that of `pip`, and the libcamera that it needs is not installed"
    return judged(asked, "camera.picamera2", said, command=f"pip uninstall -y picamera2 && {INSTALL}")


def taken(case: Case) -> Finding:
    """Whether a camera of the profile's list gave a frame, by really asking."""
    name, told = "run.camera", case.told("camera")
    errors = [said for key, said in told.found.items() if key.startswith("error ")]
    if not case.profile.cameras:
        free = [camera for camera in case.cameras if camera.state == "free"]
        if free:
            return good(name, f"the profile names none; `edge run` takes the first there is, {free[0].name}")
        return note(name, "the profile names none, and none is here; `edge run` shows the photographs that ship")
    if "camera" in told.found:
        said = f"{told.found['camera']} gave a frame, {told.found.get('frame', '')}"
        return note(name, f"{said}; before it: {'; '.join(errors)}") if errors else good(name, said)
    how = {"crashed": f"taking a frame crashes ({told.said})", "silent": f"no camera gave a frame: {told.said}"}
    said = how.get(told.how) or "no camera of the profile gives a frame: " + ("; ".join(errors) or told.said)
    return judged(True, name, said, advice="`edge cameras` lists what is found; `edge run sample:` needs none")
