"""`edge doctor`: trials, in a child process and here."""

import io
import os
import sys

import msgspec
import pytest

from edge import profile as profiles
from edge.children import Ended
from edge.doctor import case, trials
from edge.interpreters.tensorrt import engines, library
from edge.interpreters.tensorrt.engines import Options, Order


def tried(name, about):
    """What a trial says, run in this process."""
    out = io.StringIO()
    code = trials.answer(name, about, out)
    return trials.told(Ended(code, out.getvalue().encode(), b""))


def test_a_child_tells_what_it_found_before_it_died():
    lines = b'["numpy", "2.1.0"]\nnoise of a library\n["cv2'
    told = trials.told(Ended(-11, lines, b""))
    assert (told.how, told.said, told.found) == ("crashed", "SIGSEGV", {"numpy": "2.1.0"})
    told = trials.told(Ended(None, lines, b""), 7)
    assert (told.how, told.said, told.found) == ("silent", "no answer within 7 s", {"numpy": "2.1.0"})
    assert trials.told(Ended(3, b"", b"first\nlast words\n")).said == "last words"


def test_a_trial_runs_in_a_child_whose_argument_may_be_long(tmp_path, monkeypatch):
    (tmp_path / "crashing_module.py").write_text(
        "import os, signal\nprint('noise')\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    told = trials.run("modules", f"json,{'x' * 200_000},crashing_module")
    assert (told.how, told.said) == ("crashed", "SIGSEGV")
    assert {"json", "json file"} < set(told.found)


def test_modules_are_imported_and_told_by_version(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("raise ImportError('numpy.core.multiarray failed to import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = tried("modules", "numpy,broken_module,no_such_module")
    assert told.how == "well" and told.found["numpy"]
    assert told.found["broken_module error"] == "ImportError: numpy.core.multiarray failed to import"
    assert told.found["no_such_module error"].startswith("ModuleNotFoundError")


def runtime(folder, text):
    (folder / "tflite_runtime").mkdir()
    (folder / "tflite_runtime/__init__.py").touch()
    (folder / "tflite_runtime/interpreter.py").write_text(
        "class Interpreter:\n    def __init__(self, model_content, num_threads): assert len(model_content) > 10**6\n"
        f"    def allocate_tensors(self): {text}\n"
    )


@pytest.fixture
def vendors(tmp_path, monkeypatch):
    """A folder for vendors' packages, which are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in ("tflite_runtime", "onnxruntime", "tensorrt", "cuda"):
            del sys.modules[name]


@pytest.mark.parametrize(("text", "how"), [("pass", "well"), ("raise SystemError('built for NumPy 1')", "failed")])
def test_a_litert_runtime_is_proven_by_building_an_interpreter(vendors, text, how):
    runtime(vendors, text)
    told = tried("litert", "tflite-runtime")
    assert told.how == how and told.kind == ("" if how == "well" else "SystemError")


def test_onnx_runtime_is_proven_by_a_session(vendors):
    (vendors / "onnxruntime.py").write_text(SESSION)
    sys.modules.pop("onnxruntime", None)
    assert tried("onnx", "").found == {"providers": "CPUExecutionProvider, B"}


SESSION = """\
import numpy as np
from types import SimpleNamespace as Named

def get_available_providers(): return ['CPUExecutionProvider', 'B']
def disable_telemetry_events(): pass

class SessionOptions:
    def add_session_config_entry(self, *_): pass

class InferenceSession:
    def __init__(self, data, options, **_): assert data.startswith(b'\\x08\\x08')
    def get_providers(self): return ['CPUExecutionProvider']
    def get_inputs(self): return [Named(name='a', type='tensor(float)', shape=[1])]
    def get_outputs(self): return [Named(name='b')]
    def run(self, names, given): return [given['a']]
"""


def test_the_trial_of_tensorrt_tells_which_engine_would_be_built_and_why(vendors):
    options = Options()
    orders = {str(n): Order(folder=str(vendors), model=str(n) * 64, device=0, options=options) for n in range(3)}
    about = msgspec.json.encode(orders).decode()
    (vendors / "tensorrt.py").write_text("__version__ = '10.3.0'\nclass Runtime: pass\n")
    (vendors / "cuda").mkdir()
    (vendors / "cuda/cudart.py").write_text(CUDA)
    identity = library.identity(library.tensorrt(), library.Cuda(0), orders["1"])
    engines.keep(orders["1"], identity, b"an engine")
    older = msgspec.structs.replace(identity, tensorrt="8.6.1", model=orders["2"].model)
    engines.keep(orders["2"], older, b"an engine")
    found = tried("tensorrt", about).found
    assert (found.pop("tensorrt"), found.pop("cuda")) == ("10.3.0", "Orin")
    assert found == {"build 0": "its first use here", "build 2": "tensorrt was 8.6.1 and is 10.3.0"}


CUDA = """\
from types import SimpleNamespace as Named

cudaError_t, cudaDeviceScheduleBlockingSync = Named(cudaSuccess=0), 4
def cudaGetDeviceCount(): return 0, 1
def cudaSetDevice(number): return (0,)
def cudaSetDeviceFlags(flags): return (0,)
def cudaGetDeviceProperties(number): return 0, Named(name=b'Orin', major=8, minor=7)
"""


def test_without_tensorrt_its_trial_tells_what_is_missing():
    found = tried("tensorrt", "{}").found
    assert found["tensorrt error"].startswith("TensorRT cannot be loaded: ") and "cuda error" in found


def test_picamera2_is_loaded_as_the_camera_does_it():
    told = tried("picamera", "")
    assert told.how == "failed" and "picamera2" in told.said


def test_a_library_is_loaded_and_a_file_that_is_none_is_told(tmp_path):
    assert tried("library", "libc.so.6").how == "well"
    (tmp_path / "libedgetpu.so.1").write_bytes(b"")
    told = tried("library", str(tmp_path / "libedgetpu.so.1"))
    assert (told.how, told.kind) == ("failed", "OSError") and "file too short" in told.said


def as_json(profile):
    return msgspec.json.encode(profiles.load(profile)).decode()


def test_the_first_interpreter_that_runs_answers_a_photograph(profile_file):
    told = tried("engine", as_json(profile_file()))
    found = {"backend": "scripted", "model": "tiny", "size": "8x8", "answer": "class b"}
    assert (told.how, told.found) == ("well", found)
    told = tried("engine", as_json(profile_file('["fail broken"]')))
    assert (told.how, told.kind) == ("failed", "InferenceError")


def test_reasons_for_what_does_not_run_are_told(profile_file, tmp_path):
    text = profile_file().read_text().replace("[[interpreter]]", '[[interpreter]]\nkind = "onnx"\n[[interpreter]]')
    (tmp_path / "q.toml").write_text(text)
    told = tried("engine", as_json(tmp_path / "q.toml"))
    assert told.found["backend"] == "scripted" and told.found["instead of 0"].startswith("onnx")


def test_the_first_camera_that_gives_a_frame_is_told(tmp_path):
    def films(*tables):
        lines = "".join(f"[[camera]]\n{table}\n" for table in tables)
        text = f'name = "p"\n{lines}[[interpreter]]\nkind = "litert"\n'
        cameras = list(profiles.parse(text.encode(), "p").cameras)
        return msgspec.json.encode(trials.Wanted(cameras, (224, 224))).decode()

    told = tried("camera", films('kind = "v4l2"\ndevice = "/dev/video77"', 'kind = "sample"'))
    assert told.found["camera"] == "sample" and "x" in told.found["frame"]
    assert told.found["error 0"].startswith("v4l2: /dev/video77: ")
    told = tried("camera", films('kind = "scripted"\nscript = ["frames 1"]', 'kind = "v4l2"'))
    assert told.found["camera"] == "scripted"


def test_this_user_is_who_runs_it():
    user = case.this_user()
    assert user.name and os.getegid() in user.groups
