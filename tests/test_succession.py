import logging
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import adapters
from edge.engine import Engine, Opener
from edge.errors import AdapterError, DeviceError, InferenceError, ModelError
from edge.models.card import Input
from edge.pipeline import Pipeline
from edge.preprocess import Preprocessor, frame_of
from edge.recovery import STEADY_S, Ladder
from edge.succession import LOSSES, RETURN_MOST_S, Succession
from edge.tasks.classify import Classify
from edge.turns import Shares

GUARD_S = 15.0
FRAME = frame_of(np.full((48, 64, 3), 90, np.uint8), 0)


class Picky:
    """A scripted interpreter that takes nothing but what its input says, and has the name of its device."""

    threads = None

    def __init__(self, kind, script, size):
        self.real = adapters.open("interpreters", "scripted", None, script=list(script), size=size)
        self.inputs, self.outputs, self.backend = self.real.inputs, self.real.outputs, kind

    def infer(self, tensor):
        assert (tensor.shape, tensor.dtype) == (self.inputs[0].shape, self.inputs[0].dtype)
        return self.real.infer(tensor)

    def close(self):
        self.real.close()


class Device:
    """One interpreter of an order. Each opening takes the next of `lives`, the last one over and over: an error that
    opening raises, a script, or a function that gives one of them."""

    def __init__(self, kind, *lives, size=8):
        self.kind, self.lives, self.size, self.engines, self.opened = kind, list(lives), size, [], 0

    def open(self):
        life = self.lives[min(self.opened, len(self.lives) - 1)]
        self.opened += 1
        life = life() if callable(life) else life
        if isinstance(life, Exception):
            raise life
        picky = Picky(self.kind, life, self.size)
        task = Classify(picky.outputs[0], None, 3, 0.0, lambda: True)
        fill = Preprocessor(picky.inputs[0], "squash", Input(mean=[0.0] * 3, std=[1.0] * 3))
        self.engines.append(Engine(picky, fill, task, f"model of {self.kind}", lambda: 0))
        return self.engines[-1]

    @property
    def running(self):
        return [not engine.interpreter.real.closed for engine in self.engines]


def looks():
    return [thread for thread in threading.enumerate() if thread.name == "edge-return"]


class Time:
    """A clock that moves only when somebody waits; the look for what returns waits until it is told to go on."""

    def __init__(self):
        self.now, self.waited, self.pauses, self.over = 0.0, [], [], False
        self.asked, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self):
        return self.now

    def wait(self, seconds):
        if threading.current_thread().name == "edge-return":
            self.pauses.append(seconds)
            self.asked.release()
            assert self.go.acquire(timeout=GUARD_S)
        else:
            self.waited.append(seconds)
            self.now += seconds
        return self.over

    def look(self, succession):
        """Let it look once, and wait until it has: it asks for its next pause then, or ends."""
        assert self.asked.acquire(timeout=GUARD_S)
        self.go.release()
        while looks():
            if self.asked.acquire(timeout=0.002):
                self.asked.release()
                return


@pytest.fixture
def opened():
    """Makes successions of devices, on a clock of their own."""
    made = []

    def open_them(*devices):
        time = Time()
        made.append(
            (
                time,
                Succession(
                    [Opener(d.kind, d.open) for d in devices],
                    clock=time,
                    wait=time.wait,
                    most_s=GUARD_S,
                    chance=lambda: 0.5,
                ),
            )
        )
        return made[-1][1], time

    yield open_them
    for time, succession in made:
        time.over = True
        time.go.release(1000)
        succession.close()


GONE = DeviceError("there is no device; plug it in")
SURELY = ["class 1"]
LOST = ["class 1", "lost cable pulled"]


def answers(succession, count):
    return [succession.answer(FRAME, succession.prepare(FRAME)) for _ in range(count)]


