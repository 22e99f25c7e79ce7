"""A float network in a file: what is written comes back, and what cannot be one is refused in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from edge.errors import ModelError  # noqa: E402
from edge.mobilenet import checkpoint as checkpoints  # noqa: E402
from edge.mobilenet import network  # noqa: E402
from edge.mobilenet.checkpoint import Checkpoint, folded  # noqa: E402
from edge.models.card import Input  # noqa: E402

State = dict[str, Any]


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    return dict(network.MobileNetV2(classes=3, width=0.35).state_dict())


@pytest.fixture(scope="module")
def checkpoint(state: State) -> Checkpoint:
    return Checkpoint(arrays=network.to_arrays(state), labels=("a", "b b", "ç"), size=96, name="n", source="s")


@pytest.mark.parametrize("merged", [False, True])
def test_what_is_written_comes_back(checkpoint: Checkpoint, tmp_path: Path, merged: bool) -> None:
    wanted = folded(checkpoint) if merged else checkpoint
    checkpoints.write(tmp_path / "c.pth", wanted)
    found = checkpoints.read(tmp_path / "c.pth")
    assert (found.labels, found.size, found.fit, found.source) == (wanted.labels, 96, "crop", "s")
    assert found.is_folded is merged and found.width == 0.35
    assert all(np.array_equal(found.arrays[name], wanted.arrays[name]) for name in found.arrays)
    network.network_of(found.arrays)


def test_a_plain_state_dictionary_is_taken_as_torchvision_s(state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "plain.pth")
    found = checkpoints.read(tmp_path / "plain.pth")
    assert (found.labels, found.size, found.name) == (("class 0", "class 1", "class 2"), 224, "plain")


def test_numbers_of_half_size_are_taken_as_they_are(state: State, tmp_path: Path) -> None:
    torch.save({name: t.bfloat16() if t.is_floating_point() else t for name, t in state.items()}, tmp_path / "b.pth")
    assert checkpoints.read(tmp_path / "b.pth").arrays["classifier.1.weight"].dtype == np.float32


WEIGHT, BIAS = "features.4.conv.0.0.weight", "classifier.1.bias"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda s: s.pop("features.1.conv.0.1.running_var"), "missing"),
        (lambda s: s.update({WEIGHT: s[WEIGHT][:, :1]}), "should be"),
        (lambda s: s.update({WEIGHT: torch.tensor(1.0)}), "should be"),
        (lambda s: s.update({WEIGHT: torch.zeros(1).expand(48, 8, 10**5, 10**5)}), "should be"),
        (lambda s: s.update({WEIGHT: s[WEIGHT].to_sparse()}), "no plain tensor"),
        (lambda s: s.update({WEIGHT: s[WEIGHT] * 1j}), "no plain tensor"),
        (lambda s: s.update({WEIGHT: "text"}), "no plain tensor"),
        (lambda s: s.update({WEIGHT: s[WEIGHT] * float("nan")}), "not finite"),
        (lambda s: s.update({"features.0.1.running_var": -s["features.0.1.running_var"]}), "below zero"),
        (lambda s: s.update({BIAS: torch.zeros(0)}), "no classifier"),
        (lambda s: s.update({BIAS: torch.zeros(4)}), "should be"),
        (lambda s: s.clear(), "MobileNetV2|classifier"),
    ],
)
def test_what_is_no_such_network_is_refused_in_a_line(state: State, tmp_path: Path, change: Any, word: str) -> None:
    changed = dict(state)
    change(changed)
    torch.save(changed, tmp_path / "x.pth")
    with pytest.raises(ModelError, match=word) as refused:
        checkpoints.read(tmp_path / "x.pth")
    assert str(tmp_path / "x.pth") in str(refused.value)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"size": 10**9}, "pixels"),
        ({"size": -3}, "pixels"),
        ({"labels": ("a",)}, "1 labels for 3 classes"),
        ({"labels": ("a", "b\nc", "d")}, "one line"),
        ({"input": Input(mean=[0.0], std=[1.0])}, "three means"),
        ({"input": Input(mean=[0.0] * 3, std=[1.0, 0.0, 1.0])}, "divides by zero"),
        ({"input": Input(mean=[float("inf")] * 3, std=[1.0] * 3)}, "three means"),
    ],
)
def test_a_checkpoint_that_says_nonsense_of_itself_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    values = {name: getattr(checkpoint, name) for name in checkpoint.__struct_fields__} | change
    checkpoints.write(tmp_path / "x.pth", Checkpoint(**values))
    with pytest.raises(ModelError, match=word):
        checkpoints.read(tmp_path / "x.pth")
