"""The interpreter for TensorRT, on a scripted TensorRT that has the names of the real one in three versions."""

import importlib
import io
import json
import logging
import os
import shutil
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge import adapters, models
from edge.errors import AdapterError, ConfigError, DeviceError, InferenceError, ModelError
from edge.interpreters import tensorrt
from edge.interpreters.tensorrt import build, engines, library, run, shown
from edge.interpreters.tensorrt.engines import Options, Order
from edge.interpreters.tensorrt.shown import Step
from edge.models import onnx

HERE = Path(__file__).with_name("tensorrt")
API = json.loads((HERE / "api.json").read_text())
VERSIONS = list(API)
FRESH = ("tensorrt", "fake_cuda", "cuda", "cuda.bindings", "cuda.bindings.runtime", "cuda.cudart")


class Scripted:
    """A scripted TensorRT and CUDA in a folder, and what they were asked for."""

    def __init__(self, folder):
        self.folder = folder

    def plays(self, version="10.3.0", layout="bindings", **script):
        names = API[version]["names"]
        (self.folder / "script.json").write_text(json.dumps({"version": version, "names": names, **script}))
        shutil.copy(HERE / "scripted_tensorrt.py", self.folder / "tensorrt.py")
        shutil.copy(HERE / "fake_cuda.py", self.folder / "fake_cuda.py")
        shutil.rmtree(self.folder / "cuda", ignore_errors=True)
        place = self.folder / "cuda" / ("bindings/runtime.py" if layout == "bindings" else "cudart.py")
        place.parent.mkdir(parents=True)
        for each in {self.folder / "cuda", place.parent}:
            (each / "__init__.py").touch()
        place.write_text("from fake_cuda import *\n")
        for name in FRESH:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        (self.folder / "events").unlink(missing_ok=True)

    @property
    def events(self):
        path = self.folder / "events"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def vendor(tmp_path, monkeypatch):
    folder = tmp_path / "vendor"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engines.spare.cache_clear()  # as in a process that was started anew
    yield Scripted(folder)
    for name in FRESH:
        sys.modules.pop(name, None)


def quantised(tiny_onnx, zero=0, kind=3):
    """An ONNX file with one Q/DQ pair, whose zero point is an int8 (3) or a uint8 (2)."""
    node, value, scalar = tiny_onnx.node, tiny_onnx.value, tiny_onnx.scalar
    pair = node("QuantizeLinear", ("picture", "s", "z"), "q") + node("DequantizeLinear", ("q", "s", "z"), "scores")
    grid = scalar("s", 1, np.float32(0.5).tobytes()) + scalar("z", kind, bytes([zero]))
    return tiny_onnx.model(value(11, "picture", 1, (1, 2, 2, 3)) + grid + pair + value(12, "scores", 1, (1, 12)))


@pytest.fixture
def model(tmp_path, tiny_onnx):
    path = tmp_path / "m.onnx"
    path.write_bytes(quantised(tiny_onnx))
    return models.load(path)


@pytest.fixture
def order(tmp_path, model):
    folder = tmp_path / "engines"
    folder.mkdir()
    return Order(folder=str(folder), model=model.sha256, device=0, options=Options())


PICTURE = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)


def answers(interpreter):
    return np.allclose(interpreter.infer(PICTURE)[0], PICTURE.reshape(1, 12) / 66)


def text_of(order):
    return msgspec.json.encode(order).decode()


# --- the whole path, in child processes


