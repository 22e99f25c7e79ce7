#!/usr/bin/env python3
"""Run a command in a root of another architecture, by qemu's emulation of its processor.

usage: emulate.py ROOT [--bind FROM TO]... COMMAND...

Linux 6.7 and later keeps binary formats for each user namespace, so the handlers for aarch64 and armhf are registered
in one of its own: nothing on this machine changes, and they end with the command. In it are also a /proc of its own,
a fresh /tmp, this machine's /dev and /sys, and the folders of --bind, which cannot be written to. Ends as COMMAND does.
"""

import ctypes
import os
import sys
from pathlib import Path

NEW_FILES, NEW_USERS, NEW_PROCESSES = 0x20000, 0x10000000, 0x20000000
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
NOSUID, NODEV, DIE_WITH_PARENT, SIGKILL = 0x2, 0x4, 1, 9
CPUINFO = Path(__file__).with_name("cpuinfo")

HEADER = rb"\x7f\x45\x4c\x46\x0%d\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x%s\x00"
MASK = rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
MACHINES = {b"aarch64": (2, b"b7"), b"arm": (1, b"28")}
"""ELF's class (1: 32 bits, 2: 64) and machine of each; executables and shared objects (type 2 or 3)."""

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: Path, kind: str | None = None, flags: int = 0) -> None:
    name = kind.encode() if kind else None
    checked(libc.mount(source.encode(), str(target).encode(), name, flags, None), f"mount {kind or source}")


def bind(source: str, target: Path) -> None:
    """The same folder or file at a second place, without the right to write there."""
    mount(source, target, None, BIND | RECURSIVE)
    # What the first mount forbids stays forbidden in a user namespace, and has to be said again.
    kept = os.statvfs(target).f_flag & ~READ_ONLY & 0xE
    checked(libc.mount(b"", str(target).encode(), None, REMOUNT | BIND | READ_ONLY | kept, None), f"bind {source}")


def register(folder: Path) -> None:
    """Executables of these machines are opened by qemu; F: which is opened now, outside the root."""
    try:
        mount("binfmt_misc", folder, "binfmt_misc")
    except OSError as error:
        raise SystemExit(f"{error}; Linux 6.7 or later is needed, which keeps binary formats for a namespace") from None
    for name, (bits, machine) in MACHINES.items():
        line = b":qemu-%b:M::%b:%b:/usr/bin/qemu-%b-static:F" % (name, HEADER % (bits, machine), MASK, name)
        with (folder / "register").open("wb", buffering=0) as file:
            file.write(line)


def furnish(root: Path, binds: list[tuple[str, str]]) -> None:
    mount("none", Path("/"), None, PRIVATE | RECURSIVE)
    bind(str(root), root)
    mount("proc", root / "proc", "proc")
    register(root / "proc/sys/fs/binfmt_misc")
    # XNNPACK reads here which processor it is on, and crashes where it finds the host's.
    bind(str(CPUINFO), root / "proc/cpuinfo")
    for name in ("sys", "dev"):
        mount(f"/{name}", root / name, None, BIND | RECURSIVE)
    mount("tmpfs", root / "tmp", "tmpfs", NOSUID | NODEV)
    for source, target in binds:
        bind(source, root / target.lstrip("/"))


def first_process(root: Path, binds: list[tuple[str, str]], command: list[str]) -> int:
    """Process 1 of the namespace: ends with its parent, buries orphans, and tells how `command` ended."""
    furnish(root, binds)
    os.chroot(root)
    os.chdir("/tmp")
    child = os.fork()
    if child == 0:
        try:
            os.execvp(command[0], command)
        except OSError as error:
            raise SystemExit(f"{command[0]}: {error.strerror}, in {root}") from None
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status) & 255


def inside(root: Path, binds: list[tuple[str, str]], command: list[str], ready: int, mapped: int) -> int:
    checked(libc.unshare(NEW_USERS | NEW_FILES | NEW_PROCESSES), "a user namespace")
    os.write(ready, b"x")
    os.read(mapped, 1)
    os.setgid(0)
    os.setuid(0)
    checked(libc.prctl(DIE_WITH_PARENT, SIGKILL, 0, 0, 0), "prctl")
    first = os.fork()
    if first == 0:
        checked(libc.prctl(DIE_WITH_PARENT, SIGKILL, 0, 0, 0), "prctl")
        os._exit(first_process(root, binds, command))
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 255


def map_users(child: int) -> None:
    """Everybody keeps his number, so that tests may give up the rights of root."""
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{name}").write_text("0 0 4294967295\n")


def main(root: str, *words: str) -> int:
    binds, rest = [], list(words)
    while rest[:1] == ["--bind"]:
        binds.append((rest[1], rest[2]))
        del rest[:3]
    (hear_ready, ready), (hear_mapped, mapped) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hear_ready)
        os._exit(inside(Path(root).resolve(), binds, rest, ready, hear_mapped))
    os.close(ready)
    if os.read(hear_ready, 1):
        map_users(child)
        os.write(mapped, b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
