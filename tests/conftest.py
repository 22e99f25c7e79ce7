"""What several test files share: the shared data, tiny models that are made here, and the command line."""

import logging
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import commands
import pytest
from commands import Ran
from hypothesis import settings
from tiny import Tiny, TinyOnnx

import edge
from edge.cli import execute as run_command

EMULATED = "EDGE_EMULATED" in os.environ
"""Each instruction is dear there; what is the same on every machine is looked for where it is not."""

settings.register_profile("suite", deadline=None, database=None, derandomize=True)
settings.register_profile("emulated", settings.get_profile("suite"), max_examples=30)
settings.load_profile("emulated" if EMULATED else "suite")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """What `-n auto` stands for: three workers for two processors, since a third of the tests' time is waiting."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist goes by that
    processors = len(os.sched_getaffinity(0))
    return processors + -(-processors // 2)


@pytest.fixture(autouse=True)
def no_filters_are_left():
    """A service that ran in this process has put filters on pytest's own handlers, which serve all tests."""
    yield
    for handler in logging.getLogger().handlers:
        handler.filters.clear()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test writes into the cache of whoever runs it."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("XDG_DATA_HOME", str(cache / "data"))
        yield cache


@pytest.fixture
def plain_user() -> Iterator[Path]:
    """A folder whose owner may be kept out of what is in it: root, who reads everything, is somebody else meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        user = os.geteuid()
        if user == 0:
            os.chown(name, 65534, -1)
            os.seteuid(65534)
        try:
            if not os.access(edge.__file__, os.R_OK, effective_ids=True):
                pytest.skip("the package lies where root alone can read it")
            yield Path(name)
        finally:
            os.seteuid(user)
            for path in Path(name).rglob("*"):
                path.chmod(0o700)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the shared test data is not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def classifier() -> Iterator[object]:
    """The default model, loaded once for all tests."""
    import edge

    with edge.Classifier(threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def command() -> Callable[..., Ran]:
    return commands.edge


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`edge ...` in this process."""

    def run(*arguments: object, debug: bool = False, **program: object) -> Ran:
        capfd.readouterr()
        code = run_command([str(argument) for argument in arguments], debug, **program)
        sys.stdout.flush()
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture(scope="session")
def tiny_onnx() -> TinyOnnx:
    return TinyOnnx()


@pytest.fixture
def tiny_file(tiny: Tiny, tmp_path: Path) -> Path:
    """A tiny uint8 classifier with its labels beside it: "class a" to "class l"."""
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny())
    path.with_suffix(".txt").write_text("".join(f"class {letter}\n" for letter in "abcdefghijkl"))
    return path


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delegate that stands in for libedgetpu; the variable EDGE_STANDIN names one that was built elsewhere."""
    ready = os.environ.get("EDGE_STANDIN")
    if ready:
        return Path(ready)
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler, which builds the stand-in for libedgetpu")
    library = tmp_path_factory.mktemp("standin") / "libstandin.so"
    source = Path(__file__).with_name("edgetpu") / "standin.c"
    line = [compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(line, check=True, timeout=60)
    return library


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Tells the stand-in what to do, in the words of tests/edgetpu/standin.c; it reads them when it is loaded."""
    path = tmp_path / "play"
    monkeypatch.setenv("EDGE_STANDIN_PLAY", str(path))

    def tell(*lines: str) -> None:
        path.write_text("".join(f"{line}\n" for line in lines))

    tell()
    return tell


@pytest.fixture
def compiled_file(tiny: Tiny, tmp_path: Path) -> Path:
    """A tiny model as the Edge TPU's compiler leaves it, with labels: the stand-in gives each byte as its score."""
    path = tmp_path / "tiny_edgetpu.tflite"
    path.write_bytes(tiny.compiled())
    path.with_suffix(".txt").write_text("".join(f"class {letter}\n" for letter in "abcdefghijkl"))
    return path


@pytest.fixture
def profile_file(tmp_path: Path, tiny_file: Path) -> Callable[..., Path]:
    """Writes a profile whose interpreter is scripted and whose model is the tiny one."""

    def write(script: str = '["class 1 0.9"]', *, extra: str = "", options: str = "size = 8", name: str = "p") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'name = "{name}"\nmodel = "{tiny_file}"\n{extra}\n'
            f'[[interpreter]]\nkind = "scripted"\nscript = {script}\n{options}\n'
        )
        return path

    return write


@pytest.fixture(scope="session")
def jpeg_header() -> Callable[[bytes], tuple[int, int]]:
    def size(data: bytes) -> tuple[int, int]:
        at = data.index(b"\xff\xc0")
        height, width = struct.unpack_from(">HH", data, at + 5)
        return width, height

    return size
