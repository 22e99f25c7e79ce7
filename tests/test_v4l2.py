"""The questions to V4L2 drivers, asked of scripted ones whose answers are laid out as linux/videodev2.h has them."""

import errno
import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cameras import v4l2
from edge.cameras.v4l2 import ioctls, nodes
from edge.cameras.v4l2.modes import READ, Mode, cheapest, cost, covers
from edge.errors import CameraError

CAPTURE, MPLANE, META, OWN, IO_MC = 0x1, 0x1000, 0x800000, 0x80000000, 0x20000000


def code(fourcc):
    return int.from_bytes(fourcc.ljust(4).encode(), "little")


class Driver:
    """A camera's driver. formats: {fourcc: {(w, h): [(seconds, parts), …]}}; a tuple in place of a dict or list is a
    range: of sizes (least w, most w, step, least h, most h, step), of intervals (shortest, longest)."""

    def __init__(self, formats=None, *, card="Cam", driver="uvcvideo", caps=CAPTURE, busy=False, own=True, fails=0):
        self.formats, self.card, self.driver, self.caps = formats or {}, card, driver, caps
        self.busy, self.own, self.fails = busy, own, fails
        self.kinds = set()

    def ioctl(self, request, given):
        if self.fails:
            raise OSError(self.fails, os.strerror(self.fails))
        made = {
            ioctls.QUERYCAP: self.capability,
            ioctls.ENUM_FMT: self.format,
            ioctls.ENUM_FRAMESIZES: self.size,
            ioctls.ENUM_FRAMEINTERVALS: self.interval,
            ioctls.REQBUFS: self.buffers,
        }[request](given)
        assert len(made) == len(given) == request >> 16 & 0x3FFF, "the size of a structure stands in its request"
        return made

    def capability(self, given):
        names = self.driver.encode(), self.card.encode(), b"usb-0000:01:00.0-1.2"
        every, own = (OWN | CAPTURE | META, self.caps) if self.own else (self.caps, 0)
        return struct.pack("=16s32s32s3I12x", *names, 6 << 16, every, own)

    def format(self, given):
        index, kind = struct.unpack_from("=2I", given)
        self.kinds.add(kind)
        return struct.pack("=3I32s2I12x", index, kind, 0, b"words", code(self.nth(list(self.formats), index)), 0)

    def size(self, given):
        index, wanted = struct.unpack_from("=2I", given)
        sizes = next(sizes for fourcc, sizes in self.formats.items() if code(fourcc) == wanted)
        if isinstance(sizes, tuple):
            self.nth([0], index)
            return struct.pack("=3I6I8x", index, wanted, 3, *sizes[0])
        return struct.pack("=3I2I16x8x", index, wanted, 1, *self.nth(list(sizes), index))

    def interval(self, given):
        index, wanted, w, h = struct.unpack_from("=4I", given)
        sizes = next(sizes for fourcc, sizes in self.formats.items() if code(fourcc) == wanted)
        intervals = sizes[1] if isinstance(sizes, tuple) else sizes[w, h]
        if isinstance(intervals, tuple):
            self.nth([0], index)
            return struct.pack("=5I6I8x", index, wanted, w, h, 2, *intervals[0], *intervals[1], 1, 1)
        return struct.pack("=5I2I16x8x", index, wanted, w, h, 1, *self.nth(intervals, index))

    def buffers(self, given):
        assert struct.unpack_from("=I", given)[0] == 0, "asking must take nothing"
        if self.busy:
            raise OSError(errno.EBUSY, "busy")
        return given

    @staticmethod
    def nth(things, index):
        if index >= len(things):
            raise OSError(errno.EINVAL, "no more")
        return things[index]


C920 = {
    "YUYV": {(640, 480): [(1, 30), (1, 15)], (1280, 720): [(1, 10), (1, 5)]},
    "MJPG": {(640, 480): [(1, 30)], (1920, 1080): [(1001, 30000)]},
}


class Machine:
    """A made-up machine with cameras: /dev, /proc and /sys in a folder, and what its drivers answer."""

    def __init__(self, root):
        self.root, self.drivers = root, {}
        (root / "dev").mkdir()

    def plug(self, number, driver, *links, name=None, index=0):
        node = self.root / "dev" / f"video{number}"
        node.touch()
        self.drivers[str(node)] = driver
        about = self.root / "sys/class/video4linux" / node.name
        about.mkdir(parents=True, exist_ok=True)
        (about / "name").write_text(f"{name or driver.card}\n")
        (about / "index").write_text(f"{index}\n")
        for link in links:
            path = self.root / "dev/v4l" / link
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(node)
        return str(node)

    def process(self, number, name, *opened):
        folder = self.root / "proc" / str(number)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        for place, path in enumerate(opened):
            (folder / "fd" / str(place)).symlink_to(path)

    def ioctl(self, file, request, given):
        return self.drivers[str(Path(f"/proc/self/fd/{file}").readlink())].ioctl(request, given)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def asked(driver):
    identity = ioctls.identify(driver.ioctl)
    return identity, ioctls.modes(driver.ioctl, identity)


