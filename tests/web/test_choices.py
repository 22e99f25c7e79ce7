"""What may be chosen on a page."""

import logging
import threading

from edge import models, settings
from edge.web.choices import LOOK_S, WAIT_S, Choices

CAMERAS = [("camera:0", "one"), ("camera:1", "another")]


def test_cameras_are_asked_for_when_somebody_wants_to_choose_and_not_often():
    asked, now = [], [0.0]

    def cameras():
        asked.append(now[0])
        return CAMERAS[: len(asked)]

    choices = Choices(cameras, clock=lambda: now[0])
    written = settings.Settings(name="door")
    assert choices.sources(written, known=True) == [] and asked == [], "nobody waits for a camera"
    assert choices.sources(written) == CAMERAS[:1]
    now[0] = LOOK_S
    assert choices.sources(written) == choices.sources(written, known=True) == CAMERAS[:1]
    now[0] = LOOK_S + 1
    assert choices.sources(written) == CAMERAS
    assert asked == [0.0, LOOK_S + 1]


def test_a_driver_that_hangs_holds_up_one_who_asks_and_nobody_else():
    now, begun, go = [100.0], threading.Event(), threading.Event()

    def cameras():
        begun.set()
        assert go.wait(60)
        return CAMERAS

    choices = Choices(cameras, clock=lambda: now[0])
    written = settings.Settings(name="door")
    held = threading.Thread(target=choices.sources, args=(written,))
    held.start()
    try:
        assert begun.wait(60)
        now[0] += WAIT_S  # so long the others wait with it
        assert [choices.sources(written) for _ in range(9)] == [[]] * 9
        now[0] = 40.0  # as if that were yet to come
        found = []
        waits = threading.Thread(target=lambda: found.append(choices.sources(written)))
        waits.start()
    finally:
        go.set()
        held.join()
    waits.join()
    assert found == [CAMERAS]


def test_what_the_settings_name_is_not_offered_again():
    choices = Choices(lambda: CAMERAS)
    assert choices.sources(settings.Settings(name="door", source="camera:0")) == CAMERAS[1:]


def test_whatever_a_driver_does_the_page_goes_on_with_what_it_knew(caplog):
    now, broken = [0.0], []

    def cameras():
        if broken:
            raise SystemError("segmentation\nfault")
        return CAMERAS

    choices = Choices(cameras, clock=lambda: now[0])
    written = settings.Settings(name="door")
    assert choices.sources(written) == CAMERAS
    broken.append(True)
    now[0] = 100.0
    with caplog.at_level(logging.INFO, "edge"):
        assert choices.sources(written) == CAMERAS
    assert "cameras cannot be listed: segmentation fault" in caplog.text


def test_models_are_those_that_ship_and_those_that_were_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Choices(list).models() == sorted(models.shipped())
    store = tmp_path / "edgekit" / "models"
    store.mkdir(parents=True)
    (store / "tiny.tflite").write_bytes(b"")
    (store / "notes.txt").write_bytes(b"")
    assert Choices(list).models() == sorted([*models.shipped(), "tiny"])