@pytest.mark.parametrize(("version", "layout"), list(zip(VERSIONS, ("cudart", "bindings", "bindings"), strict=True)))
def test_an_engine_is_built_once_told_of_kept_and_run(vendor, model, version, layout, capfd):
    vendor.plays(version, layout)
    first = adapters.open("interpreters", "tensorrt", model)
    assert answers(first) and first.backend == "tensorrt" and first.threads is None
    assert (first.inputs[0].shape, first.outputs[0].shape) == ((1, 2, 2, 3), (1, 12))
    assert f"s): TensorRT {version} on Orin" in capfd.readouterr().err
    flags = [event for event in vendor.events if event.startswith("flag")]
    assert flags == ([] if version.startswith("11") else ["flag INT8", "flag FP16"])
    assert f"network {0 if version.startswith('11') else 1}" in vendor.events
    first.close()
    if version == VERSIONS[0]:
        return
    vendor.plays(version, layout)
    with_kept = adapters.open("interpreters", "tensorrt", model)
    assert answers(with_kept) and vendor.events == ["load"]
    with_kept.close()
    with_kept.close()
    assert capfd.readouterr().err == ""


def test_a_library_that_crashes_when_it_is_imported_is_an_error_here(vendor, model):
    vendor.plays(fail="crash at import")
    with pytest.raises(AdapterError, match=r"m\.onnx: TensorRT does not work here: .*SIGABRT.* while it load"):
        adapters.open("interpreters", "tensorrt", model)


def test_one_that_crashes_while_it_builds_is_an_error_here_and_keeps_nothing(vendor, model, tmp_path):
    vendor.plays(fail="crash in build")
    with pytest.raises(AdapterError, match=r"m\.onnx: TensorRT crashed while it built the engine \(SIGABRT\)"):
        adapters.open("interpreters", "tensorrt", model)
    assert list((tmp_path / "cache/edgekit/tensorrt").iterdir()) == []


@pytest.mark.parametrize("at", [1, 2])
def test_a_gpu_that_takes_the_process_with_it_ends_no_more_than_the_inference(vendor, model, order, at):
    vendor.plays()
    build.build(order_in_cache(order), model.data, lambda step: None)
    vendor.plays(**{"crash at": at})
    if at == 1:
        with pytest.raises(AdapterError, match=r"does not work here: .*SIGABRT.* at its first inference"):
            tensorrt.open(model)
        return
    interpreter = tensorrt.open(model)
    with pytest.raises(InferenceError, match=r"^model .*m\.onnx: TensorRT was lost: .*SIGABRT.* while it ran"):
        interpreter.infer(PICTURE)
    interpreter.close()


def test_a_cuda_error_in_mid_run_is_an_inference_error_so_that_another_may_run(vendor, model, order):
    vendor.plays()
    build.build(order_in_cache(order), model.data, lambda step: None)
    vendor.plays(cuda="cudaStreamSynchronize cudaErrorMemoryAllocation 2")
    interpreter = tensorrt.open(model)
    with pytest.raises(InferenceError, match=r"^model .*m\.onnx: the GPU is out of memory \(cudaErrorMemoryAlloc"):
        interpreter.infer(PICTURE)
    interpreter.close()


def test_a_kept_engine_that_takes_no_one_picture_is_refused_with_the_models_name(vendor, model, order):
    vendor.plays()
    build.build(order_in_cache(order), model.data, lambda step: None)
    vendor.plays(fail="open")
    with pytest.raises(ModelError, match=r"^model .*m\.onnx: its tensor picture leaves its size open"):
        tensorrt.open(model)


def order_in_cache(order):
    return msgspec.structs.replace(order, folder=str(engines.folder()))


@pytest.mark.parametrize("at_first", ["cannot be written", "full", "asked for anew"])
def test_a_process_builds_an_engine_once_though_it_cannot_be_kept(vendor, model, order, tmp_path, caplog, at_first):
    vendor.plays()
    if at_first == "cannot be written":
        (tmp_path / "cache").write_text("a file where the folder should be")
    elif at_first == "full":  # nothing can be put in its place
        engines.place(order_in_cache(order)).mkdir()
    for _ in range(2):
        interpreter = tensorrt.open(model, rebuild=at_first == "asked for anew")
        assert answers(interpreter)
        interpreter.close()
    assert vendor.events.count("build") == 1 and vendor.events.count("load") == 2
    kept = at_first == "asked for anew"
    assert ("so that each start builds the engine anew; make room there" in caplog.text) is not kept
    if kept:
        assert engines.place(order_in_cache(order)).is_file()


