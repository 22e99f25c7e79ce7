import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.cli import execute
from edge.cli.service.install import carry_out, may
from edge.cli.service.logs import asked
from edge.cli.service.status import shown
from edge.errors import ConfigError, EdgeError
from edge.service.install import System, Wanted, install, uninstall
from edge.service.install.environment import Environment, checked, on, this_one
from edge.service.install.plan import example, service
from edge.service.install.steps import Keep, Remove, RemoveEmpty, Run, Write, run_command
from edge.service.install.system import SHIPPED, named
from edge.service.status import read
from edge.settings import load

OPT = Environment(Path("/opt/edge/bin/edge"))
GROUPS = "root:x:0:\nvideo:x:44:\nplugdev:x:46:\nrender:x:105:\n"


class Machine:
    """A made-up root and a systemd that is told what to answer; what is run on it is written down."""

    def __init__(self, root):
        self.system = System(root)
        self.ran = []
        self.answers = {}
        (root / "etc").mkdir()
        (root / "etc/group").write_text(GROUPS)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")

    def __call__(self, argv):
        self.ran.append(" ".join(argv))
        if "enable" in argv:
            wants = self.system.at("/etc/systemd/system/multi-user.target.wants")
            wants.mkdir(parents=True, exist_ok=True)
            (wants / argv[-1]).symlink_to("../edge@.service")
        if "disable" in argv:
            self.system.at("/etc/systemd/system/multi-user.target.wants").joinpath(argv[-1]).unlink()
        if "systemd-sysusers" in argv[0]:
            with self.system.at("/etc/passwd").open("a") as passwd:
                passwd.write("edge:x:999:999:edgekit cameras:/var/lib/edge:/usr/sbin/nologin\n")
            self.system.at("/etc/group").write_text(f"{GROUPS}edge:x:999:\napex:x:998:edge\ni2c:x:997:edge\n")
        if argv[0] == "userdel":
            self.system.at("/etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
            self.system.at("/etc/group").write_text(GROUPS)  # groupdel is told of each
        return self.answers.get(argv[-1], "")

    def do(self, steps):
        for step in steps:
            assert step.words
            step.do(self)
        return steps

    def install(self, name="door", text='source = "sample:"\n', reboot=None, environment=OPT):
        return self.do(install(Wanted(name, text, reboot), environment, self.system, self))

    def uninstall(self, *names, purge=False):
        return self.do(uninstall(list(names), self.system, purge))

    def files(self):
        return {
            str(path.relative_to(self.system.root)): path.read_text()
            for path in self.system.root.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_what_is_installed_ships():
    names = {path.name for path in SHIPPED.iterdir()}
    units = {"edge@.service", "backoff.conf", "reboot.conf"}
    assert units | {"70-edge.rules", "sysusers.conf", "tmpfiles.conf", "example.toml"} <= names


def test_installing_writes_the_settings_the_unit_and_what_both_need(machine):
    machine.install()
    files = machine.files()
    assert files["etc/edge/door.toml"] == 'source = "sample:"\n'
    assert oct(machine.system.settings("door").stat().st_mode)[-3:] == "640"
    assert "ExecStart=/opt/edge/bin/edge service run /etc/edge/%i.toml" in files["etc/systemd/system/edge@.service"]
    assert 'SUBSYSTEM=="apex"' in files["etc/udev/rules.d/70-edge.rules"]
    assert "z /etc/edge/*.toml 0640 root edge" in files["etc/tmpfiles.d/edge.conf"]
    for secret in machine.system.passwords("door"):
        passed = f"{secret.name.removeprefix('door.')}:/etc/edge/%i.{secret.name.removeprefix('door.')}\n"
        assert f"LoadCredential={passed}" in files["etc/systemd/system/edge@.service"], (
            "and a blank one where it is none"
        )
        assert f"SetCredential={passed.partition(':')[0]}:\\n\n" in files["etc/systemd/system/edge@.service"]
    root = machine.system.root
    assert machine.ran == [
        f"systemd-sysusers --root={root} edge.conf",
        f"systemd-tmpfiles --root={root} --create edge.conf",
        f"systemctl --root={root} enable edge@door.service",
    ]


def test_groups_that_are_missing_are_made_and_noted(machine):
    machine.install()
    made = re.findall(r"^g (\S+)", machine.files()["etc/sysusers.d/edge.conf"], re.MULTILINE)
    assert made == ["apex", "i2c"]
    assert machine.install() == []


def test_installing_again_does_nothing_and_leaves_changed_settings_alone(machine):
    machine.install()
    assert machine.install() == []
    machine.system.settings("door").write_text("# mine\n")
    (kept,) = machine.install()
    assert isinstance(kept, Keep) and "is yours" in kept.words
    assert machine.system.settings("door").read_text() == "# mine\n"


def test_another_environment_is_written_into_the_unit_and_nothing_else(machine):
    machine.install()
    home = Environment(Path("/home/pi/edge/bin/edge"), (Path("/home/pi/edge"),))
    (write,) = machine.install(environment=home)
    unit = machine.files()["etc/systemd/system/edge@.service"]
    assert write.path.name == "edge@.service" and write.words.startswith("write")
    assert "ProtectHome=tmpfs\nBindReadOnlyPaths=/home/pi/edge\n" in unit and "ProtectHome=yes" not in unit


def test_the_unit_as_it_ships_is_that_for_opt():
    text = service(OPT)
    assert text.partition("\n")[2] == (SHIPPED / "edge@.service").read_text()


def test_the_last_rung_is_a_file_of_its_own_that_can_be_taken_away(machine):
    machine.install(reboot=True)
    path = machine.system.drop_in("door") / "reboot.conf"
    assert "StartLimitAction=reboot" in path.read_text()
    assert machine.install() == [] and path.exists()
    machine.install(reboot=False)
    assert not path.parent.exists()


@pytest.mark.parametrize(("version", "knows"), [("252", False), ("254", True), ("255.4-1.fc40", True)])
def test_pauses_between_restarts_grow_where_systemd_can(machine, version, knows):
    before = machine.files()
    library = machine.system.at(f"/usr/lib/aarch64-linux-gnu/systemd/libsystemd-shared-{version}.so")
    library.parent.mkdir(parents=True)
    library.touch()
    for _ in range(2):
        steps = machine.install(text=example("sample:"))
    path = "etc/systemd/system/edge@.service.d/backoff.conf"
    assert ("RestartMaxDelaySec=300" in machine.files().get(path, "")) == knows and not steps
    machine.uninstall("door")
    library.unlink()
    assert machine.files() == before and not machine.system.at(path).parent.exists()


def test_uninstalling_removes_all_but_what_is_yours(machine):
    before = machine.files()
    machine.install(text=example("sample:"))
    machine.uninstall("door")
    assert machine.files() == before


def test_changed_settings_passwords_and_events_stay_until_they_are_purged(machine):
    before = machine.files()
    machine.install(reboot=True)
    for secret in machine.system.passwords("door"):
        secret.write_text("secret")
    machine.system.state("door").mkdir(parents=True)
    (machine.system.state("door") / "events.sqlite").write_text("events")
    machine.system.at("/var/cache/edge").mkdir(parents=True)
    own = machine.system.drop_in("door") / "override.conf"
    own.write_text("[Service]\nNice=5\n")
    steps = machine.uninstall("door")
    assert "userdel" not in " ".join(machine.ran) and machine.system.left() == ["door"]
    assert set(machine.files()) - set(before) == {
        "etc/edge/door.toml",
        "etc/edge/door.mqtt-password",
        "etc/edge/door.source-password",
        "etc/edge/door.web-token",
        "etc/sysusers.d/edge.conf",
        "etc/systemd/system/edge@door.service.d/override.conf",
        "var/lib/edge/door/events.sqlite",
    }
    assert [step.path for step in steps if isinstance(step, Keep)]
    machine.uninstall("door", purge=True)
    assert machine.files() == before
    assert f"userdel --prefix={machine.system.root} edge" in machine.ran
    assert f"groupdel --prefix={machine.system.root} apex" in machine.ran


def test_the_last_camera_takes_along_what_all_share(machine):
    machine.install("door", example("a"))
    machine.install("hall", example("b"))
    machine.uninstall("door")
    assert "etc/systemd/system/edge@.service" in machine.files() and machine.system.cameras() == ["hall"]
    machine.uninstall("hall")
    assert "etc/systemd/system/edge@.service" not in machine.files()


def test_a_camera_that_is_not_there_cannot_be_removed(machine):
    with pytest.raises(ConfigError, match="no camera door is installed here; there is none"):
        machine.uninstall("door")


def test_a_user_of_that_name_who_is_somebody_else_is_left_alone(machine):
    machine.system.at("/etc/passwd").write_text("edge:x:1000:1000:Edge:/home/edge:/bin/bash\n")
    with pytest.raises(ConfigError, match="a user 'edge' here already"):
        machine.install()


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 80, "edgekit"])
def test_a_name_that_can_be_none_is_refused(name):
    with pytest.raises(ConfigError, match="no camera's name"):
        named(name)


