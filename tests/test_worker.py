import gc
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge import worker
from edge.errors import DeviceError, EdgeError, InferenceError, ModelError
from edge.worker import child
from edge.worker.messages import MOST_TEXT, Doing, Failed, Message, Ready, size_of, views

TARGETS = """
import ctypes, os, signal, sys, time
import numpy as np
from edge.errors import DeviceError, InferenceError
from edge.types import TensorSpec

class Served:
    '''Does what the first number of its input says, and counts up what comes after.'''
    backend = "made up"
    instead_of = ("the first one is broken",)

    def __init__(self):
        picture, scores = ((1, 2, 3), np.dtype(np.uint8)), ((1, 5), np.dtype(np.float32))
        self.inputs = [TensorSpec(name="picture", shape=picture[0], dtype=picture[1], scale=0.5, zero_point=3)]
        self.outputs = [TensorSpec(name=n, shape=s, dtype=d) for n, (s, d) in {"a": picture, "b": scores}.items()]

    def infer(self, tensor):
        getattr(self, ["count", "fail", "lack", "crash", "hang", "shout", "say", "deny", "part"][tensor[0, 0, 0]])()
        return [tensor + 1, np.arange(5, dtype=np.float32)[None]]

    def count(self): ...
    def fail(self): raise InferenceError("odd pixels; mend them")
    def lack(self): raise ValueError("no such thing")
    def crash(self):
        os.write(2, b"first words\\nlast words\\n")
        ctypes.string_at(0)
    def hang(self): ctypes.PyDLL(None).pause()  # and holds Python's lock
    def shout(self): sys.stderr.write("x" * 300_000)
    def deny(self): raise DeviceError("the device is gone; plug it in")
    def part(self):
        if not os.fork(): time.sleep(600)
        os._exit(3)
    def say(self): print(int(signal.getsignal(signal.SIGTERM)), os.getsid(0) == os.getpid())
    def close(self):
        if self.stays: time.sleep(600)
    stays = False

def load(data, argument):
    assert data == b"the model"
    if argument == "device": raise DeviceError("no device; plug it in")
    if argument == "key": raise KeyError("a fault of ours")
    if argument == "hang": ctypes.PyDLL(None).pause()
    if argument == "abort":
        os.write(2, b"F driver.cc: no memory\\n")
        os.abort()
    served = Served()
    if argument == "trial": served.count = served.fail
    if argument == "large": served.outputs = [TensorSpec(name="l", shape=(1 << 31,), dtype=np.dtype(np.uint8))]
    if argument == "large": served.infer = lambda tensor: []
    served.stays = argument == "stays"
    if argument == "many": served.outputs = 4000 * served.outputs
    if argument == "nan":
        served.outputs[:] = [TensorSpec(name="n", shape=(1,), dtype=np.dtype(np.uint8), scale=float("nan"))]
    if argument == "garbage":
        import edge.worker.child
        edge.worker.child._ready = lambda served: b"{}"
    return served
"""

COUNT, FAIL, LACK, CRASH, HANG, SHOUT, SAY, DENY, PART = range(9)