# --- what is refused before anything runs


def test_files_that_tensorrt_cannot_take_are_refused_with_what_to_do(tmp_path, tiny_file, tiny_onnx):
    with pytest.raises(ModelError, match=r"tiny\.tflite: a \.tflite file, and TensorRT takes ONNX; .*--for tensorrt"):
        tensorrt.open(models.load(tiny_file))
    for zero, kind in ((3, 3), (0, 2)):
        (tmp_path / "a.onnx").write_bytes(quantised(tiny_onnx, zero, kind))
        with pytest.raises(ModelError, match=r"a\.onnx: its zero points are not all 0, .* --for tensorrt"):
            tensorrt.open(models.load(tmp_path / "a.onnx"))
    elsewhere = tiny_onnx.model(tiny_onnx.field(5, tiny_onnx.field(8, "w") + tiny_onnx.field(14, 1)))
    (tmp_path / "b.onnx").write_bytes(elsewhere)
    with pytest.raises(ModelError, match=r"b\.onnx: its weights are in other files"):
        tensorrt.open(models.load(tmp_path / "b.onnx"))


def test_how_a_network_is_quantised_is_read_from_its_nodes(tiny_onnx):
    assert onnx.grids(tiny_onnx()) is onnx.Grids.ASYMMETRIC  # uint8
    assert onnx.grids(tiny_onnx("float32")) is onnx.Grids.NONE
    assert onnx.grids(quantised(tiny_onnx)) is onnx.Grids.SYMMETRIC
    field = tiny_onnx.field
    for value, found in ((0, onnx.Grids.SYMMETRIC), (5, onnx.Grids.ASYMMETRIC)):
        zero = field(5, field(2, 3) + field(8, "z") + field(5, value))  # in its typed field
        nodes = tiny_onnx.node("QuantizeLinear", ("p", "s", "z"), "q")
        assert onnx.grids(tiny_onnx.model(zero + nodes)) is found
    assert onnx.grids(b"\xff") is onnx.Grids.NONE


def test_a_network_in_floating_point_is_run_so_and_it_is_said(vendor, tmp_path, tiny_onnx, caplog):
    vendor.plays(fail="import")
    (tmp_path / "f.onnx").write_bytes(tiny_onnx("float32"))
    with pytest.raises(AdapterError, match="TensorRT cannot be loaded: libnvinfer"):
        tensorrt.open(models.load(tmp_path / "f.onnx"))
    assert "f.onnx: no Q/DQ nodes, so that TensorRT runs it in floating point" in caplog.text


# --- the child's own work, in this process


def test_what_is_built_is_loaded_again_by_its_key_alone(vendor, model, order):
    for version in VERSIONS:
        vendor.plays(version, "cudart" if version == VERSIONS[0] else "bindings")
        steps = []
        build.build(order, model.data, steps.append)
        assert steps[0] == Step(f"TensorRT {version} on Orin", 0, 0)
        monitored = [Step("Building", 0, 2), Step("Building", 1, 2), Step("Building", 2, 2)]
        assert steps[1:] == ([Step("Timing kernels", 0, 0)] if version.startswith("8") else monitored)
        assert answers(run.load(b"", text_of(order)))
        assert "timings b''" in vendor.events
    assert len(list(Path(order.folder).glob("*.engine"))) == 1, "a newer one takes the place of the older"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"version": "11.4.0.106"}, r"tensorrt was 10\.3\.0 and is 11\.4\.0\.106"),
        ({"gpu": "NVIDIA Thor"}, "gpu was Orin and is NVIDIA Thor"),
    ],
)
def test_an_engine_of_another_tensorrt_or_gpu_is_not_used(vendor, model, order, changed, words):
    vendor.plays()
    build.build(order, model.data, lambda step: None)
    vendor.plays(**changed)
    with pytest.raises(ModelError, match=rf"^no engine that can be used: {words}$"):
        run.load(b"", text_of(order))


