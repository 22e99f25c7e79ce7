"""The names that the interpreter calls, and how it calls them, against NVIDIA's own bindings where they are installed.

In an environment of its own, without a GPU: `pip install tensorrt_lean_cu12_libs tensorrt_lean_cu12_bindings` for what
runs an engine; `pip install --no-deps tensorrt_cu12_bindings` (and gcc) for what builds one; and
`pip install cuda-bindings` for CUDA's runtime.
"""

import ast
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from edge.interpreters import tensorrt
from edge.interpreters.tensorrt import library

HERE = Path(__file__).parent
API = json.loads((HERE / "api.json").read_text())
NEWEST = list(API)[-1]
LEAN = "needs tensorrt_lean_cu12_bindings and tensorrt_lean_cu12_libs"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed_for(version):
    """The names of the listed version with the same first number."""
    fitting = [known for known in API if known.split(".")[0] == version.split(".")[0]]
    assert fitting, f"TensorRT {version}: no list for it yet; read it with tests/tensorrt/bindings.py"
    return API[fitting[0]]["names"]


def test_the_lean_runtime_has_what_an_engine_is_run_with():
    pytest.importorskip("tensorrt_lean_bindings", reason=LEAN, exc_type=ImportError)
    read_api = loaded("read_api")
    found = read_api.read("tensorrt_lean_bindings")
    listed = listed_for(found["version"])
    for name in read_api.NAMES:
        if name.split(".")[0] in read_api.RUNTIME:
            assert found["names"][name] == listed[name], name


def test_a_logger_of_ours_is_one_to_the_lean_runtime():
    trt = pytest.importorskip("tensorrt_lean_bindings", reason=LEAN, exc_type=ImportError)
    heard = []
    log = library.logger(trt, heard)
    assert isinstance(log, trt.ILogger)
    log.log(trt.ILogger.Severity.ERROR, "out of memory")
    log.log(trt.ILogger.Severity.INFO, "nothing of note")
    assert heard == ["out of memory"]


def test_the_full_bindings_have_what_an_engine_is_built_with():
    spec = importlib.util.find_spec("tensorrt_bindings")
    if spec is None or spec.origin is None or not all(map(shutil.which, ("gcc", "nm", "readelf"))):
        pytest.skip("needs tensorrt_cu12_bindings, gcc and binutils")
    found = json.loads(loaded("bindings").names(Path(spec.origin).parents[1], "tensorrt_bindings"))
    assert found["names"] == listed_for(found["version"])


def test_every_name_of_tensorrt_that_the_interpreter_uses_is_in_the_list():
    known = {part for names in API.values() for name in names["names"] for part in name.split(".")}
    objects = {"trt", "builder", "config", "parser", "network", "engine", "runtime", "flags", "modes", "measured"}
    used = set()
    for path in Path(tensorrt.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[0] in objects:
                used.add(node.attr)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self._context":
                used.add(node.attr)
    plain = {"__version__", "Logger", "name", "filename", "strerror"}
    assert len(used - plain) > 30 and used - plain <= known


def test_cuda_s_runtime_has_every_call_and_constant_that_is_made_of_it():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings", exc_type=ImportError)
    names = set()
    for path in Path(tensorrt.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).startswith("self._api"):
                names.add(f"{ast.unparse(node.value).removeprefix('self._api')}.{node.attr}".lstrip("."))
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                first = node.args[0].value
                if isinstance(first, str) and first.startswith("cuda") and first.isidentifier():
                    names.add(first)
                    given = len(node.args) - 1
                    (line,) = getattr(runtime, first).__doc__.splitlines()[:1]
                    wanted = line[line.index("(") + 1 : line.rindex(")")]
                    assert given == len([part for part in wanted.split(",") if part.strip()]), line
    assert len(names) >= 15
    for name in names:
        found = runtime
        for part in name.split("."):
            found = getattr(found, part)
    for name in library.KNOWN:
        assert hasattr(runtime.cudaError_t, name)


@pytest.mark.parametrize("version", list(API))
def test_the_list_says_where_it_is_from(version):
    assert version in API[version]["source"] and set(API[version]["names"]) == set(API[NEWEST]["names"])