@pytest.mark.parametrize("link", ["etc/edge", "var/lib", "etc/systemd/system/edge@door.service.d", "etc/ring"])
def test_what_leads_out_of_the_system_is_refused(machine, tmp_path_factory, link):
    machine.install(reboot=True)
    outside = tmp_path_factory.mktemp("outside")
    (outside / "door.toml").write_text("of another machine")
    path = machine.system.at(link)
    if path.exists():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path if "ring" in link else outside)
    if "ring" in link:
        assert machine.system.at(link) == path
        return
    with pytest.raises(ConfigError, match=f"{path}.* leads out of {tmp_path_factory.getbasetemp()}"):
        machine.install(reboot=True)
        machine.uninstall("door", purge=True)
    with pytest.raises(ConfigError, match="leads out of"):
        machine.uninstall("door", purge=True)
    assert [each.name for each in outside.iterdir()] == ["door.toml"]


def test_the_example_is_right_and_takes_any_source(tmp_path):
    path = tmp_path / "door.toml"
    path.write_text(example('rtsp://10.0.0.3/a"b\\c'))
    assert load(path).source == 'rtsp://10.0.0.3/a"b\\c'


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_the_unit_and_its_drop_in_are_sound_and_shut(tmp_path):
    program = shutil.which("true")
    unit = tmp_path / "edge@.service"
    unit.write_text(service(Environment(Path(program))))
    drop_in = tmp_path / "edge@.service.d" / "reboot.conf"
    drop_in.parent.mkdir()
    drop_in.write_text((SHIPPED / "reboot.conf").read_text())
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    line = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    told = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", told)[1]) <= 2.0