def tensor(verb):
    made = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    made[0, 0, 0] = verb
    return made


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    (folder / "worker_targets.py").write_text(TARGETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture
def started(targets):
    made = []

    def start(argument="", **limits):
        made.append(worker.start("worker_targets:load", b"the model", argument, **limits))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def served(targets):
    """One that lives through several tests."""
    made = worker.start("worker_targets:load", b"the model")
    yield made
    made.close()


def test_it_tells_what_the_child_loaded(served):
    (picture,), (first, second) = served.inputs, served.outputs
    assert (picture.name, picture.shape, picture.dtype) == ("picture", (1, 2, 3), np.uint8)
    assert (picture.scale, picture.zero_point) == (0.5, 3)
    assert (first.shape, second.shape, second.dtype) == ((1, 2, 3), (1, 5), np.float32)
    assert (served.backend, served.instead_of, served.threads) == ("made up", ("the first one is broken",), None)


def test_while_a_child_loads_that_is_told_now_and_then(started):
    told = []
    with pytest.raises(ModelError, match=r"no answer within 0.5 s while it loaded"):
        started("hang", load_s=0.5, told=told.append)
    assert told and all(re.fullmatch(r"the model is being loaded \(\d+ s\)", words) for words in told)


def test_tensors_go_there_and_back_and_the_outputs_are_copies(served):
    given = tensor(COUNT)
    first, second = served.infer(given), served.infer(given)
    for outputs in (first, second):
        assert (outputs[0] == given + 1).all()
        assert (outputs[1] == [[0, 1, 2, 3, 4]]).all() and outputs[1].dtype == np.float32
    first[0][...] = 9
    assert (second[0] == given + 1).all()
    assert (given == tensor(COUNT)).all()


@pytest.mark.parametrize("wrong", [np.zeros((1, 2, 4), np.uint8), np.zeros((1, 2, 3), np.float32)])
def test_an_input_that_does_not_fit_is_refused(served, wrong):
    with pytest.raises(InferenceError, match=r"the input is 1x2x. .*, where the model takes 1x2x3 uint8; prepare it"):
        served.infer(wrong)


def test_an_error_in_the_child_is_the_same_one_here_and_the_child_goes_on(served):
    with pytest.raises(InferenceError, match=r"^odd pixels; mend them$"):
        served.infer(tensor(FAIL))
    with pytest.raises(InferenceError, match=r"^the device is gone; plug it in$"):  # so that another may run
        served.infer(tensor(DENY))
    with pytest.raises(InferenceError, match="the process that runs the model failed: ValueError: no such thing; "):
        served.infer(tensor(LACK))
    assert (served.infer(tensor(COUNT))[0] == tensor(COUNT) + 1).all()


def test_a_child_that_writes_a_lot_to_stderr_is_never_held_up(served, caplog):
    caplog.set_level("DEBUG", logger="edge")
    for _ in range(3):
        served.infer(tensor(SHOUT))
    served.infer(tensor(SAY))  # lost: there is no room for it
    for _ in range(worker.DRAINED_EVERY):
        served.infer(tensor(COUNT))
    assert "xxx" in caplog.records[-1].message and len(caplog.records[-1].message) < 400
    served.infer(tensor(SAY))
    for _ in range(worker.DRAINED_EVERY):
        served.infer(tensor(COUNT))
    # A Ctrl-C in the terminal, and SIGTERM to all of a service, are the parent's to answer.
    assert caplog.records[-1].message.endswith("1 True")


def test_a_child_is_gone_when_it_is_closed_which_may_be_done_twice(started):
    made = started(close_s=60.0)
    made.close()
    made.close()
    assert made._child.process.returncode == 0
    with pytest.raises(InferenceError, match="closed, or lost; open it again"):
        made.infer(tensor(COUNT))


def test_a_child_that_does_not_leave_is_killed(started):
    made = started("stays", close_s=0.05)
    made.close()
    assert made._child.process.returncode == -signal.SIGKILL


LOSSES = {
    CRASH: "SIGSEGV while it ran: first words last words",
    HANG: "no answer within 0.2 s while it ran",
    PART: "exit code 3 while it ran",  # though what it started still holds the line
}


@pytest.mark.parametrize("verb", LOSSES)
def test_a_child_that_is_lost_is_an_error_that_says_how(started, verb):
    made = started(answer_s=0.2 if verb == HANG else 30)
    with pytest.raises(InferenceError) as caught:
        made.infer(tensor(verb))
    # An emulator of processors adds words of its own to the last ones.
    said = rf"the process that runs the model was lost: {re.escape(LOSSES[verb])}( qemu: .*)?; the model"
    assert re.match(said, str(caught.value))
    assert made._child.process.returncode is not None
    with pytest.raises(InferenceError, match="open it again"):
        made.infer(tensor(COUNT))


def test_a_child_that_was_killed_is_noticed_at_the_next_question(started):
    made = started()
    os.kill(made._child.process.pid, signal.SIGKILL)
    made._child.process.wait(10)
    with pytest.raises(InferenceError, match="SIGKILL while it ran"):
        made.infer(tensor(COUNT))


def test_ctrl_c_between_question_and_answer_ends_it_since_they_would_not_match_again(started):
    made = started(close_s=0.05)

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            made.infer(tensor(HANG))
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(InferenceError, match="open it again"):
        made.infer(tensor(COUNT))


def test_a_crash_and_a_hang_as_it_loads_are_told_as_such(started):
    with pytest.raises(ModelError, match=r"lost: SIGABRT while it loaded: F driver\.cc: no memory.*; the model"):
        started("abort")
    with pytest.raises(ModelError, match=r"lost: no answer within 0\.1 s while it loaded; the model"):
        started("hang", load_s=0.1)


def test_an_adapter_may_explain_a_loss_itself(started):
    told = []

    def explain(loss):
        told.append(loss)
        return DeviceError("the stick is gone; plug it in")

    with pytest.raises(DeviceError, match="the stick is gone"):
        started("abort", explain=explain)
    (loss,) = told
    assert (loss.phase, loss.how, loss.limit_s) == ("load", "SIGABRT", 60.0)
    assert loss.said.startswith("F driver.cc: no memory")


def test_tensors_that_no_board_has_room_for_are_refused(started):
    with pytest.raises(ModelError, match="its tensors take 2,147,483,712 bytes"):
        started("large")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("many", "it has 8,001 tensors; give a model of fewer"),
        ("nan", "its tensor n has the scale nan; it is damaged"),
        ("garbage", "lost: it says what cannot be understood .* at its first inference"),
    ],
)
def test_what_cannot_be_told_of_a_model_is_an_error_of_the_model(started, argument, words):
    with pytest.raises(ModelError, match=words):
        started(argument)


def test_a_child_that_closed_its_line_and_does_not_end_is_told_as_one_that_hangs(started):
    made = started(close_s=0.05)
    os.kill(made._child.process.pid, signal.SIGSTOP)
    made._line.shutdown(socket.SHUT_RDWR)
    with pytest.raises(InferenceError, match=r"lost: no answer within 0\.05 s while it ran; the model"):
        made.infer(tensor(COUNT))


