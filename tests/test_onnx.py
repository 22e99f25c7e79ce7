"""What ONNX files say, and the interpreter for them, with a stand-in for the vendor's package."""

import importlib
import struct
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import adapters, models
from edge import profile as profiles
from edge.engine import open_engine
from edge.errors import AdapterError, ConfigError, InferenceError, ModelError
from edge.interpreters import litert
from edge.models import onnx
from edge.models.card import Input

# --- the file


def test_a_model_is_known_by_its_fields(tiny_onnx):
    assert onnx.is_onnx(tiny_onnx())
    assert not onnx.is_onnx(b"")
    assert not onnx.is_onnx(b"hello")
    assert not onnx.is_onnx(tiny_onnx.field(1, 8))
    assert not onnx.is_onnx(tiny_onnx()[:-3])
    assert not onnx.is_onnx(tiny_onnx() + b"\x0b")
    assert not onnx.is_onnx(tiny_onnx() + tiny_onnx.field(99, 1))
    assert onnx.is_onnx(tiny_onnx() + b"\x0d1234")  # a number of 32 bits in a known field


def test_metadata_names_labels_fit_and_normalisation(tiny_onnx):
    found = onnx.facts(tiny_onnx(labels="a\nb\n", mean="1, 2,3", std="4,5,6.5", fit="crop", other="?"))
    assert found == (("a", "b"), "crop", Input(mean=[1, 2, 3], std=[4, 5, 6.5]))


@pytest.mark.parametrize(
    "metadata",
    [{}, {"mean": "1,2,3"}, {"mean": "1,2", "std": "1,2"}, {"mean": "a,b,c", "std": "1,2,3"}, {"fit": "stretch"},
     {"mean": "1,2,nan", "std": "1,1,1"}, {"labels": ""}],
)  # fmt: skip
def test_metadata_that_means_something_else_is_left_out(tiny_onnx, metadata):
    assert onnx.facts(tiny_onnx(**metadata)) == (None, None, None)


@pytest.mark.parametrize(("kind", "found"), [("uint8", (1 / 16, 0)), ("int8", (1 / 16, -128)), ("float32", None)])
def test_scale_and_zero_point_of_the_input_are_those_of_its_dequantising(tiny_onnx, kind, found):
    assert onnx.input_quantisation(tiny_onnx(kind), "picture") == found
    assert onnx.input_quantisation(tiny_onnx(kind), "another") is None


def dequantised(make, *parts, inputs=("picture", "scale", "zero")):
    graph = make.value(11, "picture", 2, (1, 2, 2, 3)) + b"".join(parts)
    return make.model(graph + make.node("DequantizeLinear", inputs, "real") + make.value(12, "real", 1, (1,)))


def test_scale_and_zero_point_may_stand_in_typed_fields_or_be_left_out(tiny_onnx):
    def typed(name, kind, number, value):
        field = tiny_onnx.field
        return field(5, field(2, kind) + field(8, name) + field(number, value))

    scale = typed("scale", 1, 4, struct.pack("<f", 0.5))
    minus_three = b"\xfd" + b"\xff" * 8 + b"\x01"
    file = dequantised(tiny_onnx, scale, typed("zero", 3, 5, minus_three))
    assert onnx.input_quantisation(file, "picture") == (0.5, -3)
    file = dequantised(tiny_onnx, scale, typed("zero", 2, 5, b"\x7f"))
    assert onnx.input_quantisation(file, "picture") == (0.5, 127)
    file = dequantised(tiny_onnx, scale, inputs=("picture", "scale"))
    assert onnx.input_quantisation(file, "picture") == (0.5, 0)


def test_a_scale_that_is_none_is_not_taken(tiny_onnx):
    zero = tiny_onnx.scalar("zero", 2, b"\0")
    for raw in (struct.pack("<f", 0), struct.pack("<f", float("nan")), b"\0\0", struct.pack("<2f", 1, 2)):
        file = dequantised(tiny_onnx, tiny_onnx.scalar("scale", 1, raw), zero)
        assert onnx.input_quantisation(file, "picture") is None
    assert onnx.input_quantisation(dequantised(tiny_onnx), "picture") is None


