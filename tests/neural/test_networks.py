"""The networks: their shapes, the names of their layers, what is refused, and weights that are the same for a seed."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mmip_gpu.errors import InvalidArgument  # noqa: E402
from mmip_gpu.neural.unet import NetworkShape, folded, new_network  # noqa: E402


@pytest.mark.parametrize("grid", [1, 2, 4])
@pytest.mark.parametrize("depth", [1, 3])
def test_predictions_lie_on_the_grid(grid: int, depth: int) -> None:
    shape = NetworkShape("stars", 3, rays=16, grid=grid, base=4, depth=depth, features=8)
    assert shape.stride == grid * 2**depth
    logits, distances = new_network(shape, 0)(torch.zeros(2, 3, 64, 96))
    assert tuple(logits.shape) == (2, 1, 64 // grid, 96 // grid)
    assert tuple(distances.shape) == (2, 16, 64 // grid, 96 // grid)


def test_membranes_have_no_distances() -> None:
    logits, distances = new_network(NetworkShape("membranes", 1, rays=0, base=4, features=0), 0)(
        torch.zeros(1, 1, 8, 8)
    )
    assert distances is None
    assert tuple(logits.shape) == (1, 1, 8, 8)


def test_layers_have_the_names_and_filters_of_stardist() -> None:
    layers = new_network(NetworkShape("stars", 1), 0).layers
    filters = {name: (layer.in_channels, layer.out_channels, layer.kernel_size[0]) for name, layer in layers.items()}
    assert filters == {
        "down_level_0_no_0": (1, 32, 3),
        "down_level_0_no_1": (32, 32, 3),
        "down_level_1_no_0": (32, 64, 3),
        "down_level_1_no_1": (64, 64, 3),
        "down_level_2_no_0": (64, 128, 3),
        "down_level_2_no_1": (128, 128, 3),
        "middle_0": (128, 256, 3),
        "middle_2": (256, 128, 3),
        "up_level_2_no_0": (256, 128, 3),
        "up_level_2_no_2": (128, 64, 3),
        "up_level_1_no_0": (128, 64, 3),
        "up_level_1_no_2": (64, 32, 3),
        "up_level_0_no_0": (64, 32, 3),
        "up_level_0_no_2": (32, 32, 3),
        "features": (32, 128, 3),
        "prob": (128, 1, 1),
        "dist": (128, 32, 1),
    }


def test_weights_are_those_of_the_seed() -> None:
    shape = NetworkShape("stars", 1, base=4)
    first, again, other = (new_network(shape, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["layers.prob.weight"], other["layers.prob.weight"])


@pytest.mark.parametrize("grid", [1, 2])
def test_folded_normalizations_predict_the_same(grid: int) -> None:
    network = new_network(NetworkShape("stars", 1, rays=8, grid=grid, base=4), 0, is_learning=True)
    images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(5):
            network(images * 3 + 1)  # moves the running means
        for norm in network.norms.values():
            norm.bias.uniform_(-1, 1)
        network.eval()
        plain = folded(network)
        for expected, found in zip(network(images), plain(images), strict=True):
            assert float(expected.abs().max()) > 0.1
            assert torch.allclose(expected, found, atol=1e-4)
    assert not plain.norms


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"kind": "circles"}, "kind"),
        ({"channels": 0}, "channels"),
        ({"rays": 2}, "rays"),
        ({"grid": 3}, "grid"),
        ({"base": 1.5}, "base"),
        ({"depth": 0}, "depth"),
        ({"features": -1}, "features"),
    ],
)
def test_impossible_networks_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        NetworkShape(**({"kind": "stars", "channels": 1} | wrong))
