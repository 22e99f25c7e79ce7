import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import execute
from edge.cli.service.logs import asked
from edge.cli.service.status import shown
from edge.errors import ConfigError, EdgeError
from edge.service.install import System, Wanted, install, uninstall
from edge.service.install.environment import Environment, checked, this_one
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
        if argv[0] == "userdel":
            self.system.at("/etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
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
            str(path.relative_to(self.system.root)): path.read_text() for path in self.system.root.rglob("*") if path.is_file()
        }


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_what_is_installed_ships():
    names = {path.name for path in SHIPPED.iterdir()}
    assert {"edge@.service", "70-edge.rules", "sysusers.conf", "tmpfiles.conf", "reboot.conf", "example.toml"} <= names


def test_installing_writes_the_settings_the_unit_and_what_both_need(machine):
    machine.install()
    files = machine.files()
    assert files["etc/edge/door.toml"] == 'source = "sample:"\n'
    assert oct(machine.system.settings("door").stat().st_mode)[-3:] == "640"
    assert "ExecStart=/opt/edge/bin/edge service run /etc/edge/%i.toml" in files["etc/systemd/system/edge@.service"]
    assert 'SUBSYSTEM=="apex"' in files["etc/udev/rules.d/70-edge.rules"]
    assert "z /etc/edge/*.toml 0640 root edge" in files["etc/tmpfiles.d/edge.conf"]
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
    machine.system.at("/etc/group").write_text(GROUPS + "apex:x:990:edge\ni2c:x:991:edge\n")
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


def test_uninstalling_removes_all_but_what_is_yours(machine):
    before = machine.files()
    machine.install(text=example("sample:"))
    machine.uninstall("door")
    assert machine.files() == before


def test_changed_settings_passwords_and_events_stay_until_they_are_purged(machine):
    before = machine.files()
    machine.install(reboot=True)
    machine.system.passwords("door")[0].write_text("secret")
    machine.system.state("door").mkdir(parents=True)
    (machine.system.state("door") / "events.sqlite").write_text("events")
    machine.system.at("/var/cache/edge").mkdir(parents=True)
    own = machine.system.drop_in("door") / "override.conf"
    own.write_text("[Service]\nNice=5\n")
    steps = machine.uninstall("door")
    assert "userdel" not in " ".join(machine.ran)
    assert set(machine.files()) - set(before) == {
        "etc/edge/door.toml",
        "etc/edge/door.mqtt-password",
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


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 80])
def test_a_name_that_can_be_none_is_refused(name):
    with pytest.raises(ConfigError, match="no camera's name"):
        named(name)


def test_the_example_is_right_and_takes_any_source(tmp_path):
    path = tmp_path / "door.toml"
    path.write_text(example('rtsp://10.0.0.3/a"b\\c'))
    assert load(path).source == 'rtsp://10.0.0.3/a"b\\c'


# --- the environment


def made(folder, module="lib/python3/site-packages/edge/__init__.py"):
    for name in ("bin/edge", "bin/python", module):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    return folder / "bin/edge", folder, folder / "bin/python", folder / module


def test_an_environment_that_does_not_stay_is_refused():
    with pytest.raises(ConfigError, match="install edgekit with pip"):
        checked(Path("/nowhere/edge"), Path("/nowhere"), Path("/nowhere/python"), Path("/nowhere/a/edge/__init__.py"))


def test_an_environment_in_tmp_is_refused(tmp_path):
    if not tmp_path.is_relative_to("/tmp"):
        pytest.skip("temporary files are elsewhere")
    with pytest.raises(ConfigError, match="where nothing stays"):
        checked(*made(tmp_path / "edge"))