def test_a_softmax_before_what_only_rewrites_it_still_gives_probabilities(tiny_onnx):
    node, out = tiny_onnx.node, tiny_onnx.value(12, "c", 1, (1, 2))
    end = node("QuantizeLinear", ("a", "s"), "b") + node("DequantizeLinear", ("b", "s"), "c") + out
    assert onnx.gives_probabilities(tiny_onnx.model(node("Softmax", ("x",), "a") + end)) is True
    assert onnx.gives_probabilities(tiny_onnx.model(node("Sigmoid", ("x",), "a") + end)) is True
    assert onnx.gives_probabilities(tiny_onnx.model(node("Gemm", ("x",), "a") + end)) is None
    assert onnx.gives_probabilities(tiny_onnx.model(node("Cast", ("c",), "a") + end)) is None  # round in a circle
    assert onnx.gives_probabilities(b"\xff") is None


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_file_gives_none_instead_of_facts_and_never_crashes(tiny_onnx, data):
    file = bytearray(tiny_onnx(labels="a", mean="1,2,3", std="1,1,1"))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    file = bytes(file[: data.draw(st.integers(0, len(file)))])
    assert onnx.is_onnx(file) in (True, False)
    assert len(onnx.facts(file)) == 3
    assert onnx.gives_probabilities(file) in (True, None)
    assert onnx.input_quantisation(file, "picture") is None or file


def tensor_of(tiny_onnx, **how):
    """A tensor that says where its weights are: in a field that is set, in a place, or neither."""
    place = tiny_onnx.field(13, tiny_onnx.field(1, "location") + tiny_onnx.field(2, "w.bin"))
    return tiny_onnx.field(8, "w") + (place if how.get("place") else b"") + tiny_onnx.field(14, how.get("where", 0))


@pytest.mark.parametrize("how", [{"where": 1}, {"place": True}, {"where": 0}])
def test_weights_in_other_files_are_found_wherever_a_tensor_may_be(tiny_onnx, how):
    field, tensor, elsewhere = tiny_onnx.field, tensor_of(tiny_onnx, **how), how != {"where": 0}
    attributes = [field(5, tensor), field(10, tensor), field(22, field(1, tensor)), field(6, field(5, tensor))]
    nodes = [field(5, attribute) for attribute in attributes]
    graphs = [field(5, tensor), field(15, field(2, tensor)), *(field(1, node) for node in nodes)]
    for graph in graphs:
        assert onnx.needs_other_files(tiny_onnx.model(graph)) is elsewhere
        assert onnx.needs_other_files(tiny_onnx.model(b"") + field(20, field(2, graph))) is elsewhere
    assert onnx.needs_other_files(tiny_onnx.model(b"") + field(25, field(7, nodes[0]))) is elsewhere
    assert not onnx.needs_other_files(tiny_onnx())


@pytest.mark.parametrize("graph", [b"\x0b", b"\x28\x01"])
def test_what_cannot_be_looked_at_may_need_other_files(tiny_onnx, graph):
    assert onnx.needs_other_files(tiny_onnx.model(graph))


# --- the interpreter

