"""The loop of the service, with scripted cameras and interpreters, and a clock that moves only when somebody waits."""

import re
from threading import Event, Thread

import pytest

from edge.errors import CameraError, ConfigError
from edge.pipeline import open_pipeline
from edge.recovery import Ladder
from edge.service.notify import Notify
from edge.service.supervisor import HUNG, OPENING_S, Supervisor, in_words
from edge.settings import Recovery, Settings
from edge.vitals import Controls, Vitals

GUARD_S = 10.0


class Time:
    """A clock that moves when somebody waits, and by `step` whenever it is read."""

    def __init__(self, step=0.0):
        self.now, self.step, self.waited, self.then = 1000.0, step, [], {}

    def __call__(self):
        self.now += self.step
        return self.now

    def wait(self, seconds):
        self.waited.append(round(seconds, 3))
        self.now += seconds
        self.then.pop(len(self.waited), lambda: None)()
        return False


class Parts:
    """Writes down what it is told. new: what `changed` answers, one after the other; then no."""

    def __init__(self, *new, goes_back=False):
        self.new, self.goes_back = list(new), goes_back
        self.frames, self.lapses, self.why = [], 0, []
        self.at = {}

    def saw(self, frame, result):
        self.frames.append(frame.index)
        self.at.pop(len(self.frames), lambda: None)()

    def lapsed(self):
        self.lapses += 1

    def changed(self):
        return bool(self.new) and self.new.pop(0)

    def fell_back(self, why):
        return False

    def refused(self, why):
        self.why.append(why)
        return self.goes_back


class Told(Notify):
    """A way to systemd that writes down what is sent."""

    def __init__(self):
        super().__init__({"WATCHDOG_USEC": "4"}, clock=iter(range(10**9)).__next__, pid=1)
        self.sent = []

    def _send(self, message):
        self.sent.append(message)

    def kinds(self):
        return [message.partition("=")[0] for message in self.sent]


class Bench:
    """A supervisor over what `work` opens, one after the other; the last one again and again."""

    def __init__(self, *work, parts=None, time=None, **recovery):
        self.work = list(work)
        self.parts, self.time, self.notify = parts or Parts(), time or Time(), Told()
        self.controls = Controls()
        self.settings = Settings(name="door", recovery=Recovery(**recovery))
        self.vitals = Vitals(
            "door", Ladder(lambda *told: self.loop.signs.climbed(*told), lambda words: self.loop.signs.at_work(words))
        )
        self.vitals.rate_limit = self.settings.recovery.fps
        self.opened = []
        self.loop = Supervisor(
            self.parts,
            self._open,
            lambda: self.settings,
            self.vitals,
            self.controls,
            self.notify,
            clock=self.time,
            wait=self.time.wait,
            chance=lambda: 0.5,
        )

    def _open(self):
        work = self.work.pop(0) if len(self.work) > 1 else self.work[0]
        self.opened.append(work() if callable(work) else work)
        if isinstance(self.opened[-1], Exception):
            raise self.opened[-1]
        return self.opened[-1]


@pytest.fixture
def scripted(tmp_path):
    """Makes what opens a pipeline with a camera of that script."""

    def make(*camera, live=False, answers=("class 3",), state=None, **options):
        profile = tmp_path / f"{abs(hash((camera, live, answers)))}.toml"
        profile.write_text(
            f'name = "t"\n[[interpreter]]\nkind = "scripted"\nscript = {list(answers)}\nsize = 8\n'
            f'[camera]\nkind = "scripted"\nscript = {list(camera)}\nlive = {str(live).lower()}\n'
            + (f'state = "{state}"\n' if state else "")
        )
        return lambda: open_pipeline(profile, **{"patience_s": 0, **options})

    return make


def test_ready_is_said_with_the_first_real_result_and_not_before(scripted):
    bench = Bench(scripted("frames 3"))
    bench.parts.at[1] = lambda: bench.parts.frames.append("ready" if "READY=1" in bench.notify.sent else "not yet")
    bench.loop.run()
    assert bench.parts.frames == [0, "ready", 1, 2]
    assert bench.notify.sent.count("READY=1") == 1
    before = bench.notify.kinds()[: bench.notify.kinds().index("READY")]
    assert set(before) == {"STATUS", "WATCHDOG", "EXTEND_TIMEOUT_USEC"}
    assert bench.notify.sent[0] == "STATUS=opening camera and model"
    assert bench.vitals.condition == "running" and bench.vitals.frames == 3
    assert "EXTEND_TIMEOUT_USEC" not in bench.notify.kinds()[bench.notify.kinds().index("READY") :]


