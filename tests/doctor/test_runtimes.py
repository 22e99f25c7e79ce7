"""`edge doctor`: runtimes."""

import pytest
from patients import HANGS, SEGFAULT

from edge.doctor import runtimes
from edge.doctor.trials import Told

CLASH = Told(how="failed", kind="ImportError", said="numpy.core.multiarray failed to import")


def test_a_tflite_runtime_that_imports_and_cannot_be_built_beside_numpy_2_is_told_as_that():
    found = runtimes.runtime("tflite-runtime", CLASH, asked=True, arm32=True, numpy="2.1.0")
    assert found.state == "bad" and found.command == "pip install 'numpy<2'"
    assert (
        found.seen == "tflite-runtime was built for NumPy 1: beside NumPy 2.1.0 it imports, but builds no interpreter"
    )
    found = runtimes.runtime("tflite-runtime", CLASH, asked=False, arm32=False, numpy="2.1.0")
    assert (found.state, found.command) == ("note", "pip install ai-edge-litert")


@pytest.mark.parametrize(
    ("told", "asked", "state", "said"),
    [
        (None, False, "n/a", "LiteRT is not installed, and not needed"),
        (None, True, "bad", "LiteRT is not installed"),
        (Told(how="well"), True, "good", "LiteRT 2.3.0 builds an interpreter"),
        (SEGFAULT, True, "bad", "building an interpreter crashes (SIGSEGV)"),
        (HANGS, True, "bad", "building an interpreter hangs (no answer within 20 s)"),
        (Told(how="failed", said="no module"), False, "note", "building an interpreter fails: no module"),
    ],
)
def test_a_runtime_is_told_by_what_it_did(told, asked, state, said):
    found = runtimes.runtime("ai-edge-litert", told, asked=asked, arm32=False, numpy="2.1.0", version="2.3.0")
    assert found.state == state and found.seen.endswith(said)
    assert (found.command == "pip install ai-edge-litert") == (state in ("bad", "note"))


def test_the_providers_of_onnx_runtime_are_listed():
    told = Told(how="well", found={"providers": "CPUExecutionProvider"})
    found = runtimes.runtime("onnxruntime", told, asked=True, arm32=False, numpy="2.1.0", version="1.20")
    assert found.seen == "ONNX Runtime 1.20 builds an interpreter; providers: CPUExecutionProvider"
    missing = runtimes.runtime("onnxruntime", None, asked=True, arm32=True, numpy="1.26.4")
    assert missing.command == "pip install onnxruntime"
    arm = runtimes.runtime("tflite-runtime", None, asked=True, arm32=True, numpy="1.26.4")
    assert arm.command == "pip install tflite-runtime==2.14.0 'numpy<2'"