# --- the environment


@pytest.fixture
def made(tmp_path):
    """Makes an environment in a folder of a made-up root, and looks at it."""

    def make(folder, closed="", module="lib/python3/site-packages/edge/__init__.py", behind=None):
        prefix = tmp_path / folder
        python, program = prefix / "bin/python", prefix / "bin/edge"
        for path in (program, prefix / module, *([tmp_path / behind] if behind else [python])):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        if behind:
            python.symlink_to(tmp_path / behind)
        for path in (tmp_path, *(path for path in tmp_path.rglob("*") if not path.is_symlink())):
            path.chmod(0o755)
        if closed:
            (tmp_path / closed).chmod(0o700)
        return checked(program, prefix, python, prefix / module, tmp_path)

    return make


def test_an_environment_outside_of_homes_is_taken_as_it_is(made, tmp_path):
    assert made("opt/edge") == (tmp_path / "opt/edge/bin/edge", ())


def test_one_in_a_home_is_shown_also_where_the_home_is_closed_and_so_is_the_python_behind_it(made, tmp_path):
    found = made("home/pi/edge", closed="home/pi", behind="home/pi/python/3.12/bin/python3")
    assert found.shown == (tmp_path / "home/pi/edge", tmp_path / "home/pi/python/3.12")


@pytest.mark.parametrize(
    ("folder", "closed", "mend"),
    [("home/pi/edge", "home/pi/edge/lib", "home/pi/edge`"), ("srv/edge", "srv", "srv`"), ("opt/edge", "opt", "opt`")],
)
def test_one_that_the_service_could_not_read_is_refused_with_what_mends_it(made, tmp_path, folder, closed, mend):
    with pytest.raises(ConfigError, match=re.escape(f"sudo chmod -R go+rX {tmp_path / mend}")) as caught:
        made(folder, closed)
    assert f"may not read {tmp_path / closed}," in str(caught.value)