def handles():
    gc.collect()  # what tests before this one left
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_process_that_cannot_be_started_is_an_error(started, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = handles()
    with pytest.raises(DeviceError, match=r"no process can be started \(.*No such file.*\); free some memory"):
        started()
    assert handles() == before


def test_a_process_without_a_free_handle_says_so_and_loses_none(started):
    most, before = resource.getrlimit(resource.RLIMIT_NOFILE), handles()
    try:
        for free in (1, 4, 8):
            taken = [os.open("/", os.O_RDONLY) for _ in range(free)]
            highest = max(taken)
            for each in taken:
                os.close(each)
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, most[1]))
            with pytest.raises(DeviceError, match=r"no process can be started \(.*Too many open files"):
                started()
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
            assert handles() == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)


ORPHAN = """
import sys
sys.path[:0] = [{folder!r}]
import numpy as np
from edge import worker
made = worker.start("worker_targets:load", b"the model")
print(made._child.process.pid, flush=True)
made.infer(np.full((1, 2, 3), {verb}, np.uint8))
sys.stdin.read()
"""


def ended(process):
    """Whether a process ends within some seconds; one that has ended may still wait for whoever reads its code."""
    for _ in range(200):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_child_ends_with_its_parent_whatever_it_is_busy_with(targets):
    code = ORPHAN.format(folder=str(targets), verb=HANG)
    line = [sys.executable, "-c", code]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=targets) as parent:
        process = int(parent.stdout.readline())
        assert Path(f"/proc/{process}").exists()
        parent.kill()
    assert ended(process)


# --- the child's end, in a thread


@pytest.fixture
def line(targets):
    """A child that runs in a thread: gives the line to it, once it was started with an argument."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(10)
    threads = []

    def begin(argument=""):
        arguments = ("worker_targets:load", b"the model", argument, theirs)
        threads.append(threading.Thread(target=child.serve, args=arguments))
        threads[0].start()
        return ours

    yield begin
    ours.close()
    threads[0].join(10)
    theirs.close()
    assert not threads[0].is_alive()


def heard(line):
    return msgspec.json.decode(line.recv(1 << 17), type=Message)


def test_the_child_tells_its_phases_then_its_tensors_and_answers(line):
    line = line()
    assert (heard(line), heard(line)) == (Doing("load"), Doing("trial"))
    ready = heard(line)
    assert isinstance(ready, Ready) and ready.backend == "made up"
    specs = [each.spec() for each in [ready.inputs[0], *ready.outputs]]
    memory = os.memfd_create("tensors")
    os.ftruncate(memory, size_of(specs))
    socket.send_fds(line, [b"+"], [memory])
    from mmap import mmap

    given, first, second = views(mmap(memory, size_of(specs)), specs)
    os.close(memory)
    given[...] = tensor(COUNT)
    line.send(b"+")
    assert line.recv(1) == b"+"
    assert (first == tensor(COUNT) + 1).all() and second[0, 4] == 4
    given[...] = tensor(FAIL)
    line.send(b"+")
    assert line.recv(1) == b"-"
    assert heard(line) == Failed("InferenceError", "odd pixels; mend them")


@pytest.mark.parametrize(
    ("argument", "failed"),
    [
        ("device", Failed("DeviceError", "no device; plug it in")),
        ("key", Failed("KeyError", "KeyError: 'a fault of ours'")),
    ],
)
def test_the_child_says_why_it_cannot_load(line, argument, failed):
    line = line(argument)
    assert (heard(line), heard(line)) == (Doing("load"), failed)


def test_the_child_says_why_its_trial_failed(line):
    line = line("trial")
    assert (heard(line), heard(line)) == (Doing("load"), Doing("trial"))
    assert heard(line) == Failed("InferenceError", "odd pixels; mend them")


def test_a_child_whose_parent_has_gone_meanwhile_leaves_without_a_word(line):
    line().close()


def test_an_error_arrives_as_what_it_was_and_is_never_longer_than_a_message():
    for kind in (DeviceError, ModelError):
        assert type(Failed.because(kind("x; y")).error()) is kind
    other = Failed.because(OSError("gone")).error()
    assert type(other) is InferenceError and "OSError: gone" in str(other)
    assert len(Failed.because(EdgeError("x" * 10_000)).text) == MOST_TEXT


@pytest.fixture
def as_before(monkeypatch):
    """What a child changes of its process is put back, for this one."""
    for name in ("stdout", "stderr", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    before = signal.getsignal(signal.SIGIO)
    yield
    signal.signal(signal.SIGIO, before)


def test_a_child_serves_and_can_be_ended_by_its_parent_whatever_a_library_did(as_before, targets):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    model = os.memfd_create("model")
    os.write(model, b"the model")
    heard_of = []

    def talk():
        with ours:
            heard_of.extend(type(heard(ours)).__name__ for _ in range(3))

    parent = threading.Thread(target=talk)
    parent.start()
    child.main("worker_targets:load", "", theirs.detach(), model)
    parent.join()
    assert heard_of == ["Doing", "Doing", "Ready"]
    assert signal.getsignal(signal.SIGIO) == signal.SIG_DFL
