from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.mobilenet import data
from edge.mobilenet.data import Picture


def watch(items, title):
    return items


def write(path: Path, number: int) -> Path:
    """A picture that no other number gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def fill(folder: Path, counts: dict[str, int], first: int = 0) -> Path:
    for name, count in counts.items():
        for number in range(count):
            write(folder / name / f"{number}.png", first + number)
        first += count
    return folder


def names(pictures: list[Picture]) -> set[str]:
    return {picture.name for picture in pictures}


@given(
    kinds=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), min_size=1, max_size=60),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=100)
def test_no_picture_is_on_both_sides_and_each_class_is_on_both(kinds, share, seed) -> None:
    pictures = [Picture(Path(str(i)), label, str(i), f"{label}-{d}") for i, (label, d) in enumerate(kinds)]
    first, second = data.part(pictures, share, np.random.default_rng(seed))
    assert not {p.digest for p in first} & {p.digest for p in second}
    assert sorted(first + second) == sorted(pictures)
    for label in {label for label, _ in kinds}:
        different = len({p.digest for p in pictures if p.label == label})
        on_second = len({p.digest for p in second if p.label == label})
        assert on_second == min(max(1, round(share * different)), different - 1)


def test_the_same_seed_parts_alike_and_another_does_not(tmp_path: Path) -> None:
    folder = fill(tmp_path / "d", {"a": 20, "b": 30})
    once, again, other = (data.read(folder, seed, watch) for seed in (1, 1, 2))
    assert once == again
    assert names(once.test) != names(other.test)


def test_class_folders_alone_are_parted_in_three_in_proportion(tmp_path: Path) -> None:
    found = data.read(fill(tmp_path / "d", {"a": 20, "b": 40}), 0, watch)
    assert found.labels == ("a", "b")
    assert [sum(p.label == label for p in found.test) for label in (0, 1)] == [4, 8]
    assert [sum(p.label == label for p in found.val) for label in (0, 1)] == [2, 5]
    assert len(found.train) + len(found.val) + len(found.test) == 60
    assert found.held_out == "20% of d, by seed 0"


def test_what_data_names_as_test_is_only_scored_with(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": 10, "b": 10})
    fill(tmp_path / "test", {"a": 3, "b": 2}, 100)
    found = data.read(tmp_path, 0, watch)
    assert names(found.test) == {"test/a/0.png", "test/a/1.png", "test/a/2.png", "test/b/0.png", "test/b/1.png"}
    assert {name.split("/")[0] for name in names(found.train) | names(found.val)} == {"train"}


def test_with_val_and_test_val_says_when_to_stop_and_a_lone_val_is_scored_with(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": 10, "b": 10})
    fill(tmp_path / "val", {"a": 2, "b": 2}, 100)
    assert {name.split("/")[0] for name in names(data.read(tmp_path, 0, watch).test)} == {"val"}
    fill(tmp_path / "test", {"a": 1, "b": 1}, 200)
    found = data.read(tmp_path, 0, watch)
    assert {name.split("/")[0] for name in names(found.val)} == {"val"}
    assert {name.split("/")[0] for name in names(found.test)} == {"test"}
    assert len(found.train) == 20


def test_a_copy_under_another_name_and_format_is_left_out_of_train_and_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": 10, "b": 10})
    write(tmp_path / "train" / "a" / "copy.bmp", 100)
    fill(tmp_path / "test", {"a": 1, "b": 1}, 100)
    found = data.read(tmp_path, 0, watch)
    assert "train/a/copy.bmp" not in names(found.train) | names(found.val)
    assert found.notes == ["1 picture of train left out, as another side has the same: train/a/copy.bmp"]


def test_a_picture_in_two_classes_teaches_neither(tmp_path: Path) -> None:
    folder = fill(tmp_path / "d", {"a": 10, "b": 10})
    write(folder / "b" / "again.png", 0)
    found = data.read(folder, 0, watch)
    assert not {"a/0.png", "b/again.png"} & names(found.train + found.val + found.test)
    assert found.notes == ["2 pictures left out, as the same lie in two classes: a/0.png, b/again.png"]


def test_broken_pictures_are_named_and_counted_and_end_nothing(tmp_path: Path) -> None:
    folder = fill(tmp_path / "d", {"a": 10, "b": 10})
    for number in range(5):
        (folder / "a" / f"x{number}.jpg").write_bytes(b"\xff\xd8 no more")
    assert data.read(folder, 0, watch).notes == [
        "5 pictures that cannot be read or decoded: a/x0.jpg, a/x1.jpg, a/x2.jpg and 2 more"
    ]


def test_hidden_folders_and_files_and_other_files_do_not_count_and_deeper_folders_do(tmp_path: Path) -> None:
    folder = fill(tmp_path / "d", {"a": 10, "b": 10, ".cache": 3})
    write(folder / "a" / ".thumb.png", 900)
    write(folder / "a" / ".git" / "x.png", 901)
    write(folder / "a" / "day" / "one" / "x.png", 902)
    (folder / "a" / "notes.txt").write_text("no picture")
    found = data.read(folder, 0, watch)
    everything = names(found.train + found.val + found.test)
    assert found.labels == ("a", "b") and len(everything) == 21 and "a/day/one/x.png" in everything


def test_folders_beside_train_are_named(tmp_path: Path) -> None:
    fill(tmp_path, {"train/a": 10, "train/b": 10, "spare": 1})
    assert data.read(tmp_path, 0, watch).notes == ["folders beside train that do not count: spare"]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "no class folders; give at least two"),
        ({"a": 10}, "one class"),
        ({"a": 10, "b": 0}, "class b has no pictures"),
        ({"a": 10, "b": 7}, "class b has 7 different pictures that can be used; give each class at least 8"),
        ({"train/a": 10, "train/b": 10, "test/a": 2}, "no class b, which train has"),
        ({"train/a": 10, "train/b": 10, "test/a": 2, "test/b": 1, "test/c": 1}, "class c is not in train"),
        ({"test/a": 10, "test/b": 10}, "test but no train"),
        ({"a\tb": 10, "b": 10}, "no label can be called so"),
    ],
)
def test_a_folder_that_cannot_do_is_refused_in_a_line(tmp_path: Path, counts: dict[str, int], words: str) -> None:
    for name in counts:
        (tmp_path / name).mkdir(parents=True)
    fill(tmp_path, counts)
    with pytest.raises(ConfigError, match=words) as caught:
        data.read(tmp_path, 0, watch)
    assert "\n" not in str(caught.value)


def test_too_few_that_can_be_read_are_refused_with_the_broken_ones_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "d", {"a": 10, "b": 7})
    (folder / "b" / "x.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"class b has 7 .*1 picture that cannot be read or decoded: b/x.png"):
        data.read(folder, 0, watch)


def test_eight_copies_of_one_picture_are_one_picture(tmp_path: Path) -> None:
    folder = fill(tmp_path / "d", {"a": 10})
    for number in range(8):
        write(folder / "b" / f"{number}.png", 500)
    with pytest.raises(ConfigError, match="class b has 1 different"):
        data.read(folder, 0, watch)


def test_a_missing_folder_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(ConfigError, match="no such folder"):
        data.read(Path(folder) / "nowhere", 0, watch)
