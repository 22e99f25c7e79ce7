from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from edge.mobilenet import equalise, fold, network  # noqa: E402
from edge.mobilenet.checkpoint import IMAGENET_INPUT  # noqa: E402

Arrays = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    """A network with weights that are random and statistics that are not those of a fresh one."""
    torch.manual_seed(3)
    net = network.MobileNetV2(classes=10)
    state = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    random = np.random.default_rng(4)
    for name, array in state.items():
        if array.ndim == 1 and "classifier" not in name:
            state[name] = random.uniform(0.5, 1.5, array.shape).astype(np.float32)
    return state


@pytest.fixture(scope="module")
def pixels() -> np.ndarray[Any, Any]:
    """Two pictures of colour noise around the mean colour of the training pictures, (2, 3, 64, 64), 0 to 255."""
    mean = 255 * np.array(fold.MEAN)[None, :, None, None]
    return np.random.default_rng(5).normal(mean, 40, (2, 3, 64, 64)).clip(0, 255)


def softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def run(arrays: Arrays, x: np.ndarray[Any, Any], folded: bool) -> np.ndarray[Any, Any]:
    net = network.MobileNetV2(classes=10, folded=folded)
    network.load_arrays(net, arrays)
    return softmax(network.probabilities(net, x.astype(np.float32)))


def normalised(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    mean, std = (np.array(v)[None, :, None, None] for v in (fold.MEAN, fold.STD))
    return (pixels / 255 - mean) / std


def test_the_network_without_norms_gives_the_same_probabilities(arrays: Arrays, pixels: np.ndarray[Any, Any]) -> None:
    x = normalised(pixels)
    assert np.abs(run(arrays, x, False) - run(fold.fold_norms(arrays), x, True)).max() < 1e-4


def test_the_first_layer_gives_the_same_inside_the_picture_for_centred_pixels(
    arrays: Arrays, pixels: np.ndarray[Any, Any]
) -> None:
    plain = fold.fold_norms(arrays)
    folded = fold.fold_input(plain, IMAGENET_INPUT, fold.INPUT)

    def first(parameters: Arrays, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        weight, bias = (torch.from_numpy(parameters[f"features.0.0.{part}"]) for part in ("weight", "bias"))
        return torch.nn.functional.conv2d(torch.from_numpy(x.astype(np.float32)), weight, bias, stride=2).numpy()

    centred = (pixels - fold.INPUT_MEAN) / fold.INPUT_STD
    assert np.allclose(first(plain, normalised(pixels)), first(folded, centred), atol=1e-4)


def test_an_input_that_is_normalised_as_the_folded_one_is_left_alone(arrays: Arrays) -> None:
    plain = fold.fold_norms(arrays)
    same = fold.fold_input(plain, fold.INPUT, fold.INPUT)
    assert all(np.allclose(plain[name], same[name], atol=1e-6) for name in plain)


def test_every_activation_and_every_bottleneck_has_a_link(arrays: Arrays) -> None:
    found = equalise.links(arrays)
    made = [maker for link in found for maker in link.makers]
    assert sorted(made) == sorted(set(fold.convolutions(arrays)) - {"features.18.0"})
    assert sum(not link.activated for link in found) == 7


def test_equalising_with_room_to_spare_leaves_the_network_as_it_was(
    arrays: Arrays, pixels: np.ndarray[Any, Any]
) -> None:
    plain = fold.fold_norms(arrays)
    x = normalised(pixels).astype(np.float32)
    names = [name for link in equalise.links(plain) for name in link.seen_at]
    most = network.channel_maxima(plain, [x], names)
    changed = equalise.equalised(plain, most)
    assert np.abs(run(plain, x, True) - run(changed, x, True)).max() < 1e-4
    assert not np.allclose(plain["features.2.conv.0.0.weight"], changed["features.2.conv.0.0.weight"])


def test_channels_are_widened_to_the_ceiling_and_never_by_more_than_the_most() -> None:
    scales = equalise.activation_scales(np.array([6.0, 3.0, 0.01, 0.0]))
    assert np.allclose(scales, [1.0, 2.0, equalise.MOST, equalise.MOST])
