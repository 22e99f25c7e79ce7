"""Reads out of NVIDIA's own Python bindings which of the names that the interpreter calls they have, and how these are
called. `python read_api.py PACKAGE` prints it as JSON; api.json holds what it printed for three versions.

The bindings of `tensorrt_bindings` and `tensorrt_cu12_bindings` are linked against libraries that need a GPU's driver;
`bindings.py` beside this file puts empty ones in their place, which is enough to read them.
"""

import importlib
import json
import re
import sys

NAMES = [
    "ILogger.__init__",
    "ILogger.log",
    "ILogger.Severity.INTERNAL_ERROR",
    "ILogger.Severity.ERROR",
    "Builder.__init__",
    "Builder.create_network",
    "Builder.create_builder_config",
    "Builder.build_serialized_network",
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",
    "OnnxParser.__init__",
    "OnnxParser.parse",
    "OnnxParser.num_errors",
    "OnnxParser.get_error",
    "ParserError.desc",
    "IBuilderConfig.set_memory_pool_limit",
    "IBuilderConfig.set_flag",
    "IBuilderConfig.create_timing_cache",
    "IBuilderConfig.set_timing_cache",
    "IBuilderConfig.get_timing_cache",
    "IBuilderConfig.progress_monitor",
    "MemoryPoolType.WORKSPACE",
    "BuilderFlag.INT8",
    "BuilderFlag.FP16",
    "ITimingCache.serialize",
    "IProgressMonitor.__init__",
    "IProgressMonitor.phase_start",
    "IProgressMonitor.step_complete",
    "IProgressMonitor.phase_finish",
    "Runtime.__init__",
    "Runtime.deserialize_cuda_engine",
    "ICudaEngine.create_execution_context",
    "ICudaEngine.num_io_tensors",
    "ICudaEngine.get_tensor_name",
    "ICudaEngine.get_tensor_mode",
    "ICudaEngine.get_tensor_shape",
    "ICudaEngine.get_tensor_dtype",
    "IExecutionContext.set_tensor_address",
    "IExecutionContext.execute_async_v3",
    "TensorIOMode.INPUT",
    "TensorIOMode.OUTPUT",
    "DataType.FLOAT",
    "DataType.HALF",
    "DataType.INT8",
    "DataType.UINT8",
    "DataType.INT32",
]

RUNTIME = ("ILogger", "Runtime", "ICudaEngine", "IExecutionContext", "TensorIOMode", "DataType")
"""Classes that the lean runtime has as well."""


def found(library, name):
    """How a name is called: the parameters of each overload; [] for a value or a property; None where it is not."""
    *owners, last = name.split(".")
    for owner in owners:
        library = getattr(library, owner, None)
    if last not in dir(library):
        return None
    text = getattr(getattr(library, last), "__doc__", None) or ""
    signatures = re.findall(rf"^(?:\d+\. )?{last}\((.*)\) ->", text, re.MULTILINE)
    return [[part.split(":")[0].strip() for part in split(each)][1:] for each in signatures if "self" in each]


def split(parameters):
    """Parts at the commas that are in no bracket."""
    return re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", parameters)


def read(package):
    library = importlib.import_module(package)
    return {"version": library.__version__, "names": {name: found(library, name) for name in NAMES}}


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
