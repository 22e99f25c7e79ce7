"""A whole life of the service: real parts, scripted camera and interpreter, a made-up board."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from threading import Event, Thread
from threading import enumerate as enumerate_threads

import pytest

from edge.errors import CameraError
from edge.events.store import Store
from edge.host import Facts, State
from edge.host.scripted import Scripted
from edge.recovery import Backoff, Ladder
from edge.service.life import Life, _meter, run
from edge.service.lives import ENDED, WHY
from edge.service.opening import opened
from edge.service.places import EVENTS
from edge.service.reload import Reload
from edge.service.signals import Asked
from edge.settings import Events
from edge.vitals import Choice

FACTS = Facts(
    board=None, family="pc", cpu=None, machine="x86_64", cores=2, memory_bytes=None, kernel="", system="", python="",
    versions={},
)  # fmt: skip

GUARD_S = 20.0

RULES = "[rules]\nsmooth_s = 0\nconfirm_frames = 2\nclear_frames = 2\nclear_s = 0\n"


def here(settings, ladder, shares):
    """Opens camera and interpreter in this process, which takes no time."""
    return opened(settings, ladder, shares, isolated=False)


@pytest.fixture
def camera(tmp_path, monkeypatch):
    """Makes the life of a camera."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    return Camera(tmp_path)


class Camera:
    def __init__(self, folder):
        self.folder, self.state, self.asked = folder, folder / "state", Asked()
        self.file = folder / "door.toml"

    def write(self, *script, answers=("class 3",), live=False, more=RULES, **keys):
        (self.folder / "p.toml").write_text(
            f'name = "p"\n[[interpreter]]\nkind = "scripted"\nscript = {list(answers)}\nsize = 8\n'
            f'[camera]\nkind = "scripted"\nscript = {list(script)}\nlive = {str(live).lower()}\n'
        )
        own = {"profile": "p.toml", **keys}
        self.file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in own.items()) + more)
        return self

    def life(self):
        host = Scripted(FACTS, [State(at_ns=0, temperature_c=50.0)])
        self.one = Life(Reload(self.file), self.asked, work=here, host=host, meter=lambda settings: None)
        return self.one

    def save(self, parts, first, last, adopt=True):
        """Change the file of a camera that runs; whether camera and model are to be opened again."""
        self.file.write_text(f'{first}profile = "p.toml"\n{last}')
        self.asked.take(signal.SIGHUP)
        for _ in range(2):
            parts._rereading.look()
        return adopt and parts.changed()

    def events(self):
        store = Store(self.state / EVENTS, Events())
        try:
            return [(event.kind, event.label) for event in store.waiting(100)]
        finally:
            store.close()


def test_a_recording_is_seen_to_its_end_and_what_happened_is_on_the_disk(camera):
    answers = ["class 3", "class 3", "class 3", "class 5", "class 5", "class 5"]
    assert camera.write("frames 6", answers=answers).life().run() == (0, False)
    kinds = [kind for kind, _ in camera.events()]
    assert kinds == ["appeared", "changed"]
    assert camera.one.first.vitals.frames == 6 and camera.one.first.vitals.events == {"appeared": 1, "changed": 1}
    assert camera.one.first.vitals.score == camera.one.first.parts.rules.score > 0.5
    assert camera.one.first.vitals.condition == "stopping"


def test_what_was_there_in_an_earlier_life_is_gone_in_the_next(camera):
    camera.write("frames 3").life().run()
    camera.write("frames 3", answers=["class 7 0.2"]).life().run()
    assert [kind for kind, _ in camera.events()] == ["appeared", "gone"]


def test_lives_are_counted_by_how_they_ended(camera):
    camera.write("frames 1").life().run()
    assert camera.one.first.vitals.restarts == {}
    (camera.state / ENDED).write_text("watchdog dumped 6\n")
    camera.life().run()
    assert camera.one.first.vitals.restarts == {"watchdog": 1}
    camera.life().run()
    assert camera.one.first.vitals.restarts == {"watchdog": 1, "stopped": 1}