@pytest.mark.parametrize("folder", ["tmp/edge", "run/edge", "var/tmp/edge"])
def test_one_that_would_not_stay_is_refused(made, folder):
    with pytest.raises(ConfigError, match="lies where nothing stays"):
        made(folder)


def test_one_whose_name_a_unit_cannot_hold_is_refused(made):
    with pytest.raises(ConfigError, match="cannot stand in a unit"):
        made("opt/my edge")


def test_a_program_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="install edgekit with pip"):
        checked(Path("/nowhere/edge"), Path("/nowhere"), Path("/nowhere/python"), Path("/nowhere/a/edge/__init__.py"))


def test_a_folder_of_this_machine_may_be_named_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=re.escape(f"there is no {tmp_path}/venv/bin/edge")):
        on(Path("/"), Path("venv"))


def test_the_one_that_runs_is_looked_at():
    try:
        assert this_one().program.name == "edge"
    except ConfigError as error:
        assert "sudo" in str(error) or "pip" in str(error)


# --- steps


def test_a_step_that_fails_says_what_the_command_said():
    with pytest.raises(EdgeError, match="failed: no such thing; mend that"):
        run_command(("sh", "-c", "echo no such thing >&2; exit 3"))
    with pytest.raises(EdgeError, match="failed: exit code 3"):
        run_command(("sh", "-c", "exit 3"))
    with pytest.raises(EdgeError, match=r"nothing-of-this-name cannot be run: .*; is systemd what runs"):
        run_command(("nothing-of-this-name",))
    with pytest.raises(EdgeError, match=r"did not end within 0\.01 s"):
        run_command(("sleep", "5"), limit_s=0.01)
    assert run_command(("echo", "well")) == "well\n"


def test_a_step_that_need_not_succeed_does_not_stop_the_others():
    Run(("false",), must=False).do(run_command)
    with pytest.raises(EdgeError):
        Run(("false",)).do(run_command)


def test_folders_are_removed_where_nothing_is_left_in_them(machine, tmp_path):
    (tmp_path / "full/inner").mkdir(parents=True)
    RemoveEmpty(tmp_path / "full").do(machine)
    assert (tmp_path / "full").exists()
    assert "all that is in it" in Remove(tmp_path / "full").words
    Remove(tmp_path / "full").do(machine)
    RemoveEmpty(tmp_path / "full").do(machine)
    assert not (tmp_path / "full").exists()
    write = Write(tmp_path / "a", "")
    assert write.words == f"write {tmp_path / 'a'}"
    write.do(machine)
    assert write.words == f"write anew {tmp_path / 'a'}"


# --- this machine, running


class Running(System):
    """A machine that says it runs."""

    running = True


