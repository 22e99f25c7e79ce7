import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edge import models
from edge.errors import AdapterError, EdgeError, InferenceError, ModelError
from edge.interpreters import litert
from edge.stderr import held_back


def opened(data, tmp_path, threads=1):
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    return litert.open(models.load(path), threads=threads)


@pytest.mark.parametrize(
    ("kind", "dtype", "quantised"),
    [("uint8", np.uint8, (1 / 256, 0)), ("int8", np.int8, (1 / 256, -128)), ("float32", np.float32, (0.0, 0))],
)
def test_everything_about_the_tensors_is_read_from_the_model(tiny, tmp_path, kind, dtype, quantised):
    interpreter = opened(tiny(kind), tmp_path)
    (picture,), (scores,) = interpreter.inputs, interpreter.outputs
    assert (picture.name, picture.shape, picture.dtype) == ("tensor0", (1, 2, 2, 3), dtype)
    assert (scores.shape, scores.dtype, (scores.scale, scores.zero_point)) == ((1, 12), dtype, quantised)
    assert interpreter.backend == "litert-cpu"


def test_it_infers_and_its_outputs_are_copies(tiny, tmp_path):
    interpreter = opened(tiny(), tmp_path)
    first = interpreter.infer(tiny.picture({5: 255})[None])
    second = interpreter.infer(tiny.picture({7: 255})[None])
    assert (first[0].argmax(), second[0].argmax()) == (5, 7)


def test_a_closed_interpreter_says_so(tiny, tmp_path):
    interpreter = opened(tiny(), tmp_path)
    interpreter.close()
    with pytest.raises(InferenceError, match=r"model .*m\.tflite: the interpreter was closed; open it again"):
        interpreter.infer(tiny.picture({})[None])


@pytest.mark.parametrize("tensor", [np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 2, 3), np.float32)])
def test_a_tensor_that_does_not_fit_is_an_inference_error(tiny, tmp_path, tensor):
    with pytest.raises(InferenceError, match=r"m\.tflite: it fails when it runs: .*; the model or its runtime"):
        opened(tiny(), tmp_path).infer(tensor)


def test_a_damaged_model_is_refused(tiny, tmp_path):
    with pytest.raises(ModelError, match=r"model .*m\.tflite: LiteRT cannot load it: .*fetch or export it again"):
        opened(tiny()[:300], tmp_path)


def test_an_operator_that_the_runtime_does_not_know_is_a_model_error(tiny, tmp_path):
    tensors = [tiny.Tensor((1, 2, 2, 3), 0)] * 2
    data = tiny.build(tensors, [tiny.Operator(126, (0,), (1,))], (0,), (1,))
    with pytest.raises((ModelError, InferenceError), match=r"m\.tflite: "):
        opened(data, tmp_path)


def test_a_model_without_inputs_or_outputs_is_refused(tiny, tmp_path):
    with pytest.raises(ModelError, match=r"m\.tflite: it has no input or no output; give an image model"):
        opened(tiny.build([tiny.Tensor((1, 4), 0)], [], (), ()), tmp_path)
    with pytest.raises(ModelError, match=r"m\.tflite: it has no input or no output; give an image model"):
        opened(tiny.build([tiny.Tensor((1, 4), 0)], [], (0,), ()), tmp_path)


def test_threads_are_handed_to_the_runtime_and_do_not_change_the_answer(tiny, tmp_path):
    picture = tiny.picture({5: 255, 7: 200})[None]
    answers = [opened(tiny(), tmp_path, threads).infer(picture)[0].tolist() for threads in (1, 2, None)]
    assert answers[0] == answers[1] == answers[2]


def test_what_the_runtime_says_is_held_back_but_for_its_warnings(capfd):
    import os

    with held_back(litert._not_information):
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nWARNING: heed this\n")
    captured = capfd.readouterr()
    assert captured.err == "WARNING: heed this\n"
    assert captured.out == ""


def test_a_stranger_is_tried_on_two_inputs(tiny):
    litert.trial(tiny(), "1")
    with pytest.raises(ModelError, match="LiteRT cannot load it"):
        litert.trial(tiny()[:300], "1")


def run_with(module_path: Path, text: str) -> str:
    """Run `text` in a child that finds stand-ins under `module_path` before what is installed."""
    code = f"import sys; sys.path.insert(0, {str(module_path)!r})\n{text}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60, check=True
    ).stdout


BROKEN = {
    "does not import": "raise ImportError('no wheel here')",
    "fails when it is constructed": "def Interpreter(**options): raise SystemError('NumPy 2')",
    "lacks a name": "",
}

WORKING = """
import numpy as np

class Interpreter:
    def __init__(self, *, model_content, num_threads): self.threads = num_threads
    def allocate_tensors(self): ...
    def get_input_details(self): return [self.detail("in", (1, 2, 2, 3))]
    def get_output_details(self): return [self.detail("out", (1, 12))]
    def detail(self, name, shape):
        return {"name": name, "index": 0, "shape": np.array(shape), "dtype": np.uint8, "quantization": (0.5, 3)}
"""

