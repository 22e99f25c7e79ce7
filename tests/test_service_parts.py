"""The small parts of the service: lines of the journal, rates, signals, lives, memory, and who is told."""

import io
import json
import logging
import os
import resource
import signal
import time
from threading import Event

import pytest

from edge.errors import CameraError, MeterError
from edge.host import State
from edge.service import lives, logs
from edge.service.heat import STEPS, Board, Heat
from edge.service.lives import ENDED, begun, ending
from edge.service.memory import CONTROLS, Memory
from edge.service.opening import Opening
from edge.service.outputs import Outputs
from edge.service.pace import TICK_S, Pace
from edge.service.signals import Asked, heard
from edge.settings import Metrics, Recovery, Settings, Web
from edge.types import Power
from edge.vitals import Controls, Vitals

GUARD_S = 10.0


def until(done):
    """Wait for another thread."""
    end = time.monotonic() + GUARD_S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.001)


class Time:
    """A clock that moves when somebody waits."""

    def __init__(self):
        self.now, self.waited = 50.0, []

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waited.append(seconds)
        self.now += seconds
        return False


class Notes(dict):
    """Small things in memory; `fails` is what the disk does."""

    fails = None

    def note(self, key, value):
        if self.fails:
            raise self.fails
        self[key] = value

    def noted(self, key):
        return self.get(key)


# --- logs


def record(level, text, line=1):
    return logging.LogRecord("edge", level, "camera.py", line, text, (), None)


@pytest.mark.parametrize(
    ("level", "number"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)],
)
def test_each_line_begins_with_its_level_as_the_journal_reads_it(level, number):
    text = logs.Prefixed("%(message)s").format(record(getattr(logging, level), "one\ntwo"))
    assert text == f"<{number}>one\n<{number}>two"


def test_an_empty_line_is_a_line():
    assert logs.Prefixed("%(message)s").format(record(logging.INFO, "")) == "<6>"


def test_a_line_that_is_repeated_too_often_is_counted_instead():
    clock = Time()
    sparing = logs.Sparing(clock)
    let = [sparing.filter(record(logging.INFO, "no picture")) for _ in range(50)]
    assert let.count(True) == logs.BURST and sparing.filter(record(logging.INFO, "another", line=2))
    clock.now += logs.BURST_S
    last = record(logging.INFO, "no picture")
    assert sparing.filter(last) and last.getMessage() == "no picture (30 more like it were not written)"
    again = record(logging.INFO, "no picture")
    assert sparing.filter(again) and again.getMessage() == "no picture"


def test_events_of_one_kind_do_not_silence_those_of_another():
    sparing = logs.Sparing(Time())

    def event(kind):
        made = record(logging.INFO, f"{kind}: cat")
        made.kind = kind
        return sparing.filter(made)

    assert [event("appeared") for _ in range(30)].count(True) == logs.BURST and event("gone")


def test_only_a_stream_that_leads_to_the_journal_gets_levels(tmp_path):
    with (tmp_path / "journal").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert logs.in_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not logs.in_journal(stream, {"JOURNAL_STREAM": "1:2"})
        assert not logs.in_journal(stream, {})
    assert not logs.in_journal(None, {}) and not logs.in_journal(io.StringIO(), {})


def test_a_service_says_what_it_does_and_levels_only_to_the_journal(tmp_path):
    root, edge = logging.getLogger(), logging.getLogger("edge")
    kept = root.handlers, root.level, edge.level
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    root.handlers = [handler]
    try:
        root.setLevel(logging.WARNING)
        with (tmp_path / "journal").open("w") as stream:
            found = os.fstat(stream.fileno())
            logs.begin(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        edge.info("running")
        handler.setFormatter(None)
        logs.begin(None, {})
        edge.info("again")
    finally:
        root.handlers, root.level = kept[:2]
        edge.setLevel(kept[2])
    assert out.getvalue() == "<6>running\nagain\n"


# --- pace


def test_no_rate_is_no_wait():
    clock = Time()
    pace = Pace(clock.wait, clock)
    for _ in range(3):
        pace(None, lambda: True)
    assert clock.waited == []


def test_frames_come_at_the_rate_and_what_was_late_is_not_made_up_for():
    clock = Time()
    pace = Pace(clock.wait, clock)
    for _ in range(3):
        pace(10.0, lambda: True)
    assert clock.now == pytest.approx(50.2)
    clock.now += 5
    pace(10.0, lambda: True)
    assert clock.now == pytest.approx(55.2)
    pace(10.0, lambda: True)
    assert clock.now == pytest.approx(55.3)


def test_a_long_wait_is_cut_short_by_what_happens_meanwhile():
    clock, ticks = Time(), iter([True, True, False])
    pace = Pace(clock.wait, clock)
    pace(0.01, lambda: True)
    pace(0.01, lambda: next(ticks))
    assert clock.waited == [TICK_S] * 3


def test_a_rate_that_is_raised_ends_the_longer_wait():
    clock = Time()
    pace = Pace(clock.wait, clock)
    pace(0.01, lambda: True)
    pace(0.01, lambda: False)
    pace(10.0, lambda: True)
    assert clock.waited == [TICK_S, pytest.approx(0.1)]


def test_the_end_ends_the_wait():
    pace = Pace(lambda seconds: True, Time())
    pace(0.1, lambda: True)
    pace(0.1, lambda: pytest.fail("it is over"))


# --- signals


def test_signals_are_heard_and_afterwards_do_what_they_did_before():
    before = signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGTERM)
    ended = Event()
    with heard() as asked:
        asked.at_end(ended.set)
        os.kill(os.getpid(), signal.SIGHUP)
        until(asked.reloads)
        assert not asked.reloads() and not asked.ends
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended.wait(GUARD_S) and asked.ends
        asked.take(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGTERM)) == before


