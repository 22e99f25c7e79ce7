"""The service as `edge service install` leaves it, under a real systemd and with the camera of a real driver, while
there happens to it what happens to a camera on a wall. What it did is read from the journal, the database of events,
the page that tells its health, and systemd's and the kernel's own records."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

CAMERA = "/dev/v4l/by-id/usb-Lab_vivid-000-vid-cap-video-index0"
DRIVER = Path("/sys/bus/platform/drivers/vivid")
GADGET = Path("/sys/kernel/config/usb_gadget/accelerator")
UNIT, SETTINGS, STATE = "edge@front", Path("/etc/edge/front.toml"), Path("/var/lib/edge")
EDGE, PLAY = Path("/opt/edge/bin/edge"), Path("/srv/play")
PATTERNS = {"nothing": 5, "red": 7, "green": 8, "blue": 9}
"""Of vivid: a picture of one colour; of black, no colour is likelier than another."""

SLOW_S = 180.0
"""For what is not measured, and is more than one process that starts."""

NOTICED_S = BACK_S = 6.0
"""A camera that is gone is noticed, and one that is back is used again, within so many seconds: the promise is 3, which
`test_vivid.py` measures; here a second or more goes to looking into the journal."""

TEXT = """
source = "camera:0"
{model}
[rules]
smooth_s = 0.2
clear_s = 1.0
[events]
keep_days = {keep_days}
[snapshots]
quota_mb = 8
[web]
[recovery]
fps = 10
"""
ON_PROCESSOR = 'model = "/srv/colour.tflite"'
PROFILE = """
name = "stick"
description = "A stand-in for an Edge TPU, behind a device on a real USB"

[[interpreter]]
kind = "edgetpu"
device = "usb"
library = "/opt/libstandin.so"
model = "/srv/colour_edgetpu.tflite"

[[interpreter]]
kind = "litert"
model = "/srv/colour.tflite"
"""

HOG = """
import os, sys, time
from pathlib import Path
group, held, decoys = Path(sys.argv[1]), [], []
(group / "cgroup.procs").write_text(str(os.getpid()))
for _ in range(4):
    decoys.append(os.fork())
    if not decoys[-1]:
        time.sleep(60)
        os._exit(0)
    Path(f"/proc/{decoys[-1]}/oom_score_adj").write_text("400")
Path("/proc/self/oom_score_adj").write_text("-1000")
def kills():
    return dict(line.split() for line in (group / "memory.events").read_text().splitlines())["oom_kill"]
before = kills()
while kills() == before and len(held) < 600:
    held.append(bytearray(b"x" * 2**20))
for decoy in decoys:
    os.kill(decoy, 9)
os._exit(0)
"""
"""A process of the service's own control group that takes memory until the kernel kills another one there.