def test_on_a_running_machine_the_service_is_begun_and_others_begun_anew_where_the_unit_changes(tmp_path):
    machine = Machine(tmp_path)
    machine.system = Running(tmp_path)
    machine.install()
    assert (
        machine.ran[:6]
        == [
            "systemctl show --property=ActiveState --value edge@door.service",
            "systemd-sysusers edge.conf",
            "systemd-tmpfiles --create edge.conf",
            "udevadm control --reload",
            "udevadm trigger --subsystem-match=video4linux --subsystem-match=usb --subsystem-match=apex",
            "systemctl daemon-reload",
        ]
        or machine.ran[0] == "systemd-sysusers edge.conf"
    )
    assert machine.ran[-2:] == ["systemctl enable edge@door.service", "systemctl restart --no-block edge@door.service"]
    machine.answers["edge@door.service"] = "active\n"
    assert machine.install() == []
    machine.ran.clear()
    machine.install("hall", environment=Environment(Path("/srv/edge/bin/edge")))
    assert machine.ran[-2:] == [f"systemctl restart --no-block edge@{name}.service" for name in ("hall", "door")]
    machine.ran.clear()
    machine.uninstall("door", purge=True)
    assert machine.ran == [
        "systemctl stop edge@door.service",
        "systemctl reset-failed edge@door.service",
        "systemctl disable edge@door.service",
        "systemctl daemon-reload",
    ]
    machine.uninstall("hall", purge=True)
    assert "userdel edge" in machine.ran


def test_a_machine_without_systemd_has_nothing_active(tmp_path):
    def refuses(argv):
        raise EdgeError("no systemctl")

    assert not Running(tmp_path).active("door", refuses)


# --- status


def told(machine, **properties):
    usual = {"ActiveState": "active", "SubState": "running", "Result": "success", "ExecMainStatus": "0"}
    text = "\n".join(f"{key}={value}" for key, value in {**usual, **properties}.items())
    (status,) = read(["door"], machine.system, lambda argv: text)
    return status


def test_the_status_of_what_runs_is_what_it_says_itself(machine):
    status = told(
        machine,
        StatusText="running on litert-cpu, 9.9 FPS",
        NRestarts="3",
        MemoryCurrent="123456789",
        ActiveEnterTimestamp="Mon",
    )
    assert status.running and status.restarts == 3 and status.memory_mb == 123.5
    assert shown(status) == "door: running (since Mon, restarts 3, 123.5 MB): running on litert-cpu, 9.9 FPS"


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"SubState": "start", "StatusText": "opening camera and model"}, "opening camera and model"),
        ({"SubState": "start"}, "it starts"),
        ({"Result": "exit-code", "ExecMainStatus": "203"}, "the environment that it runs from is gone"),
        ({"Result": "exit-code", "ExecMainStatus": "1"}, "exit code 1; `edge service logs door`"),
        ({"Result": "watchdog"}, "the watchdog ended it"),
        ({"Result": "signal", "ExecMainStatus": "9"}, "ended by signal 9"),
        ({}, "its recording has ended"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "it is not installed"),
    ],
)
def test_the_status_of_what_does_not_run_says_why(machine, properties, words):
    status = told(machine, **{"ActiveState": "activating", "SubState": "auto-restart", **properties})
    assert not status.running and words in status.words
    state = properties.get("ActiveState", "activating")
    assert status.state == (state if "SubState" in properties else "waiting to be begun again")


def test_settings_that_cannot_be_right_are_said_with_their_key(machine):
    refused = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "2"}
    machine.install(text='[rules]\nthreshold_in = "much"\n')
    assert "its settings cannot be right" in told(machine, **refused).words
    assert told(machine, **refused).words.endswith("; mend that, and `sudo systemctl restart edge@door`")
    assert "rules.threshold_in" in told(machine, **refused).words
    machine.system.settings("door").write_text('source = "sample:"\n')
    assert "edge service check" in told(machine, **refused).words


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_settings_that_only_root_may_read_are_not_said_to_be_wrong(machine):
    machine.install()
    machine.system.settings("door").chmod(0)
    refused = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "2"}
    assert "`sudo edge service status door` tells more" in told(machine, **refused).words


