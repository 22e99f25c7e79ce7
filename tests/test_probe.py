import os

import pytest

from edge import probe
from edge.errors import AdapterError, EdgeError, InferenceError, ModelError

TARGETS = """
import os, resource, signal, sys, time
from edge.errors import AdapterError, InferenceError, ModelError

def good(data, argument):
    assert data == b"the model" and argument == "2"

def count(data, argument):
    with open(argument, "a") as file: file.write("x")

def model_error(data, argument): raise ModelError("it is\\nodd; mend it")
def inference_error(data, argument): raise InferenceError("it fails; mend it")
def crash(data, argument): os.kill(os.getpid(), signal.SIGSEGV)
def abort(data, argument): os.abort()
def adapter_error(data, argument): raise AdapterError("no runtime; install it")
def leave(data, argument): os._exit(7)
def say_nothing(data, argument): os._exit(1)
def memory(data, argument): raise MemoryError
def too_much(data, argument): bytearray(min(1 << 40, sys.maxsize))
def fault(data, argument): raise KeyError("a fault of ours")
def limits(data, argument):
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == int(argument)
def noise(data, argument): print("chatter"); os.write(2, b"more chatter")
"""


@pytest.fixture
def ensure(tmp_path, monkeypatch):
    (tmp_path / "probe_targets.py").write_text(TARGETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(function, argument="2", key="k"):
        probe.ensure(f"probe_targets:{function}", argument, b"the model", key, "m.tflite")

    return run


def test_a_model_that_passes_is_remembered(ensure, tmp_path):
    log = tmp_path / "log"
    for _ in range(3):
        ensure("count", str(log))
    assert log.read_text() == "x"
    ensure("count", str(log), key="another")
    assert log.read_text() == "xx"


def test_the_child_gets_the_model_and_the_argument(ensure):
    ensure("good")


@pytest.mark.skipif("EDGE_EMULATED" in os.environ, reason="qemu does not hand this limit on")
def test_the_child_runs_under_limits(ensure):
    ensure("limits", str(probe.LIMIT_BYTES))


def test_what_the_child_prints_is_not_shown(ensure, capfd):
    ensure("noise")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        ("model_error", ModelError, "model m.tflite: it is odd; mend it"),
        ("inference_error", InferenceError, "model m.tflite: it fails; mend it"),
        ("crash", ModelError, "model m.tflite: it crashes the runtime (SIGSEGV); the file is damaged: fetch or export"),
        ("abort", ModelError, "model m.tflite: it crashes the runtime (SIGABRT); the file is damaged"),
        ("adapter_error", AdapterError, "model m.tflite: no runtime; install it"),
        ("leave", EdgeError, "model m.tflite: it could not be tried: exit code 7; "),
        ("say_nothing", EdgeError, "model m.tflite: it could not be tried: exit code 1; "),
        ("memory", ModelError, "model m.tflite: it asks for more memory than there is"),
        ("too_much", ModelError, "model m.tflite: it asks for more memory than there is"),
        ("fault", EdgeError, "model m.tflite: it could not be tried: KeyError: 'a fault of ours'; "),
    ],
)
def test_a_model_that_does_harm_is_refused_each_time(ensure, tmp_path, function, kind, words):
    for _ in range(2 if function == "crash" else 1):
        with pytest.raises(kind) as caught:
            ensure(function)
        assert type(caught.value) is kind
        assert str(caught.value).startswith(words)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache" / "edgekit" / "probed" / "k").exists()


def test_a_home_that_cannot_be_written_only_means_probing_again(ensure, tmp_path, monkeypatch):
    log, blocked = tmp_path / "log", tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    for _ in range(2):
        ensure("count", str(log))
    assert log.read_text() == "xx"


def test_without_a_cache_of_its_own_the_home_is_used(ensure, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ensure("good")
    assert (tmp_path / "home" / ".cache" / "edgekit" / "probed" / "k").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without a home")
def test_a_user_without_a_home_is_served(tmp_path):
    import subprocess
    import sys

    code = (
        "import os; from edge import probe; os.environ.pop('XDG_CACHE_HOME', None); os.environ.pop('HOME', None); "
        "os.setuid(54321); print(probe._remembered('k'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("None\n", 0), done.stderr


@pytest.mark.parametrize(
    ("function", "code", "said"),
    [
        ("model_error", 2, "ModelError it is\nodd; mend it\n"),
        ("inference_error", 1, "InferenceError it fails; mend it\n"),
        ("memory", 2, "ModelError it asks"),
    ],
)
def test_the_child_says_what_is_wrong_and_ends_with_the_code_of_the_error(ensure, tmp_path, function, code, said):
    import subprocess
    import sys

    text = f"import sys; from edge.probe import child; sys.exit(child('probe_targets:{function}', '2'))"
    done = subprocess.run(
        [sys.executable, "-c", text], input="", cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code
    assert done.stdout.startswith(said)


def test_a_model_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "endless.py").write_text("import time\n\n\ndef trial(data, argument):\n    time.sleep(600)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="model m: no answer within 1 s when it was tried"):
        probe.ensure("endless:trial", "", b"", "a-key", "m", limit_s=1)
