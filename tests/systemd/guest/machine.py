"""What the tests ask of the machine they run on."""

import stat
import subprocess
import time
from pathlib import Path

EDGE = "/opt/edge/bin/edge"
FREEZE = Path("/run/freeze")


def run(*argv, code=0, **more):
    """Run a command; returns what it wrote to both streams."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **more)
    assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}"
    return done.stdout


def edge(*argv, code=0):
    return run(EDGE, *argv, code=code)


def service(*argv, code=0):
    return edge("service", *argv, code=code)


def shown(name, *properties):
    """Properties of a camera's unit, by their names."""
    told = run("systemctl", "show", f"--property={','.join(properties)}", f"edge@{name}.service")
    return dict(line.partition("=")[::2] for line in told.splitlines())


def property_of(name, one):
    return shown(name, one)[one]


def pid(name):
    return int(property_of(name, "MainPID"))


def restarts(name):
    return int(property_of(name, "NRestarts"))


def journal(name):
    return run("journalctl", "--no-pager", "--output=cat", f"--unit=edge@{name}.service")


def until(true, limit_s, told=lambda: ""):
    """Wait until something is so; returns the seconds that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < limit_s, f"not within {limit_s} s: {told()}"
        time.sleep(0.1)
    return time.monotonic() - began


def runs(name, limit_s=60):
    """Wait until a camera has given its first answer."""
    return until(lambda: property_of(name, "ActiveState") == "active", limit_s, lambda: journal(name)[-2000:])


LEFT_OUT = {"/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/log", "/job", "/edgekit", "/var/lib/systemd"}
"""Where systemd itself, the journal and the tests write all the time."""


def files(folder=Path("/")):
    """What each file that is there is: its mode, owner, group and size."""
    found = {}
    for path in folder.iterdir():
        if str(path) in LEFT_OUT or path.name == "__pycache__":
            continue
        status = path.lstat()
        plain = stat.S_ISREG(status.st_mode)
        found[str(path)] = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_size if plain else 0)
        if stat.S_ISDIR(status.st_mode):
            found |= files(path)
    return found