def test_what_never_works_ends_with_1_and_the_next_life_knows_why(camera, caplog):
    camera.write("fail no picture", more=RULES + "[recovery]\npatience_s = 5\n")
    life = camera.life()
    life.first.supervisor._well_at -= 10
    life.first.supervisor._pauses = Backoff(0.01, 0.01)
    assert life.run() == (1, False)
    assert "no picture" in caplog.text
    camera.write("frames 1").life().run()
    assert camera.one.first.vitals.restarts == {"camera": 1}


def test_settings_that_cannot_work_end_with_2(camera, caplog):
    camera.write("frames 1", model="no-such-model.tflite")
    assert camera.life().run() == (2, False)
    camera.file.write_text("[rules]\nthreshold_in = 2\n")
    (camera.state / ENDED).write_text("watchdog dumped 6\n")
    assert run(camera.file, camera.asked) == 2
    assert "rules.threshold_in" in caplog.text
    (camera.state / ENDED).write_text("exit-code exited 2\n")
    camera.write("frames 1").life().first.parts.close("stopped")
    assert camera.one.first.vitals.restarts == {"watchdog": 1, "settings": 1}


def test_other_rules_are_taken_over_without_a_frame_lost(camera):
    camera.write("frames 400", more=RULES + "[recovery]\nfps = 200\n")
    life = camera.life()
    saw, frames = life.first.parts.saw, []

    def watched(frame, result):
        frames.append(frame.index)
        if len(frames) == 2:
            camera.file.write_text(camera.file.read_text().replace("fps = 200", "fps = 1000") + "hot_c = 60\n")
            camera.asked.take(signal.SIGHUP)
        saw(frame, result)

    life.first.parts.saw = watched
    assert life.run() == (0, False)
    assert frames == list(range(400))
    assert (
        life.first.vitals.reloads == 1
        and life.first.parts.settings.recovery.hot_c == 60
        and life.first.vitals.rate_limit == 1000
    )


def test_a_bad_new_file_changes_nothing_and_is_told(camera, caplog):
    camera.write("frames 300", more=RULES + "[recovery]\nfps = 200\n")
    life = camera.life()

    def spoil(frame, result, saw=life.first.parts.saw):
        if frame.index == 2:
            camera.file.write_text("nonsense = 1\n")
            camera.asked.take(signal.SIGHUP)
        if "settings" in life.first.vitals.problems:
            life.first.supervisor.stop()
        saw(frame, result)

    life.first.parts.saw = spoil
    assert life.run() == (0, False)
    assert life.first.vitals.refused == 1 and "nonsense" in life.first.vitals.problems["settings"]


def test_another_model_that_turns_out_not_to_work_makes_room_for_the_old_one(camera, caplog):
    camera.write("frames 300", more=RULES + "[recovery]\nfps = 100\n")
    life = camera.life()
    profile = camera.folder / "p.toml"
    spoiled = camera.folder / "q.toml"
    spoiled.write_text(profile.read_text().replace("class 3", "class 99999"))

    def spoil(frame, result, saw=life.first.parts.saw):
        if frame.index == 2 and not life.first.vitals.refused:
            camera.file.write_text(camera.file.read_text().replace("p.toml", "q.toml"))
            camera.asked.take(signal.SIGHUP)
        saw(frame, result)
        if life.first.vitals.refused:
            life.first.supervisor.stop()

    life.first.parts.saw = spoil
    assert life.run() == (0, False)
    assert "99999" in life.first.vitals.problems["settings"] and life.first.parts.settings.profile.endswith("p.toml")


