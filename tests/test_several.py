"""Several cameras in one process: real parts, scripted cameras and interpreters."""

import json
import logging
import signal
import sqlite3
import time
from contextlib import closing, contextmanager
from threading import Thread

import pytest

from edge import whose
from edge.cli.service.status import shown
from edge.host import Facts, State
from edge.host.scripted import Scripted
from edge.recovery import Backoff
from edge.service.install.system import System
from edge.service.life import Life
from edge.service.logs import Sparing
from edge.service.opening import opened
from edge.service.places import EVENTS
from edge.service.reload import Reload
from edge.service.signals import Asked
from edge.service.status import read
from edge.service.voices import Voice, Voices
from edge.vitals import Choice

FACTS = Facts(
    board=None, family="pc", cpu=None, machine="x86_64", cores=2, memory_bytes=None, kernel="", system="", python="",
    versions={},
)  # fmt: skip

GUARD_S = 60.0

RULES = "[rules]\nsmooth_s = 0\nconfirm_frames = 2\nclear_frames = 2\nclear_s = 0\n"


def here(settings, ladder, shares):
    return opened(settings, ladder, shares, isolated=False)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Makes the life of several cameras: each by name, with what it sees."""
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def make(more=RULES, live=False, answers=("class 3",), **cameras):
        text = more
        for name, script in cameras.items():
            steps = [script] if isinstance(script, str) else script
            (tmp_path / f"{name}.toml").write_text(
                f'name = "p"\n[[interpreter]]\nkind = "scripted"\nscript = {list(answers)}\nsize = 8\n'
                f'[camera]\nkind = "scripted"\nscript = {json.dumps(steps)}\nlive = {str(live).lower()}\n'
                + (f'state = "{tmp_path / name}"\n' if len(steps) > 1 else "")
            )
            text += f'[[camera]]\nname = "{name}"\nprofile = "{name}.toml"\n'
        (tmp_path / "house.toml").write_text(text)
        return life_of(tmp_path / "house.toml")

    return make


HOST = Scripted(FACTS, [State(at_ns=0, temperature_c=50.0)])


def life_of(path):
    reload = Reload(path, check=lambda settings: None)
    return Life(reload, Asked(), work=here, host=HOST, meter=lambda settings: None)


@contextmanager
def running(life):
    """Have it run meanwhile."""
    ran = []
    thread = Thread(target=lambda: ran.append(life.run()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        life.stop()
        thread.join(GUARD_S)
    assert ran == [(0, False)]


def hurry(supervisor):
    """Have it do so as if it had tried for long."""
    supervisor._well_at -= 10
    supervisor._pauses = Backoff(0.01, 0.01)


def events(folder):
    with closing(sqlite3.connect(folder / EVENTS)) as database:
        return database.execute("SELECT kind, label FROM events").fetchall()


def until(true):
    end = time.monotonic() + GUARD_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.01)


def test_each_has_its_own_answers_events_and_name(house, tmp_path):
    life = house(door="frames 6", yard="frames 9")
    assert life.run() == (0, False)
    assert [(post.name, post.vitals.frames) for post in life.posts] == [("house-door", 6), ("house-yard", 9)]
    for name in ("door", "yard"):
        assert events(tmp_path / "state" / name)[:1] == [("appeared", "tiger shark")]
    assert [post.vitals.temperature_c for post in life.posts] == [50.0, 50.0]


def test_one_that_does_not_work_keeps_no_other_from_it(house, caplog):
    life = house(RULES + "[recovery]\nfps = 200\npatience_s = 5\n", door="fail no picture", yard="frames 100000")
    hurry(life.posts[0].supervisor)
    with running(life):
        until(lambda: "the others go on" in caplog.text and life.posts[1].vitals.frames > 10)
        assert life.posts[0].waits and "house-door: scripted camera: no picture" in caplog.text


def test_one_that_is_lost_comes_back_while_the_others_go_on(house, caplog):
    lost = ["frames 5", "fail cable pulled", "absent 1", "frames 100000"]
    life = house(RULES + "[recovery]\nfps = 500\n", live=True, door=lost, yard="frames 1000000")
    door, yard = (post.vitals for post in life.posts)
    with running(life):
        until(lambda: "camera" in door.problems)
        before = yard.frames
        until(lambda: yard.frames > before + 5 and door.condition == "recovering")
        until(lambda: door.frames > 10 and not door.problems)
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("house-door: ") and "is back after" in line for line in lines)
    assert not yard.ladder.counts["camera"] and door.ladder.counts["camera"]


def test_one_whose_settings_are_mended_is_begun_again_at_once(house, tmp_path, caplog):
    house(RULES + "[recovery]\nfps = 500\n", door="frames 1000000", yard="frames 1000000")
    path = tmp_path / "house.toml"
    good = path.read_text()
    path.write_text(f'{good}model = "nowhere.tflite"\n')
    life = life_of(path)
    door, yard = life.posts
    with running(life):
        until(lambda: yard.waits)
        assert yard.vitals.condition == "recovering" and "nowhere.tflite" in yard.vitals.problems["interpreter"]
        assert "nowhere.tflite" in yard.vitals.words
        path.write_text(good)
        life._asked.take(signal.SIGHUP)
        until(lambda: yard.vitals.frames > 5)
        assert not yard.vitals.problems and door.vitals.condition == "running"


def test_each_line_of_the_log_says_which_camera_it_is_of(house, caplog):
    caplog.set_level(logging.INFO)
    assert house(door="frames 6", yard="frames 9").run() == (0, False)
    lines = [record.getMessage() for record in caplog.records]
    assert lines and all(line.startswith(("house-door: ", "house-yard: ")) for line in lines)
    assert {line.partition(": ")[0] for line in lines} == {"house-door", "house-yard"}


def test_a_flood_of_one_camera_hides_no_line_of_another():
    sparing, places = Sparing(lambda: 0.0), []
    for name in ["a"] * 50 + ["b"]:
        record = logging.LogRecord("edge", logging.INFO, "x.py", 1, "lost %s", ("it",), None)
        with whose.of(name):
            whose.named(record)
        places += [name] * sparing.filter(record)
    assert places == ["a"] * 20 + ["b"]
    assert record.getMessage() == "b: lost it"


def test_a_line_of_a_process_with_one_camera_stays_as_it_is():
    record = logging.LogRecord("edge", logging.INFO, "x.py", 1, "100 %% of %s", ("it",), None)
    assert whose.named(record) and record.getMessage() == "100 % of it" and not hasattr(record, "camera")


def test_one_is_paused_and_another_looks_at_something_else_while_the_third_goes_on(house):
    life = house(RULES + "[recovery]\nfps = 500\n", door="frames 1000000", yard="frames 1000000", gate="frames 1000000")
    door, yard, gate = life.posts
    with running(life):
        until(lambda: all(post.vitals.frames for post in life.posts))
        door.controls.paused = True
        yard.controls.choice = Choice(source="sample:")
        until(lambda: door.vitals.condition == "paused")
        until(lambda: (yard.vitals.latest or [None])[0] is not None and yard.vitals.latest[0].size != (64, 48))
        assert [post.parts.settings.source for post in life.posts] == [None, "sample:", None]
        stands, before = door.vitals.frames, gate.vitals.frames
        until(lambda: gate.vitals.frames > before + 5)
        assert door.vitals.frames == stands and gate.vitals.condition == "running"
        door.controls.paused = False
        until(lambda: door.vitals.frames > stands)


def test_a_recording_that_has_ended_leaves_the_others_to_go_on(house):
    life = house(RULES + "[recovery]\nfps = 500\n", door="frames 3", yard="frames 1000000")
    door, yard = life.posts
    with running(life):
        until(lambda: door.ended)
        before = yard.vitals.frames
        until(lambda: yard.vitals.frames > before + 5)
    assert door.vitals.frames == 3


def test_where_none_works_the_process_ends(house, caplog):
    life = house(RULES + "[recovery]\npatience_s = 5\n", door="fail no picture", yard="fail nor here")
    for post in life.posts:
        hurry(post.supervisor)
    assert life.run() == (1, False)
    assert all(record.getMessage().startswith("house-") for record in caplog.records)


def test_another_list_of_cameras_has_all_begin_again(house, tmp_path):
    life = house(RULES + "[recovery]\nfps = 200\n", door="frames 100000", yard="frames 100000")
    ran = []
    thread = Thread(target=lambda: ran.append(life.run()), daemon=True)
    thread.start()
    until(lambda: all(post.vitals.frames for post in life.posts))
    path = tmp_path / "house.toml"
    path.write_text(path.read_text().replace('"yard"', '"gate"', 1))
    life._asked.take(signal.SIGHUP)
    thread.join(GUARD_S)
    assert ran == [(0, True)]


# --- one voice


class Manager:
    def __init__(self):
        self.said = []

    def __getattr__(self, name):
        return lambda *words: self.said.append((name, *words))


def test_they_are_alive_while_all_of_them_are():
    manager = Manager()
    voices = Voices(manager, ["a", "b"])
    one, other = Voice(voices, "a"), Voice(voices, "b")
    one.alive()
    one.alive()
    assert manager.said == []
    other.alive()
    assert manager.said == [("alive",)]
    one.alive()
    assert manager.said == [("alive",)]
    voices.over("b")
    one.alive()
    assert manager.said == [("alive",)] * 2


def test_one_line_tells_what_each_does_and_a_reload_ends_with_the_last():
    manager = Manager()
    voices = Voices(manager, ["a", "b"])
    one, other = Voice(voices, "a"), Voice(voices, "b")
    one.status("running")
    other.extend(3.0)
    one.ready()
    other.extend(3.0)
    one.reloading()
    other.reloading()
    one.ready()
    other.ready()
    assert manager.said == [
        ("status", "a: running | b: starting"), ("extend", 3.0), ("ready",), ("reloading",), ("ready",),
    ]  # fmt: skip


def test_one_that_has_ended_is_not_waited_for_by_a_reload():
    manager = Manager()
    voices = Voices(manager, ["a", "b"])
    one, other = Voice(voices, "a"), Voice(voices, "b")
    one.reloading()
    other.reloading()
    one.ready()
    voices.over("b")
    other.reloading()
    assert manager.said == [("reloading",), ("ready",)]


def test_what_all_of_them_say_fits_into_one_message():
    manager = Manager()
    names = [f"camera-{number}" for number in range(16)]
    voices = Voices(manager, names)
    for name in names:
        Voice(voices, name).status("ü" * 250)
    assert all(len(f"STATUS={said}".encode()) < 4096 for _, said in manager.said)


def test_the_status_of_a_service_tells_each_of_its_cameras(tmp_path):
    text = "house-door: running on litert-cpu; sees tabby | house-yard: camera: no frame | for 10 s"
    assert status_of(tmp_path, text).cameras == {}
    text = "house-door: running on litert-cpu; sees tabby | house-yard: camera: no frame"
    found = status_of(tmp_path, text)
    assert found.cameras["house-yard"] == "camera: no frame"
    assert shown(found) == (
        "house: running\n  house-door: running on litert-cpu; sees tabby\n  house-yard: camera: no frame"
    )


def status_of(folder, text):
    shows = f"ActiveState=active\nSubState=running\nStatusText={text}\n"
    (found,) = read(["house"], System(folder), lambda argv: shows)
    return found


# --- one interpreter


def two(house, tmp_path, own=""):
    """Two cameras with the same profile, whose interpreter says how often it was opened."""
    life = house(door="frames 20", yard="frames 20")
    text = (tmp_path / "door.toml").read_text()
    (tmp_path / "door.toml").write_text(own + text)
    (tmp_path / "yard.toml").write_text(own + text)
    return life


def test_cameras_with_the_same_model_take_turns_on_one_interpreter(house, tmp_path):
    life = two(house, tmp_path)
    engines = {}
    for post in life.posts:

        def saw(frame, result, post=post, before=post.parts.saw):
            engines[post.name] = post.supervisor._pipeline.engine
            before(frame, result)

        post.parts.saw = saw
    assert life.run() == (0, False)
    assert [post.vitals.frames for post in life.posts] == [20, 20]
    assert engines["house-door"] is engines["house-yard"]


def test_where_the_profile_says_so_each_has_one(house, tmp_path):
    life = two(house, tmp_path, "shared = false\n")
    engines = {}
    for post in life.posts:

        def saw(frame, result, post=post, before=post.parts.saw):
            engines[post.name] = post.supervisor._pipeline.engine
            before(frame, result)

        post.parts.saw = saw
    assert life.run() == (0, False)
    assert engines["house-door"] is not engines["house-yard"]