HEADER = """
#include <linux/videodev2.h>
#include <stdio.h>
#define P(r, s) printf("%lu %lu\\n", (unsigned long)r, (unsigned long)sizeof(struct s));
int main(void) {
  P(VIDIOC_QUERYCAP, v4l2_capability) P(VIDIOC_ENUM_FMT, v4l2_fmtdesc) P(VIDIOC_ENUM_FRAMESIZES, v4l2_frmsizeenum)
  P(VIDIOC_ENUM_FRAMEINTERVALS, v4l2_frmivalenum) P(VIDIOC_REQBUFS, v4l2_requestbuffers) return 0; }
"""


def test_the_numbers_and_sizes_are_those_of_the_kernels_header(tmp_path):
    (tmp_path / "a.c").write_text(HEADER)
    try:
        built = subprocess.run(["gcc", "-o", "a", "a.c"], cwd=tmp_path, capture_output=True, check=False)
    except OSError:
        pytest.skip("needs gcc")
    if built.returncode:
        pytest.skip("needs the kernel's headers (linux-libc-dev)")
    said = subprocess.run([tmp_path / "a"], cwd="/", capture_output=True, text=True, check=True).stdout
    assert [tuple(map(int, line.split())) for line in said.splitlines()] == [
        (ioctls.QUERYCAP, ioctls.CAPABILITY),
        (ioctls.ENUM_FMT, ioctls.FMTDESC),
        (ioctls.ENUM_FRAMESIZES, ioctls.FRMSIZEENUM),
        (ioctls.ENUM_FRAMEINTERVALS, ioctls.FRMIVALENUM),
        (ioctls.REQBUFS, ioctls.REQUESTBUFFERS),
    ]


def test_a_camera_tells_who_it_is_and_every_format_size_and_rate():
    driver = Driver(C920, card="HD Pro Webcam C920")
    identity, modes = asked(driver)
    assert identity[:3] == ("uvcvideo", "HD Pro Webcam C920", "usb-0000:01:00.0-1.2")
    assert identity.camera
    assert modes == [
        Mode("YUYV", 640, 480, (30.0, 15.0)),
        Mode("YUYV", 1280, 720, (10.0, 5.0)),
        Mode("MJPG", 640, 480, (30.0,)),
        Mode("MJPG", 1920, 1080, (29.97,)),
    ]
    assert driver.kinds == {1}


def test_of_ranges_the_common_sizes_and_rates_are_told_and_the_ends():
    sizes = (32, 1280, 16, 32, 800, 8)
    _, modes = asked(Driver({"GREY": (sizes, ((1, 90), (1, 20)))}))
    sizes = [(160, 120), (320, 240), (640, 360), (640, 480), (800, 600), (1024, 768), (1280, 720), (1280, 800)]
    assert [(mode.width, mode.height) for mode in modes] == sizes
    assert {mode.rates for mode in modes} == {(90.0, 60.0, 50.0, 30.0, 25.0, 24.0, 20.0)}
    assert modes[0].rate == 30.0


def test_a_driver_that_tells_no_rates_or_nonsense_has_none():
    _, modes = asked(Driver({"YUYV": {(640, 480): [], (320, 240): [(0, 30)]}}))
    assert [(mode.rates, mode.rate, mode.fluent) for mode in modes] == [((), None, True)] * 2


@pytest.mark.parametrize(("number", "name"), [(0x47504A4D, "MJPG"), (0x20363159, "Y16 "), (0xA0363159, "Y16 -BE")])
def test_a_format_is_called_by_its_characters(number, name):
    assert ioctls.fourcc(number) == name


def test_a_driver_that_never_says_no_more_does_not_hold_us():
    endless = Driver({"YUYV": {}})
    endless.nth = staticmethod(lambda things, index: things[0] if things else (16 + index, 16))
    endless.formats = {"YUYV": {(16, 16): []}}
    endless.interval = lambda given: bytes(52)
    _, modes = asked(endless)
    assert len(modes) == 1


def test_a_camera_of_several_planes_is_asked_for_its_own_queue():
    driver = Driver(C920, caps=MPLANE)
    identity, modes = asked(driver)
    assert identity.camera and len(modes) == 4
    assert driver.kinds == {9}