def test_what_was_stopped_by_hand_is_said_to_be(machine):
    machine.install()
    assert told(machine, ActiveState="inactive", SubState="dead").words == "it was stopped"
    assert read([], machine.system, machine) == []


# --- commands


def said(capsys, *argv):
    code = execute(["service", *argv], False)
    streams = capsys.readouterr()
    return code, streams.out, streams.err


@pytest.fixture
def card(made, tmp_path):
    """What is said of the system in a folder, which has an environment."""
    made("opt/edge")
    return ("--dry-run", "--environment", "/opt/edge", "--root", str(tmp_path))


def test_a_dry_run_tells_and_does_nothing(capsys, tmp_path, card):
    code, out, _ = said(capsys, "install", "door", "--source", "sample:", *card)
    assert code == 0 and f"would write {tmp_path}/etc/edge/door.toml" in out
    assert [path.name for path in tmp_path.iterdir()] == ["opt"]


def test_a_system_in_a_folder_has_the_environment_that_lies_there(made, tmp_path):
    made("home/pi/edge", closed="home/pi")
    assert on(tmp_path, Path("/home/pi/edge")) == (Path("/home/pi/edge/bin/edge"), (Path("/home/pi/edge"),))


def plain(folder):
    path = folder / "recording.toml"
    path.write_text('source = "sample:"\n')
    return path


def test_what_is_asked_for_wrongly_is_refused_in_one_line(capsys, tmp_path, card):
    code, _, err = said(capsys, "install", "not-there", "--source", "nowhere.mp4", "--dry-run")
    assert code == 2 and "source: /etc/edge/nowhere.mp4: no such file or folder" in err
    file = tmp_path / "door.toml"
    file.write_text('source = "sample:"\nfoo = 1\n')
    code, _, err = said(capsys, "install", str(file), *card)
    assert code == 2 and "foo" in err
    file.write_text('source = "sample:"\n')
    assert "leave one of the two out" in said(capsys, "install", str(file), "--source", "a", *card)[2]
    assert said(capsys, "install", str(file), *card)[0] == 0
    assert "no camera was found" in said(capsys, "install", "door", *card)[2]
    for source, why in (("rtsp://u:secret@h/x", "holds a password"), ("x\ny", "source: "), ("x\x7f", "not TOML")):
        code, out, err = said(capsys, "install", "door", "--source", source, *card)
        assert (code, out) == (2, "") and why in err and "secret@" not in err
    assert "can be no camera's name" in said(capsys, "install", "Front Door", *card)[2]
    assert "set `repeat = true`" in said(capsys, "install", str(plain(tmp_path)), "--reboot", *card)[2]
    there = tmp_path / "etc/edge/door.toml"
    there.parent.mkdir(parents=True)
    there.write_text('source = "sample:"\n')
    assert "is left alone" in said(capsys, "install", "door", "--source", "a", *card)[2]
    assert said(capsys, "install", "door", *card)[0] == 0
    root = ("--dry-run", "--root", str(tmp_path))
    assert "say which cameras, or --all; installed here: door" in said(capsys, "uninstall", *root)[2]
    assert "would remove" in said(capsys, "uninstall", "--all", "--purge", *root)[1]


def test_purging_all_takes_what_cameras_left_that_were_uninstalled(capsys, tmp_path):
    (tmp_path / "var/lib/edge/old").mkdir(parents=True)
    (tmp_path / "var/lib/edge/edgekit").mkdir()
    told = said(capsys, "uninstall", "--all", "--purge", "--dry-run", "--root", str(tmp_path))[1].splitlines()
    removed = [line.partition(",")[0] for line in told if "if nothing" not in line]
    assert removed == [f"would remove {tmp_path}/var/lib/edge/{name}/" for name in ("old", "edgekit")]


