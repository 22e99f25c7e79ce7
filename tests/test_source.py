import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge import adapters, source
from edge.adapters import Adapter
from edge.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "kind", "options"),
    [
        ("camera:0", "v4l2", {"device": "/dev/video0"}),
        ("camera:12", "v4l2", {"device": "/dev/video12"}),
        ("v4l2:///dev/video0", "v4l2", {"device": "/dev/video0"}),
        ("v4l2:///dev/v4l/by-id/usb-x", "v4l2", {"device": "/dev/v4l/by-id/usb-x"}),
        ("/dev/video7", "v4l2", {"device": "/dev/video7"}),
        ("picamera:0", "picamera", {"number": 0}),
        ("picamera:1", "picamera", {"number": 1}),
        ("rtsp://host:554/stream", "stream", {"url": "rtsp://host:554/stream"}),
        ("rtsps://host/stream", "stream", {"url": "rtsps://host/stream"}),
        ("http://host/video.mjpg", "stream", {"url": "http://host/video.mjpg"}),
        ("https://host/a?b=c#d", "stream", {"url": "https://host/a?b=c#d"}),
        ("sample:", "sample", {}),
        ("scripted:frames 3; stall 1 ;fail it;", "scripted", {"script": ["frames 3", "stall 1", "fail it"]}),
    ],
)  # fmt: skip
def test_a_source_names_an_adapter(text, kind, options):
    assert source.parse(text) == Adapter(kind, options)


def test_files_are_told_apart_by_what_they_are(tmp_path):
    picture, nameless, video = tmp_path / "a.jpg", tmp_path / "picture", tmp_path / "clip"
    cv2.imwrite(str(picture), np.zeros((4, 4, 3), np.uint8))
    nameless.write_bytes(picture.read_bytes())
    video.write_bytes(b"no picture")
    assert source.parse(str(picture)) == Adapter("images", {"path": str(picture)})
    assert source.parse(str(nameless)) == Adapter("images", {"path": str(nameless)})
    assert source.parse(str(video)) == Adapter("stream", {"url": str(video)})
    assert source.parse(str(tmp_path)) == Adapter("images", {"path": str(tmp_path)})
    assert source.parse(str(tmp_path / "*.jpg")) == Adapter("images", {"path": str(tmp_path / "*.jpg")})


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a[1].jpg").write_bytes(b"x")
    assert source.parse("a[1].jpg") == Adapter("images", {"path": "a[1].jpg"})


def test_a_file_with_a_colon_in_its_name_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "at:noon.avi").write_bytes(b"x")
    assert source.parse("at:noon.avi") == Adapter("stream", {"url": "at:noon.avi"})


@pytest.mark.parametrize(
    "text",
    [
        "ftp://host/a",
        "camera:front",
        "camera:",
        "kinect:0",
        "picamera:",
        "picamera:64",
        "picamera:x",
        "rtsp://",
        "http:// x",
        "sample:2",
    ],
)
def test_a_source_that_nobody_understands_is_refused_with_the_grammar(text):
    with pytest.raises(ConfigError) as caught:
        source.parse(text)
    assert str(caught.value) == f"source {text}: nobody here understands it; {source.GRAMMAR}"


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"source nowhere/cat.jpg: no such file or folder; give camera:0"):
        source.parse("nowhere/cat.jpg")


def test_an_empty_source_is_refused():
    with pytest.raises(ConfigError, match="the source is empty; give camera:0"):
        source.parse("")


def test_a_thing_that_is_neither_file_nor_folder_is_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="nobody here understands it"):
        source.parse(str(tmp_path / "pipe"))


@settings(deadline=None, max_examples=400)
@given(
    text=st.text(max_size=40)
    | st.from_regex(r"((pi)?camera|v4l2|rtsp|https?|scripted|sample|/dev/|file):?/{0,3}.{0,20}")
)
@example("a\0b")
@example("x" * 5000)
@example("a" * 300 + "/b")
@example("\ud800")
@example("**")
@example("[")
def test_any_text_names_a_known_adapter_or_is_refused_in_words(text):
    try:
        adapter = source.parse(text)
    except ConfigError as error:
        assert str(error)
    else:
        assert adapters.check("cameras", adapter.kind, adapter.options, "") == adapter.options


def test_the_default_source_is_the_first_camera_or_the_sample():
    from edge.cameras import v4l2

    found = v4l2.devices()
    assert source.default() == (f"v4l2://{found[0]}" if found else "sample:")
    assert source.parse(source.default()).kind == ("v4l2" if found else "sample")


def test_a_raspberry_pis_own_camera_comes_before_others(tmp_path):
    (tmp_path / "dev").mkdir()
    assert source.default(tmp_path) == "sample:"
    name = tmp_path / "sys/class/video4linux/video0/name"
    name.parent.mkdir(parents=True)
    name.write_text("unicam-image\n")
    assert source.default(tmp_path) == "picamera:0"