def warned(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# --- lost, and opened again


def test_the_first_of_the_order_runs_and_keeps_its_tensor(opened):
    succession, _ = opened(Device("npu", SURELY), Device("cpu", ["class 2"]))
    prepared = succession.prepare(FRAME)
    again = succession.prepare(FRAME, prepared)
    assert again.tensor is prepared.tensor
    result = succession.answer(FRAME, again)
    assert (result.backend, result.model, result.instead_of, result.answer[0].index) == ("npu", "model of npu", (), 1)


def test_one_that_is_lost_is_opened_again_and_answers_the_frame_in_hand(opened, caplog):
    device = Device("npu", LOST, GONE, SURELY)
    succession, time = opened(device, Device("cpu", ["class 2"]))
    results = answers(succession, 3)
    assert [(r.backend, r.instead_of, r.answer[0].index) for r in results] == [("npu", (), 1)] * 3
    assert time.waited == [0.25]
    assert device.running == [False, True]
    assert warned(caplog) == [
        "scripted interpreter: cable pulled; the script says so; opening npu again",
        "npu is back after 0.2 s",
    ]


def test_one_that_stays_away_has_its_successor_and_the_reason_is_told(opened, caplog):
    npu, cpu = Device("npu", LOST, GONE), Device("cpu", ["class 2"])
    succession, time = opened(npu, cpu)
    first, second, third = answers(succession, 3)
    why = (
        "npu: scripted interpreter: cable pulled; the script says so; opening it again failed 4 times: "
        "there is no device; plug it in"
    )
    assert (first.backend, first.instead_of) == ("npu", ())
    assert {(r.backend, r.model, r.instead_of, r.answer[0].index) for r in (second, third)} == {
        ("cpu", "model of cpu", (why,), 2)
    }
    assert time.waited == [0.25, 0.5, 1.0]
    assert warned(caplog)[1:] == [f"cpu runs instead, because {why}"]


def test_slow_tries_are_fewer(opened):
    def hangs():
        time.now += 2.0
        return GONE

    succession, time = opened(Device("npu", LOST, hangs), Device("cpu", SURELY))
    assert [r.backend for r in answers(succession, 2)] == ["npu", "cpu"]
    assert time.waited == [0.25, 0.5]


def test_where_the_profile_has_no_other_the_error_says_how_often_it_was_tried(opened):
    succession, _ = opened(Device("npu", LOST, GONE))
    answers(succession, 1)
    with pytest.raises(InferenceError, match=r"cable pulled; .*; opening it again failed 4 times: there is no device"):
        answers(succession, 1)


def test_a_model_that_always_fails_ends_after_three_times_in_a_row(opened):
    device = Device("npu", ["fail it cannot run"])
    succession, time = opened(device)
    with pytest.raises(InferenceError, match=f"it cannot run; .*; it failed {LOSSES} times in a row, opened anew"):
        answers(succession, 1)
    assert (device.opened, LOSSES, time.waited) == (3, 3, [])
    assert device.running == [False] * 3


def test_one_that_always_fails_is_passed_over_for_the_next(opened):
    succession, _ = opened(Device("npu", ["fail it cannot run"]), Device("cpu", ["class 2"]))
    (result,) = answers(succession, 1)
    assert (result.backend, len(result.instead_of)) == ("cpu", 1)


def test_losses_that_lie_far_apart_are_not_in_a_row(opened):
    device = Device("npu", ["class 1", "lost again"])
    succession, time = opened(device)
    for _ in range(20):
        assert [r.backend for r in answers(succession, 1)] == ["npu"]
        time.now += STEADY_S + 1
    assert device.opened == 20


def test_where_none_is_left_every_reason_is_told(opened):
    succession, _ = opened(Device("npu", LOST, GONE), Device("gpu", AdapterError("gpu cannot run here: no library")))
    answers(succession, 1)
    told = r"none of the profile's 2 interpreters can run: \(1\) npu: .*cable pulled.*; \(2\) gpu cannot run here: no l"
    with pytest.raises(InferenceError, match=told):
        answers(succession, 1)


def test_what_another_engine_prepared_is_prepared_anew(opened):
    succession, _ = opened(Device("npu", LOST, GONE, size=8), Device("cpu", ["class 2"], size=12))
    early = [succession.prepare(FRAME) for _ in range(3)]
    assert [succession.answer(FRAME, prepared).backend for prepared in early] == ["npu", "cpu", "cpu"]
    assert succession.prepare(FRAME, early[0]).tensor.shape == (1, 12, 12, 3)


def test_an_engine_that_was_opened_elsewhere_is_not_opened_again():
    engine = Device("npu", LOST).open()
    succession = Succession(engine=engine)
    answers(succession, 1)
    with pytest.raises(InferenceError, match=r"cable pulled; the script says so$"):
        answers(succession, 1)
    succession.close()
    assert engine.interpreter.real.closed


def test_stopping_ends_the_waiting(opened):
    device = Device("npu", LOST, GONE)
    succession, time = opened(device)
    answers(succession, 1)
    time.over = True
    with pytest.raises(InferenceError, match=r"cable pulled; the script says so$"):
        answers(succession, 1)
    assert time.waited == [0.25]


# --- the ladder


@pytest.mark.parametrize("took_s", [0.0, 5.0])
@pytest.mark.parametrize("error", [None, DeviceError("USB device 2-1 cannot be reset; plug it in anew")])
def test_each_try_is_a_rung_and_the_usb_device_is_reset_before_the_third_however_long_they_take(caplog, error, took_s):
    rungs, resets, time = [], [], Time()

    def reset(place):
        resets.append(place)
        if error:
            raise error

    def npu():
        time.now += took_s
        engine = Device.open(device)
        engine.interpreter.usb = "2-1"
        return engine

    device, cpu = Device("npu", LOST, GONE), Device("cpu", ["class 2"])
    succession = Succession(
        [Opener("npu", npu), Opener("cpu", cpu.open)],
        clock=time,
        wait=time.wait,
        most_s=GUARD_S,
        ladder=Ladder(lambda rung, words: rungs.append((rung, words))),
        reset=reset,
        chance=lambda: 0.0,
    )
    assert [r.backend for r in answers(succession, 2)] == ["npu", "cpu"]
    again = ("interpreter", "opening npu again")
    reset_words = ("usb", "resetting the USB device 2-1 of npu")
    tries = [again, again, reset_words, again, *([] if took_s else [again])]
    assert rungs == [*tries, ("backend", "opening cpu in place of npu")]
    assert resets == ["2-1"] and time.waited == [0.75 * pause for pause in (0.25, 0.5, 1.0)][: 2 if took_s else 3]
    assert ("cannot be reset" in caplog.text) == (error is not None)
    time.over = True
    time.go.release(1000)
    succession.close()


# --- opening that takes long


@pytest.fixture
def gate():
    """What an opening that hangs waits for."""
    opens = threading.Event()
    yield opens
    opens.set()


def hanging(gate, then):
    """A life whose opening begins, hangs until the gate opens, and then is `then`."""

    def life():
        life.begun.set()
        assert gate.wait(GUARD_S)
        return then

    life.begun = threading.Event()
    return life


def of(*devices):
    return Succession([Opener(d.kind, d.open) for d in devices], most_s=0.01)


def until(succession, backend):
    """Answer until that one does."""
    for _ in range(100_000):
        (result,) = answers(succession, 1)
        if result.backend == backend:
            return result
    raise AssertionError(f"{backend} never came")


def test_while_one_hangs_in_its_opening_the_next_answers_and_what_comes_late_takes_its_place(gate, caplog):
    npu, cpu = Device("npu", LOST, hanging(gate, SURELY)), Device("cpu", ["class 2"])
    succession = of(npu, cpu)
    assert [r.backend for r in answers(succession, 3)] == ["npu", "cpu", "cpu"]
    assert answers(succession, 1)[0].instead_of[0].endswith("says so; opening it again takes longer than 0.01 s")
    gate.set()
    assert until(succession, "npu").instead_of == ()
    assert "npu has returned after" in warned(caplog)[-1]
    succession.close()
    assert not any(npu.running + cpu.running) and npu.opened == 2


def test_what_comes_late_and_is_not_preferred_is_closed(gate):
    npu, gpu = Device("npu", LOST, hanging(gate, SURELY)), Device("gpu", hanging(gate, ["class 3"]))
    succession = of(npu, gpu)
    answers(succession, 1)
    threading.Timer(0.05, gate.set).start()
    assert answers(succession, 1)[0].backend in ("npu", "gpu")
    until(succession, "npu")
    succession.close()
    assert not any(npu.running + gpu.running)


def test_stopping_ends_the_wait_for_one_that_hangs_in_its_opening_at_once(gate):
    life = hanging(gate, SURELY)
    npu = Device("npu", LOST, life)
    succession, told = of(npu), []
    answers(succession, 1)

    def last():
        with pytest.raises(InferenceError, match=r"cable pulled; the script says so$"):
            answers(succession, 1)
        told.append(True)

    thread = threading.Thread(target=last, daemon=True)
    thread.start()
    assert life.begun.wait(GUARD_S)
    succession.stop()
    thread.join(GUARD_S)
    assert told and not gate.is_set()
    gate.set()
    succession.close()
    assert npu.running == [False, False]


def test_who_waits_for_one_that_is_being_opened_is_asked_meanwhile_and_may_end_it(gate):
    succession = of(Device("npu", LOST, hanging(gate, SURELY)))
    answers(succession, 1)
    succession.waiting = succession.stop
    with pytest.raises(InferenceError, match=r"cable pulled; the script says so$"):
        answers(succession, 1)
    gate.set()
    succession.close()


def test_where_no_other_is_left_a_slow_opening_is_waited_for(gate):
    succession = of(Device("npu", LOST, hanging(gate, SURELY)), Device("gpu", AdapterError("no library")))
    answers(succession, 1)
    threading.Timer(0.05, gate.set).start()
    assert [r.backend for r in answers(succession, 1)] == ["npu"]
    succession.close()


def test_inferences_that_hang_are_no_steady_run(opened):
    npu = Device("npu", ["class 1"])
    succession, time = opened(npu, Device("cpu", ["class 2"]))
    answers(succession, 1)

    def hangs(tensor):
        time.now += STEADY_S + 1
        raise InferenceError("no answer")

    def opens():
        engine = Device.open(npu)
        engine.interpreter.infer = hangs
        return engine

    npu.engines[0].interpreter.infer = hangs
    succession._order = [Opener("npu", opens), *succession._order[1:]]
    succession._openings._order = succession._order
    assert [r.backend for r in answers(succession, 1)] == ["cpu"]
    assert npu.opened == LOSSES


@pytest.mark.parametrize("hopeless", [AdapterError("no library"), ModelError("it does not fit")])
def test_what_cannot_mend_itself_is_not_looked_for(opened, caplog, hopeless):
    npu = Device("npu", LOST, GONE, GONE, GONE, GONE, GONE, hopeless)
    succession, time = opened(npu, Device("cpu", ["class 2"]))
    answers(succession, 2)
    time.look(succession)
    time.look(succession)
    assert not looks() and npu.opened == 7
    assert warned(caplog)[-1] == f"npu is not looked for any more: {hopeless}"
    lost_for_good = Device("npu", LOST, hopeless)
    succession, time = opened(lost_for_good, Device("cpu", ["class 2"]))
    assert [r.backend for r in answers(succession, 3)] == ["npu", "cpu", "cpu"]
    assert not looks()


def test_a_look_that_fails_in_the_same_words_is_told_once(opened, caplog):
    caplog.set_level(logging.DEBUG, "edge")
    succession, time = opened(Device("npu", LOST, GONE), Device("cpu", ["class 2"]))
    answers(succession, 2)
    for _ in range(5):
        time.look(succession)
    assert caplog.text.count(f"npu cannot be opened: {GONE}") == 1


def test_when_the_last_one_is_lost_those_before_it_are_tried_once_more(opened):
    npu = Device("npu", LOST, GONE, GONE, GONE, GONE, SURELY)
    succession, _ = opened(npu, Device("cpu", ["class 2", "lost as well"], GONE))
    assert [r.backend for r in answers(succession, 3)] == ["npu", "cpu", "npu"]


def test_whatever_an_interpreter_raises_of_ours_has_a_successor(opened):
    npu = Device("npu", SURELY, GONE)
    succession, _ = opened(npu, Device("cpu", ["class 2"]))

    def gone(tensor):
        raise DeviceError("it was pulled")

    npu.engines[0].interpreter.infer = gone
    (result,) = answers(succession, 1)
    assert result.backend == "cpu" and "it was pulled" in result.instead_of[0]


def test_after_an_error_the_next_call_tries_again(opened):
    npu = Device("npu", LOST, GONE, GONE, GONE, GONE, SURELY)
    succession, _ = opened(npu)
    answers(succession, 1)
    with pytest.raises(InferenceError, match="failed 4 times"):
        answers(succession, 1)
    assert [r.backend for r in answers(succession, 1)] == ["npu"]


def test_after_closing_nothing_is_opened_any_more(opened):
    device = Device("npu", SURELY)
    succession, _ = opened(device)
    succession.close()
    with pytest.raises(InferenceError, match="it was closed"):
        answers(succession, 1)
    assert device.opened == 1


# --- the way back


def test_a_preferred_one_that_returns_runs_again_between_two_frames(opened, caplog):
    npu, cpu = Device("npu", LOST, GONE, GONE, GONE, GONE, GONE, SURELY), Device("cpu", ["class 2"])
    succession, time = opened(npu, cpu)
    assert [r.backend for r in answers(succession, 3)] == ["npu", "cpu", "cpu"]
    time.look(succession)
    assert [r.backend for r in answers(succession, 1)] == ["cpu"]
    time.look(succession)
    time.now += 40
    (result,) = answers(succession, 1)
    assert (result.backend, result.instead_of, result.answer[0].index) == ("npu", (), 1)
    assert (npu.running, cpu.running) == ([False, True], [False])
    assert time.pauses == [1.0, 2.0]
    assert warned(caplog)[-1] == "npu has returned after 42 s, and runs again"
    assert not looks()


def test_the_pauses_between_looks_grow_to_a_minute(opened):
    succession, time = opened(Device("npu", LOST, GONE), Device("cpu", ["class 2"]))
    answers(succession, 2)
    for _ in range(8):
        time.look(succession)
    assert time.pauses[:9] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, RETURN_MOST_S, RETURN_MOST_S, RETURN_MOST_S]


