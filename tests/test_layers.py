"""The rules that keep the house in order, read from the source."""

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

import edge

EDGE = Path(edge.__file__).parent

LAYERS = [
    {"types", "errors"},
    {"children", "files", "inbox", "stderr", "firmware", "listening", "sysfs", "whose"},
    {"rehearsal", "devices", "recovery", "settings"},
    {"coral", "cores", "worker", "vitals", "usb"},
    {"models", "adapters", "channel", "probe", "scale", "tireless"},
    {"cameras", "interpreters", "power", "host", "preprocess", "tasks"},
    {"attached", "boards", "source", "meter", "events", "picture", "annotate", "isolated", "listener"},
    {"profile", "health", "encoder"},
    {"engine"},
    {"openings"},
    {"succession", "lasting", "paced", "repeating"},
    {"turns"},
    {"pipeline", "classifier"},
    {"evaluate", "sinks", "web", "doctor"},
    {"service"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

APART = {"mobilenet", "benchmarks", "device_profiles"}
"""Folders with rules of their own."""

VENDORS = {
    "ai_edge_litert",
    "tflite_runtime",
    "torch",
    "litert_torch",
    "ai_edge_quantizer",
    "tensorrt",
    "cuda",
    "onnx",
    "onnxruntime",
    "matplotlib",
    "mlperf_loadgen",
    "picamera2",
    "libcamera",
    "paho",
    "prometheus_client",
    "starlette",
    "uvicorn",
    "ray",
}


def sources(root):
    return sorted(path for path in root.rglob("*.py") if "__pycache__" not in path.parts)


def name_of(path):
    parts = list(path.relative_to(EDGE.parent).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name):
    place = EDGE.parent.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


@cache
def parsed(path):
    return ast.parse(path.read_text())


@cache
def imports(path):
    """(module, at the top of the file) for each import, with names that are modules told as modules."""
    return list(_imports(path))


def _imports(path):
    tree = parsed(path)
    deferred = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(tree):
        top = id(node) not in deferred
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if base.split(".")[0] == "edge" and is_module(inner) else base), top


def part_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


FILES = sources(EDGE)
INSIDE = [path for path in FILES if part_of(name_of(path)) not in {*APART, None}]


def test_every_part_has_a_layer():
    parts = {part_of(name_of(path)) for path in FILES} - APART - {None}
    assert parts <= set(LEVEL), "give the new part a layer in this test"


def test_imports_point_one_way():
    wrong = {}
    for path in INSIDE:
        own = part_of(name_of(path))
        found = [
            module
            for module, _ in imports(path)
            if module.split(".")[0] == "edge"
            and part_of(module) not in {own, None, "device_profiles", "mobilenet"}
            and (part_of(module) not in LEVEL or LEVEL[part_of(module)] >= LEVEL[own])
        ]
        if found:
            wrong[name_of(path)] = found
    assert not wrong, "each may import only from the layers below its own"


def test_only_the_command_line_imports_the_face():
    below = [path for path in INSIDE if LEVEL[part_of(name_of(path))] < 7]
    assert below
    assert not [name_of(path) for path in below if "edge" in {module for module, _ in imports(path)}]


def test_the_face_imports_nothing_of_its_own_before_it_is_used():
    tree = ast.parse((EDGE / "__init__.py").read_text())
    found = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in found if "edge" in ast.unparse(node)]


MAKERS = {"edge.cli.describe", "edge.cli.finetune", "edge.cli.export", "edge.cli.models"}
"""Commands that make models, or tell of their making: they load what does, inside a function."""


def test_nothing_that_runs_imports_the_making_of_models_or_the_benchmarks():
    for path in FILES:
        modules = {(part_of(module), top) for module, top in imports(path) if module.startswith("edge.")}
        parts = {part for part, top in modules if top or name_of(path) not in MAKERS}
        assert "benchmarks" not in parts or part_of(name_of(path)) == "benchmarks", path
        assert "mobilenet" not in parts or part_of(name_of(path)) == "mobilenet", path


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_a_vendor_package_is_imported_in_one_file_and_inside_a_function(vendor):
    files = {}
    for path in FILES:
        if part_of(name_of(path)) != "benchmarks" or vendor == "mlperf_loadgen":
            tops = [top for module, top in imports(path) if module.split(".")[0] == vendor]
            if tops:
                files[name_of(path)] = any(tops)
    outside = {name: top for name, top in files.items() if part_of(name) != "mobilenet"}
    assert len(outside) <= 1, files
    assert not any(outside.values()), f"import {vendor} inside the function that needs it"
    if vendor != "torch":  # the language that the network is written in
        assert len(files) <= 1, files


def functions(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, (body[-1].end_lineno - body[0].lineno + 1) if body else 0


BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ALL = FILES if (EDGE / "benchmarks").is_dir() else FILES + sources(BENCHMARKS)


def test_functions_and_files_are_short_and_plain():
    for path in ALL:
        tree, lengths = parsed(path), list(functions(path))
        assert len(path.read_text().splitlines()) <= 300, path
        assert {name: lines for name, lines in lengths if lines > 40} == {}, path
        bare = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.type is None]
        assert not bare + [node for node in ast.walk(tree) if isinstance(node, ast.Global)], path
        assert "__del__" not in {name for name, _ in lengths}, path
        assert path.name != "utils.py", path
        assert ast.get_docstring(tree), f"{path}: a module says what it is"


def test_every_public_name_says_what_it_is():
    kinds = ast.FunctionDef | ast.ClassDef
    for path in ALL:
        for node in parsed(path).body:
            public = [node] if isinstance(node, kinds) and not node.name.startswith("_") else []
            if public and isinstance(node, ast.ClassDef):
                public += [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            for each in public:
                assert ast.get_docstring(each), f"{path}: {each.name} has no docstring"


def test_the_tests_patch_no_name_of_ours():
    for path in sources(Path(__file__).parent):
        text = path.read_text()
        if "patch" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("patch.setattr", "mock.patch")):
                assert "edge" not in ast.unparse(node), f"{path.name}:{node.lineno}"


def test_every_module_that_runs_can_be_imported_here():
    for path in INSIDE:
        if path.name != "__main__.py":
            importlib.import_module(name_of(path))
