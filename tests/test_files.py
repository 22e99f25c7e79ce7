import os
from pathlib import Path

import pytest

from edge.files import data_folder, sha256_of, write_whole

DATA = b"some bytes"


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path):
    write_whole(tmp_path / "deep" / "a.bin", DATA)
    write_whole(tmp_path / "deep" / "a.bin", DATA + DATA)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.bin"]
    assert (tmp_path / "deep" / "a.bin").read_bytes() == DATA + DATA


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", DATA)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_hash_of_what_is_no_file_is_none(tmp_path):
    assert sha256_of(tmp_path / "none") is None
    assert sha256_of(tmp_path) is None
    assert sha256_of(Path(os.devnull)) is None


def test_what_was_fetched_is_kept_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "edgekit"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".local" / "share" / "edgekit"