def test_one_that_opens_and_cannot_answer_has_not_returned(opened):
    npu = Device("npu", ["class 1", "fail x"])
    npu.lives += [GONE] * 4 + [["fail still broken"], RuntimeError("a fault of the library"), SURELY]
    succession, time = opened(npu, Device("cpu", ["class 2"]))
    assert [r.backend for r in answers(succession, 2)] == ["npu", "cpu"]
    for _ in range(2):
        time.look(succession)
        assert [r.backend for r in answers(succession, 1)] == ["cpu"]
    assert npu.running == [False, False]
    time.look(succession)
    assert [r.backend for r in answers(succession, 1)] == ["npu"]


def test_one_that_returns_and_fails_again_at_once_is_looked_for_more_and_more_seldom(opened):
    flaky = Device("npu", ["class 1", "fail x"])  # its trial is the one answer it gives
    succession, time = opened(flaky, Device("cpu", ["class 2"]))
    answers(succession, 4)
    for _ in range(6):
        time.look(succession)
        assert [r.backend for r in answers(succession, 1)] == ["cpu"]
    assert time.pauses[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_after_a_steady_run_it_is_looked_for_soon_again(opened):
    npu = Device("npu", LOST, GONE, GONE, GONE, GONE, [*SURELY * 3, "lost again"], GONE, GONE, GONE, GONE, SURELY)
    succession, time = opened(npu, Device("cpu", ["class 2"]))
    answers(succession, 2)
    time.look(succession)
    assert [r.backend for r in answers(succession, 2)] == ["npu", "npu"]
    time.now += STEADY_S + 1
    assert [r.backend for r in answers(succession, 1)] == ["cpu"]
    time.look(succession)
    assert time.pauses == [1.0, 1.0]
    assert [r.backend for r in answers(succession, 1)] == ["npu"]


def test_of_three_the_nearest_that_returns_runs_until_the_first_does(opened):
    first = Device("npu", LOST, GONE, GONE, GONE, GONE, GONE, SURELY)
    second = Device("gpu", ["class 3", "lost too"], GONE, GONE, GONE, GONE, ["class 3"])
    succession, time = opened(first, second, Device("cpu", ["class 2"]))
    assert [r.backend for r in answers(succession, 3)] == ["npu", "gpu", "cpu"]
    time.look(succession)
    (result,) = answers(succession, 1)
    assert (result.backend, [why[:4] for why in result.instead_of]) == ("gpu", ["npu:"])
    time.look(succession)
    assert [(r.backend, r.instead_of) for r in answers(succession, 1)] == [("npu", ())]


def test_where_the_lower_one_is_lost_too_the_one_that_returned_takes_over_at_once(opened):
    npu = Device("npu", LOST, GONE, GONE, GONE, GONE, SURELY)
    cpu = Device("cpu", ["class 2", "lost as well"])
    succession, time = opened(npu, cpu)
    answers(succession, 2)
    waited = len(time.waited)

    def lost_while_the_other_returns(tensor):
        time.look(succession)
        raise InferenceError("lost as well")

    cpu.engines[0].interpreter.infer = lost_while_the_other_returns
    assert [r.backend for r in answers(succession, 1)] == ["npu"]
    assert (len(time.waited), cpu.opened) == (waited, 1)


@pytest.mark.parametrize(
    ("error", "looked_for"),
    [(GONE, True), (AdapterError("npu cannot run here: no library"), False), (ModelError("not compiled"), False)],
)
def test_a_device_that_is_missing_at_the_start_may_come_and_a_library_may_not(opened, caplog, error, looked_for):
    succession, time = opened(Device("npu", error, SURELY), Device("cpu", ["class 2"]))
    assert [r.backend for r in answers(succession, 1)] == ["cpu"]
    assert warned(caplog)[0].startswith("cpu runs instead, because npu")
    assert bool(looks()) == looked_for
    if looked_for:
        time.look(succession)
    assert [r.backend for r in answers(succession, 1)] == ["npu" if looked_for else "cpu"]


def test_a_library_that_is_missing_is_not_tried_again_beside_a_device_that_is(opened):
    gpu = Device("gpu", AdapterError("gpu cannot run here: no library"))
    succession, time = opened(gpu, Device("npu", GONE), Device("cpu", ["class 2"]))
    time.look(succession)
    assert gpu.opened == 1 and succession.engine.interpreter.backend == "cpu"


def test_closing_ends_the_look_at_once():
    succession = Succession([Opener(d.kind, d.open) for d in (Device("npu", GONE), Device("cpu", SURELY))])
    assert looks()
    succession.close()
    assert not looks()


def test_what_returned_and_was_not_taken_is_closed_too(opened):
    npu = Device("npu", GONE, SURELY)
    succession, time = opened(npu, Device("cpu", SURELY))
    time.look(succession)
    assert npu.running == [True]
    succession.close()
    assert npu.running == [False]


def test_what_is_found_after_the_end_is_closed_at_once(opened):
    def while_all_ends():
        succession.stop()
        return SURELY

    npu = Device("npu", GONE, while_all_ends)
    succession, time = opened(npu, Device("cpu", SURELY))
    time.look(succession)
    assert npu.running == [False]


# --- whatever happens

KINDS = ("npu", "gpu", "cpu")


def lives(place):
    """Of the device at a place, whose answer is its own number: what each opening does, and the last one for ever."""
    steps = st.sampled_from([f"class {place}"] * 3 + ["fail x", "lost y"])
    script = st.lists(steps, min_size=1, max_size=5)
    return st.lists(st.one_of(st.just(GONE), script), min_size=1, max_size=6)


@settings(max_examples=40)
@given(st.tuples(*map(lives, range(3))), st.integers(1, 3), st.integers(1, 25))
def test_no_frame_is_lost_or_answered_twice_and_each_result_tells_who_and_why(lives, count, frames):
    devices = [Device(k, [f"class {n}"], *lives[n], size=8 + 4 * n) for n, k in enumerate(KINDS[:count])]
    time = Time()
    succession = Succession([Opener(d.kind, d.open) for d in devices], clock=time, wait=time.wait)
    camera = adapters.open("cameras", "scripted", script=[f"frames {frames}"])
    results, ended = [], None
    with Pipeline(camera, succession, "a source") as running:
        try:
            for result in running:
                results.append(result)
                time.now += 1
                time.go.release()
        except InferenceError as error:
            ended = error
        time.over = True
        time.go.release(1000)
    assert [result.frame for result in results] == list(range(len(results)))
    assert len(results) == frames or ended is not None
    for result in results:
        place = KINDS.index(result.backend)
        assert result.answer[0].index == place and result.model == f"model of {result.backend}"
        assert [why.partition(":")[0] for why in result.instead_of] == list(KINDS[:place])
    assert not any(any(device.running) for device in devices)


# --- given up by who waits, and gone on with by the next


@pytest.mark.parametrize("there", [False, True], ids=["is awaited", "is there by then"])
def test_one_that_is_stopped_while_another_interpreter_is_opened_in_its_turn_leaves_that_to_the_next(there):
    """It does not wait for the end of that, and the next one's turn goes on with it: opened once, and told as lost."""
    comes, shares = threading.Event(), Shares()
    npu = Device("npu", LOST, DeviceError("it is gone"))
    cpu = Device("cpu", lambda: comes.wait(GUARD_S) and SURELY)
    order = [Opener(each.kind, each.open) for each in (npu, cpu)]
    one, other = (
        shares.turn("model", Ladder(), lambda told: Succession(order, ladder=told, most_s=0.01)) for _ in range(2)
    )
    one.answer(FRAME, one.prepare(FRAME))
    one.waiting = lambda: cpu.opened and one.stop()
    with pytest.raises(InferenceError, match="stopped while it waited"):
        one.answer(FRAME, one.prepare(FRAME))
    assert not comes.is_set()
    one.close()
    other.waiting = comes.set
    if there:
        comes.set()
        other._shared.succession._openings.await_one([1], GUARD_S, lambda: None)
    result = other.answer(FRAME, other.prepare(FRAME))
    assert result.backend == "cpu" and "cable pulled" in result.instead_of[0] and cpu.opened == 1
    assert other.answer(FRAME, other.prepare(FRAME)).backend == "cpu"
    other.close()
    assert cpu.running == [False]