def test_each_camera_is_told_once_that_settings_are_to_be_read_again():
    asked = Asked()
    assert not asked.reloads()
    asked.take(signal.SIGHUP)
    asked.take(signal.SIGHUP)
    assert asked.reloads() and asked.reloads(1)
    assert not asked.reloads() and not asked.reloads(1)
    asked.take(signal.SIGHUP)
    assert asked.reloads(1) and not asked.reloads(1) and asked.reloads()


def test_what_is_asked_for_while_somebody_looks_is_told_the_next_time():
    class Late(dict):
        def get(self, who, default):
            if who not in self:
                asked.take(signal.SIGHUP)
            return super().get(who, default)

    asked = Asked()
    asked._heard = Late()
    assert [asked.reloads(), asked.reloads(), asked.reloads()] == [False, True, False]


def test_who_comes_after_the_end_was_asked_for_is_told_at_once():
    with heard() as asked:
        asked.take(signal.SIGTERM)
        ended = Event()
        asked.at_end(ended.set)
        assert ended.is_set()


# --- lives


@pytest.fixture
def boot(tmp_path):
    path = tmp_path / "boot_id"
    path.write_text("first\n")
    return path


def test_the_first_life_has_none_before(tmp_path, boot):
    assert begun(tmp_path, Notes(), boot) == (None, {})


@pytest.mark.parametrize(
    ("ended", "why", "cause"),
    [
        ("watchdog dumped 6", "", "watchdog"),
        ("oom-kill killed 9", "stopped", "oom-kill"),
        ("signal killed KILL", "", "signal"),
        ("signal killed KILL 0", "", "signal"),
        ("signal killed KILL 2", "", "oom-kill"),
        ("signal killed SEGV 1", "", "signal"),
        ("exit-code exited 1", "camera", "camera"),
        ("exit-code exited 1", "", "exit-code"),
        ("exit-code exited 2", "", "settings"),
        ("success exited 0", "", "stopped"),
        ("success exited 0", "stopped", "stopped"),
        ("nonsense", "", "killed"),
        (None, "settings", "settings"),
        (None, "", "killed"),
        ("signal killed SEGV 1", lives.RENAMED, "signal"),
    ],
)
def test_the_end_of_the_life_before_is_told_by_systemd_or_by_itself(tmp_path, boot, ended, why, cause):
    notes = Notes()
    begun(tmp_path, notes, boot)
    if why:
        ending(notes, why)
    if ended:
        (tmp_path / ENDED).write_text(ended)
    assert begun(tmp_path, notes, boot) == (cause, {cause: 1})
    assert not (tmp_path / ENDED).exists()
    assert begun(tmp_path, notes, boot)[1].get("killed") == 1 + (cause == "killed")


def test_a_life_that_nobody_ended_was_cut_off_with_its_board(tmp_path, boot):
    notes = Notes()
    begun(tmp_path, notes, boot)
    boot.write_text("second\n")
    assert begun(tmp_path, notes, boot) == ("power", {"power": 1})


def test_another_name_is_no_restart(tmp_path, boot):
    notes = Notes()
    begun(tmp_path, notes, boot)
    ending(notes, lives.RENAMED)
    assert begun(tmp_path, notes, boot) == (None, {})
    assert begun(tmp_path, notes, boot) == ("killed", {"killed": 1})


