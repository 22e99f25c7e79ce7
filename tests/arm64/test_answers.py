"""The default model answers on emulated ARM as it does on the machine that emulates it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

GIVEN = os.environ.get("EDGE_ANSWERS", "")
MANY = 50
STEPS = 2
"""Kernels for different processors round differently: the step is that of the output's quantisation."""

pytestmark = [
    pytest.mark.skipif(not GIVEN, reason="compares two machines: tests/arm64/run brings the other's answers"),
    pytest.mark.xdist_group("answers"),
]

Answers = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def theirs() -> Answers:
    found = dict(np.load(GIVEN))
    assert found["machine"] == "x86_64"
    return found


@pytest.fixture(scope="module")
def ours(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    file = tmp_path_factory.mktemp("answers") / "answers.npz"
    script = Path(__file__).with_name("answers.py")
    line = [sys.executable, script, shared / "imagenet300/images", str(MANY), file]
    subprocess.run(line, timeout=1200, cwd="/", check=True)
    found = dict(np.load(file))
    assert found["machine"] == "aarch64"
    return found


def test_the_first_class_of_every_photograph_is_the_same(theirs: Answers, ours: Answers) -> None:
    assert len(ours["names"]) == MANY
    assert (ours["names"] == theirs["names"]).all()
    assert (ours["scores"].argmax(1) == theirs["scores"].argmax(1)).all()


def test_every_score_is_the_same_within_two_steps_of_quantisation(theirs: Answers, ours: Answers) -> None:
    furthest = np.abs(ours["scores"].astype(int) - theirs["scores"]).max(1)
    assert furthest.max() <= STEPS, dict(zip(ours["names"], furthest, strict=True))


def test_preprocessing_differs_in_the_last_bit_of_few_bytes(theirs: Answers, ours: Answers) -> None:
    """OpenCV's averages of areas round as each processor's instructions do: a byte here and there is one more or less."""
    apart = np.abs(ours["tensors"].astype(int) - theirs["tensors"])
    assert apart.max() <= 1
    assert np.count_nonzero(apart) < 1e-4 * apart.size
