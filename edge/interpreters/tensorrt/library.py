"""The vendor's packages, `tensorrt` and `cuda`, and CUDA's calls with their errors raised. The only file with them."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import AdapterError, DeviceError, EdgeError, InferenceError, one_line
from edge.interpreters.tensorrt.engines import Identity, Order
from edge.types import Array

JETSON = Path("/etc/nv_tegra_release")
"""Is there on every Jetson (L4T)."""

CUDA = "install `cuda-python` for the driver's CUDA (JetPack 6: `pip install 'cuda-python<13'`; JetPack 7: without <13)"
DRIVER = "`nvidia-smi` (on a Jetson: `cat /etc/nv_tegra_release`) tells the driver; " + CUDA
NO_GPU = "see whether `nvidia-smi` finds it, and whether this user may open /dev/nvidia* (on a Jetson: group video)"
MEMORY = "end what else uses the GPU, or give fewer workspace_mb"

KNOWN: dict[str, tuple[type[EdgeError], str, str]] = {
    "cudaErrorNoDevice": (DeviceError, "there is no NVIDIA GPU", NO_GPU),
    "cudaErrorInvalidDevice": (AdapterError, "there is no NVIDIA GPU of that number", "leave `device` out"),
    "cudaErrorInsufficientDriver": (AdapterError, "the driver is missing, or older than the CUDA of Python", DRIVER),
    "cudaErrorCallRequiresNewerDriver": (AdapterError, "the driver is older than the CUDA of Python", DRIVER),
    "cudaErrorSystemDriverMismatch": (AdapterError, "driver and CUDA do not fit", "start the machine anew"),
    "cudaErrorMemoryAllocation": (DeviceError, "the GPU is out of memory", MEMORY),
}
"""What a user can mend, by the name that cudaGetErrorName gives (CUDA Runtime API, cudaError)."""


def tensorrt() -> Any:
    """NVIDIA's package. Raises AdapterError, which says how it is installed where this is."""
    try:
        import tensorrt as trt
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        # 8.x says AttributeError beside a NumPy that is too new for it
        absent = isinstance(error, ModuleNotFoundError) and error.name == "tensorrt"
        said = "it is not installed for this Python" if absent else one_line(error, 200)
        raise AdapterError(f"TensorRT cannot be loaded: {said}; {_advice()}") from error
    if not hasattr(trt, "Runtime"):
        raise AdapterError(f"the package tensorrt at {getattr(trt, '__path__', '?')} is not NVIDIA's; {_advice()}")
    return trt


def _advice(jetson: Path = JETSON) -> str:
    if jetson.exists():
        return "`sudo apt install nvidia-jetpack`, and an environment by `python3 -m venv --system-site-packages`"
    return "install it with `pip install tensorrt` (on a Jetson it comes from apt, with nvidia-jetpack)"


class Cuda:
    """The few calls of CUDA's runtime that are needed, each checked (`cuda-python`, both of its layouts)."""

    def __init__(self, device: int) -> None:
        """Take a GPU. Raises AdapterError, DeviceError."""
        self._api = _runtime()
        count = self("cudaGetDeviceCount")
        if count < 1:
            raise DeviceError(f"there is no NVIDIA GPU; {NO_GPU}")
        self("cudaSetDevice", device)
        # Waits sleep instead of spinning: the cores of a Jetson have frames to prepare.
        self("cudaSetDeviceFlags", self._api.cudaDeviceScheduleBlockingSync)
        properties = self("cudaGetDeviceProperties", device)
        self.gpu = _text(properties.name)
        self.compute_capability = f"{properties.major}.{properties.minor}"

    def __call__(self, name: str, *values: Any) -> Any:
        """Call by name; returns what comes after the error code: nothing, one value or a tuple."""
        code, *rest = getattr(self._api, name)(*values)
        if code != self._api.cudaError_t.cudaSuccess:
            raise self._error(name, code)
        return rest[0] if len(rest) == 1 else tuple(rest)

    def _error(self, name: str, code: Any) -> EdgeError:
        called = _text(self._api.cudaGetErrorName(code)[1])
        if called in KNOWN:
            kind, what, advice = KNOWN[called]
            return kind(f"{what} ({called} from {name}); {advice}")
        said = _text(self._api.cudaGetErrorString(code)[1])
        return InferenceError(f"CUDA failed: {called} from {name}: {one_line(said, 200)}; see `sudo dmesg`")

    def stream(self) -> Any:
        """A stream that does not wait for the default one."""
        return self("cudaStreamCreateWithFlags", self._api.cudaStreamNonBlocking)

    def pinned(self, size: int) -> tuple[int, Array]:
        """`size` bytes of page-locked memory: its address, and a view of it (uint8)."""
        address = int(self("cudaMallocHost", size))
        return address, np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def to_device(self, place: Any, address: int, size: int, stream: Any) -> None:
        """Begin to copy page-locked memory into the GPU's."""
        self("cudaMemcpyAsync", place, address, size, self._api.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)

    def to_host(self, address: int, place: Any, size: int, stream: Any) -> None:
        """Begin to copy the GPU's memory into page-locked memory."""
        self("cudaMemcpyAsync", address, place, size, self._api.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream)


def _runtime() -> Any:
    """CUDA's runtime: `cuda.bindings.runtime` since cuda-python 12.6, `cuda.cudart` before."""
    try:
        from cuda.bindings import runtime

        return runtime
    except ImportError as error:
        try:
            from cuda import cudart

            return cudart
        except ImportError as older:
            first = error if getattr(error, "name", None) not in ("cuda", "cuda.bindings") else older
            raise AdapterError(f"cuda-python cannot be loaded: {one_line(first, 200)}; {CUDA}") from first


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace").rstrip("\0") if isinstance(name, bytes) else str(name)


def identity(trt: Any, cuda: Cuda, order: Order) -> Identity:
    """Who an engine that is built or loaded now is for."""
    return Identity(
        tensorrt=str(trt.__version__),
        gpu=cuda.gpu,
        compute_capability=cuda.compute_capability,
        model=order.model,
        options=order.options,
    )


def logger(trt: Any, heard: list[str], more: Any = None) -> Any:
    """A logger that keeps what TensorRT complains of in `heard`, and hands each other line to `more`."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                heard.append(one_line(msg, 300))
            elif more is not None:
                more(msg)

    return Log()
