"""LiteRT on the processor: `ai-edge-litert`, or `tflite-runtime` 2.14 where that has no wheel (32-bit ARM)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np

from edge import cores
from edge.errors import AdapterError, DeviceError, EdgeError, InferenceError, ModelError, one_line
from edge.models import ModelFile, graph
from edge.stderr import held_back
from edge.types import Array, TensorSpec

INSTALL = "install it with `pip install ai-edge-litert` (on 32-bit ARM: `pip install tflite-runtime==2.14.0 'numpy<2'`)"

IN_PROCESS = True
"""A service has a child run it (`edge.isolated`)."""

log = logging.getLogger("edge")

MOST_SAID = 300
"""Characters of what a runtime says that go into a message: the reason is at its beginning."""


class LiteRT:
    """One loaded model. Not for use by several threads at once."""

    def __init__(
        self,
        interpreter: Any,
        backend: str,
        threads: int,
        name: str,
        instead_of: tuple[str, ...] = (),
        advice: str = "the model or its runtime is broken: fetch or export it again",
    ) -> None:
        """instead_of: why the runtimes that come first do not work. advice: for when it fails as it runs.

        Raise ModelError for no image model.
        """
        self.backend = backend
        self.instead_of = instead_of
        self.threads = threads
        self._name = name
        self._advice = advice
        self._interpreter = interpreter
        ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
        if not ins or not outs:
            raise ModelError(f"{name}it has no input or no output; give an image model")
        self.inputs = [_spec(detail) for detail in ins]
        self.outputs = [_spec(detail) for detail in outs]
        self._input = ins[0]["index"]
        self._outputs = [detail["index"] for detail in outs]

    def infer(self, tensor: Array) -> list[Array]:
        """Run on one input tensor; the outputs are copies, in the model's order. Raises InferenceError."""
        interpreter = self._interpreter
        if interpreter is None:
            raise InferenceError(f"{self._name}the interpreter was closed; open it again")
        try:
            interpreter.set_tensor(self._input, tensor)
            interpreter.invoke()
            return [interpreter.get_tensor(index) for index in self._outputs]
        except (RuntimeError, ValueError) as error:
            raise InferenceError(
                f"{self._name}it fails when it runs: {one_line(error, MOST_SAID)}; {self._advice}"
            ) from error

    def close(self) -> None:
        """Free the model."""
        self._interpreter = None


def open(model: ModelFile, *, threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None) -> LiteRT:
    """Load a model. threads: of the interpreter; None: the big cores there are, at most four.

    Raises ModelError where the file cannot be run on a processor, AdapterError where no runtime works here.
    """
    if model.format != "tflite":
        kind = {"onnx": "an ONNX", "torch": "a PyTorch"}[model.format]
        advice = "give a .tflite, or a profile whose interpreter takes it (`edge eval`: --runtime " + model.format + ")"
        raise ModelError(f"model {model.path}: {kind} file, which LiteRT cannot run; {advice}")
    if graph.compiled_for_edgetpu(model.data):
        advice = "give the model it was compiled from, or use a Coral profile"
        raise ModelError(f"model {model.path}: compiled for the Edge TPU, which a processor cannot run; {advice}")
    count = threads or cores.best()
    if not model.trusted:
        from edge import probe  # what ships needs none, and starts sooner without

        key = f"{model.sha256}-{_version()}"
        probe.ensure("edge.interpreters.litert:trial", str(count), model.data, key, str(model.path))
    return construct(model.data, count, f"model {model.path}: ")


def trial(data: bytes, threads: str) -> None:
    """Load a model and run it on zeros and on mixed values; what a child process does with a stranger."""
    loaded = construct(data, int(threads), "")
    spec = loaded.inputs[0]
    mixed = np.random.default_rng(0).integers(0, 128, spec.shape)
    for values in (np.zeros(spec.shape), mixed):
        loaded.infer(values.astype(spec.dtype))