STAND_IN = """
import numpy as np

__version__ = "0"

HAS = ["CPUExecutionProvider"]
TAKES = ["CPUExecutionProvider"]

def disable_telemetry_events(): ...

def get_available_providers(): return HAS

class SessionOptions:
    def __init__(self): self.entries = {}
    def add_session_config_entry(self, key, value): self.entries[key] = value

class Value:
    def __init__(self, name, type, shape): self.name, self.type, self.shape = name, type, shape

class InferenceSession:
    def __init__(self, data, options, providers, enable_fallback):
        ((self.provider, self.given),) = providers
        assert self.provider in HAS and (enable_fallback, options.log_severity_level) == (0, 4)
        assert options.intra_op_num_threads >= 1
        forbidden = options.entries.get("session.disable_cpu_ep_fallback") == "1"
        assert forbidden == (self.provider != "CPUExecutionProvider")
        for key, value in self.given.items():  # core/framework/provider_options_utils.h
            if not key.endswith("_path") and value not in ("True", "False"):
                raise Exception(f'{key}: Value should be either "True" or "False"')
        if b"no device" in data and self.provider != "CPUExecutionProvider":
            raise Exception("CUDA failure 100: no CUDA-capable device is detected")
        if b"broken" in data:
            raise Exception("protobuf parsing failed" + 1000 * (b"length" in data) * "!")
        self.data = data
        self.kind = next(k for k in ("uint8", "int8", "float16", "float") if f"<{k}>".encode() in data)
    def get_providers(self):
        return [self.provider if self.provider in TAKES else "CPUExecutionProvider"]
    def get_inputs(self):
        shape = ["N", "height", 2, 3] if b"open" in self.data else ["N", 2, 2, 3]
        return [Value("picture", f"tensor({self.kind})", shape)] * (2 if b"twice" in self.data else 1)
    def get_outputs(self): return [Value("scores", "tensor(float)", ["N", None])]
    def run(self, names, feeds):
        (tensor,) = feeds.values()
        if b"fails" in self.data or tensor.shape != (1, 2, 2, 3):
            raise Exception("no kernel")
        if b"sequence" in self.data:
            return [[tensor]]
        powers = np.exp(tensor.reshape(1, -1).astype(np.float32) / 16)
        return [powers / powers.sum()]
"""


