import os
from pathlib import Path

import pytest

from edge.files import data_folder, is_utf8, printable, read_small, sha256_of, write_whole

DATA = b"some bytes"


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path):
    write_whole(tmp_path / "deep" / "a.bin", DATA)
    write_whole(tmp_path / "deep" / "a.bin", DATA + DATA)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.bin"]
    assert (tmp_path / "deep" / "a.bin").read_bytes() == DATA + DATA


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_whole(tmp_path / "taken", DATA)
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "taken"), None)
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


def test_the_bytes_reach_the_disk_before_the_file_has_its_name_and_then_the_name(tmp_path, monkeypatch):
    synced = []

    def sync(handle):
        place = Path(f"/proc/self/fd/{handle}").resolve()
        synced.append((place == tmp_path, (tmp_path / "a.bin").exists(), place.stat().st_size))
        if place == tmp_path:
            raise OSError("a file system that cannot")

    monkeypatch.setattr("os.fsync", sync)
    write_whole(tmp_path / "a.bin", DATA)
    (file, named, size), (folder, named_then, _) = synced
    assert (file, named, size) == (False, False, len(DATA))
    assert (folder, named_then) == (True, True)


def test_a_name_as_long_as_names_can_be_is_written(tmp_path):
    write_whole(tmp_path / ("x" * 255), DATA)
    with pytest.raises(OSError, match=r"File name too long: .*x{256}"):
        write_whole(tmp_path / ("x" * 256), DATA)
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]


def test_a_name_is_shown_without_what_is_no_text_and_what_steers_a_terminal():
    assert printable("Ä\x1b[2J\n\udcff.png") == "Ä\ufffd[2J\ufffd\ufffd.png"
    assert is_utf8("Ä\x1b.png") and not is_utf8("\udcff.png")


def test_a_small_file_is_read_and_what_is_large_or_none_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    assert read_small(tmp_path / "a", len(DATA)) == DATA
    with pytest.raises(OSError, match="larger than 0 KiB"):
        read_small(tmp_path / "a", len(DATA) - 1)
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(OSError, match="no regular file"):
            read_small(path)
    with pytest.raises(IsADirectoryError):
        read_small(tmp_path)


def test_a_pipe_or_device_never_loses_its_place_to_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="no regular file"):
        write_whole(pipe, b"data")
    assert pipe.is_fifo()
