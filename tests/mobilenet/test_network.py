from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from edge.errors import ConfigError, ModelError  # noqa: E402
from edge.mobilenet import describe, network  # noqa: E402
from edge.mobilenet.network import InvertedResidual, MobileNetV2  # noqa: E402
from edge.mobilenet.table import WIDTHS, round_channels  # noqa: E402
from edge.models import cost  # noqa: E402


def parameters(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_the_whole_network_has_the_reference_s_number_of_parameters() -> None:
    assert parameters(MobileNetV2()) == 3_504_872


def test_parameters_have_torchvision_s_names() -> None:
    names = set(MobileNetV2().state_dict())
    assert {"features.0.0.weight", "features.1.conv.0.1.running_var", "features.17.conv.3.bias"} <= names
    assert {"features.18.1.num_batches_tracked", "classifier.1.bias"} <= names
    assert len(names) == 314


def test_the_folded_network_has_one_bias_a_convolution_and_no_norm() -> None:
    net = MobileNetV2(folded=True)
    assert not [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(m.bias is not None for m in net.modules() if isinstance(m, torch.nn.Conv2d))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("outputs", [8, 16])
def test_a_block_divides_the_picture_by_its_stride_and_adds_its_input_only_where_shapes_match(
    stride: int, outputs: int
) -> None:
    block = InvertedResidual(8, outputs, stride, 6)
    assert block(torch.zeros(2, 8, 12, 12)).shape == (2, outputs, 12 // stride, 12 // stride)
    assert block.residual == (stride == 1 and outputs == 8)


def test_a_residual_block_whose_projection_is_zero_passes_its_input_on() -> None:
    block = InvertedResidual(8, 8, 1, 6).eval()
    torch.nn.init.zeros_(block.conv[-1].weight)
    x = torch.randn(1, 8, 5, 5)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("t", [1, 6])
def test_no_activation_follows_the_projection(t: int) -> None:
    block = InvertedResidual(8, 16, 1, t)
    assert isinstance(block.conv[-1], torch.nn.BatchNorm2d)
    assert (block(torch.randn(1, 8, 9, 9)) < 0).any()


@pytest.mark.parametrize("t", [1, 6])
def test_a_block_expands_t_times_filters_each_channel_alone_and_projects(t: int) -> None:
    convolutions = [m for m in InvertedResidual(8, 16, 2, t).modules() if isinstance(m, torch.nn.Conv2d)]
    shapes = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.groups) for c in convolutions]
    expand = [(8, 8 * t, 1, 1, 1)] if t > 1 else []
    assert shapes == [*expand, (8 * t, 8 * t, 3, 2, 8 * t), (8 * t, 16, 1, 1, 1)]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_network_has_the_layers_that_its_description_tells(width: float) -> None:
    told, net = describe.layers(width, 96, 10), MobileNetV2(10, width).eval()
    assert parameters(net) == describe.normalised(told)
    assert parameters(MobileNetV2(10, width, folded=True)) == cost.total(told).parameters
    shapes: list[tuple[int, ...]] = []
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
    net(torch.zeros(1, 3, 96, 96))
    multiplied = [layer for layer in told if layer.multiply_adds and layer.operator != "linear"]
    assert shapes == [(c, h, w) for h, w, c in (layer.output or () for layer in multiplied)]


def test_a_stride_of_three_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 or 2"):
        InvertedResidual(8, 8, 3, 6)


@pytest.mark.parametrize(("channels", "rounded"), [(32, 32), (11.2, 16), (24 * 0.35, 8), (33.6, 32), (1, 8), (12, 16)])
def test_channels_are_rounded_as_in_the_reference(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded


@pytest.mark.parametrize("channels", range(1, 400, 7))
def test_rounding_never_takes_more_than_a_tenth(channels: int) -> None:
    assert round_channels(channels) % 8 == 0 and round_channels(channels) >= 0.9 * channels


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive"):
        MobileNetV2(width=0.0)


def test_a_narrow_network_keeps_the_reference_s_last_layer() -> None:
    assert MobileNetV2(classes=3, width=0.5).classifier[1].weight.shape == (3, 1280)


def test_a_checkpoint_that_carries_code_is_refused(tmp_path: Path) -> None:
    torch.save({"a": Path("x")}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="original"):
        network.read(tmp_path / "w.pth")


def test_arrays_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match="fit"):
        network.load_arrays(MobileNetV2(), {"features.0.0.weight": np.zeros((1, 1, 1, 1), np.float32)})