def test_counts_that_are_damaged_begin_anew(tmp_path, boot):
    for damaged in ("{", "[1]", '{"watchdog": "many"}'):
        notes = Notes({lives.COUNTS: damaged, lives.RUNS: "first"})
        assert begun(tmp_path, notes, boot) == ("killed", {"killed": 1})


def test_a_disk_that_fails_is_said_and_what_could_be_read_is_told(tmp_path, boot, caplog):
    notes = Notes({lives.COUNTS: '{"power": 3}', lives.RUNS: "zeroth"})
    notes.fails = OSError("read-only")
    assert begun(tmp_path, notes, boot) == ("power", {"power": 4})
    assert "restarts cannot be counted: read-only" in caplog.text


# --- memory


def test_what_the_house_asked_for_is_written_when_it_changes_and_found_again(tmp_path):
    path, controls, other, vitals = tmp_path / "state" / CONTROLS, Controls(), Controls(), Vitals("door")
    memory = Memory(controls, path, vitals)
    memory.recall()
    controls.paused, controls.threshold = True, 0.5
    memory.keep()
    Memory(other, path, vitals).recall()
    assert other.paused and other.threshold == 0.5 and vitals.problems == {}
    path.unlink()
    memory.keep()
    assert not path.exists()  # nothing has changed, so nothing is written


def test_a_pause_is_written_and_read_where_the_disk_has_no_room(tmp_path):
    controls, other, limits = Controls(), Controls(), resource.getrlimit(resource.RLIMIT_FSIZE)
    memory = Memory(controls, tmp_path / CONTROLS, Vitals("door"))
    memory.keep()
    size = (tmp_path / CONTROLS).stat().st_size
    controls.paused, controls.threshold = True, 0.12345678901234567
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        memory.keep()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    Memory(other, tmp_path / CONTROLS, Vitals("door")).recall()
    assert other.paused and (tmp_path / CONTROLS).stat().st_size == size


@pytest.mark.parametrize(
    "kept", ["", "{", "[]", "{}", '{"paused": 1, "threshold": "x"}', '{"paused": true, "threshold": 7.0}']
)
def test_what_is_damaged_is_not_followed_and_is_said(tmp_path, kept, caplog):
    (tmp_path / CONTROLS).write_text(kept)
    controls, vitals = Controls(), Vitals("door")
    Memory(controls, tmp_path / CONTROLS, vitals).recall()
    assert not controls.paused and controls.threshold is None
    assert "whether the camera was paused is not known" in vitals.problems["memory"] and caplog.text


def test_the_memory_writes_by_itself(tmp_path):
    path, controls, vitals = tmp_path / CONTROLS, Controls(), Vitals("door")
    memory = Memory(controls, path, vitals, every_s=0.001)
    vitals.problem("memory", "disk full")
    controls.paused = True
    memory.start()
    until(lambda: path.exists() and not vitals.problems)
    memory.close()
    assert json.loads(path.read_text()) == {"paused": True, "threshold": None}


# --- heat


class Told:
    """A board that tells what is written."""

    def __init__(self, *states):
        self.states = list(states)

    def state(self):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def at(celsius, *limits, accelerator=None):
    return State(at_ns=0, temperature_c=celsius, limits=limits, accelerator_c=accelerator)


def test_a_hot_board_gets_slower_step_by_step_and_no_slower_than_a_tenth():
    clock = Time()
    heat = Heat(75.0, clock)
    assert not heat(74.9, ()) and heat.share == 1
    changed = []
    for _ in range(40):
        changed.append(heat(80.0, ()))
        clock.now += 5
    assert (
        changed[:4] == [True, False, False, True]
        and heat.steps == STEPS
        and heat.share == pytest.approx(0.1, abs=0.001)
    )


def test_a_board_that_is_held_back_is_hot_whatever_it_measures():
    assert Heat(75.0, Time())(None, ("under-voltage",)) and Heat(75.0, Time())(40.0, ("throttled",))


def test_it_gets_faster_again_only_when_it_has_been_cool_for_long():
    clock = Time()
    heat = Heat(75.0, clock)
    heat(76.0, ())
    clock.now += 100
    assert not heat(72.0, ()) and not heat(69.0, ())
    clock.now += 59
    assert not heat(70.0, ())
    clock.now += 1
    assert heat(70.0, ()) and heat.steps == 0
    clock.now += 1000
    assert not heat(70.0, ())