OPEN = """
from edge.interpreters import litert
from edge.errors import AdapterError
try:
    made = litert.construct(b"", 2, "")
    print(made.backend, made.inputs[0].scale, made._interpreter.threads)
except AdapterError as error:
    print(error)
"""


def stand_in(folder, package, text):
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    (folder / package / "interpreter.py").write_text(text)


@pytest.mark.parametrize("how", BROKEN)
def test_the_second_runtime_is_taken_where_the_first_cannot_construct(tmp_path, how):
    stand_in(tmp_path, "ai_edge_litert", BROKEN[how])
    stand_in(tmp_path, "tflite_runtime", WORKING)
    assert run_with(tmp_path, OPEN) == "tflite-cpu 0.5 2\n"


def test_where_no_runtime_works_both_reasons_and_the_remedy_are_told(tmp_path):
    stand_in(tmp_path, "ai_edge_litert", BROKEN["does not import"])
    stand_in(tmp_path, "tflite_runtime", BROKEN["fails when it is constructed"])
    said = run_with(tmp_path, OPEN)
    assert said.count("\n") == 1
    assert "litert-cpu: no wheel here; tflite-cpu: NumPy 2" in said
    assert "install it with `pip install ai-edge-litert`" in said


def test_a_missing_runtime_ends_the_command_with_one_line(tmp_path, tiny_file):
    for package in ("ai_edge_litert", "tflite_runtime"):
        stand_in(tmp_path, package, BROKEN["does not import"])
    code = "import edge.cli; print(edge.cli.execute(['run', 'sample:', '--limit', '1'], False))"
    line = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    done = subprocess.run(line, capture_output=True, text=True, cwd="/", timeout=60, check=True)
    assert done.stdout == "1\n"
    assert done.stderr.count("\n") == 1
    assert "no LiteRT runtime works here" in done.stderr
    assert "pip install" in done.stderr


def test_a_compiled_model_is_refused_on_a_processor(shared):
    path = shared / "models" / "mobilenet_v2_1.0_224_quant_edgetpu.tflite"
    with pytest.raises(ModelError, match=r"compiled for the Edge TPU, which a processor cannot run; give the model"):
        litert.open(models.load(path))


def test_a_model_that_fails_on_invoke_is_refused_before_the_camera_opens(shared):
    with pytest.raises(EdgeError, match=r"model_invoking_error\.tflite: .*fake-op-double"):
        litert.open(models.load(shared / "models" / "model_invoking_error.tflite"))


def test_a_shipped_model_is_opened_without_a_child_process(own_cache):
    file = models.load()
    litert.open(file, threads=1).close()
    assert not list(own_cache.rglob(f"{file.sha256}*"))


def test_a_missing_runtime_is_the_same_error_for_a_programmer():
    assert issubclass(AdapterError, ImportError)


FUZZ = """
import random, sys
from pathlib import Path
from edge import models
from edge.errors import EdgeError
from edge.interpreters import litert
import numpy as np

bases = [Path(name).read_bytes() for name in sys.argv[3:]]
path = Path(sys.argv[1]) / "mutated.tflite"
dice = random.Random(20240607)
counts = {"answer": 0, "refused": 0}
for number in range(int(sys.argv[2])):
    data = bytearray(bases[number % len(bases)])
    for _ in range(dice.choice([1, 2, 5, 40])):
        # Mostly where the graph is written, which is where a flipped byte does harm.
        at = dice.randrange(min(len(data), 4096)) if dice.random() < 0.5 else dice.randrange(len(data))
        data[at] ^= 1 << dice.randrange(8)
    if dice.random() < 0.2:
        del data[dice.randrange(len(data)):]
    path.write_bytes(data)
    try:
        interpreter = litert.open(models.load(path), threads=1)
        interpreter.infer(np.zeros(interpreter.inputs[0].shape, interpreter.inputs[0].dtype))
        counts["answer"] += 1
    except EdgeError as error:
        assert "\\n" not in str(error)
        counts["refused"] += 1
print(counts["answer"] + counts["refused"], min(counts.values()) > 0)
"""


def fuzz(tmp_path, bases, times):
    line = [sys.executable, "-c", FUZZ, str(tmp_path), str(times), *map(str, bases)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False)


def test_mutated_models_give_an_answer_or_an_error_and_never_crash(tiny, tmp_path):
    bases = []
    for kind in ("uint8", "float32"):
        bases.append(tmp_path / f"{kind}.tflite")
        bases[-1].write_bytes(tiny(kind))
    bases.append(models.shipped()[models.DEFAULT])
    times = 12 if "EDGE_EMULATED" in os.environ else 30  # two seconds each where each instruction is dear
    done = fuzz(tmp_path, bases, times)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == f"{times} True\n"


def test_two_threads_that_load_models_leave_the_process_its_stderr(tiny_file):
    before = Path("/proc/self/fd/2").readlink()
    threads = [threading.Thread(target=lambda: [litert.open(models.load(tiny_file)) for _ in range(20)]) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Path("/proc/self/fd/2").readlink() == before