def test_engines_of_other_options_lie_beside_each_other(order):
    other = msgspec.structs.replace(order, options=Options(fp16=False))
    assert engines.place(order) != engines.place(other)
    assert engines.place(order).name.startswith(order.model[:32])


@pytest.mark.parametrize("damage", ["cut", "flipped", "head", "empty", "long head", "folder", "pipe"])
def test_a_damaged_engine_never_reaches_tensorrt(vendor, model, order, damage):
    vendor.plays()
    build.build(order, model.data, lambda step: None)
    path = engines.place(order)
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "pipe":  # would be waited at for ever
        os.mkfifo(path)
    else:
        at = len(engines.MAGIC)
        flipped = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
        broken = {"cut": data[:-1], "flipped": flipped, "head": data[:at] + b"x" + data[at:], "empty": b""}
        path.write_bytes(broken.get(damage, engines.MAGIC + 5000 * b" " + data[at:]))
    vendor.plays()
    with pytest.raises(ModelError, match=r"^no engine that can be used: .* is damaged"):
        run.load(b"", text_of(order))
    assert vendor.events == []


def test_an_engine_that_tensorrt_does_not_load_is_built_again_and_that_it_fails_twice_is_said(vendor, model, caplog):
    vendor.plays()
    caplog.set_level(logging.INFO, "edge")
    order = Order(folder=str(engines.folder()), model=model.sha256, device=0, options=Options())
    build.build(order, model.data, lambda step: None)
    vendor.plays(fail="deserialise")
    with pytest.raises(ModelError, match=r"m\.onnx: the engine that was just built is of no use: .* magicTag failed"):
        tensorrt.open(model)
    assert "builds the engine (" in caplog.text and "does not load: Serialization assertion" in caplog.text


def test_a_build_that_failed_is_not_tried_again_by_itself(vendor, model):
    vendor.plays(cuda="cudaSetDevice cudaErrorInvalidDevice")
    with pytest.raises(AdapterError, match=r"there is no NVIDIA GPU of that number .*; leave `device` out"):
        tensorrt.open(model, device=7)
    vendor.plays(fail="memory")
    with pytest.raises(AdapterError, match=r"m\.onnx: TensorRT ran out of memory while it built the engine"):
        tensorrt.open(model, rebuild=True)
    vendor.plays(cuda="cudaGetDeviceCount cudaErrorIllegalAddress")
    with pytest.raises(AdapterError, match="CUDA failed: cudaErrorIllegalAddress"):
        tensorrt.open(model, rebuild=True)