def test_warmth_in_between_makes_the_wait_begin_anew():
    clock = Time()
    heat = Heat(75.0, clock)
    heat(76.0, ())
    heat(60.0, ())
    clock.now += 59
    heat(72.0, ())
    clock.now += 5
    assert not heat(60.0, ()) and heat.steps == 1


def board(*states, recovery=None, meter=lambda: None, vitals=None):
    vitals, clock = vitals or Vitals("door"), Time()
    return Board(recovery or Recovery(), vitals, Told(*states), meter, clock=clock), vitals, clock


class Running(Vitals):
    """One whose frame rate is what is said."""

    fps = 20.0


def test_the_rate_is_a_share_of_what_it_was_when_it_was_cool(caplog):
    one, vitals, clock = board(at(50.0), at(80.0, "throttled"), at(50.0), vitals=Running("door"))
    one.look()
    assert vitals.rate_limit is None and vitals.temperature_c == 50.0
    one.look()
    assert vitals.rate_limit == 15.0 and vitals.slowed == 1 and vitals.limits == ("throttled",)
    assert vitals.problems["heat"] == "slowed to spare the board: throttled, 80 °C"
    assert "(throttled, 80 °C): 15.0 frames a second at most" in caplog.text
    one.look()
    clock.now += 61
    one.look()
    assert vitals.rate_limit is None and vitals.problems == {} and "all frames again" in caplog.text


def test_a_board_that_is_hot_from_the_first_look_is_slowed_when_there_are_frames(caplog):
    one, vitals, clock = board(at(85.0, "throttled"), vitals=Running("door"))
    vitals.fps = None
    for _ in range(9):
        one.look()
        clock.now += 20
    assert (vitals.rate_limit, vitals.slowed, vitals.problems, caplog.text) == (None, 0, {}, "")
    vitals.fps = 30.0
    one.look()
    assert vitals.rate_limit == 22.5 and vitals.slowed == 1 and "22.5 frames a second at most" in caplog.text
    vitals.fps = None  # the camera is paused, or away
    clock.now += 20
    one.look()
    assert vitals.rate_limit == 22.5 and vitals.slowed == 1


def test_the_rate_just_after_a_camera_was_away_is_not_what_the_board_can_do():
    one, vitals, _ = board(at(50.0), at(50.0), at(80.0), vitals=Running("door"))
    one.look()
    vitals.fps = 2.0
    one.look()
    one.look()
    assert vitals.rate_limit == 15.0


def test_steps_up_keep_the_problem_until_the_last_one():
    one, vitals, clock = board(at(80.0), vitals=Running("door"), recovery=Recovery(fps=10))
    one.look()
    clock.now += 15
    one.look()
    assert vitals.rate_limit == pytest.approx(10 * 0.75**2)
    one._host = Told(at(50.0))
    one.look()
    clock.now += 60
    one.look()
    assert vitals.rate_limit == 7.5 and "heat" in vitals.problems
    clock.now += 60
    one.look()
    assert vitals.rate_limit == 10 and vitals.problems == {}


def test_other_settings_count_from_now_on():
    one, vitals, _ = board(at(80.0), recovery=Recovery(fps=8), vitals=Running("door"))
    one.look()
    assert vitals.rate_limit == 6.0
    one.adopt(Recovery(fps=4, hot_c=90))
    assert vitals.rate_limit == 3.0


def test_the_hottest_part_counts_and_a_board_that_tells_nothing_is_not_hot():
    one, vitals, _ = board(at(50.0, accelerator=91.0), vitals=Running("door"))
    one.look()
    assert vitals.temperature_c == 91.0 and vitals.slowed == 1
    one, vitals, _ = board(State(at_ns=0))
    one.look()
    assert vitals.temperature_c is None and vitals.slowed == 0 and vitals.limits == ()


class Meter:
    """Gives what is written; an error is raised."""

    def __init__(self, *readings):
        self.readings, self.closed = list(readings), False

    def read(self):
        reading = self.readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading

    def close(self):
        self.closed = True


def looks(meter, count, raised=None):
    vitals, clock = Vitals("door"), Time()
    seen = []

    def opens():
        if raised:
            raise raised
        return meter

    def wait(seconds):
        seen.append((vitals.watts, dict(vitals.problems)))
        clock.now += seconds
        return len(seen) == count

    one = Board(Recovery(), vitals, Told(at(50.0)), opens, clock=clock, wait=wait)
    one.start()
    until(lambda: len(seen) == count)
    one.close()
    return seen