def test_another_camera_that_is_not_there_makes_room_for_the_one_that_ran(camera, caplog):
    camera.write("frames 300", more=RULES + "[recovery]\nfps = 100\n")
    life = camera.life()
    before = life.first.parts.settings

    def spoil(frame, result, saw=life.first.parts.saw):
        if frame.index == 2 and not life.first.vitals.refused:
            camera.file.write_text('source = "v4l2:///dev/nowhere"\n' + camera.file.read_text())
            camera.asked.take(signal.SIGHUP)
        saw(frame, result)
        if life.first.vitals.refused:
            life.first.supervisor.stop()

    life.first.parts.saw = spoil
    assert life.run() == (0, False)
    assert "/dev/nowhere" in life.first.vitals.problems["settings"] and life.first.parts.settings is before
    assert life.first.vitals.ladder.counts["pipeline"] == 0


@pytest.fixture
def running(camera):
    """A camera that runs, and whose loop is turned by hand."""
    life = camera.write("frames 1").life()
    frames = iter(opened(life.first.parts.settings, Ladder(), isolated=False).pairs())
    life.first.parts.saw(*next(frames))
    life.first.vitals.condition = "running"
    yield life.first.parts
    life.first.parts.close("stopped")


def test_a_second_save_leaves_the_way_back_open(camera, running, caplog):
    before = running.settings
    assert camera.save(running, 'source = "camera:63"\n', RULES)
    running._vitals.condition = "recovering"
    assert not camera.save(running, 'source = "camera:63"\n', "[rules]\n")
    assert running.fell_back("it does not open") and running.settings is before
    assert running._vitals.problems == {"settings": "it does not open"}
    assert not running.fell_back("nor does this")


def test_what_is_saved_while_the_camera_goes_back_is_compared_with_what_it_went_back_to(camera, running, caplog):
    caplog.set_level("INFO", "edge")
    camera.save(running, 'source = "camera:63"\n', RULES)
    assert "was read again; changed: pipeline" in caplog.text and running._vitals.reloads == 1
    camera.save(running, 'source = "camera:63"\n', "[rules]\n", adopt=False)
    assert running.refused("it does not open")
    assert running.changed()  # camera and model are to be opened again
    assert camera.save(running, "", RULES) and running.settings.source is None
    assert not camera.save(running, "", RULES) and running._vitals.reloads == 3
    assert "was read again; changed: nothing" in caplog.text  # who asks is told in any case


def test_another_name_is_another_life_in_the_same_process(camera):
    camera.write("frames 400", more=RULES + "[recovery]\nfps = 200\n")
    life = camera.life()

    def rename(frame, result, saw=life.first.parts.saw):
        if frame.index == 2:
            camera.file.write_text('name = "gate"\n' + camera.file.read_text())
            camera.asked.take(signal.SIGHUP)
        saw(frame, result)

    life.first.parts.saw = rename
    assert life.run() == (0, True)
    assert life.first.parts.settings.name == "gate"
    next_one = camera.life()
    next_one.first.parts.close("stopped")
    assert next_one.first.vitals.restarts == {}


def test_a_pause_and_a_threshold_outlast_the_process(camera):
    camera.write("frames 3").life()
    camera.one.first.controls.threshold = 0.25
    camera.one.run()
    camera.life()
    assert camera.one.first.controls.threshold == 0.25 and not camera.one.first.controls.paused


def test_a_state_folder_that_cannot_be_written_stops_no_camera(camera, caplog):
    camera.state.write_text("no folder")
    assert camera.write("frames 4").life().run() == (0, False)
    assert camera.one.first.vitals.frames == 4 and "events" in camera.one.first.vitals.problems


def test_a_picture_that_the_house_asks_for_is_of_the_next_frame(camera):
    camera.write("frames 60", more=RULES + "[snapshots]\n[recovery]\nfps = 100\n")
    life = camera.life()
    saw = life.first.parts.saw

    def ask(frame, result):
        if life.first.parts.pictures() and not list((camera.state / "snapshots").glob("*.jpg")):
            life.first.controls.snapshot.set()
        saw(frame, result)

    life.first.parts.saw = ask
    life.run()
    assert list((camera.state / "snapshots").glob("*.jpg")) and not life.first.controls.snapshot.is_set()


