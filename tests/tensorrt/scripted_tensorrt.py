"""Plays TensorRT, as script.json beside it says: "version" and its "names" (api.json), "fail" and "events".

It has no name that the version's own bindings do not have, and takes no parameter that they do not: `documented`
takes the rest away. What it builds is its own little engine, which divides each number by their sum.
"""

import ctypes
import inspect
import json
import os
from pathlib import Path

HERE = Path(__file__).parent
SCRIPT = json.loads((HERE / "script.json").read_text())
FAIL, NAMES = SCRIPT.get("fail", ""), SCRIPT["names"]
__version__ = SCRIPT["version"]

if FAIL == "import":
    raise ImportError("libnvinfer.so.10: cannot open shared object file")
if FAIL == "crash at import":
    os.abort()


def note(event):
    with (HERE / "events").open("a") as file:
        file.write(f"{event}\n")


def documented(cls):
    """Leave of a class what the version has; refuse what no version has, or has with other parameters."""
    for member, value in list(vars(cls).items()):
        if (member.startswith("_") and member != "__init__") or inspect.isclass(value):
            continue
        overloads = NAMES[f"{cls.__qualname__}.{member}"]
        if overloads is None:
            delattr(cls, member)
        elif inspect.isfunction(value) and (overloads or member == "__init__"):
            own = list(inspect.signature(value).parameters)[1:]
            assert any(own == each[: len(own)] for each in overloads or [own]), (member, own, overloads)
    return cls


class Enum(int):
    def __new__(cls, number, name):
        made = int.__new__(cls, number)
        made.name = name
        return made


class ILogger:
    class Severity:
        INTERNAL_ERROR = 0
        ERROR = 1

    def __init__(self):
        pass

    def log(self, severity, msg):
        raise NotImplementedError


documented(ILogger.Severity)


@documented
class NetworkDefinitionCreationFlag:
    EXPLICIT_BATCH = 0


@documented
class BuilderFlag:
    INT8 = "INT8"
    FP16 = "FP16"


@documented
class MemoryPoolType:
    WORKSPACE = "WORKSPACE"


@documented
class TensorIOMode:
    INPUT = Enum(1, "INPUT")
    OUTPUT = Enum(2, "OUTPUT")


@documented
class DataType:
    FLOAT = Enum(0, "FLOAT")
    HALF = Enum(1, "HALF")
    INT8 = Enum(2, "INT8")
    UINT8 = Enum(5, "UINT8")
    INT32 = Enum(3, "INT32")


@documented
class IProgressMonitor:
    def __init__(self):
        pass

    def phase_start(self, phase_name, parent_phase, num_steps):
        raise NotImplementedError

    def step_complete(self, phase_name, step):
        raise NotImplementedError

    def phase_finish(self, phase_name):
        raise NotImplementedError


if not hasattr(IProgressMonitor, "phase_start"):
    del IProgressMonitor


@documented
class ITimingCache:
    _data = b"measured"

    def serialize(self):
        return memoryview(self._data)


class Network:
    explicit = False
    data = b""


class IBuilderConfig:
    progress_monitor = None

    def set_memory_pool_limit(self, pool, pool_size):
        note(f"pool {pool} {pool_size}")

    def set_flag(self, flag):
        note(f"flag {flag}")

    def create_timing_cache(self, serialized_timing_cache):
        note(f"timings {bytes(serialized_timing_cache)!r}")
        made = ITimingCache()
        made._data = bytes(serialized_timing_cache)
        return None if b"damaged" in made._data else made

    def set_timing_cache(self, cache, ignore_mismatch):
        return b"other" not in cache._data and not ignore_mismatch

    def get_timing_cache(self):
        return None if FAIL == "timings" else ITimingCache()


documented(IBuilderConfig)


class Builder:
    def __init__(self, logger):
        if FAIL == "builder":
            logger.log(ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._logger = logger

    def create_network(self, flags=0):
        made = Network()
        made.explicit = bool(flags & 1) or int(__version__.split(".")[0]) >= 10
        note(f"network {flags}")
        return made

    def create_builder_config(self):
        return IBuilderConfig()

    def build_serialized_network(self, network, config):
        assert network.explicit, "8.x takes ONNX with an explicit batch only"
        if FAIL == "crash in build":
            os.abort()
        note("build")
        monitor = getattr(config, "progress_monitor", None)
        if monitor is not None:
            monitor.phase_start("Building", None, 2)
            assert monitor.step_complete("Building", 0) is True
            monitor.step_complete("Building", 1)
            monitor.phase_finish("Building")
        else:
            self._logger.log(3, "Timing kernels")
        if FAIL in ("memory", "refused", "silent"):
            said = "Could not find any implementation" if FAIL == "refused" else "OutOfMemory: no device memory"
            if FAIL != "silent":
                self._logger.log(ILogger.Severity.ERROR, said)
            return None
        return memoryview(json.dumps({"engine": len(network.data)}).encode())


documented(Builder)


class ParserError:
    def desc(self):
        return "In node 3 (QuantizeLinear): UNSUPPORTED_NODE:\n Assertion failed: shiftIsAllZeros"


documented(ParserError)


class OnnxParser:
    num_errors = 1

    def __init__(self, network, logger):
        self._network = network

    def parse(self, model, path=None):
        self._network.data = bytes(model)
        return FAIL != "parse"

    def get_error(self, index):
        return ParserError()


documented(OnnxParser)


class IExecutionContext:
    def set_tensor_address(self, name, memory):
        self.__dict__.setdefault("_at", {})[name] = memory
        return FAIL != "address"

    def execute_async_v3(self, stream_handle):
        if FAIL == "execute":
            return False
        from fake_cuda import QUEUE

        QUEUE.append(self._run)
        return stream_handle == 7

    def _run(self):
        taken = (ctypes.c_float * 12).from_address(self._at["picture"])
        given = (ctypes.c_float * 12).from_address(self._at["scores"])
        whole = sum(taken) or 1.0
        for index, value in enumerate(taken):
            given[index] = value / whole


documented(IExecutionContext)


class ICudaEngine:
    num_io_tensors = 1 if FAIL == "no output" else 2

    def create_execution_context(self):
        return None if FAIL == "context" else IExecutionContext()

    def get_tensor_name(self, index):
        return ("picture", "scores")[index]

    def get_tensor_mode(self, name):
        return {"picture": TensorIOMode.INPUT, "scores": TensorIOMode.OUTPUT}[name]

    def get_tensor_shape(self, name):
        return (-1, 12) if FAIL == "open" else {"picture": (1, 2, 2, 3), "scores": (1, 12)}[name]

    def get_tensor_dtype(self, name):
        return Enum(9, "BF16") if FAIL == "type" else DataType.FLOAT


documented(ICudaEngine)


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        if FAIL == "crash at load":
            os.abort()
        note("load")
        if FAIL == "deserialise" or not bytes(serialized_engine).startswith(b'{"engine"'):
            self._logger.log(ILogger.Severity.ERROR, "Serialization assertion magicTag failed")
            return None
        return ICudaEngine()


documented(Runtime)
