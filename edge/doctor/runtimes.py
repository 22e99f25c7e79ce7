"""What runs models on the processor, proven by building an interpreter in a child process."""

from __future__ import annotations

from edge.doctor.finding import Finding, bad, good, judged, not_applicable
from edge.doctor.trials import Told

RUNTIMES = {"ai-edge-litert": "LiteRT", "tflite-runtime": "the older tflite-runtime", "onnxruntime": "ONNX Runtime"}
"""The packages, and what they are called."""


def install(package: str, arm32: bool) -> str:
    """The command that installs a runtime. arm32: for a Python of 32 bits on ARM."""
    if package == "onnxruntime":
        return "pip install onnxruntime"
    return "pip install tflite-runtime==2.14.0 'numpy<2'" if arm32 else "pip install ai-edge-litert"


def runtime(
    package: str, told: Told | None, *, asked: bool, arm32: bool, numpy: str, version: str | None = None
) -> Finding:
    """A runtime by how its construction went; None: not installed. asked: whether the profile needs this one."""
    check, called = f"runtime.{package}", RUNTIMES[package]
    if told is None and not asked:
        return not_applicable(check, f"{called} is not installed, and not needed")
    command = install(package, arm32)
    if told is None:
        return bad(check, f"{called} is not installed", command=command)
    if told.how == "well":
        providers = told.found.get("providers")
        named = f"{called} {version}" if version else called
        return good(check, f"{named} builds an interpreter" + (f"; providers: {providers}" if providers else ""))
    if package == "tflite-runtime" and not numpy.startswith("1.") and told.how == "failed":
        said = f"tflite-runtime was built for NumPy 1: beside NumPy {numpy} it imports, but builds no interpreter"
        return judged(asked, check, said, command="pip install 'numpy<2'" if arm32 else "pip install ai-edge-litert")
    how = {"crashed": f"crashes ({told.said})", "silent": f"hangs ({told.said})"}.get(told.how, f"fails: {told.said}")
    return judged(asked, check, f"{called} is installed, but building an interpreter {how}", command=command)