@pytest.fixture
def opened(tmp_path, tiny_onnx, monkeypatch):
    """Opens a tiny ONNX model on a stand-in for ONNX Runtime, which does as the metadata says."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    (folder / "onnxruntime.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    importlib.invalidate_caches()

    def run(kind="uint8", *, shown=None, has=(), takes=(), providers=None, **metadata):
        path = tmp_path / "m.onnx"
        path.write_bytes(tiny_onnx(kind, takes=f"<{shown or kind.removesuffix('32')}>", **metadata))
        words = {"HAS": [*has, "CPUExecutionProvider"], "TAKES": [*takes, "CPUExecutionProvider"]}
        more = "".join(f"\n{name} = {value}" for name, value in words.items())
        (folder / "onnxruntime.py").write_text(STAND_IN + more)
        sys.modules.pop("onnxruntime", None)
        importlib.invalidate_caches()
        return adapters.open("interpreters", "onnx", models.load(path), threads=1, providers=providers)

    yield run
    sys.modules.pop("onnxruntime", None)


@pytest.mark.parametrize(
    ("kind", "dtype", "quantised"),
    [("uint8", np.uint8, (1 / 16, 0)), ("int8", np.int8, (1 / 16, -128)), ("float32", np.float32, (0.0, 0))],
)
def test_everything_about_the_tensors_is_read_from_the_model_and_a_run(opened, kind, dtype, quantised):
    interpreter = opened(kind)
    (picture,), (scores,) = interpreter.inputs, interpreter.outputs
    assert (picture.name, picture.shape, picture.dtype) == ("picture", (1, 2, 2, 3), dtype)
    assert (picture.scale, picture.zero_point) == quantised
    assert (scores.name, scores.shape, scores.dtype, scores.quantised) == ("scores", (1, 12), np.float32, False)
    assert interpreter.backend == "onnx-cpu"
    first, second = (interpreter.infer(np.full((1, 2, 2, 3), n, dtype))[0] for n in (0, 1))
    assert first is not second and first.shape == (1, 12)
    interpreter.close()
    interpreter.close()
    with pytest.raises(InferenceError, match=r"m\.onnx: the interpreter was closed; open it again"):
        interpreter.infer(np.zeros((1, 2, 2, 3), dtype))


def test_integers_are_bytes_of_pixels_where_nothing_says_what_they_stand_for(opened):
    loaded = opened("float32", shown="uint8")
    assert (loaded.inputs[0].dtype, loaded.inputs[0].scale, loaded.inputs[0].zero_point) == (np.uint8, 1.0, 0)
    loaded = opened("float32", shown="int8")
    assert (loaded.inputs[0].scale, loaded.inputs[0].zero_point) == (1.0, -128)


@pytest.mark.parametrize(
    ("metadata", "error", "words"),
    [
        ({"why": "broken"}, ModelError, "ONNX Runtime cannot load it: protobuf parsing failed; it is damaged"),
        ({"why": "twice"}, ModelError, "it has 2 inputs and 1 outputs; give a model that takes one picture"),
        ({"why": "open"}, ModelError, r"its input leaves its size open \(.*height.*\); export it with a fixed one"),
        ({"why": "fails"}, InferenceError, "it fails when it runs: no kernel; the model or its runtime is broken"),
        ({"why": "sequence"}, InferenceError, "it gives something other than tensors"),
        ({"shown": "float16"}, ModelError, r"its input is a tensor\(float16\), not of float32, uint8 or int8"),
    ],
)
def test_a_model_that_cannot_be_run_is_refused_in_words_by_a_child_process(opened, metadata, error, words):
    with pytest.raises(error, match=rf"^model .*m\.onnx: {words}"):
        opened(**metadata)


@pytest.mark.parametrize(
    ("why", "takes"),
    [("broken", "uint8"), ("twice", "uint8"), ("open", "uint8"), ("fails", "uint8"), ("sequence", "uint8"),
     ("", "float16")],
)  # fmt: skip
def test_one_that_passed_when_it_was_tried_and_fails_here_is_refused_all_the_same(opened, tiny_onnx, why, takes):
    from edge.interpreters.onnx import construct, trial

    opened()
    with pytest.raises((ModelError, InferenceError), match=r"^here: "):
        construct(tiny_onnx(takes=f"<{takes}>", why=why), 1, "here: ")
    trial(tiny_onnx(takes="<uint8>"), "1")


def test_a_model_whose_weights_are_in_other_files_is_refused(opened, tiny_onnx, tmp_path):
    opened()
    extra = tiny_onnx.field(7, tiny_onnx.field(5, tensor_of(tiny_onnx, where=1)))
    (tmp_path / "m.onnx").write_bytes(tiny_onnx(takes="<uint8>") + extra)
    with pytest.raises(
        ModelError, match=r"m\.onnx: its weights are in other files, or damaged; export it again, as one"
    ):
        adapters.open("interpreters", "onnx", models.load(tmp_path / "m.onnx"))


def test_a_long_reason_of_the_runtime_is_cut(opened):
    with pytest.raises(ModelError) as caught:
        opened(why="broken at length")
    assert len(str(caught.value).partition("cannot load it: ")[2].partition("; it is damaged")[0]) == 300


def test_a_model_that_ships_is_not_tried_first(opened, tmp_path):
    opened()
    file = msgspec.structs.replace(models.load(tmp_path / "m.onnx"), trusted=True)
    assert adapters.open("interpreters", "onnx", file).outputs[0].shape == (1, 12)


def test_without_its_package_the_error_says_how_it_is_installed(tmp_path, tiny_onnx, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no wheel here')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_onnx())
    with pytest.raises(AdapterError, match="onnx cannot run here: no wheel here; install it with `pip install onnxr"):
        adapters.open("interpreters", "onnx", models.load(path))


TRT, CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"


def test_the_providers_of_this_build_are_tried_in_order_and_the_first_that_runs_is_the_backend(opened, caplog):
    assert (opened().backend, opened().instead_of) == ("onnx-cpu", ())
    assert opened(has=[CUDA], takes=[CUDA]).backend == "onnx-cuda"
    both = opened(has=[CUDA, TRT], takes=[CUDA, TRT])
    assert (both.backend, both.instead_of) == ("onnx-tensorrt", ())
    assert caplog.text == ""


def test_a_provider_that_does_not_run_is_a_reason_and_the_next_one_runs(opened, caplog):
    third = opened(has=[TRT, CUDA], why="no device")
    assert third.backend == "onnx-cpu"
    assert third.instead_of == (
        "onnx-tensorrt: it cannot load the model: CUDA failure 100: no CUDA-capable device is detected; "
        "see whether `nvidia-smi` finds the GPU",
        third.instead_of[0].replace("tensorrt", "cuda"),
    )
    assert "onnx-cpu runs instead, because onnx-cuda: it cannot load" in caplog.text
    second = opened(has=[TRT, CUDA], takes=[CUDA], providers=["tensorrt", "cuda"])
    assert second.backend == "onnx-cuda"
    assert "ONNX Runtime took CPUExecutionProvider in its place; its libraries" in second.instead_of[0]


def test_nothing_runs_that_is_not_listed(opened):
    with pytest.raises(AdapterError, match=r"^onnx-cuda: this build of ONNX Runtime has only cpu; install `onnx"):
        opened(providers=["cuda"])
    with pytest.raises(AdapterError, match=r"^onnx-tensorrt: ONNX Runtime took CPUExec.*; onnx-cuda: ONNX Runtime"):
        opened(has=[TRT, CUDA], providers=["tensorrt", "cuda"])
    with pytest.raises(ConfigError, match="providers"):
        adapters.check("interpreters", "onnx", {"providers": ["npu"]}, "")


def test_the_engine_of_the_tensorrt_provider_is_kept(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    given = opened(has=[TRT], takes=[TRT])._session.given
    assert given["trt_engine_cache_enable"] == given["trt_timing_cache_enable"] == "True"
    assert given["trt_engine_cache_path"] == str(tmp_path / "cache/edgekit/onnxruntime-tensorrt")
    assert opened(has=[CUDA], takes=[CUDA])._session.given == {}
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    homeless = opened(has=[TRT], takes=[TRT])._session.given
    assert homeless == {"trt_int8_enable": "True", "trt_fp16_enable": "True"}


@pytest.mark.parametrize(
    ("flags", "saturates"),
    [("fma avx2 bmi", True), ("avx2 avx512_vnni", False), ("avx2 avx_vnni", False), ("neon", False)],
)
def test_a_processor_whose_sums_saturate_is_told_by_its_flags(tmp_path, flags, saturates):
    from edge.interpreters.onnx import _saturates

    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"flags : fpu {flags}\n")
    assert _saturates(tmp_path) is saturates
    assert _saturates(tmp_path / "elsewhere") is False


def test_interpreters_refuse_the_formats_of_others(tmp_path, tiny_onnx, tiny_file):
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_onnx())
    with pytest.raises(ModelError, match=r"m\.onnx: an ONNX file, which LiteRT cannot run; .*--runtime onnx"):
        litert.open(models.load(path))
    with pytest.raises(ModelError, match=r"tiny\.tflite: no ONNX file, which ONNX Runtime needs; give an ONNX file"):
        adapters.open("interpreters", "onnx", models.load(tiny_file))


MODULE = """
import msgspec
import numpy as np
from edge.models.card import Card, Input
from edge.types import TensorSpec