def test_all_outputs_are_there_and_what_does_not_work_harms_nobody(camera):
    outputs = (
        '[web]\nlisten = "127.0.0.1:0"\n[metrics]\nlisten = "127.0.0.1:0"\n[snapshots]\n'
        '[mqtt]\nhost = "127.0.0.1"\nport = 9\n[recovery]\nfps = 200\n'
    )
    camera.write("frames 100000", more=RULES + outputs)
    life = camera.life()
    saw, there = life.first.parts.saw, set()

    def stops(frame, result):
        saw(frame, result)
        there.update(type(output).__name__ for output in life.first.parts.outputs.all)
        if "mqtt" in life.first.vitals.problems and len(there) == 4:
            life.first.supervisor.stop()

    life.first.parts.saw = stops
    assert life.run() == (0, False)
    assert there == {"Web", "Metrics", "Pictures", "Mqtt"}
    assert life.first.parts._last_picture() is None or life.first.parts._last_picture().startswith(b"\xff\xd8")


def test_what_runs_beside_the_loop_begins_and_ends_with_it(camera):
    camera.write("frames 100000")
    life = camera.life()
    saw, before, beside = life.first.parts.saw, set(enumerate_threads()), set()

    def stops(frame, result):
        saw(frame, result)
        beside.update(set(enumerate_threads()) - before)
        life.first.supervisor.stop()

    life.first.parts.saw = stops
    assert life.run() == (0, False)
    wanted = {"edge-board", "edge-events", "edge-heap", "edge-memory", "edge-settings"}
    assert wanted <= {each.name for each in beside}
    for each in beside:
        each.join(GUARD_S)
    assert not any(each.is_alive() for each in beside)


def test_what_was_there_is_gone_while_no_frames_come(camera):
    camera.write("frames 9")
    life = camera.life()
    saw = life.first.parts.saw
    life.first.parts.lapsed()

    def later(frame, result):
        saw(frame, result)
        if frame.index == 8:
            life.first.parts._clock = lambda: result.captured_at_ns + 10**10
            life.first.parts.lapsed()

    life.first.parts.saw = later
    life.run()
    assert [kind for kind, _ in camera.events()] == ["appeared", "gone"]


def test_a_pause_takes_no_more_pictures(camera):
    life, taken = camera.write("frames 1000", live=True).life(), []

    class Album:
        def name(self, event_id, at):
            return event_id

        def take(self, name, frame, result, event):
            taken.append(event.kind)

    life.first.parts.recorder.adopt(Album(), [])
    saw, lapsed = life.first.parts.saw, life.first.parts.lapsed

    def pause(frame, result):
        saw(frame, result)
        if life.first.vitals.events:
            life.first.controls.paused = True
            life.first.parts._clock = lambda: result.captured_at_ns + 10**10

    def gone():
        lapsed()
        if life.first.controls.paused:
            life.first.supervisor.stop()

    life.first.parts.saw, life.first.parts.lapsed = pause, gone
    assert life.run() == (0, False)
    assert [kind for kind, _ in camera.events()] == ["appeared", "gone"] and taken == ["appeared"]


def test_why_it_ends_is_written_before_anything_that_may_hang(camera):
    parts = camera.write("frames 1").life().first.parts
    close, noted = parts.outputs.close, []
    parts.outputs.close = lambda: (noted.append(parts.store.noted(WHY)), close())
    parts.close("camera")
    assert noted == ["camera"]


def test_an_end_that_hangs_is_cut_short(camera, caplog):
    left = []
    camera.write("frames 100000", more=RULES + "[recovery]\nfps = 200\n")
    life = Life(
        Reload(camera.file), camera.asked, work=here, meter=lambda settings: None, end_s=0.01, leave=left.append
    )
    saw, close, hangs = life.first.parts.saw, life.first.parts.close, Event()

    def end(frame, result):
        saw(frame, result)
        camera.asked.take(signal.SIGTERM)

    def slow(why):
        hangs.wait(0.1)
        close(why)

    life.first.parts.saw, life.first.parts.close = end, slow
    assert life.run() == (0, False)
    assert left == [0] and "the end takes longer than 0.01 s" in caplog.text