A processor that is emulated takes so long to give back what the killed one had that the kernel kills the next as well.
That is one of the decoys, which go after the service's child, and before the service.
"""


RESET = """
import os, sys
from pathlib import Path
from edge import coral, usb
(found,) = coral.found()
(Path(sys.argv[1]) / "cgroup.procs").write_text(str(os.getpid()))
os.initgroups("edge", os.stat("/var/lib/edge/front").st_gid)
os.setgid(os.stat("/var/lib/edge/front").st_gid)
os.setuid(os.stat("/var/lib/edge/front").st_uid)
usb.reset(found.place)
"""


class Service:
    """What can be told of the service from outside."""

    def __init__(self, shell, eventually):
        self._shell = shell
        self._wait = partial(eventually, limit_s=SLOW_S)

    def _eventually(self, found, what):
        try:
            return self._wait(found, what)
        except AssertionError as error:
            last = "\n".join(self.said()[-15:])
            pytest.fail(f"{error}; the journal ends with:\n{last}")

    def shown(self, name):
        return self._shell(f"systemctl show {UNIT} -P {name}").strip()

    @property
    def process(self):
        return int(self.shown("MainPID"))

    @property
    def group(self):
        return Path("/sys/fs/cgroup" + self.shown("ControlGroup"))

    @property
    def children(self):
        """The processes of its control group, without its own."""
        return [int(each) for each in (self.group / "cgroup.procs").read_text().split() if int(each) != self.process]

    def mark(self):
        """A place in the journal: now."""
        return self._shell(f"journalctl -u {UNIT} -n 1 --show-cursor | tail -n 1").partition(": ")[2].strip()

    def said(self, mark=None, words=""):
        """What the service and systemd said about it since a mark, with these words in it."""
        after = f"--after-cursor='{mark}'" if mark else ""
        lines = self._shell(f"journalctl -u {UNIT} -o cat --no-pager {after}").splitlines()
        return [line for line in lines if words in line]

    def awaits(self, mark, words):
        return self._eventually(lambda: self.said(mark, words), f"the journal says {words!r}")[0]

    def health(self):
        try:
            with urlopen("http://127.0.0.1:8080/health", timeout=10) as answer:
                return json.load(answer)
        except HTTPError as answer:  # 503: it does not run now
            return json.load(answer)

    def awaits_running(self):
        """Until there are new answers, and no part has a problem."""

        def well():
            try:
                told = self.health()
            except OSError:
                return None
            return told if told["condition"] == "running" and not told["problems"] else None

        return self._eventually(well, "it runs, and all of it works")

    def awaits_recovering(self, part):
        """Until its health tells that it does not run, and which part that is."""

        def told():
            health = self.health()
            return health["condition"] == "recovering" and part in health["problems"]

        self._eventually(told, f"its health tells of the {part}")

    def events(self):
        """All that the database holds, oldest first: (kind, label), and the row."""
        with closing(sqlite3.connect(f"file:{STATE}/front/events.sqlite?mode=ro", uri=True, timeout=10)) as database:
            database.row_factory = sqlite3.Row
            return database.execute("SELECT * FROM events ORDER BY number").fetchall()

    def awaits_event(self, kind, label, after):
        """The first event of that kind about that label that is stored after so many others."""

        def found():
            rows = self.events()[after:]
            return next((row for row in rows if (row["kind"], row["label"]) == (kind, label)), None)

        return self._eventually(found, f"{label} {kind} is stored")

    def sees(self, colour):
        """Put that before the camera, and wait until the service tells it."""
        self.shows(colour)
        wanted = None if colour == "nothing" else colour
        self._eventually(lambda: self.health()["label"] == wanted, f"it sees {colour}")

    def shows(self, colour):
        self._shell(f"v4l2-ctl -d {CAMERA} -c osd_text_mode=2 -c test_pattern={PATTERNS[colour]}")


def settings(model=ON_PROCESSOR, keep_days=90):
    return TEXT.format(model=model, keep_days=keep_days)


@pytest.fixture(scope="module")
def disk(shell):
    """The state of the cameras lies on a disk of its own, of 24 MB, as that of a card may."""
    image = "/tmp/disk"
    shell(f"modprobe loop && truncate -s 24M {image} && mke2fs -q -t ext4 -O ^has_journal -m 0 {image}")
    shell(f"mkdir -p {STATE} && mount -o loop {image} {STATE}")
    return STATE


@pytest.fixture(scope="module")
def service(shell, eventually, tiny, disk):
    # A board has USB before any service begins: systemd allows its devices by the number that they have then.
    shell("modprobe vivid n_devs=1 node_types=0x1 && modprobe dummy_hcd && udevadm settle")
    shell("mkdir -p /srv && python3 -m venv --without-pip /opt/edge")
    (site,) = Path("/opt/edge/lib").glob("python3.*/site-packages")
    (site / "lab.pth").write_text("/opt/wheel\n/opt/site\n")
    script = Path("/opt/wheel/bin/edge").read_text().partition("\n")[2]
    EDGE.write_text(f"#!/opt/edge/bin/python3\n{script}")
    EDGE.chmod(0o755)
    Path("/srv/colour.tflite").write_bytes(tiny(side=1))
    Path("/srv/colour.txt").write_text("red\ngreen\nblue\n")
    Path("/srv/stick.toml").write_text(PROFILE)
    PLAY.touch()
    own = Path("/etc/systemd/system/edge@front.service.d/lab.conf")
    own.parent.mkdir(parents=True)
    # What a test waits for comes ten times in a row here, and ten seconds each time are spared.
    own.write_text(f"[Service]\nRestartSec=1\nEnvironment=EDGE_STANDIN_PLAY={PLAY}\n")
    given = Path("/srv/front.toml")
    given.write_text(settings())
    shell(f"env -u PYTHONPATH {EDGE} service install {given}", SLOW_S)
    made = Service(shell, eventually)
    eventually(lambda: made.shown("ActiveState") == "active", "it is ready", SLOW_S)
    return made


def test_it_is_ready_with_its_first_answer_and_runs_as_a_user_of_its_own(service):
    lines = service.said()
    ready = next(number for number, line in enumerate(lines) if line.startswith("Started"))
    assert "running: colour on litert-cpu" in lines[:ready]
    assert service.shown("NRestarts") == "0"
    assert service.shown("RestartMaxDelayUSec") == "5min"  # pauses grow: a drop-in for this systemd
    assert service.shown("StatusText").startswith("running on litert-cpu")
    assert Path(f"/proc/{service.process}").stat().st_uid == Path(STATE / "front").stat().st_uid != 0
    service.sees("red")
    assert service.awaits_event("appeared", "red", 0)["picture"]


@pytest.mark.parametrize("way", ["unplugged", "disconnected"])
def test_a_camera_that_goes_and_returns_costs_frames_and_no_life(service, shell, tell, way):
    service.sees("blue")
    mark, process, had = service.mark(), service.process, len(service.events())
    gone = time.monotonic()
    if way == "unplugged":
        (DRIVER / "unbind").write_text("vivid.0")
    else:
        shell(f"v4l2-ctl -d {CAMERA} -c disconnect=1")
    try:
        service.awaits(mark, "waiting up to")
        if way == "unplugged":  # what is lost, health tells with the first try to open it again
            service.awaits_recovering("camera")
        noticed = time.monotonic() - gone
        time.sleep(2 if way == "unplugged" else 0)
    finally:
        if way == "unplugged":
            (DRIVER / "bind").write_text("vivid.0")
    back = time.monotonic()
    service.awaits(mark, "running again")
    again = time.monotonic() - back
    tell(f"noticed after {noticed:.1f} s, running again {again:.1f} s after its return")
    assert noticed < NOTICED_S and again < BACK_S
    if way == "unplugged":
        service.awaits_event("gone", "blue", had)
    service.awaits_running()
    service.sees("green")
    assert service.process == process and service.shown("NRestarts") == "0"


def test_a_clock_that_is_set_on_and_back_by_a_year_changes_dates_and_nothing_else(service, shell):
    service.sees("red")
    before, mark, process = service.events(), service.mark(), service.process
    year = datetime.now(timezone.utc).year
    for step, then in (("+1 year", year + 1), ("-1 year", year), ("-1 year", year - 1), ("+1 year", year)):
        had = len(service.events())
        shell(f"date -s '{step}'")
        # A new time to keep events for has the service look at once what is too old.
        SETTINGS.write_text(settings(keep_days=30 if "+" in step else 31))
        service.awaits(mark, "events")
        service.sees("nothing")
        gone = service.awaits_event("gone", "red", had)
        service.sees("red")
        came = service.awaits_event("appeared", "red", had)
        assert {row["at"][:4] for row in (gone, came)} == {f"{then}"}
        assert 0 < gone["lasted_s"] < 120, "how long it was there is not told by this clock"
    assert [row["id"] for row in service.events()[: len(before)]] == [row["id"] for row in before], "nothing is too old"
    assert service.process == process and service.shown("NRestarts") == "0" and not service.said(mark, "atchdog")


def fill(shell):
    shell(f"dd if=/dev/zero of={STATE}/ballast bs=64k 2>/dev/null || true")


def empty(shell):
    (STATE / "ballast").unlink()


def protect(shell):
    Path("/proc/sysrq-trigger").write_text("u")  # the kernel makes every disk read-only, as after an error
    shell(f"for i in $(seq 50); do grep -q '{STATE} ext4 ro' /proc/mounts && exit 0; sleep 0.1; done; exit 1")


def free(shell):
    shell(f"mount -o remount,rw {STATE}")


# What is written into a file that was open before is kept by the kernel in memory then, and a picture is a new file.
@pytest.mark.parametrize(
    ("harm", "mend", "part", "why"),
    [(fill, empty, "events", "disk is full"), (protect, free, "snapshots", "Read-only file system")],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_nothing_loses_no_event(service, shell, harm, mend, part, why):
    service.sees("nothing")
    service.awaits_running()
    mark, process, had = service.mark(), service.process, len(service.events())
    harm(shell)
    for colour in ("red", "green", "blue", "nothing"):
        service.sees(colour)
    service.awaits(mark, why)
    assert why in service.health()["problems"][part]
    assert part != "events" or len(service.events()) == had
    mend(shell)
    service.awaits_running()
    service.awaits(mark, f"{part} works again")
    shell("sync && echo 3 >/proc/sys/vm/drop_caches")
    happened = [(row["kind"], row["label"]) for row in service.events()[had:]]
    assert happened == [("appeared", "red"), ("changed", "green"), ("changed", "blue"), ("gone", "blue")]
    assert not {"events", "spool"} & service.health()["dropped"].keys()
    assert service.process == process and service.shown("NRestarts") == "0"


def run_out_of_memory(service, shell):
    """Until the kernel kills a process of the service; nothing is left over for it then, for a moment."""
    shell(f"systemctl set-property --runtime {UNIT} MemoryHigh=infinity MemoryMax=256M")
    subprocess.run([sys.executable, "-c", HOG, str(service.group)], timeout=60, check=False)


def killed(shell):
    """What the kernel has killed for want of memory, newest last."""
    lines = shell("journalctl -k -o cat --no-pager").splitlines()
    return [int(line.split("Killed process ")[1].split()[0]) for line in lines if "Killed process" in line]


def test_without_memory_the_child_is_killed_and_begun_again(service, shell, tell):
    service.awaits_running()
    mark, process, had = service.mark(), service.process, len(service.events())
    (child,) = service.children
    dead = len(killed(shell))
    run_out_of_memory(service, shell)
    begun = time.monotonic()
    service.awaits(mark, "killed by the OOM killer")
    service.awaits(mark, "SIGKILL while it ran")
    service.awaits(mark, "litert-cpu is back")
    tell(f"back {time.monotonic() - begun:.1f} s after the kernel killed the child")
    assert killed(shell)[dead] == child
    service.awaits_running()
    service.sees("green")
    assert service.events()[had:]
    assert service.health()["recoveries"]["interpreter"] >= 1
    assert service.process == process and service.shown("NRestarts") == "0"
    assert child not in service.children


def test_without_memory_for_itself_it_is_begun_again_and_has_lost_no_event(service, shell, tell):
    service.sees("red")
    service.awaits_running()
    mark, process, before, dead = service.mark(), service.process, service.events(), len(killed(shell))
    Path(f"/proc/{process}/oom_score_adj").write_text("1000")
    begun = time.monotonic()
    run_out_of_memory(service, shell)
    service.awaits(mark, "Scheduled restart job")
    service.awaits(mark, "Started")
    tell(f"the next process answers {time.monotonic() - begun:.1f} s after memory ran out")
    # Its child may be next, where the kernel is slow to get its memory back.
    assert killed(shell)[dead] == process
    assert service.shown("NRestarts") == "1" and service.process != process
    told = service.awaits_running()
    assert told["restarts"] == {"oom-kill": 1}
    assert service.said(mark, "the process before this one ended: oom-kill")
    assert [row["id"] for row in service.events()[: len(before)]] == [row["id"] for row in before]


@pytest.fixture
def stick(shell, tiny):
    """A USB device with a Coral's identity, on a controller that the kernel makes up, and a model for it."""
    Path("/srv/colour_edgetpu.tflite").write_bytes(tiny.compiled())
    labels = [f"{colour} {pixel}\n" for pixel in range(4) for colour in ("red", "green", "blue")]
    Path("/srv/colour_edgetpu.txt").write_text("".join(labels))
    shell("modprobe -a libcomposite usb_f_acm")
    shell("mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config")
    (GADGET / "configs/c.1").mkdir(parents=True)
    (GADGET / "functions/acm.0").mkdir()
    (GADGET / "configs/c.1/acm.0").symlink_to(GADGET / "functions/acm.0")
    (GADGET / "idVendor").write_text("0x18d1")
    (GADGET / "idProduct").write_text("0x9302")
    (GADGET / "UDC").write_text(next(Path("/sys/class/udc").iterdir()).name)
    shell("udevadm settle")


