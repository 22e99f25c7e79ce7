"""A loaded engine, in the child process: page-locked buffers, one stream, three steps that the GPU does in order.

The wait for the GPU is CUDA's own, which sleeps until it is done and costs least. What bounds it is the parent: it
waits for the answer only so long, and then ends this process, which is the one way to be rid of a GPU that hangs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from edge.errors import DeviceError, InferenceError, ModelError
from edge.interpreters.tensorrt import library
from edge.interpreters.tensorrt.engines import MISSING, Order, kept, place
from edge.interpreters.tensorrt.library import Cuda
from edge.types import Array, TensorSpec

TYPES = {"FLOAT": np.float32, "HALF": np.float16, "INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32}
"""By the name of TensorRT's DataType. (Its own `nptype` breaks beside newer NumPys in some versions.)"""


class Buffer(NamedTuple):
    """A tensor's memory. address: page-locked, `host` is a view of it; device: on the GPU. size: in bytes."""

    address: int
    host: Array
    device: Any
    size: int


class Loaded:
    """An engine that is ready. Not for use by several threads at once."""

    threads = None
    backend = "tensorrt"

    def __init__(self, trt: Any, cuda: Cuda, engine: Any) -> None:
        """Raises ModelError where it takes more than one picture, DeviceError without memory."""
        self._cuda = cuda
        self._context = engine.create_execution_context()
        if self._context is None:
            raise DeviceError(f"TensorRT cannot make a context of the engine; {library.MEMORY}")
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        modes = trt.TensorIOMode
        self.inputs = [_spec(engine, name) for name in names if engine.get_tensor_mode(name) == modes.INPUT]
        self.outputs = [_spec(engine, name) for name in names if engine.get_tensor_mode(name) == modes.OUTPUT]
        if len(self.inputs) != 1 or not self.outputs:
            advice = "give a model that takes one picture and gives one score a class"
            raise ModelError(f"it has {len(self.inputs)} inputs and {len(self.outputs)} outputs; {advice}")
        self._stream = cuda.stream()
        self._input, *self._outputs = [self._buffer(spec) for spec in (*self.inputs, *self.outputs)]

    def _buffer(self, spec: TensorSpec) -> Buffer:
        size = int(np.prod(spec.shape)) * spec.dtype.itemsize
        address, memory = self._cuda.pinned(size)
        device = self._cuda("cudaMalloc", size)
        if not self._context.set_tensor_address(spec.name, int(device)):
            raise ModelError(f"TensorRT takes no memory for {spec.name}; the engine is bad: take it away")
        return Buffer(address, memory.view(spec.dtype).reshape(spec.shape), device, size)

    def infer(self, tensor: Array) -> list[Array]:
        """Run on one input tensor; the outputs are views of the buffers. Raises InferenceError."""
        cuda, stream, taken = self._cuda, self._stream, self._input
        taken.host[...] = tensor
        cuda.to_device(taken.device, taken.address, taken.size, stream)
        if not self._context.execute_async_v3(int(stream)):
            raise InferenceError("TensorRT refuses to run the engine; build it again (`rebuild = true`)")
        for given in self._outputs:
            cuda.to_host(given.address, given.device, given.size, stream)
        cuda("cudaStreamSynchronize", stream)
        return [given.host for given in self._outputs]

    def close(self) -> None:
        """Nothing: memory, stream and engine go with the process, which ends now."""


def _spec(engine: Any, name: str) -> TensorSpec:
    shape, kind = tuple(engine.get_tensor_shape(name)), engine.get_tensor_dtype(name).name
    if min(shape, default=1) < 1:
        raise ModelError(f"its tensor {name} leaves its size open {shape}; export it with a fixed one")
    if kind not in TYPES:
        raise ModelError(f"its tensor {name} is of type {kind}; export it with float32 or int8")
    return TensorSpec(name=name, shape=tuple(int(n) for n in shape), dtype=np.dtype(TYPES[kind]))


def load(_: bytes, argument: str) -> Loaded:
    """What the child does: load the engine that is kept for this machine. Raises ModelError with `MISSING` for none."""
    order = msgspec.json.decode(argument, type=Order)
    trt, heard = library.tensorrt(), list[str]()
    cuda = Cuda(order.device)
    plan = kept(order, library.identity(trt, cuda, order))
    runtime = trt.Runtime(library.logger(trt, heard))
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        said = f": {heard[-1]}" if heard else ""
        raise ModelError(f"{MISSING} {place(order)} does not load{said}")
    return Loaded(trt, cuda, engine)