def test_an_engine_may_be_asked_for_anew(vendor, model, caplog):
    vendor.plays(fail="parse")
    caplog.set_level(logging.INFO, "edge")
    with pytest.raises(ModelError, match=r"^model .*m\.onnx: TensorRT 10\.3\.0 cannot read it: In node 3"):
        tensorrt.open(model, rebuild=True)
    assert "builds the engine (asked for anew)" in caplog.text


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ({"fail": "parse"}, ModelError, r"cannot read it: In node 3 .*shiftIsAllZeros; export it again"),
        ({"fail": "builder"}, DeviceError, "cannot start a builder: CUDA initialization failure with error: 35; see"),
        ({"fail": "memory"}, AdapterError, "ran out of memory .*OutOfMemory: no device memory; end what else uses"),
        ({"fail": "refused"}, ModelError, "cannot build an engine of it: Could not find any implementation; export"),
        ({"fail": "silent"}, ModelError, "cannot build an engine of it: it does not say why"),
        ({"gpus": 0}, DeviceError, "there is no NVIDIA GPU; see whether `nvidia-smi` finds it"),
        ({"cuda": "cudaGetDeviceCount cudaErrorNoDevice"}, DeviceError, r"no NVIDIA GPU \(cudaErrorNoDevice from"),
        ({"cuda": "cudaGetDeviceCount cudaErrorInsufficientDriver"}, AdapterError, "older than the CUDA of Python"),
        ({"cuda": "cudaSetDevice cudaErrorIllegalAddress"}, InferenceError, "cudaErrorIllegalAddress from cudaSetDev"),
    ],
)
def test_what_goes_wrong_in_a_build_is_told_in_words(vendor, model, order, script, error, words):
    vendor.plays(**script)
    with pytest.raises(error, match=words):
        build.build(order, model.data, lambda step: None)
    assert list(Path(order.folder).iterdir()) == []


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ({"fail": "context"}, DeviceError, "cannot make a context of the engine; end what else uses the GPU"),
        ({"fail": "address"}, ModelError, "takes no memory for picture"),
        ({"fail": "no output"}, ModelError, "it has 1 inputs and 0 outputs; give a model that takes one picture"),
        ({"fail": "open"}, ModelError, r"its tensor picture leaves its size open \(-1, 12\)"),
        ({"fail": "type"}, ModelError, "its tensor picture is of type BF16"),
        ({"cuda": "cudaMalloc cudaErrorMemoryAllocation"}, DeviceError, "the GPU is out of memory .*; end what else"),
    ],
)
def test_what_goes_wrong_at_load_is_told_in_words(vendor, model, order, script, error, words):
    vendor.plays()
    build.build(order, model.data, lambda step: None)
    vendor.plays(**script)
    with pytest.raises(error, match=words):
        run.load(b"", text_of(order))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ({"fail": "execute"}, "refuses to run"),
        ({"cuda": "cudaStreamSynchronize cudaErrorIllegalAddress"}, "CUDA failed"),
    ],
)
def test_what_goes_wrong_in_a_run_is_an_inference_error(vendor, model, order, script, words):
    vendor.plays()
    build.build(order, model.data, lambda step: None)
    vendor.plays(**script)
    loaded = run.load(b"", text_of(order))
    with pytest.raises(InferenceError, match=words):
        loaded.infer(PICTURE)
    loaded.close()


def test_options_reach_the_builder(vendor, model, order):
    def asked(version="10.3.0", **options):
        vendor.plays(version)
        given = msgspec.structs.replace(order, options=Options(**options))
        build.build(given, model.data, lambda step: None)
        return vendor.events

    assert "pool WORKSPACE 1048576" in asked(workspace_mb=1)
    assert "flag FP16" not in asked(fp16=False)
    with pytest.raises(ConfigError, match=r"fp16: TensorRT 11\.4\.0\.106 takes the precision from the file"):
        asked("11.4.0.106", fp16=True)


@pytest.mark.parametrize("known", [b"measured", b"damaged", b"of an other version"])
def test_timings_are_used_again_and_begun_anew_where_they_are_bad(vendor, model, order, known):
    vendor.plays()
    build.build(order, model.data, lambda step: None)
    (path,) = Path(order.folder).glob("*.timings")
    path.write_bytes(known)
    vendor.plays()
    build.build(order, model.data, lambda step: None)
    anew = [] if known == b"measured" else ["timings b''"]
    assert [event for event in vendor.events if event.startswith("timings")] == [f"timings {known!r}", *anew]
    assert path.read_bytes() == b"measured"
    vendor.plays(fail="timings")
    build.build(order, model.data, lambda step: None)


def test_an_engine_that_cannot_be_kept_is_told(vendor, model, order):
    vendor.plays()
    engines.place(order).mkdir()
    with pytest.raises(AdapterError, match=r"the engine cannot be kept: .*\.engine: .*; make room there"):
        build.build(order, model.data, lambda step: None)