def resets(shell):
    lines = shell("journalctl -k -o cat --no-pager").splitlines()
    return [line for line in lines if line.startswith("usb ") and ": reset " in line]


def test_an_accelerator_is_reset_on_its_bus_by_the_services_user_and_used_again_when_it_is_back(
    service, shell, eventually, stick
):
    mark, process, had = service.mark(), service.process, len(resets(shell))
    SETTINGS.write_text(settings('profile = "/srv/stick.toml"'))
    service.awaits(mark, "running again, on edgetpu")
    service.awaits_running()
    # With the service's rights: its control group, which limits the devices, and its user, who is not root.
    line = [sys.executable, "-c", RESET, str(service.group)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=SLOW_S, check=False)
    assert done.returncode == 0, done.stderr
    eventually(lambda: len(resets(shell)) == had + 1, "the kernel tells of the reset")
    mark = service.mark()
    PLAY.write_text("absent\n")
    (child,) = service.children
    os.kill(child, signal.SIGKILL)
    service.awaits(mark, "litert-cpu runs instead")
    PLAY.write_text("")
    service.awaits(mark, "has returned")
    service.awaits_running()
    service.shows("blue")
    eventually(lambda: (service.health()["label"] or "").startswith("blue"), "it sees blue")
    assert service.health()["backend"].startswith("edgetpu")
    assert service.process == process


def test_it_ends_cleanly_within_five_seconds(service, shell):
    begun = time.monotonic()
    shell(f"systemctl stop {UNIT}")
    assert time.monotonic() - begun < 6
    assert (service.shown("ActiveState"), service.shown("Result")) == ("inactive", "success")
