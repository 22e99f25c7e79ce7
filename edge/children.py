"""Child processes of Python, for what may crash or hang: they end with this process, and are never waited for for ever.

started --> ends by itself | is killed, and waited for a few seconds | stays behind, held by a driver
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from edge.errors import DeviceError, one_line

END_S = 2.0
"""Seconds that a child which was killed is waited for. One that hangs in a driver ends when that lets go of it."""

FIRST_TO_GO = 500
"""What the kernel adds to its reckoning where memory runs out, in thousandths of all there is: see proc(5)."""

BEGIN = (
    "import sys; sys.path[:] = {path!r}; from edge.children import belong; alive, *handles = {numbers}; belong(alive); "
)

Stream = int | IO[bytes]
"""What a stream of a process may lead to: see `subprocess.Popen`."""


class Child:
    """Python in a process of its own, and in a session of its own, which ends when this process does, and is the first
    to go where memory runs out.

    process: as `subprocess` has it.
    """

    def __init__(
        self, code: str, *, stdin: Stream, stdout: Stream, stderr: Stream, handles: Sequence[int] = ()
    ) -> None:
        """Run `code`, which imports what it needs, and finds the open files that it gets as `handles`.

        Raises DeviceError where no process can be started.
        """
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as given:
            try:
                alive, self._living = os.pipe()
                ours.callback(os.close, self._living)
                given.callback(os.close, alive)
                numbers = [_above_the_streams(handle, given) for handle in (alive, *handles)]
                line = [sys.executable, "-c", BEGIN.format(path=sys.path, numbers=numbers) + code]
                self.process = subprocess.Popen(
                    line, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=numbers, start_new_session=True
                )
            except OSError as error:
                raise DeviceError(f"no process can be started ({one_line(error)}); free some memory") from error
            _be_first_to_go(self.process.pid)
            ours.pop_all()

    def kill(self) -> None:
        """Kill it with what it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self, limit_s: float = END_S) -> bool:
        """Kill it with what it started, and wait for that at most `limit_s` seconds; whether it has ended.

        To be called once, also where it has ended by itself: what it started may be there still.
        """
        self.kill()
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        finally:
            os.close(self._living)
            for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()
        return True


def _be_first_to_go(child: int) -> None:
    """Have the kernel take a child before this process, from now on: one that has to say so itself is spared while it
    begins, and its parent killed in its place."""
    with contextlib.suppress(OSError):
        own = int(Path("/proc/self/oom_score_adj").read_text())
        Path(f"/proc/{child}/oom_score_adj").write_text(str(max(own, FIRST_TO_GO)))


def _above_the_streams(handle: int, stack: contextlib.ExitStack) -> int:
    """Another number for an open file: where this process has no stdin, say, the first one to be opened has its."""
    number = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 3)
    stack.callback(os.close, number)
    return number


class Ended(NamedTuple):
    """How a child ended: `code` as `subprocess` has it, None where it did not within its limit; and what it wrote."""

    code: int | None
    out: bytes
    err: bytes

    @property
    def last_words(self) -> str:
        """The last line that it wrote to stderr, or how it ended."""
        lines = self.err.decode("utf-8", "replace").strip().splitlines()
        return one_line(lines[-1]) if lines else "no answer" if self.code is None else death(self.code)


def run(code: str, limit_s: float, data: bytes = b"") -> Ended:
    """Run Python code in a child, with `data` on its standard input, for at most `limit_s` seconds.

    Raises DeviceError where no process can be started.
    """
    child = Child(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = child.process.communicate(data, limit_s)
    except subprocess.TimeoutExpired as error:
        return Ended(None, error.output or b"", error.stderr or b"")
    finally:
        child.end()
    return Ended(child.process.returncode, out, err)


def death(code: int) -> str:
    """How a process ended, by its return code: "SIGSEGV", "exit code 1"."""
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"


def belong(alive: int) -> None:
    """What every child does first: end with its parent, leave signals from outside to it, and write no core dumps.

    The kernel ends this process by SIGIO when the other end of the pipe `alive` is closed, whatever this process is
    busy with. (PR_SET_PDEATHSIG would do it when the thread ends that started the process.)
    """
    fcntl.fcntl(alive, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(alive, fcntl.F_SETFL, fcntl.fcntl(alive, fcntl.F_GETFL) | os.O_ASYNC)
    ended = select.poll()
    ended.register(alive, 0)
    if ended.poll(0):  # closed before it was asked for
        os._exit(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