@pytest.mark.parametrize(
    ("driver", "camera"),
    [
        (Driver(), True),
        (Driver(own=False), True),
        (Driver(caps=META), False),
        (Driver(caps=CAPTURE | IO_MC), False),
        (Driver(driver="unicam"), False),
        (Driver(driver="rp1-cfe"), False),
        (Driver(driver="bcm2835-isp"), False),
    ],
    ids=["usb", "old", "metadata", "set up by libcamera", "Pi 4", "Pi 5", "scaler"],
)
def test_a_node_that_takes_no_pictures_by_itself_is_no_camera(driver, camera):
    assert ioctls.identify(driver.ioctl).camera is camera


# --- which mode


SIZES = st.tuples(st.integers(16, 4096), st.integers(16, 4096))
MODES = st.lists(
    st.builds(
        lambda fourcc, size, rates: Mode(fourcc, *size, tuple(sorted(rates, reverse=True))),
        st.sampled_from([*READ, "H264", "NV12"]),
        SIZES,
        st.lists(st.sampled_from([5.0, 10.0, 15.0, 29.97, 30.0, 60.0]), max_size=3, unique=True),
    ),
    max_size=12,
)


@given(modes=MODES, size=SIZES)
def test_the_choice_covers_where_any_mode_does_and_none_that_is_as_fast_costs_less(modes, size):
    chosen = cheapest(modes, size)
    known = [mode for mode in modes if mode.fourcc in READ]
    usable = [mode for mode in known if mode.fourcc != "GREY"] or known
    if not usable:
        assert chosen is None
        return
    assert chosen in usable
    enough = [mode for mode in usable if covers(mode, size)]
    assert covers(chosen, size) == bool(enough)
    if any(mode.fluent for mode in enough):
        assert chosen.fluent
        assert all(cost(chosen, size) <= cost(mode, size) for mode in enough if mode.fluent)
    elif enough:
        assert chosen.rates[0] == max(mode.rates[0] for mode in enough)
        assert all(cost(chosen, size) <= cost(mode, size) for mode in enough if mode.rates[0] == chosen.rates[0])


@given(mode=MODES.filter(bool), size=SIZES)
def test_a_rate_is_the_slowest_that_is_fluent_or_else_the_fastest(mode, size):
    for each in mode:
        fluent = [rate for rate in each.rates if rate >= 29]
        assert each.rate == (min(fluent) if fluent else max(each.rates, default=None))


def test_for_a_small_model_a_camera_gives_raw_pictures_and_for_a_large_one_jpegs():
    modes = asked(Driver(C920))[1]
    assert cheapest(modes, (224, 224)) == Mode("YUYV", 640, 480, (30.0, 15.0))
    assert cheapest(modes, (800, 600)) == Mode("MJPG", 1920, 1080, (29.97,))
    assert cheapest(modes[:2], (800, 600)) == Mode("YUYV", 1280, 720, (10.0, 5.0))
    assert cheapest(modes, (4000, 3000)) == Mode("MJPG", 1920, 1080, (29.97,))


def test_colour_is_given_up_for_no_saving():
    grey, yuv = Mode("GREY", 640, 480, (30.0,)), Mode("YUYV", 1280, 720, (5.0,))
    assert cheapest([grey, yuv], (224, 224)) == yuv
    assert cheapest([grey], (224, 224)) == grey


def test_a_jpeg_costs_less_the_smaller_it_can_be_decoded():
    jpeg = Mode("MJPG", 640, 480)
    assert cost(jpeg, (80, 60)) < cost(jpeg, (160, 120)) < cost(jpeg, (320, 240)) < cost(jpeg, (321, 240))


# --- names, permission, and who holds it


def test_a_camera_is_named_by_its_path_that_stays(machine):
    first = machine.plug(0, Driver(C920, card="One"), "by-path/platform-usb-0:1", "by-id/usb-One_0001")
    second = machine.plug(2, Driver(C920, card="Two"), "by-path/platform-usb-0:2")
    third = machine.plug(4, Driver(C920, card="Three"))
    assert nodes.stable(first, machine.root) == str(machine.root / "dev/v4l/by-id/usb-One_0001")
    assert nodes.stable(second, machine.root) == str(machine.root / "dev/v4l/by-path/platform-usb-0:2")
    assert nodes.stable(third, machine.root) == third
    assert nodes.stable(nodes.stable(first, machine.root), machine.root) == nodes.stable(first, machine.root)