def test_watts_are_read_or_worked_out_and_a_meter_that_fails_is_said():
    meter = Meter(Power(watts=3.5), MeterError("gone"), Power(watts=4.0))
    assert looks(meter, 3) == [(3.5, {}), (None, {"board": "gone"}), (4.0, {})]
    until(lambda: meter.closed)
    assert looks(Meter(Power(joules=10.0), Power(joules=30.0)), 2) == [(None, {}), (4.0, {})]


def test_a_board_without_a_meter_is_looked_at_all_the_same(caplog):
    assert looks(None, 1) == [(None, {})]
    assert looks(None, 1, MeterError("not permitted")) == [(None, {})]
    assert "what the board draws cannot be read: not permitted" in caplog.text


# --- opening


class Closed:
    """Stands for what is opened."""

    closed = False

    def close(self):
        self.closed = True


def test_what_is_not_open_yet_cannot_be_had_and_what_is_given_up_is_closed():
    go, one = Event(), Closed()
    opening = Opening(lambda: go.wait(GUARD_S) and one)
    with pytest.raises(CameraError, match="not ended yet"):
        opening.pipeline  # noqa: B018 - it raises
    go.set()
    assert opening.await_(GUARD_S) and opening.pipeline is one and not one.closed
    opening.abandon()
    assert one.closed


# --- outputs


class Made:
    """An output that writes down what happens to it. refuses: raises that while it is made."""

    def __init__(self, settings, log, hangs=None):
        self.settings, self.log, self.hangs = settings, log, hangs

    def start(self):
        self.log.append("start")

    def told(self, event):
        raise NotImplementedError

    def close(self):
        self.log.append("close")
        if self.hangs:
            self.hangs.wait(GUARD_S)


class Bench:
    def __init__(self, again_s=60.0):
        self.log, self.changes, self.refuses, self.hangs = [], [], None, None
        self.vitals = Vitals("door")
        make = {"web": self.make, "metrics": self.make}
        self.outputs = Outputs(
            make, lambda section, settings: getattr(settings, section), self.vitals, self.count, again_s=again_s
        )

    def make(self, settings):
        if self.refuses:
            raise self.refuses
        return Made(settings, self.log, self.hangs)

    def count(self):
        self.changes.append(len(self.outputs.all))

    def adopt(self, anew=(), **sections):
        self.outputs.adopt(Settings(name="door", **sections), anew)


@pytest.fixture
def bench():
    made = []

    def make(**options):
        made.append(Bench(**options))
        return made[-1]

    yield make
    for each in made:
        each.outputs.close()


def test_outputs_come_and_go_with_their_sections(bench):
    one = bench()
    one.adopt(web=Web())
    until(lambda: one.changes == [1])
    first = one.outputs.one("web")
    one.adopt(web=Web(), metrics=Metrics())
    until(lambda: one.changes == [1, 2])
    assert one.outputs.one("web") is first and len(one.outputs.all) == 2
    one.adopt(metrics=Metrics())
    until(lambda: one.log == ["start", "start", "close"])
    assert one.outputs.one("web") is None


def test_an_output_whose_settings_change_or_whose_secret_does_is_made_anew(bench):
    one = bench()
    one.adopt(web=Web())
    one.adopt(web=Web(viewers=2))
    until(lambda: one.log == ["start", "close", "start"])
    one.vitals.problem("web", "the port is taken")
    one.adopt(web=Web(viewers=2), anew=["web"])
    until(lambda: one.log == ["start", "close", "start", "close", "start"])
    assert one.vitals.problems  # until the new one says that it works


def test_an_output_that_cannot_be_made_is_said_once_and_tried_again(bench, caplog):
    one = bench(again_s=0.001)
    one.refuses = OSError("the port is taken")
    one.adopt(web=Web(), metrics=None)
    until(lambda: one.vitals.problems == {"web": "the port is taken"})
    time.sleep(0.01)
    assert caplog.text.count("web: the port is taken") == 1
    one.refuses = None
    until(lambda: one.log == ["start"])
    assert one.vitals.problems == {}


def test_an_output_that_is_off_has_no_problem(bench):
    one = bench()
    one.refuses = OSError("no")
    one.adopt(web=Web())
    until(lambda: one.vitals.problems)
    one.adopt()
    until(lambda: not one.vitals.problems)


def test_the_end_waits_for_none_that_hangs(bench):
    one = bench()
    one.hangs = Event()
    one.adopt(web=Web(), metrics=Metrics())
    until(lambda: one.changes == [1, 2])
    one.outputs.close(0.02)
    assert one.log.count("close") == 2
    one.hangs.set()
