"""ONNX Runtime on the processor (`onnxruntime`): float networks, and those with explicit Q/DQ nodes."""

from __future__ import annotations

import os
from typing import Annotated, Any

import msgspec
import numpy as np

from edge.errors import InferenceError, ModelError, one_line
from edge.models import ModelFile
from edge.models.onnx import input_quantisation, needs_other_files
from edge.types import Array, TensorSpec

INSTALL = "install it with `pip install onnxruntime` (the extra `train` has it)"

PROVIDERS = {"onnx-cpu": "CPUExecutionProvider"}
"""What runs the model, by the name of the backend."""

MOST_THREADS = 4
"""As for LiteRT: more do not make MobileNetV2 faster on small boards, and starve the camera."""

MOST_SAID = 300
"""Characters of what the runtime says that go into a message."""

FATAL = 4
"""The level of ONNX Runtime's log from which on it writes to stderr; what goes wrong is raised."""

TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}


class Onnx:
    """One loaded model. Not for use by several threads at once."""

    def __init__(self, session: Any, backend: str, threads: int, data: bytes, name: str) -> None:
        """Raise ModelError where the model does not take one picture; `name` begins the messages of errors."""
        self.backend = backend
        self.threads = threads
        self._name = name
        self._session = session
        ins = session.get_inputs()
        if len(ins) != 1 or not session.get_outputs():
            raise ModelError(f"{name}it has {len(ins)} inputs and {len(session.get_outputs())} outputs; {ADVICE}")
        self.inputs = [_spec(ins[0], data, name)]
        self.outputs = self._run_once()

    def _run_once(self) -> list[TensorSpec]:
        """The outputs as they really are: a file may leave any of their sizes open."""
        spec = self.inputs[0]
        outputs = self.infer(np.zeros(spec.shape, spec.dtype))
        names = [output.name for output in self._session.get_outputs()]
        return [TensorSpec(name=n, shape=o.shape, dtype=o.dtype) for n, o in zip(names, outputs, strict=True)]

    def infer(self, tensor: Array) -> list[Array]:
        """Run on one input tensor; the outputs are new arrays, in the model's order. Raises InferenceError."""
        if self._session is None:
            raise InferenceError(f"{self._name}the interpreter was closed; open it again")
        try:
            outputs: list[Array] = self._session.run(None, {self.inputs[0].name: tensor})
        except Exception as error:
            advice = "the model or its runtime is broken: fetch or export it again"
            raise InferenceError(
                f"{self._name}it fails when it runs: {one_line(error, MOST_SAID)}; {advice}"
            ) from error
        if not all(isinstance(output, np.ndarray) for output in outputs):
            raise InferenceError(f"{self._name}it gives something other than tensors; {ADVICE}")
        return outputs

    def close(self) -> None:
        """Free the model."""
        self._session = None


ADVICE = "give a model that takes one picture and gives one score a class"


def open(model: ModelFile, *, threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None) -> Onnx:
    """Load a model. threads: of the runtime; None: the cores there are, at most four.

    Raises ModelError where the file is no ONNX model that the runtime takes, ImportError without onnxruntime.
    """
    if model.format != "onnx":
        advice = "give an ONNX file, or a profile whose interpreter fits (`edge eval` takes --runtime)"
        raise ModelError(f"model {model.path}: no ONNX file, which ONNX Runtime needs; {advice}")
    import onnxruntime

    count = threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))
    if not model.trusted:
        from edge import probe

        key = f"{model.sha256}-onnxruntime-{onnxruntime.__version__}"
        probe.ensure("edge.interpreters.onnx:trial", str(count), model.data, key, str(model.path))
    return construct(model.data, count, f"model {model.path}: ")


def trial(data: bytes, threads: str) -> None:
    """Load a model and run it on zeros and on mixed values; what a child process does with a stranger."""
    loaded = construct(data, int(threads), "")
    spec = loaded.inputs[0]
    loaded.infer(np.random.default_rng(0).integers(0, 128, spec.shape).astype(spec.dtype))


def construct(data: bytes, threads: int, name: str) -> Onnx:
    """Load with ONNX Runtime; `name` begins the messages of errors."""
    import onnxruntime

    if needs_other_files(data):
        raise ModelError(f"{name}its weights are in other files, or damaged; export it again, as one file")
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads
    backend, provider = next(iter(PROVIDERS.items()))
    try:  # a fallback would be announced on stdout, and nothing that is not listed may run
        session = onnxruntime.InferenceSession(data, options, providers=[provider], enable_fallback=0)
    except Exception as error:
        advice = "it is damaged, or made for another runtime: fetch or export it again"
        raise ModelError(f"{name}ONNX Runtime cannot load it: {one_line(error, MOST_SAID)}; {advice}") from error
    return Onnx(session, backend, threads, data, name)


def _spec(given: Any, data: bytes, name: str) -> TensorSpec:
    """The input as it is filled: one picture. Integers are bytes of pixels where nothing says what they stand for."""
    if given.type not in TYPES:
        raise ModelError(f"{name}its input is a {given.type}, not of float32, uint8 or int8; export it again")
    dtype: np.dtype[Any] = np.dtype(TYPES[given.type])
    first, *rest = given.shape or [0]
    shape = (1 if not isinstance(first, int) else first, *rest)
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise ModelError(f"{name}its input leaves its size open ({given.shape}); export it with a fixed one")
    if dtype == np.float32:
        return TensorSpec(name=given.name, shape=shape, dtype=dtype)
    scale, zero_point = input_quantisation(data, given.name) or (1.0, int(np.iinfo(dtype).min))
    return TensorSpec(name=given.name, shape=shape, dtype=dtype, scale=scale, zero_point=zero_point)