def test_every_result_is_a_sign_of_life(scripted):
    bench = Bench(scripted("frames 50"))
    bench.loop.run()
    assert bench.notify.kinds().count("WATCHDOG") >= 50


def test_what_cannot_be_opened_is_tried_again_with_longer_pauses_and_then_given_up(scripted):
    bench = Bench(CameraError("no camera"), patience_s=60)
    with pytest.raises(CameraError, match="no camera"):
        bench.loop.run()
    assert bench.vitals.ladder.counts["restart"] == 1
    assert len(bench.opened) == bench.vitals.ladder.counts["pipeline"] + 1 == 10
    assert sum(bench.time.waited) == 1 + 2 + 4 + 8 + 5 * 10
    assert max(bench.time.waited) <= 0.25
    assert "READY=1" not in bench.notify.sent
    assert bench.vitals.condition == "starting" and bench.vitals.problems == {"camera": "no camera"}
    assert bench.parts.lapses == len(bench.time.waited)


def test_what_fails_in_mid_run_is_opened_again_and_then_runs_as_before(scripted):
    bench = Bench(scripted("frames 2", "fail cable pulled", live=True), scripted("frames 4"))
    bench.loop.run()
    assert bench.parts.frames[-4:] == [0, 1, 2, 3]
    assert bench.vitals.ladder.counts["pipeline"] == 1
    assert bench.vitals.problems == {} and bench.vitals.condition == "running"
    assert bench.notify.sent.count("READY=1") == 1


def test_a_fault_that_nobody_foresaw_is_a_failure_like_any_other(scripted):
    bench = Bench(scripted("frames 4"))
    bench.parts.at[2] = lambda: 1 / 0
    bench.loop.run()
    assert bench.parts.frames == [0, 1, 0, 1, 2, 3]
    assert bench.vitals.ladder.counts["pipeline"] == 1


def test_short_runs_between_failures_do_not_make_patience_begin_anew(scripted):
    bench = Bench(scripted("frames 1", "fail again"), patience_s=5, time=Time())
    with pytest.raises(CameraError, match="again"):
        bench.loop.run()
    assert 2 <= len(bench.opened) <= 5


def test_a_steady_run_makes_patience_begin_anew(scripted):
    fails = scripted("frames 9", "fail again")
    bench = Bench(fails, fails, fails, scripted("frames 1"), fps=0.5, patience_s=5)
    bench.loop.run()
    assert bench.vitals.ladder.counts["pipeline"] == 3
    assert bench.vitals.frames == 28


def test_a_camera_that_comes_back_for_some_seconds_again_and_again_does_not_run_steadily(scripted):
    bench = Bench(scripted("frames 9", "fail again"), fps=0.5, patience_s=25)
    bench.parts.at = dict.fromkeys(range(1, 100, 3), lambda: bench.vitals.ladder.climb("camera", "opening it again"))
    with pytest.raises(CameraError, match="again"):
        bench.loop.run()
    assert len(bench.opened) == 2


@pytest.mark.parametrize("ask", ["pause", "settings", "end"])
def test_what_is_asked_while_the_camera_is_away_in_mid_run_is_heard(scripted, tmp_path, ask):
    away = scripted("frames 1", "fail x", "absent 999", live=True, state=tmp_path / "at", patience_s=900, stall_s=0.05)
    bench = Bench(away, scripted("frames 2"))
    patience = []

    def asked():
        if ask == "pause":
            bench.controls.paused = True
        elif ask == "settings":
            bench.parts.new.append(True)
        else:
            bench.loop.stop()

    def lapsed():
        if bench.parts.frames == [0]:
            patience.append(bench.opened[0].camera.patience_s)
            bench.settings = Settings(name="door", recovery=Recovery(patience_s=77))
            if len(patience) == 2:
                asked()

    bench.parts.lapsed = lapsed
    bench.time.then[2] = lambda: setattr(bench.controls, "paused", False)
    bench.loop.run()
    assert bench.parts.frames == [0] + [0, 1] * (ask != "end")
    assert bench.vitals.ladder.counts["pipeline"] == 0 and bench.opened[0].camera.patience_s == 77


