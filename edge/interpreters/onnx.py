"""ONNX Runtime (`onnxruntime`): float networks and those with Q/DQ nodes, on TensorRT, CUDA or the processor.

The providers are tried one by one in their order, and a session has one of them: that takes the whole network, or the
next one does and the reason is said. ONNX Runtime is forbidden to put on the processor what a GPU's provider leaves.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from edge import cores
from edge.errors import AdapterError, InferenceError, ModelError, one_line
from edge.files import cache
from edge.models import ModelFile
from edge.models.onnx import input_quantisation, needs_other_files
from edge.sysfs import text
from edge.types import Array, TensorSpec

IN_PROCESS = True
"""A service has a child run it (`edge.isolated`)."""

log = logging.getLogger("edge")

INSTALL = "install it with `pip install onnxruntime` (the extra `train` has it)"

Provider = Literal["tensorrt", "cuda", "cpu"]

PROVIDERS: dict[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""ONNX Runtime's name of each, in the order in which they are tried where nothing else is said."""

BUILDS = {"tensorrt": "onnxruntime-gpu", "cuda": "onnxruntime-gpu", "cpu": "onnxruntime"}
"""The package whose build has a provider (for Jetson: NVIDIA's own wheel of onnxruntime-gpu)."""

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
        self.instead_of: tuple[str, ...] = ()
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


def open(
    model: ModelFile,
    *,
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None,
    providers: Annotated[list[Provider], msgspec.Meta(min_length=1)] | None = None,
) -> Onnx:
    """Load a model on the first of `providers` that can run it; None: those that this build of ONNX Runtime has.

    threads: of the runtime; None: the big cores there are, at most four. The backend is that of the session
    ("onnx-cpu", "onnx-cuda", "onnx-tensorrt"), and `instead_of` says why each provider before it does not run.

    Raises ModelError where the file is no ONNX model that the runtime takes, ImportError without onnxruntime,
    AdapterError where none of the providers can run.
    """
    if model.format != "onnx":
        advice = "give an ONNX file, or a profile whose interpreter fits (`edge eval` takes --runtime)"
        raise ModelError(f"model {model.path}: no ONNX file, which ONNX Runtime needs; {advice}")
    import onnxruntime

    count = threads or cores.best()
    wanted, passed = _offered(onnxruntime, providers), list[str]()
    for provider in wanted:
        try:
            opened = _on(onnxruntime, model, provider, count)
        except AdapterError as error:
            passed.append(f"onnx-{provider}: {error}")
            continue
        for reason in passed:
            log.warning("%s runs instead, because %s", opened.backend, reason)
        opened.instead_of = tuple(passed)
        return opened
    raise AdapterError("; ".join(passed))


def offered() -> list[str]:
    """The providers that this build of ONNX Runtime has, by its own names. Raises ImportError."""
    import onnxruntime

    return list(onnxruntime.get_available_providers())


def _offered(runtime: Any, providers: list[Provider] | None) -> list[Provider]:
    """What is to be tried: as it was asked for, or all that this build has."""
    there = set(runtime.get_available_providers())
    return providers or [name for name, known in PROVIDERS.items() if known in there]


def _on(runtime: Any, model: ModelFile, provider: Provider, threads: int) -> Onnx:
    """The model on one provider. Raises AdapterError where that does not run here, ModelError for the model."""
    there = runtime.get_available_providers()
    if PROVIDERS[provider] not in there:
        known = ", ".join(name for name, known in PROVIDERS.items() if known in there)
        raise AdapterError(f"this build of ONNX Runtime has only {known}; install `{BUILDS[provider]}`")
    if provider == "cpu":
        _tried(runtime, model, threads)
    return construct(model.data, threads, f"model {model.path}: ", provider)


def _tried(runtime: Any, model: ModelFile, threads: int) -> None:
    if not model.trusted:
        from edge import probe

        key = f"{model.sha256}-onnxruntime-{runtime.__version__}"
        probe.ensure("edge.interpreters.onnx:trial", str(threads), model.data, key, str(model.path))


def trial(data: bytes, threads: str) -> None:
    """Load a model and run it on zeros and on mixed values; what a child process does with a stranger."""
    loaded = construct(data, int(threads), "")
    spec = loaded.inputs[0]
    loaded.infer(np.random.default_rng(0).integers(0, 128, spec.shape).astype(spec.dtype))


def construct(data: bytes, threads: int, name: str, provider: Provider = "cpu") -> Onnx:
    """Load with ONNX Runtime; `name` begins the messages of errors. Raises ModelError, AdapterError."""
    import onnxruntime

    if needs_other_files(data):
        raise ModelError(f"{name}its weights are in other files, or damaged; export it again, as one file")
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads
    if provider != "cpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    elif _saturates():
        options.add_session_config_entry("session.x64quantprecision", "1")
    wanted = PROVIDERS[provider]
    try:  # a fallback would be announced on stdout, and nothing that is not listed may run
        session = onnxruntime.InferenceSession(data, options, providers=[(wanted, _kept(provider))], enable_fallback=0)
    except Exception as error:
        said = one_line(error, MOST_SAID)
        if provider != "cpu":
            raise AdapterError(f"it cannot load the model: {said}; see whether `nvidia-smi` finds the GPU") from error
        advice = "it is damaged, or made for another runtime: fetch or export it again"
        raise ModelError(f"{name}ONNX Runtime cannot load it: {said}; {advice}") from error
    really = session.get_providers()[0]
    if really != wanted:
        advice = "its libraries (CUDA, cuDNN, TensorRT) are missing or of another version"
        raise AdapterError(f"ONNX Runtime took {really} in its place; {advice}")
    return Onnx(session, f"onnx-{provider}", threads, data, name)


def _kept(provider: Provider) -> dict[str, str]:
    """Options of a provider: TensorRT's engine and timings are kept, for building them takes minutes.

    ONNX Runtime reads truth as "True" and "False", and throws at anything else (core/framework/provider_options_utils).
    """
    if provider != "tensorrt":
        return {}
    precision = {"trt_int8_enable": "True", "trt_fp16_enable": "True"}
    home = cache()
    if home is None:
        return precision
    place = str(home / "onnxruntime-tensorrt")
    kept = {"trt_engine_cache_path": place, "trt_timing_cache_path": place}
    return {**precision, **kept, "trt_engine_cache_enable": "True", "trt_timing_cache_enable": "True"}


def _saturates(root: Path = Path("/")) -> bool:
    """Whether this is an x86 processor whose int8 sums saturate at 16 bits: one with AVX2 and without VNNI.

    ONNX Runtime is told then to take the exact instructions (onnxruntime_session_options_config_keys.h).
    """
    info = text(root / "proc/cpuinfo") or ""
    return " avx2" in info and "vnni" not in info


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