def test_the_process_goes_on_under_another_name(camera, caplog):
    camera.write("frames 1", source="sample:", more=RULES)
    caplog.set_level("INFO", "edge")

    def rename():
        while "running" not in caplog.text:
            time.sleep(0.005)
        camera.file.write_text('name = "gate"\n' + camera.file.read_text())
        camera.asked.take(signal.SIGHUP)
        while caplog.text.count("running: ") < 2:
            time.sleep(0.005)
        camera.asked.take(signal.SIGTERM)

    Thread(target=rename, daemon=True).start()
    assert run(camera.file, camera.asked) == 0
    assert "changed: name" in caplog.text


def test_threads_may_read_the_same_kind_of_value_first_at_one_moment(tmp_path):
    code = (
        "import sys, threading\nfrom edge.service.life import know\nknow()\nfrom edge.models import catalogue\n"
        "sys.setswitchinterval(1e-6)\nthreads = [threading.Thread(target=catalogue.shipped) for _ in range(4)]\n"
        "[each.start() for each in threads]\n[each.join() for each in threads]\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_a_meter_that_the_profile_names_is_opened(camera):
    camera.write("frames 1")
    (camera.folder / "p.toml").write_text(
        (camera.folder / "p.toml").read_text() + '[power]\nkind = "scripted"\nscript = ["watts 4"]\n'
    )
    meter = _meter(Reload(camera.file).settings)
    assert meter.read().watts == 4.0


def test_photographs_are_no_camera_unless_they_are_named(camera):
    camera.write("frames 1")
    (camera.folder / "p.toml").write_text('name = "p"\n[[interpreter]]\nkind = "scripted"\nsize = 8\n')
    with pytest.raises(CameraError, match="no camera was found"):
        opened(Reload(camera.file).settings, Ladder(), isolated=False, default=lambda: "sample:")


def test_the_command_tells_systemd_how_it_fares_and_ends_cleanly_on_sigterm(camera, tmp_path):
    camera.write("frames 1000000", more="[recovery]\nfps = 50\n")
    way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    way.bind(str(tmp_path / "notify"))
    way.settimeout(GUARD_S)
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
    command = [sys.executable, "-m", "edge", "service", "run", str(camera.file)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as child:
        try:
            said = []
            while "READY=1" not in said or said.count("WATCHDOG=1") < 3:
                said.append(way.recv(4096).decode())
            said.clear()
            child.send_signal(signal.SIGHUP)
            while said[-1:] != ["READY=1"]:
                said.append(way.recv(4096).decode())
            first = next(each for each in said if not each.startswith(("STATUS", "WATCHDOG")))
            assert first.startswith("RELOADING=1\nMONOTONIC_USEC=")
            child.terminate()
            while said[-1] != "STOPPING=1":
                said.append(way.recv(4096).decode())
            _, errors = child.communicate(timeout=GUARD_S)
        finally:
            child.kill()
    way.close()
    assert child.returncode == 0
    assert errors.splitlines() == [
        "edge: running: mobilenet_v2_1.0_224_int8 on scripted",
        "edge: appeared: tiger shark, score 1.00",
        f"edge: settings: {camera.file} was read again; changed: nothing",
    ]


def choose(camera, life, choice, frames):
    """Have something chosen with the third frame; what each frame was answered by, until so many of them."""
    ran, saw = [], life.first.parts.saw

    def chosen(frame, result):
        ran.append((frame.size, result.backend))
        if len(ran) == 3:
            life.first.controls.choice = choice
        saw(frame, result)
        if len(ran) == frames:
            life.first.supervisor.stop()

    life.first.parts.saw = chosen
    assert life.run() == (0, False)
    return ran


def test_another_camera_can_be_chosen_and_the_files_own_again(camera, tmp_path):
    life = camera.write("frames 300", more=RULES + "[recovery]\nfps = 200\n").life()
    ran = choose(camera, life, Choice(source="sample:"), 6)
    assert ran[2][0] != ran[3][0] == ran[5][0]
    assert life.first.parts.settings.source == "sample:" and not life.first.vitals.problems
    life.first.controls.choice = Choice()
    assert life.first.parts.changed() and life.first.parts.settings.source is None


def test_a_choice_that_cannot_be_opened_is_put_back_and_told(camera, caplog):
    life = camera.write("frames 300", more=RULES + "[recovery]\nfps = 200\n").life()
    before = life.first.parts.settings
    choose(camera, life, Choice(source="v4l2:///dev/nowhere"), 6)
    assert life.first.controls.choice == Choice() and life.first.parts.settings is before
    assert "/dev/nowhere" in life.first.vitals.problems["choice"]
    assert "choice: " in caplog.text and life.first.vitals.refused == 0, "which counts the file's"


@pytest.mark.parametrize("then", [Choice(source="sample:"), Choice()])
def test_a_choice_that_failed_is_a_problem_until_something_is_chosen_again(camera, running, then):
    running._controls.choice = Choice(source="camera:63")
    assert running.changed() and running.fell_back("it does not open")
    assert not running.changed() and running._vitals.problems == {"choice": "it does not open"}
    running._controls.choice = then._replace()
    assert running.changed() == (then != Choice()) and running._vitals.problems == {}


def test_labels_that_the_model_does_not_know_are_a_problem_as_long_as_they_are_chosen(running, caplog):
    frame, result = next(opened(running.settings, Ladder(), isolated=False).pairs())[:2]
    running._vitals.labels = ("tabby", "tiger shark")
    for labels, told in (((), {}), (("tabby", "xyzzy"), {"labels"}), (("tabby",), {}), (("x" * 300,), {"labels"})):
        running._controls.labels = labels
        running.saw(frame, result)
        running.saw(frame, result)
        assert set(running._vitals.problems) == set(told)
    running._vitals.labels = ("x" * 300,)  # of another model
    running.saw(frame, result)
    assert not running._vitals.problems and caplog.text.count("the model knows no") == 2 and "'xyzzy'" in caplog.text


def test_what_is_chosen_while_a_choice_fails_is_next(running):
    running._controls.choice = Choice(source="camera:63")
    assert running.changed()
    running._controls.choice = Choice(source="sample:")
    assert running.fell_back("it does not open") and running.settings.source is None
    assert running.changed() and running.settings.source == "sample:" and not running._vitals.problems


def test_rules_that_are_saved_while_a_choice_is_tried_count_also_where_that_fails(camera, running):
    running._controls.choice = Choice(source="camera:63")
    assert running.changed() and running.settings.source == "camera:63"
    assert not camera.save(running, "", "[rules]\nthreshold_in = 0.9\n")
    assert running.fell_back("it does not open")
    assert (running.settings.source, running.settings.rules.threshold_in) == (None, 0.9)
    assert set(running._vitals.problems) == {"choice"} and not running.fell_back("nor does this")


def test_a_file_that_names_what_does_not_open_is_refused_whatever_is_chosen_beside(camera, running):
    before = running.settings
    running._controls.choice = Choice(model="another")
    assert running.changed()
    assert camera.save(running, 'source = "camera:63"\n', RULES)
    assert running.fell_back("it does not open") and running.settings is before
    assert running._vitals.problems == {"settings": "it does not open"} and running._vitals.refused == 1
    assert running._controls.choice == Choice()


def test_the_labels_that_count_can_be_chosen(camera):
    life = camera.write("frames 6").life()
    life.first.controls.labels = ("class 5",)
    life.run()
    assert camera.events() == []