def test_a_live_source_that_just_ends_has_failed(scripted):
    bench = Bench(scripted("frames 1", live=True), scripted("frames 1"))
    bench.loop.run()
    assert bench.vitals.ladder.counts["pipeline"] == 1


def test_a_recording_without_a_frame_has_failed(scripted):
    bench = Bench(scripted("frames 0"), scripted("frames 1"))
    bench.loop.run()
    assert bench.parts.frames == [0]


def test_settings_that_cannot_work_end_it_at_once():
    bench = Bench(ConfigError("no such model"))
    with pytest.raises(ConfigError):
        bench.loop.run()
    assert bench.parts.why == ["no such model"] and len(bench.opened) == 1


def test_new_settings_that_cannot_work_make_room_for_the_old_ones(scripted):
    bench = Bench(ConfigError("no such model"), scripted("frames 1"), parts=Parts(goes_back=True))
    bench.loop.run()
    assert bench.parts.why == ["no such model"] and bench.parts.frames == [0]


def test_new_settings_of_the_camera_have_it_opened_again(scripted):
    bench = Bench(scripted("frames 5"), scripted("frames 2"))
    bench.parts.at[3] = lambda: bench.parts.new.append(True)
    bench.loop.run()
    assert bench.parts.frames == [0, 1, 2, 0, 1]
    assert bench.opened[0].camera.closed


def test_a_pause_gives_the_camera_back_and_forgets_what_was_seen(scripted):
    bench = Bench(scripted("frames 5"), scripted("frames 2"))
    bench.parts.at[2] = lambda: setattr(bench.controls, "paused", True)
    seen = {}

    def look():
        seen.update(closed=bench.opened[0].camera.closed, latest=bench.vitals.latest, condition=bench.vitals.condition)
        bench.controls.paused = False

    bench.time.then[3] = look
    bench.loop.run()
    assert seen == {"closed": True, "latest": None, "condition": "paused"}
    assert bench.parts.frames == [0, 1, 0, 1] and bench.parts.lapses == 3
    assert bench.notify.kinds().count("WATCHDOG") > 4


def test_a_camera_that_was_paused_before_the_start_is_ready_without_a_picture(scripted):
    bench = Bench(scripted("frames 1"))
    bench.controls.paused = True
    bench.time.then[2] = bench.loop.stop
    bench.time.then[3] = lambda: setattr(bench.controls, "paused", False)
    bench.loop.run()
    assert "READY=1" in bench.notify.sent and bench.opened == []


def test_a_rate_is_kept_and_the_wait_for_the_next_frame_is_a_sign_of_life(scripted):
    bench = Bench(scripted("frames 4"), fps=0.5)
    bench.loop.run()
    assert sum(bench.time.waited) == pytest.approx(6.0)
    assert bench.notify.kinds().count("WATCHDOG") >= 12


def test_a_pause_ends_the_wait_for_the_next_frame(scripted):
    bench = Bench(scripted("frames 9"), fps=0.01)
    bench.time.then[2] = lambda: setattr(bench.controls, "paused", True)
    bench.time.then[4] = bench.loop.stop
    bench.time.then[5] = lambda: setattr(bench.controls, "paused", False)
    bench.loop.run()
    assert bench.parts.frames == [0, 1]


def test_the_end_does_not_wait_for_an_opening_that_hangs_and_what_comes_of_it_is_closed(scripted):
    go, come = Event(), scripted("frames 1")

    def hangs():
        go.wait(GUARD_S)
        return come()

    bench = Bench(hangs)
    before = bench.parts.changed
    bench.parts.changed = lambda: bench.loop.stop() or before()
    bench.loop.run()
    assert bench.parts.frames == []
    go.set()
    while not bench.opened or not bench.opened[0].camera.closed:
        pass


def test_a_new_opening_begins_when_the_one_that_was_given_up_has_ended(scripted):
    go, come, seen = Event(), scripted("frames 1"), []

    def hangs():
        go.wait(GUARD_S)
        return come()

    bench = Bench(hangs, lambda: seen.append(bench.opened[0].camera.closed) or come(), parts=Parts(True, True))

    def changed():
        if not bench.parts.new:
            go.set()
        return bool(bench.parts.new) and bench.parts.new.pop(0)

    bench.parts.changed = changed
    bench.loop.run()
    assert seen == [True] and bench.parts.frames == [0]


