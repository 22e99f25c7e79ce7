"""Cameras as services of a real systemd, from `edge service install` to the last trace of them.

The tests run in the order in which they stand, on one machine. Three cameras look at a video: "front-door" as a
recording that begins anew, "hall" and "porch" live, the one with a driver and the other with a runtime that can hang.
"""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from machine import EDGE, FREEZE, edge, files, journal, pid, property_of, restarts, run, runs, service, shown, until

SETTINGS = Path("/etc/edge")
CLIP = "/srv/clip.mp4"
SECRET = "correct horse battery staple"

LIVE = """name = "{name}"
[[camera]]
kind = "plays.camera"
path = "/srv/clip.mp4"
hangs = {hangs}
[[interpreter]]
kind = "{kind}"
"""


@pytest.fixture(scope="module")
def before():
    """The machine as it was, and all that the tests bring along."""
    site = Path(run("/opt/edge/bin/python", "-c", "import site; print(site.getsitepackages()[0])").strip())
    shutil.copytree("/edgekit/tests/systemd/guest/plays", site / "plays")
    shutil.copytree("/job/srv", "/srv", dirs_exist_ok=True)
    for name, hangs, kind in (("hall", "true", "litert"), ("porch", "false", "plays.interpreter")):
        Path(f"/srv/{name}-profile.toml").write_text(LIVE.format(name=name, hangs=hangs, kind=kind))
        Path(f"/srv/{name}.toml").write_text(f'profile = "/srv/{name}-profile.toml"\n[recovery]\nfps = 3\n')
    Path("/srv/front-door.toml").write_text(
        f'source = "{CLIP}"\nrepeat = true\n[recovery]\nfps = 5\n[rules]\nthreshold_in = 0.1\nthreshold_out = 0.05\n'
        '[snapshots]\n[web]\n[metrics]\n[mqtt]\nhost = "127.0.0.1"\nusername = "camera"\n'
    )
    FREEZE.mkdir()
    return files(), Path("/etc/passwd").read_text(), Path("/etc/group").read_text()


def test_a_dry_run_tells_each_step_and_does_nothing(before):
    told = service("install", "/srv/front-door.toml", "--dry-run")
    for part in (
        "/etc/edge/front-door.toml",
        "/etc/systemd/system/edge@.service",
        "70-edge.rules",
        "sysusers",
        "enable",
    ):
        assert part in told
    assert all(line.startswith("would ") for line in told.splitlines())
    assert files() == before[0]


def test_one_command_brings_a_camera_into_service(before):
    service("install", "/srv/front-door.toml")
    took = runs("front-door")
    print(f"first answer after {took:.1f} s")
    status = service("status", "front-door")
    assert re.match(r"front-door: running \(since .*running on ", status), status
    assert run("systemctl", "is-enabled", "edge@front-door").strip() == "enabled"
    assert "running: mobilenet_v2" in journal("front-door")


def test_the_service_is_a_user_of_its_own_and_sees_little():
    number = pid("front-door")
    status = Path(f"/proc/{number}/status").read_text()
    groups = run("id", "-Gn", "edge").split()
    assert {"edge", "video", "render", "plugdev", "apex", "i2c"} <= set(groups)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE) and "NoNewPrivs:\t1" in status
    assert Path(f"/proc/{number}").stat().st_uid == int(run("id", "-u", "edge"))
    root = Path(f"/proc/{number}/root")
    assert not any((root / "home").iterdir()) and not any((root / "root").iterdir())
    assert oct((SETTINGS / "front-door.toml").stat().st_mode)[-3:] == "640"


def test_the_unit_is_sound_and_shut():
    assert run("systemd-analyze", "verify", "/etc/systemd/system/edge@.service", "edge@front-door.service") == ""
    told = run("systemd-analyze", "security", "edge@front-door.service", "--no-pager")
    score = float(re.search(r"exposure level for edge@front-door.service: ([\d.]+)", told)[1])
    print(f"exposure {score}")
    assert score <= 2.0


def test_the_rules_of_udev_are_understood():
    told = run("udevadm", "test", "/sys/class/net/lo")
    assert "/etc/udev/rules.d/70-edge.rules" in told
    assert not [line for line in told.splitlines() if "70-edge.rules:" in line], told


def test_installing_again_changes_nothing():
    def installed():
        return {path: told for path, told in files().items() if not path.startswith("/var/")}

    there, number = installed(), pid("front-door")
    assert "installed already" in service("install", "front-door")
    assert installed() == there and pid("front-door") == number