INSTALL = "it needs nothing"

class Knowing:
    backend = "knowing"
    def __init__(self, model):
        card = Card(name="x", fit="crop", input=Input(mean=[0.0] * 3, std=[255.0] * 3))
        self.model = msgspec.structs.replace(model, labels=("yes", "no"), card=card)
        self.inputs = [TensorSpec(name="in", shape=(1, 2, 2, 3), dtype=np.dtype("float32"))]
        self.outputs = [TensorSpec(name="out", shape=(1, 2), dtype=np.dtype("float32"))]
    def infer(self, tensor): return [np.array([[0.25, 0.75]], np.float32)]
    def close(self): ...

def open(model): return Knowing(model)
"""


def test_an_interpreter_that_reads_more_out_of_a_file_says_its_labels_and_its_input(tmp_path, monkeypatch, tiny):
    (tmp_path / "acme_npu").mkdir()
    (tmp_path / "acme_npu" / "knowing.py").write_text(MODULE)
    (tmp_path / "acme_npu" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "m.tflite").write_bytes(tiny())
    profile = profiles.parse(b'name = "p"\n[[interpreter]]\nkind = "acme_npu.knowing"\n', "here")
    engine = open_engine(profile, model=tmp_path / "m.tflite")
    assert engine.task.labels == ("yes", "no")
    assert engine.preprocessor.fit == "crop"
    assert engine.preprocessor._table.max() == 1.0
