import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.models import labels


def test_a_label_file_has_one_label_a_line(tmp_path):
    path = tmp_path / "l.txt"
    path.write_bytes("cat\r\n dog \nÄffchen\n\n\n".encode("utf-8-sig"))
    assert labels.read(path) == ("cat", "dog", "Äffchen")


def test_blank_lines_between_are_classes_without_a_name():
    assert labels.split(b"a\n\nb\n") == ("a", "", "b")


def test_an_empty_file_has_no_labels():
    assert labels.split(b"\n \n") == ()


@pytest.mark.parametrize("data", [b"a\0b", b"x" * (labels.MOST_BYTES + 1)])
def test_a_file_that_is_no_list_of_labels_is_refused(tmp_path, data):
    path = tmp_path / "l.txt"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"labels {path}: not a list of labels; give a text file"):
        labels.read(path)


def test_a_label_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"labels .*none.txt: No such file or directory; give a text file"):
        labels.read(tmp_path / "none.txt")
    with pytest.raises(ModelError, match=r"Is a directory; give a text file"):
        labels.read(tmp_path)


NAME = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=12)


@settings(max_examples=150)
@given(names=st.lists(NAME.map(str.strip).filter(bool), max_size=12))
def test_names_that_are_written_come_back(names):
    assert labels.split("\n".join(names).encode()) == tuple(names)


@settings(max_examples=150)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_split_into_single_lines(data):
    for label in labels.split(data):
        assert label == label.strip()
        assert len(label.splitlines()) <= 1


def test_labels_inside_a_model_are_found(tiny):
    model = tiny.zipped(tiny(), {"meta.json": b"{}", "labels.txt": b"cat\ndog\n"})
    assert labels.embedded(model) == ("cat", "dog")


def test_a_model_without_a_zip_has_no_labels(tiny):
    assert labels.embedded(tiny()) is None


def test_a_zip_without_a_text_file_holds_no_labels(tiny):
    assert labels.embedded(tiny.zipped(tiny(), {"anchors.csv": b"1,2"})) is None


def test_a_text_in_the_zip_that_is_too_large_is_no_list_of_labels(tiny):
    model = tiny.zipped(tiny(), {"labels.txt": b"\n" * (labels.MOST_BYTES + 1)})
    assert labels.embedded(model) is None


@settings(max_examples=250)
@given(data=st.data())
def test_a_damaged_zip_gives_labels_or_none(tiny, data):
    model = bytearray(tiny.zipped(tiny(), {"labels.txt": b"cat\ndog\nbird\n" * 9}))
    start = len(tiny())
    for _ in range(data.draw(st.integers(1, 6))):
        model[data.draw(st.integers(start, len(model) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(start, len(model)))
    found = labels.embedded(bytes(model[:cut]))
    assert found is None or all(isinstance(label, str) for label in found)


def test_only_the_end_of_a_line_ends_a_label_and_nothing_steers_the_terminal():
    assert labels.split("a\x85b\rc\x0bd\n\x1b]0;pwned\x07e\r\nf".encode()) == ("a b", "c d", "]0;pwned e", "f")
    assert labels.split("a\u2028b\u202ec\nno\u2066d".encode()) == ("a b c", "no d"), "nor turns it round"