def construct(data: bytes, threads: int, name: str) -> LiteRT:
    """Load with the first runtime that can build an interpreter at all; `name` begins the messages of errors.

    Importing proves nothing: tflite-runtime imports beside NumPy 2, and fails only when it is used.
    """

    def make(runtime: Any) -> Any:
        with held_back(_not_information):
            return _allocated(runtime.Interpreter(model_content=data, num_threads=threads))

    try:
        interpreter, runtime, broken = _first_that_works(make)
    except (ValueError, RuntimeError) as error:
        advice = "it is damaged, or made for another runtime: fetch or export it again"
        raise ModelError(f"{name}LiteRT cannot load it: {one_line(error, MOST_SAID)}; {advice}") from error
    for reason in broken:
        log.warning("%s runs instead, because %s", f"{runtime}-cpu", reason)
    return LiteRT(interpreter, f"{runtime}-cpu", threads, name, tuple(broken))


def delegated(data: bytes, library: str, options: dict[str, str], backend: str, name: str, advice: str) -> LiteRT:
    """Load a model some of whose operators a delegate runs, which is in `library` and takes `options`.

    backend, name, advice: of the interpreter that comes out; see `LiteRT`. Whatever the library prints goes to stderr,
    and where it crashes, this process does. Raises AdapterError where no runtime works here; OSError where the library
    cannot be loaded; DeviceError, with what the library says (often nothing), where it makes no delegate; ValueError or
    RuntimeError where the runtime does not take the model.
    """

    def make(runtime: Any) -> Any:
        load = runtime.load_delegate
        try:
            delegate = load(library, options)
        except AttributeError as error:  # it is another library
            raise OSError(one_line(error, MOST_SAID)) from error
        except ValueError as error:  # a line by the runtime, and then what the library says
            raise DeviceError(one_line(str(error).partition("\n")[2], MOST_SAID)) from error
        interpreter = runtime.Interpreter(model_content=data, num_threads=1, experimental_delegates=[delegate])
        return _allocated(interpreter)

    interpreter, runtime, broken = _first_that_works(make)
    log.info("%s runs on %s%s", backend, runtime, "".join(f"; {reason}" for reason in broken))
    return LiteRT(interpreter, backend, 1, name, advice=advice)


def _first_that_works(make: Callable[[Any], Any]) -> tuple[Any, str, list[str]]:
    """What the first runtime that works makes, its name, and why those before it do not."""
    broken: list[str] = []
    for name, runtime in (("litert", _ai_edge_litert), ("tflite", _tflite_runtime)):
        try:
            return make(runtime()), name, broken
        except EdgeError:
            raise
        except (ImportError, AttributeError, SystemError, TypeError) as error:
            broken.append(f"{name}-cpu: {one_line(error, MOST_SAID)}")
    raise AdapterError(f"no LiteRT runtime works here ({'; '.join(broken)}); {INSTALL}")


def _allocated(interpreter: Any) -> Any:
    interpreter.allocate_tensors()
    return interpreter


def tools() -> Any:
    """What `ai-edge-litert` has to read and write whole .tflite files. Raises ImportError."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils


def prove(package: str, data: bytes) -> None:
    """Build an interpreter with one runtime alone, "ai-edge-litert" or "tflite-runtime". Raises what that raises."""
    runtime = {"ai-edge-litert": _ai_edge_litert, "tflite-runtime": _tflite_runtime}[package]()
    _allocated(runtime.Interpreter(model_content=data, num_threads=1))


def _ai_edge_litert() -> Any:
    from ai_edge_litert import interpreter

    return interpreter


def _tflite_runtime() -> Any:
    from tflite_runtime import interpreter

    return interpreter


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    for package in ("ai-edge-litert", "tflite-runtime"):
        with contextlib.suppress(PackageNotFoundError):
            return f"{package}-{version(package)}"
    return "none"


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(n) for n in detail["shape"])
    return TensorSpec(
        name=detail["name"],
        shape=shape,
        dtype=np.dtype(detail["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _not_information(line: str) -> bool:
    return not line.startswith("INFO:")