def test_settings_that_were_changed_are_left_alone():
    path = SETTINGS / "front-door.toml"
    text = path.read_text() + "\n# by the front door\n"
    path.write_text(text)
    assert f"keep {path}" in service("install", "/srv/front-door.toml")
    assert path.read_text() == text


def test_cameras_that_hang_are_frozen_from_here_on():
    for name in ("hall", "porch"):
        service("install", f"/srv/{name}.toml")
    drop_in("hall", "[Service]\nWatchdogSec=5\n")
    run("systemctl", "restart", "edge@hall")
    for name in ("hall", "porch"):
        runs(name)
    (FREEZE / "camera").touch()
    (FREEZE / "interpreter").touch()
    print("frozen")


def test_a_password_reaches_the_service_and_nobody_else():
    path = SETTINGS / "front-door.mqtt-password"
    path.write_text(SECRET)
    path.chmod(0o600)
    assert "credential" not in journal("front-door")  # it ran without one so far
    run("systemctl", "restart", "edge@front-door")
    runs("front-door")
    given = Path(f"/proc/{pid('front-door')}/environ").read_bytes()
    assert SECRET.encode() not in given
    passed = Path("/run/credentials/edge@front-door.service/mqtt-password")
    assert passed.read_text() == SECRET and path.stat().st_uid == 0


def test_a_folder_in_place_of_a_password_has_one_for_each_of_several_cameras():
    folder = SETTINGS / "front-door.source-password"
    folder.mkdir(mode=0o700)
    (folder / "yard").write_text(SECRET)
    (folder / "yard").chmod(0o600)
    run("systemctl", "restart", "edge@front-door")
    runs("front-door")
    passed = Path("/run/credentials/edge@front-door.service")
    assert (passed / "source-password_yard").read_text() == SECRET
    (folder / "yard").unlink()
    folder.rmdir()


def test_a_token_lets_in_whoever_has_it_and_what_is_kept_of_it_reaches_the_service_alone():
    number = pid("front-door")
    token = re.search(r"^[\w-]{32}$", service("token", "front-door"), re.MULTILINE)[0]
    until(lambda: pid("front-door") not in (0, number), 30)
    runs("front-door")
    kept = SETTINGS / "front-door.web-token"
    assert (kept.stat().st_mode & 0o777, kept.stat().st_uid) == (0o600, 0) and token not in kept.read_text()
    passed = Path("/run/credentials/edge@front-door.service/web-token")
    assert passed.read_text() == kept.read_text()
    until(lambda: asked("/healthz") == 200, 30)
    assert asked("/health") == 401 and asked("/health", "wrong") == 401 and asked("/health", token) == 200


def asked(path, token=None):
    """The status of what the page answers; None: nothing."""
    given = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(f"http://127.0.0.1:8080{path}", headers=given), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code
    except OSError:
        return None


def test_what_is_killed_is_begun_again():
    count = restarts("front-door")
    os.kill(pid("front-door"), signal.SIGKILL)
    until(lambda: restarts("front-door") == count + 1, 30)
    runs("front-door")
    until(lambda: "signal" in journal("front-door"), 10)


def test_a_runtime_that_hangs_in_its_child_costs_no_restart():
    count, number = restarts("front-door"), pid("front-door")
    child = int(Path(f"/proc/{number}/task/{number}/children").read_text().split()[0])
    os.kill(child, signal.SIGSTOP)
    took = until(lambda: "running again" in journal("front-door"), 60, lambda: journal("front-door")[-3000:])
    print(f"answers again after {took:.1f} s")
    assert pid("front-door") == number and restarts("front-door") == count


def test_settings_that_are_broken_keep_the_old_ones_and_a_start_says_which_key():
    path = SETTINGS / "front-door.toml"
    good = path.read_text()
    path.write_text(good.replace("threshold_in = 0.1", 'threshold_in = "much"'))
    number = pid("front-door")
    until(lambda: "rules.threshold_in" in journal("front-door"), 20)
    assert pid("front-door") == number and property_of("front-door", "ActiveState") == "active"
    run("systemctl", "restart", "--no-block", "edge@front-door")
    until(lambda: property_of("front-door", "ExecMainStatus") == "2", 30)
    told = service("status", "front-door", code=1)
    assert "its settings cannot be right" in told and "rules.threshold_in" in told
    path.write_text(good)
    runs("front-door")  # by itself: systemd tries for ever


