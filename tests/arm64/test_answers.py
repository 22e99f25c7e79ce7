"""The default model answers on emulated ARM as it does on the machine that emulates it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

GIVEN = os.environ.get("EDGE_ANSWERS", "")
MANY = 50
STEPS = 2
"""Kernels for different processors round differently: the step is that of the output's quantisation."""

pytestmark = pytest.mark.skipif(not GIVEN, reason="compares two machines: tests/arm64/run brings the other's answers")


@pytest.fixture
def both(shared: Path, tmp_path: Path) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """What this machine and the other one have of that name, for the same photographs."""

    def found(name: str) -> tuple[np.ndarray, np.ndarray]:
        file, script = tmp_path / "answers.npz", Path(__file__).with_name("answers.py")
        line = [sys.executable, script, shared / "imagenet300/images", str(MANY), file, name]
        subprocess.run(line, timeout=1200, cwd="/", check=True)
        ours, theirs = np.load(file), np.load(GIVEN)
        assert (ours["machine"], theirs["machine"]) == ("aarch64", "x86_64")
        assert len(ours["names"]) == MANY and (ours["names"] == theirs["names"]).all()
        return ours[name].astype(int), theirs[name].astype(int)

    return found


def test_the_first_class_is_the_same_and_every_score_within_two_steps_of_quantisation(both: Callable) -> None:
    ours, theirs = both("scores")
    assert (ours.argmax(1) == theirs.argmax(1)).all()
    assert np.abs(ours - theirs).max() <= STEPS


def test_preprocessing_differs_in_the_last_bit_of_few_bytes(both: Callable) -> None:
    """OpenCV's averages of areas are rounded as each processor does it: a byte here and there is one more or less."""
    apart = np.abs(np.subtract(*both("tensors")))
    assert apart.max() <= 1
    assert np.count_nonzero(apart) < 1e-4 * apart.size