def test_an_opening_that_hangs_is_no_life_for_ever(scripted):
    go = Event()
    bench = Bench(
        lambda: go.wait(GUARD_S) and CameraError("too late"), time=Time(step=1.1 * OPENING_S), patience_s=80000
    )
    with pytest.raises(CameraError, match="takes longer than 120 s"):
        bench.loop.run()
    go.set()
    assert bench.vitals.ladder.counts["restart"] == 1
    assert bench.vitals.ladder.counts["pipeline"] == HUNG - 1


def test_the_end_may_come_from_another_thread_while_no_frame_comes(scripted):
    bench = Bench(scripted("frames 1", "stall 0.4", "frames 9", live=True))
    bench.parts.at[1] = Thread(target=bench.loop.stop).start
    bench.loop.run()
    assert bench.parts.frames == [0] and bench.opened[0].dropped == 0


def test_an_end_that_comes_before_the_first_frame_is_heard(scripted):
    bench = Bench(scripted("frames 5"))
    opened = bench.work[0]
    bench.work = [lambda: [opened(), bench.loop.stop()][0]]
    bench.loop.run()
    assert bench.parts.frames == []


def test_a_rung_of_the_ladder_is_a_sign_of_life_and_the_next_result_ends_the_recovery(scripted):
    bench = Bench(scripted("frames 3"))

    def climb():
        bench.notify.sent.clear()
        bench.vitals.ladder.climb("usb", "resetting camera:0")
        bench.parts.seen = bench.vitals.condition, dict(bench.vitals.problems), bench.vitals.words
        bench.vitals.ladder.works("building an engine: 3 of 9")

    bench.parts.at[1] = climb
    bench.loop.run()
    assert bench.parts.seen == ("recovering", {"camera": "resetting camera:0"}, "usb: resetting camera:0")
    assert bench.notify.sent[:4] == [
        "STATUS=usb: resetting camera:0", "WATCHDOG=1", "STATUS=building an engine: 3 of 9", "WATCHDOG=1",
    ]  # fmt: skip
    assert bench.vitals.condition == "running" and not bench.vitals.problems


def test_what_goes_on_beside_a_run_is_no_sign_of_life(scripted):
    bench = Bench(scripted("frames 1"))
    bench.loop.run()
    bench.notify.sent.clear()
    bench.vitals.ladder.works("looking for the accelerator")
    assert bench.notify.sent == []


def test_what_was_lost_is_counted_by_cause(scripted):
    bench = Bench(scripted("frames 3"))

    def lose(count, heat=None):
        bench.vitals.problem("heat", heat)
        bench.opened[0]._frames.dropped += count
        bench.opened[0].camera.skipped = count

    bench.parts.at = {1: lambda: lose(2), 2: lambda: lose(3, "90 °C")}
    bench.loop.run()
    assert bench.vitals.dropped == {"frames": 2, "garbled": 3, "heat": 3}


def test_the_status_tells_in_a_line_how_it_goes(scripted):
    bench = Bench(scripted("frames 3"), fps=0.3)
    bench.vitals.temperature_c = 61.4
    bench.vitals.problem("mqtt", "no broker")
    bench.loop.run()
    said = r"running on scripted, [0-9.]+ FPS, 61 °C; sees nothing; does not work: mqtt \(no broker\)"
    assert re.fullmatch(said, bench.vitals.words)


def test_what_fails_because_it_ends_is_no_failure(scripted, caplog):
    bench = Bench(scripted("frames 3"))

    def end():
        bench.loop.stop()
        raise CameraError("it was closed")

    bench.parts.at[1] = end
    bench.loop.run()
    assert bench.vitals.ladder.counts["pipeline"] == 0 and "it was closed" not in caplog.text


def test_a_picture_that_is_asked_for_in_a_pause_is_not_taken_after_it(scripted):
    bench = Bench(scripted("frames 1"))
    bench.controls.paused = True
    bench.time.then = {2: bench.controls.snapshot.set, 4: lambda: setattr(bench.controls, "paused", False)}
    bench.loop.run()
    assert not bench.controls.snapshot.is_set() and bench.parts.frames == [0]


def test_a_fault_that_nobody_foresaw_is_told_with_its_kind():
    assert in_words(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"
    assert in_words(OSError(28, "No space left on device")) == "[Errno 28] No space left on device"
    assert in_words(CameraError("gone\nfor good")) == "gone for good"
    assert in_words(CameraError()) == "CameraError:"