def test_an_interpreter_that_hangs_trips_the_watchdog():
    until(lambda: "Failed with result 'watchdog'" in journal("porch"), 90, lambda: journal("porch")[-3000:])
    told = journal("porch")
    assert "Watchdog timeout (limit 30s)!" in told
    assert "in infer" in told and "in hang" in told  # where each thread hung
    (FREEZE / "interpreter").unlink()
    runs("porch", 90)
    until(lambda: "watchdog" in lives("porch"), 10, lambda: journal("porch")[-3000:])


def test_a_camera_that_hangs_trips_the_watchdog():
    until(lambda: "Failed with result 'watchdog'" in journal("hall"), 60, lambda: journal("hall")[-3000:])
    told = journal("hall")
    assert "Watchdog timeout (limit 5s)!" in told and "Scheduled restart job" in told
    assert "plays/camera.py" in told and "in hang" in told
    (FREEZE / "camera").unlink()
    runs("hall", 90)


def test_an_environment_in_a_home_that_nobody_else_may_enter_serves_as_well():
    home = Path("/home/pi")
    home.mkdir(mode=0o700)
    run("/opt/edge/bin/python", "-m", "venv", "--without-pip", "/home/pi/edge")
    site = Path("/home/pi/edge/lib/python3.11/site-packages")
    (site / "others.pth").write_text("/opt/edge/lib/python3.11/site-packages\n")
    shutil.copytree("/opt/edge/lib/python3.11/site-packages/edge", site / "edge")
    program = Path("/home/pi/edge/bin/edge")
    program.write_text(Path(EDGE).read_text().replace("/opt/edge", "/home/pi/edge"))
    program.chmod(0o755)
    told = run(str(program), "service", "install", "front-door")
    assert "note: /home/pi/edge is in a home" in told
    until(lambda: "/home/pi/edge/bin/python" in Path(f"/proc/{pid('front-door') or 1}/cmdline").read_text(), 30)
    runs("front-door")
    root = Path(f"/proc/{pid('front-door')}/root/home")
    assert [path.name for path in root.iterdir()] == ["pi"]
    site.chmod(0o700)
    refused = run(str(program), "service", "install", "front-door", code=2)
    assert "sudo chmod -R go+rX /home/pi/edge" in refused
    site.chmod(0o755)
    service("install", "front-door")
    runs("front-door")
    shutil.rmtree(home)


def test_the_last_rung_is_to_start_the_board_anew():
    asked = ("StartLimitAction", "StartLimitBurst", "StartLimitIntervalUSec")
    assert shown("front-door", *asked)["StartLimitAction"] == "none"
    service("install", "front-door", "--reboot")
    assert shown("front-door", *asked) == dict(zip(asked, ("reboot", "20", "4h"), strict=True))
    service("install", "front-door", "--no-reboot")
    assert shown("front-door", *asked)["StartLimitIntervalUSec"] == "0"


def test_events_and_logs_can_be_read():
    assert "running on" in service("logs", "front-door", "-n", "1000") or "running:" in service("logs", "front-door")
    seen = [json.loads(line) for line in edge("events", "front-door", "--json").splitlines()]
    assert seen and {each["kind"] for each in seen} <= {"appeared", "changed", "gone"}


def test_what_one_camera_leaves_others_keep():
    service("uninstall", "porch", "--purge")
    assert not (SETTINGS / "porch.toml").exists() and not Path("/var/lib/edge/porch").exists()
    runs("hall")


def test_uninstalling_keeps_what_is_the_users_and_purging_leaves_nothing(before):
    told = service("uninstall", "--all", "--dry-run")
    assert "would keep /etc/edge/front-door.toml" in told
    service("uninstall", "--all")
    assert (SETTINGS / "front-door.toml").exists() and Path("/var/lib/edge/front-door/events.sqlite").exists()
    assert not Path("/etc/systemd/system/edge@.service").exists()
    assert run("systemctl", "list-units", "--all", "--plain", "--no-legend", "edge@*") == ""
    service("uninstall", "--all", "--purge")
    was, after = before[0], files()
    backups = {"/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-"}  # which the tools of passwd(5) keep
    assert {path: after.get(path) for path in (was | after).keys() - backups if was.get(path) != after.get(path)} == {}
    assert (Path("/etc/passwd").read_text(), Path("/etc/group").read_text()) == before[1:]


def drop_in(name, text):
    path = Path(f"/etc/systemd/system/edge@{name}.service.d/test.conf")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    run("systemctl", "daemon-reload")


def lives(name):
    return " ".join(line for line in journal(name).splitlines() if "ended" in line or "life" in line)
