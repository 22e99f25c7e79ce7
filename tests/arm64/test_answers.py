"""The default model answers on emulated ARM as it does on the machine that emulates it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

GIVEN = os.environ.get("EDGE_ANSWERS", "")
MANY = 50
STEPS = 2
"""Kernels for different processors round differently: the step is that of the output's quantisation."""

pytestmark = pytest.mark.skipif(not GIVEN, reason="compares two machines: tests/arm64/run brings the other's answers")


@pytest.fixture(scope="module")
def theirs() -> dict[str, np.ndarray]:
    given = json.loads(Path(GIVEN).read_text())
    assert given["machine"] == "x86_64"
    return {name: np.array(scores) for name, scores in given["answers"].items()}


@pytest.fixture(scope="module")
def ours(shared: Path) -> dict[str, np.ndarray]:
    line = [sys.executable, str(Path(__file__).with_name("answers.py")), str(shared / "imagenet300/images"), str(MANY)]
    done = json.loads(subprocess.run(line, stdout=subprocess.PIPE, timeout=600, cwd="/", check=True).stdout)
    assert done["machine"] == "aarch64"
    return {name: np.array(scores) for name, scores in done["answers"].items()}


def test_the_first_class_of_every_photograph_is_the_same(
    theirs: dict[str, np.ndarray], ours: dict[str, np.ndarray]
) -> None:
    assert len(ours) == MANY and ours.keys() == theirs.keys()
    assert {n: int(s.argmax()) for n, s in ours.items()} == {n: int(s.argmax()) for n, s in theirs.items()}


def test_every_score_of_every_photograph_is_the_same_within_two_steps_of_quantisation(
    theirs: dict[str, np.ndarray], ours: dict[str, np.ndarray]
) -> None:
    furthest = {name: int(np.abs(ours[name] - theirs[name]).max()) for name in theirs}
    assert max(furthest.values()) <= STEPS, {name: steps for name, steps in furthest.items() if steps > STEPS}