def test_uninstalling_where_nothing_is_says_so(capsys, tmp_path):
    assert said(capsys, "uninstall", "--all", "--dry-run", "--root", str(tmp_path))[1] == "nothing is installed here\n"


def test_what_is_as_it_should_be_is_said(capsys, tmp_path, card, machine):
    carry_out([], False, machine)
    assert capsys.readouterr().out == ""


def test_logs_are_those_of_the_journal(capsys, monkeypatch):
    line = asked(("door",), True, 5, "1 hour ago")
    assert line == [
        "journalctl", "--output=short-iso", "--lines=5", "--follow", "--since=1 hour ago", "--unit=edge@door.service",
    ]  # fmt: skip
    assert "--no-pager" in asked((), False, 5, None) and "--unit=edge@*.service" in asked((), False, 5, None)
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, err = said(capsys, "logs", "door")
    assert code == 1 and "journalctl cannot be run" in err and "note: no camera door is installed here; there" in err


def test_the_status_of_all_is_asked_of_systemd(capsys, tmp_path, monkeypatch):
    tool = tmp_path / "systemctl"
    tool.write_text('#!/bin/sh\necho "ActiveState=active"; echo "StatusText=well"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert said(capsys, "status", "door")[:2] == (0, "door: running: well\n")
    code, out, _ = said(capsys, "status", "door", "--json")
    assert code == 0 and json.loads(out)[0]["words"] == "well"
    tool.write_text("#!/bin/sh\nexit 1\n")
    code, out, err = said(capsys, "status", "door")
    assert (code, out) == (1, "") and "system" in err


def test_a_running_machine_is_changed_by_root_alone_and_where_systemd_runs(tmp_path):
    with pytest.raises(ConfigError, match="only root may change"):
        may(False, System(), 1000)
    with pytest.raises(ConfigError, match="systemd does not run here"):
        may(False, System(), 0, tmp_path / "absent")
    may(False, System(), 0, tmp_path)
    may(True, System(), 1000)
    may(False, System(tmp_path), 1000)


def test_a_system_in_a_folder_is_installed_to_and_left_by_two_commands(capsys, tmp_path, made, monkeypatch):
    made("opt/edge")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "userdel", "groupdel"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    line = ("install", "door", "--source", "sample:", "--environment", "/opt/edge", "--root", str(tmp_path))
    code, out, _ = said(capsys, *line)
    assert code == 0 and f"write {tmp_path}/etc/edge/door.toml" in out
    assert said(capsys, "uninstall", "door", "--root", str(tmp_path))[0] == 0
    assert not (tmp_path / "etc/edge").exists()
    (tmp_path / "etc/edge").write_text("no folder")
    code, _, err = said(capsys, *line)
    assert code == 1 and "steps were done, then" in err and "edge service uninstall" in err


def test_what_is_installed_is_checked_for_the_place_where_it_will_lie(capsys, tmp_path):
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "not-there.toml").write_text(
        "source = 'clip.mp4'\nmodel = '/tmp/a.tflite'\n[mqtt]\nhost = 'x'\nport = 8883\n"
    )
    code, out, err = said(capsys, "install", str(tmp_path / "not-there.toml"), "--dry-run")
    assert code == 2 and out == "" and "note: mqtt.port: 8883 is usual" in err
    assert "source: /etc/edge/clip.mp4: no such file" in err and "model: /tmp/a.tflite is hidden" in err


def test_an_environment_in_a_home_is_said_to_be_one(capsys, tmp_path, made):
    made("home/pi/edge")
    line = ("install", "door", "--source", "sample:", "--environment", "/home/pi/edge", "--root", str(tmp_path))
    assert "note: /home/pi/edge is in a home" in said(capsys, *line, "--dry-run")[1]


def test_a_status_of_nothing_says_so(capsys, tmp_path, machine):
    assert machine.system.cameras() == [] and read([], machine.system, machine) == []
