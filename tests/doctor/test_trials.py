"""`edge doctor`: trials, in a child process and here."""

import io
import os

import msgspec

from edge import profile as profiles
from edge.doctor import case, trials


def tried(name, about):
    """What a trial says, run in this process."""
    out = io.StringIO()
    code = trials.answer(name, about, out)
    return trials.told(code, out.getvalue().encode(), b"")


def test_a_child_tells_what_it_found_before_it_died():
    lines = b'["numpy", "2.1.0"]\nnoise of a library\n["cv2'
    told = trials.told(-11, lines, b"")
    assert (told.how, told.said, told.found) == ("crashed", "SIGSEGV", {"numpy": "2.1.0"})
    assert trials.told(-99, b"", b"").said == "signal 99"
    assert trials.told(3, b"", b"first\nlast words\n").said == "last words"
    assert trials.told(3, b"", b"").said == "exit code 3"


def test_a_trial_runs_in_a_child_that_may_crash_or_hang(tmp_path, monkeypatch):
    (tmp_path / "crashing_module.py").write_text(
        "import os, signal\nprint('noise')\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    (tmp_path / "hanging_module.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = trials.run("modules", "json,crashing_module")
    assert (told.how, told.said) == ("crashed", "SIGSEGV")
    assert set(told.found) == {"json", "json file"}
    told = trials.run("modules", "json,hanging_module", limit_s=1.0)
    assert (told.how, told.said) == ("silent", "no answer within 1 s")


def test_modules_are_imported_and_told_by_version(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("raise ImportError('numpy.core.multiarray failed to import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = tried("modules", "numpy,broken_module,no_such_module")
    assert told.how == "well" and told.found["numpy"]
    assert told.found["broken_module error"] == "ImportError: numpy.core.multiarray failed to import"
    assert told.found["no_such_module error"].startswith("ModuleNotFoundError")


def test_a_trial_that_fails_tells_error_and_kind():
    told = tried("litert", "no_such_runtime")
    assert (told.how, told.kind) == ("failed", "ModuleNotFoundError")
    assert told.said == "No module named 'no_such_runtime'"


def package(folder, name, text):
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("__version__ = '9.9'\n")
    (folder / name / "interpreter.py").write_text(text)


def test_a_litert_runtime_is_proven_by_building_an_interpreter(tmp_path, monkeypatch):
    text = "class Interpreter:\n    def __init__(self, model_content, num_threads): assert len(model_content) > 10**6\n"
    package(tmp_path, "whole_runtime", f"{text}    def allocate_tensors(self): pass\n")
    package(tmp_path, "half_runtime", f"{text}    def allocate_tensors(self): raise SystemError('built for NumPy 1')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert tried("litert", "whole_runtime").found == {"version": "9.9"}
    assert tried("litert", "half_runtime").said == "built for NumPy 1"


def test_onnx_runtime_is_proven_by_a_session(tmp_path, monkeypatch):
    (tmp_path / "some_onnx.py").write_text(
        "__version__ = '1.2'\n"
        "def get_available_providers(): return ['A', 'B']\n"
        "class InferenceSession:\n"
        "    def __init__(self, data, providers): assert data.startswith(b'\\x08\\x08')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert tried("onnx", "some_onnx").found == {"version": "1.2", "providers": "A, B"}


def test_a_library_is_loaded_and_a_file_that_is_none_is_told(tmp_path):
    assert tried("library", "libc.so.6").how == "well"
    (tmp_path / "libedgetpu.so.1").write_bytes(b"")
    told = tried("library", str(tmp_path / "libedgetpu.so.1"))
    assert (told.how, told.kind) == ("failed", "OSError") and "file too short" in told.said


def as_json(profile):
    return msgspec.json.encode(profiles.load(profile)).decode()


def test_the_first_interpreter_that_runs_answers_a_photograph(profile_file):
    told = tried("engine", as_json(profile_file()))
    assert told.how == "well" and told.found == {"backend": "scripted", "model": "tiny", "answer": "class b"}
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
        return msgspec.json.encode(profiles.parse(text.encode(), "p").cameras).decode()

    told = tried("camera", films('kind = "v4l2"\ndevice = "/dev/video77"', 'kind = "sample"'))
    assert told.found["camera"] == "sample" and "x" in told.found["frame"]
    assert told.found["error 0"].startswith("v4l2: /dev/video77: ")
    told = tried("camera", films('kind = "scripted"\nscript = ["frames 1"]', 'kind = "v4l2"'))
    assert told.found["camera"] == "scripted"


def test_this_user_is_who_runs_it():
    user = case.this_user()
    assert user.name and os.getegid() in user.groups
