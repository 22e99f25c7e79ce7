"""32-bit ARM: tflite-runtime, and the NumPy and OpenCV of Debian 12, do the work of LiteRT and of PyPI's wheels."""

import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    platform.machine() != "armv7l" or sys.maxsize > 1 << 32,
    reason="for 32-bit ARM, which `tests/arm64/run armhf` emulates",
)


def test_the_photographs_that_ship_are_classified_by_tflite_runtime(command: Callable) -> None:
    done = command("run", "sample:", "--limit", "3", "--json")
    assert done.code == 0, done.err
    results = [json.loads(line) for line in done.out.splitlines()]
    assert [result["predictions"][0]["label"] for result in results] == ["Egyptian cat"] * 3
    assert all(result["predictions"][0]["score"] > 0.5 for result in results)
    assert {result["backend"] for result in results} == {"tflite-cpu"}
    assert all("ai_edge_litert" in result["instead_of"][0] for result in results)


def test_a_damaged_model_is_one_line_and_an_exit_code_although_this_runtime_crashes_on_it(
    command: Callable, tiny_file: Path
) -> None:
    tiny_file.write_bytes(tiny_file.read_bytes()[:400])
    done = command("run", "sample:", "--limit", "1", "--model", tiny_file)
    assert done.code == 2
    assert str(tiny_file) in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