def test_where_nothing_can_be_written_there_is_no_folder_for_engines(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    assert engines.folder() == tmp_path / "there/edgekit/tensorrt"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert engines.folder() is None


# --- libraries


def test_packages_that_are_missing_or_no_nvidias_are_told_with_how_to_get_them(vendor, monkeypatch):
    vendor.plays()
    vendor.folder.joinpath("tensorrt.py").write_text("raise ModuleNotFoundError('no', name='tensorrt')")
    with pytest.raises(AdapterError, match="it is not installed for this Python; install it with `pip install tensorr"):
        library.tensorrt()
    for name in FRESH:
        sys.modules.pop(name, None)
    vendor.folder.joinpath("tensorrt.py").write_text("__path__ = ['/somewhere/else']#")
    importlib.invalidate_caches()
    with pytest.raises(AdapterError, match="is not NVIDIA's"):
        library.tensorrt()
    shutil.rmtree(vendor.folder / "cuda")
    (vendor.folder / "cuda").mkdir()
    (vendor.folder / "cuda/__init__.py").touch()
    importlib.invalidate_caches()
    with pytest.raises(AdapterError, match=r"cuda-python cannot be loaded: .*; install `cuda-python` for the driver's"):
        library.Cuda(0)


def test_on_a_jetson_the_advice_is_another(tmp_path):
    assert "--system-site-packages" in library._advice(tmp_path)
    assert "pip install tensorrt" in library._advice(tmp_path / "none")


def test_the_child_says_what_went_wrong_and_ends_quietly_where_nobody_listens(vendor, model, order):
    heard = []
    vendor.plays()
    assert build.finished(order, model.data, heard.append) == 0
    vendor.plays(fail="parse")
    assert build.finished(order, model.data, heard.append) == 1
    assert heard[-1].kind == "ModelError" and "cannot read it" in heard[-1].text
    assert build.finished(order, None, heard.append) == 1
    assert type(heard[-1].error()) is InferenceError

    def deaf(message):
        raise BrokenPipeError

    assert build.finished(order, model.data, deaf) == 1


# --- progress


def test_lines_come_now_and_then_and_say_how_far_it_is():
    now, out = [0.0], io.StringIO()
    lines = shown.Lines(out, lambda: now[0])
    lines(Step("Reading", 0, 0))
    lines(Step("Timing", 1, 9))
    now[0] = 20.0
    lines.still()
    lines(Step("Timing", 2, 9))
    begun = "edge: TensorRT builds the engine"
    assert out.getvalue() == f"{begun} (0 s): Reading\n{begun} (20 s): Timing, 1 of 9\n"


def test_a_build_tells_of_itself_as_a_sign_of_life():
    told, out = [], io.StringIO()
    show = shown.Told(shown.Lines(out, lambda: 0.0), told.append)
    show.still()
    show(Step("tactics", 3, 9))
    show.still()
    show(Step("the end", 0, 0))
    begun = "TensorRT builds the engine"
    far = f"{begun}: tactics, 3 of 9"
    assert told == [begun, far, far, f"{begun}: the end"]
    assert "TensorRT builds the engine (0 s): starts" in out.getvalue()


def test_whoever_opens_it_hears_of_the_build(vendor, model):
    vendor.plays()
    told = []
    adapters.open("interpreters", "tensorrt", model, told=told.append).close()
    assert told and all(words.startswith("TensorRT builds the engine") for words in told)


def test_on_a_terminal_there_is_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with shown.shown() as show:
        show(Step("Timing", 3, 9))
        show.still()
    assert "Timing" in terminal.getvalue() and "3/9" in terminal.getvalue()


def test_a_build_that_does_not_end_is_ended(vendor, model, order):
    vendor.plays()
    times = iter([0.0, 0.0, 9.0])
    with pytest.raises(AdapterError, match="did not end to build the engine in time"):
        build.built(order, model.data, 5.0, lambda: next(times, 9.0))


def test_the_childs_words_are_read_line_by_line(vendor, model, order, capsys):
    vendor.plays(fail="refused")
    with pytest.raises(ModelError, match="cannot build an engine of it: Could not find any implementation"):
        build.built(order, model.data, 60.0, idle_s=0.01)
    assert "TensorRT builds the engine" in capsys.readouterr().err