def test_all_cameras_are_found_lowest_number_first_and_nothing_else(machine):
    machine.plug(10, Driver(C920, card="Ten"))
    machine.plug(2, Driver(C920, card="Two"), "by-id/usb-Two")
    machine.plug(3, Driver(caps=META, card="Two"))
    (machine.root / "dev/videos").touch()
    found = nodes.found(machine.root, machine.ioctl)
    assert [(each.name, each.source, each.device, each.card, each.state) for each in found] == [
        ("camera:2", "v4l2:///dev/v4l/by-id/usb-Two", "/dev/video2", "Two", "free"),
        ("camera:10", "v4l2:///dev/video10", "/dev/video10", "Ten", "free"),
    ]
    assert nodes.devices(machine.root, machine.ioctl) == [str(machine.root / f"dev/video{n}") for n in (2, 10)]
    assert [len(each.modes) for each in found] == [4, 4]
    assert (found[0].why, found[0].mend) == ("", "")


def test_a_camera_that_goes_while_it_is_asked_is_left_out(machine):
    leaving = Driver(C920)
    leaving.format = lambda given: (_ for _ in ()).throw(OSError(errno.ENODEV, "gone"))
    answers = iter([0, 0, errno.ENODEV])
    tell = leaving.capability

    def capability(given):
        leaving.fails = next(answers)
        return tell(given) if not leaving.fails else leaving.ioctl(ioctls.QUERYCAP, given)

    leaving.capability = capability
    machine.plug(0, leaving)
    assert [each.state for each in nodes.found(machine.root, machine.ioctl)] == ["free"]
    assert nodes.found(machine.root, machine.ioctl) == []


def test_a_busy_camera_says_who_holds_it(machine):
    device = machine.plug(0, Driver(C920, busy=True))
    machine.process(812, "chro\x1bmium", "/dev/null", device)
    machine.process(77, "sh", "/dev/null")
    (machine.root / "proc/99").mkdir()
    (found,) = nodes.found(machine.root, machine.ioctl)
    assert (found.state, found.why) == ("busy", "chromium (process 812) uses it")
    assert found.mend == "end that, or name another source"
    assert str(nodes.taken(device, machine.root)) == (
        f"{device}: the camera is busy: chromium (process 812) uses it; end that, or name another source"
    )
    assert len(found.modes) == 4


def test_a_busy_camera_whose_holder_cannot_be_seen_says_how_to_see_it(machine):
    device = machine.plug(0, Driver(C920, busy=True))
    assert str(nodes.taken(device, machine.root)) == (
        f"{device}: the camera is busy: another user's program uses it; see which with `sudo fuser -v {device}`"
    )


def test_cameras_that_are_not_permitted_are_told_by_their_names_and_codecs_are_not(plain_user):
    machine = Machine(plain_user)
    machine.plug(0, Driver(), name="HD Pro Webcam C920", index=0)
    machine.plug(1, Driver(), name="HD Pro Webcam C920", index=1)
    for number, name in enumerate(["bcm2835-codec-decode", "unicam-image", "pispbe-input", "rpi-hevc-dec"], 10):
        machine.plug(number, Driver(), name=name)
    for path in (plain_user / "dev").glob("video*"):
        path.chmod(0)
    (found,) = nodes.found(machine.root, machine.ioctl)
    assert (found.name, found.card, found.state) == ("camera:0", "HD Pro Webcam C920", "forbidden")
    assert "usermod -aG video" in found.mend


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENODEV, r"there is no such camera \(cameras found: none\); plug it in"),
        (errno.EACCES, r"no permission; run `sudo usermod -aG video \$USER` and log in again"),
        (errno.EBUSY, "the camera is busy: another user's program uses it"),
        (errno.EIO, r"the camera does not answer \(Input/output error\); unplug it"),
        (errno.ENOTTY, "this is no camera that takes pictures by itself; cameras found: none"),
    ],
)
def test_each_way_that_a_camera_refuses_has_its_words(machine, number, words):
    device = machine.plug(0, Driver(fails=number))
    with pytest.raises(CameraError, match=f"^{device}: {words}"):
        nodes.interrogate(device, machine.root, machine.ioctl)


def test_a_camera_of_a_raspberry_pi_is_known_by_its_receiver(machine):
    assert not nodes.of_libcamera(machine.root)
    machine.plug(0, Driver(), name="HD Pro Webcam C920")
    assert not nodes.of_libcamera(machine.root)
    machine.plug(4, Driver(driver="rp1-cfe"), name="rp1-cfe-csi2_ch0")
    assert nodes.of_libcamera(machine.root)


def test_a_camera_knows_how_it_is_opened_again():
    class Capture:
        def get(self, number):
            return 0.0

    assert v4l2.V4L2(Capture(), "/dev/video0", lambda: 0).again == {"device": "/dev/video0"}
    assert v4l2.V4L2(Capture(), "/dev/video0", lambda: 0, {"device": "/x"}).again == {"device": "/x"}
